"""What a deployment can choose, as one frozen, typed object, and what follows from it."""

from __future__ import annotations

import ipaddress
import json
import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from keywright.settings.masking import without_password
from keywright.valkey.address import parse_valkey_url

ENVIRONMENT_PREFIX = "KEYWRIGHT_"
DATABASE_FILE = "keywright.db"
# One or more of host[:port] with commas between them, or nothing: then the host is among the options.
_HOST = r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]@/,]*)(:\d{1,5})?"
_HOSTS = re.compile(f"{_HOST}(,{_HOST})*", re.ASCII)


def _default_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("keywright", appauthor=False))


class Settings(BaseSettings):
    """What a deployment can choose."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(default_factory=_default_data_dir, description="Folder of the database, keyring and nonces.")
    role: Literal["all", "control", "gateway"] = Field(
        default="all", description="Which listeners this node has: all, or control or gateway alone."
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address of the control plane.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port of the control plane; 0 picks a free one.")
    gateway_host: str = Field(default="127.0.0.1", min_length=1, description="Address of the data plane.")
    gateway_port: int = Field(default=8081, ge=0, le=65535, description="Port of the data plane; 0 picks a free one.")
    gateway_workers: int = Field(default=1, ge=1, le=64, description="Processes that verify requests.")
    drain_seconds: int = Field(
        default=0,
        ge=0,
        le=600,
        description="How long a node goes on answering after SIGTERM while /readyz says no, for balancers to notice.",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="sqlite:////absolute/path.db or postgresql://user:password@host:port/name; default: in data_dir.",
    )
    database_connections: int = Field(
        default=4, ge=1, le=100, description="Most connections for reading that each process keeps; three more write."
    )
    valkey_url: str | None = Field(
        default=None,
        repr=False,
        description="Nonces and rate limits of many hosts, valkey://user:password@host:port; default: on this host.",
    )
    public_url: str | None = Field(
        default=None, description="Where people reach the control plane; default: its address."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses and networks of proxies before the control plane, whose X-Forwarded-For is believed.",
    )
    api_origin: str | None = Field(
        default=None,
        description="scheme://authority that clients sign for. When set, it replaces what the gateway forwards.",
    )
    environment: Literal["live", "sandbox"] = Field(
        default="live", description="Chooses the prefix of Client Secrets: cs_live_ or cs_sandbox_."
    )
    keyring_file: Path | None = Field(
        default=None,
        description="Keys that seal HMAC secrets, outside the database; default: keyring.json in data_dir.",
    )
    token_keys_file: Path | None = Field(
        default=None,
        description="Keys that sign access tokens, outside the database; default: token-keys.json in data_dir.",
    )
    token_issuer: str | None = Field(
        default=None,
        description="scheme://authority that access tokens name as their issuer; default: public_url.",
    )
    token_audience: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Whom access tokens are for; default: api_origin, then the issuer.",
    )
    max_age_seconds: int = Field(default=300, ge=1, le=3600, description="How old a signature may be.")
    max_ahead_seconds: int = Field(default=30, ge=0, le=300, description="How far ahead a signer's clock may be.")
    max_body_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Largest request the data plane reads.",
    )
    nonce_capacity: int = Field(
        default=4_000_000,
        ge=10_000,
        le=200_000_000,
        description="Most nonces remembered on this host; about 660 for each signed request per second.",
    )
    lease_seconds: float = Field(
        default=2.0,
        ge=0.5,
        le=30,
        description="How long a deletion waits at most for a verifier that is cut off, and how long verifiers go on"
        " with cached keys when PostgreSQL is away.",
    )
    credential_cache_size: int = Field(default=100_000, ge=1, description="Most keys each verifying process keeps.")
    session_hours: int = Field(default=12, ge=1, le=720, description="How long a sign-in lasts.")
    invitation_days: int = Field(default=7, ge=1, le=90, description="How long an invitation can be accepted.")
    password_memory_mib: int = Field(
        default=64,
        ge=19,
        le=1024,
        description="Memory and time that hashing a password takes, in MiB; passwords set before keep what they had.",
    )
    smtp_url: str | None = Field(
        default=None,
        repr=False,
        description="Mail server, smtp://user:password@host:587 or smtps://host:465; default: .eml files in data_dir.",
    )
    smtp_tls: Literal["required", "when_offered"] = Field(
        default="required", description="Whether a mail server on another host must offer STARTTLS."
    )
    mail_from: str | None = Field(
        default=None,
        validate_default=True,
        description="Sender of mail, address or Name <address>; needed with smtp_url.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["json", "console"] = Field(default="json", description="Shape of log lines on stderr.")

    @field_validator("data_dir", "keyring_file", "token_keys_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _list_of_networks(cls, value: Any) -> Any:
        """A TOML list; in the environment, JSON or texts with commas between them."""
        if isinstance(value, str):
            is_json = value.lstrip().startswith("[")
            value = json.loads(value) if is_json else [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, list | tuple):
            for each in value:
                ipaddress.ip_network(str(each), strict=False)
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith("postgres://"):
            value = value.replace("postgres://", "postgresql://", 1)
        if value.startswith("postgresql://"):
            authority, _, rest = value.removeprefix("postgresql://").partition("/")
            name, _, options = rest.partition("?")
            who, _, hosts = authority.rpartition("@")
            # A sign that ends the password too early would make a port of it, and the driver's complaint would show it.
            if not _HOSTS.fullmatch(hosts) or re.search(r"[?#\[\]]", who) or "@" in name:
                raise ValueError("escape odd characters in user and password, such as @ with %40 and / with %2F")
            if not name and "dbname=" not in options:
                raise ValueError("must name the database: postgresql://user:password@host:port/name")
            return value
        if not value.startswith("sqlite:///"):
            raise ValueError("write sqlite:////absolute/path.db, or postgresql://user:password@host:port/name")
        if not Path(value.removeprefix("sqlite:///")).is_absolute():
            raise ValueError("the path must be absolute, so four slashes: sqlite:////absolute/path.db")
        return value

    @field_validator("valkey_url")
    @classmethod
    def _valkey(cls, value: str | None) -> str | None:
        if not value:
            return None
        parse_valkey_url(value)
        return value

    @field_validator("public_url", "api_origin", "token_issuer")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"} or parts.query:
            raise ValueError("must be scheme://host[:port] with http or https and nothing behind it")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: str | None) -> str | None:
        if not value:
            return None
        fault = "must be smtp://user:password@host:port or smtps://...; escape odd characters, such as @ with %40"
        try:
            parts = urlsplit(value)
            is_good = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise ValueError(fault) from error
        if not is_good or parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError(fault)
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value:
            if info.data.get("smtp_url"):
                raise ValueError("must be set when smtp_url is: mail servers take no mail without a sender")
            return None
        address = parseaddr(value)[1]
        local, _, domain = address.rpartition("@")
        if not local or not domain or not value.isprintable() or not address.isascii():
            raise ValueError("must be name@example.com or Some Name <name@example.com>")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before environment before file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def database(self) -> str:
        """The database's URL, whether it was set or not."""
        return self.database_url or f"sqlite:///{self.data_dir / DATABASE_FILE}"

    @property
    def is_embedded(self) -> bool:
        """Whether the data is in a SQLite file on this host."""
        return self.database.startswith("sqlite:///")

    @property
    def database_file(self) -> Path:
        """The SQLite file of an embedded database."""
        assert self.is_embedded
        return Path(self.database.removeprefix("sqlite:///"))

    @property
    def database_name(self) -> str:
        """The database as it is shown: without a password."""
        return str(self.database_file) if self.is_embedded else without_password(self.database)

    @property
    def keyring_path(self) -> Path:
        """The file with the keys that seal HMAC secrets."""
        return self.keyring_file or self.data_dir / "keyring.json"

    @property
    def token_keys_path(self) -> Path:
        """The file with the keys that sign access tokens."""
        return self.token_keys_file or self.data_dir / "token-keys.json"

    @property
    def issuer(self) -> str:
        """Who issues access tokens, as they say themselves."""
        return self.token_issuer or self.base_url

    @property
    def audience(self) -> str:
        """Whom access tokens are for, as they say themselves."""
        return self.token_audience or self.api_origin or self.issuer

    @property
    def nonce_dir(self) -> Path:
        """Where this host remembers nonces: beside an embedded database, for all who verify with its keys."""
        return (self.database_file.parent if self.is_embedded else self.data_dir) / "nonces"

    @property
    def mail_dir(self) -> Path:
        """The folder in which mail is left while there is no mail server."""
        return self.data_dir / "mail"

    @property
    def base_url(self) -> str:
        """Where people reach the control plane, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"
