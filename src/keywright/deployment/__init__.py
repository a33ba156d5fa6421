"""What all nodes of a deployment must have alike, and cannot have from the database: files of keys."""

from keywright.deployment.key_files import KeyFile, KeyFileCheck, refuse_foreign, register, replace

__all__ = ["KeyFile", "KeyFileCheck", "refuse_foreign", "register", "replace"]
