"""What a deployment can choose: one frozen, typed settings object, from flags, environment and file."""

from keywright.settings.load import CONFIG_VARIABLE, load_settings
from keywright.settings.masking import without_password
from keywright.settings.model import DATABASE_FILE, ENVIRONMENT_PREFIX, Settings

__all__ = ["CONFIG_VARIABLE", "DATABASE_FILE", "ENVIRONMENT_PREFIX", "Settings", "load_settings", "without_password"]
