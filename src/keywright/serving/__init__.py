"""The processes of a running server: one supervisor, and a web server for each of the two listeners."""

from keywright.serving.supervisor import serve

__all__ = ["serve"]
