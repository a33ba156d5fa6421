"""Every table, as SQLAlchemy Core sees it. The migrations create the same; a test compares the two.

Times are whole milliseconds since 1970 UTC, in columns whose name ends in `_at`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MAX_ACTIVE_CREDENTIALS = 10

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    # The name as it is searched for and sorted by: str.casefold, which no two databases do alike.
    Column("name_folded", String(600), nullable=False, server_default=text("''")),
    Column("type", String(20), nullable=False),
    Column("api_access", String(20), nullable=False),
    Column("api_access_reason", String(1000)),
    Column("api_access_message", String(1000)),
    Column("api_access_requested_by", String(320)),
    Column("api_access_requested_at", BigInteger),
    Column("api_access_changed_at", BigInteger),
    # The limit of ten is held here by the database itself: see credentials/store.py.
    Column("active_credentials", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    # Names the request that created it: the same form sent twice makes one account.
    Column("request_hash", LargeBinary(32)),
    CheckConstraint("type IN ('corporate', 'partner')", name="type"),
    CheckConstraint(
        "api_access IN ('not_requested', 'requested', 'declined', 'enabled', 'disabled')", name="api_access"
    ),
    CheckConstraint(
        f"active_credentials >= 0 AND active_credentials <= {MAX_ACTIVE_CREDENTIALS}",
        name="active_credentials",
    ),
    Index("ix_accounts_created_at", "created_at", "id"),
    Index("ix_accounts_name_folded", "name_folded", "id"),
    Index("ix_accounts_api_access", "api_access", "api_access_requested_at"),
    # The list by name of those in one state, however few they are.
    Index("ix_accounts_api_access_name", "api_access", "name_folded", "id"),
    Index("ix_accounts_request_hash", "request_hash", unique=True),
)

people = Table(
    "people",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("email", String(320), nullable=False, unique=True),  # lower case: one person, one row
    Column("created_at", BigInteger, nullable=False),
    # When they first set a password. It stays when the password is forgotten with their last membership.
    Column("came_at", BigInteger),
)

# People of the platform itself: relationship managers. They are no account's user.
operators = Table(
    "operators",
    metadata,
    Column("person_id", String(40), ForeignKey("people.id"), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    Column("account_id", String(40), ForeignKey("accounts.id"), primary_key=True),
    Column("person_id", String(40), ForeignKey("people.id"), primary_key=True),
    # Each account's own word for the person: what one writes, no other reads.
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_memberships_person_id", "person_id"),
)

passwords = Table(
    "passwords",
    metadata,
    Column("person_id", String(40), ForeignKey("people.id"), primary_key=True),
    Column("hash", String(200), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("person_id", String(40), ForeignKey("people.id"), nullable=False),
    Column("account_id", String(40), ForeignKey("accounts.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # When its link was shown to whoever invites; none if it went by mail only.
    Column("shown_at", BigInteger),
    Index("ix_invitations_person_id", "person_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("id", String(40), nullable=False, unique=True),  # names it to its owner, and opens nothing
    Column("person_id", String(40), ForeignKey("people.id"), nullable=False),
    Column("address", String(60), nullable=False),
    Column("user_agent", String(300), nullable=False),
    Column("proved_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_sessions_person_id", "person_id"),
    Index("ix_sessions_expires_at", "expires_at"),
)

# A link by mail with which someone sets a new password, once.
password_resets = Table(
    "password_resets",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("person_id", String(40), ForeignKey("people.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_password_resets_person_id", "person_id"),
)

# One-time codes from an app (RFC 6238). In use once `confirmed_at` is set.
totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("person_id", String(40), ForeignKey("people.id"), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),  # codes of this time step and before were used
    Column("created_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("person_id", String(40), ForeignKey("people.id"), primary_key=True),
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary(1023), primary_key=True),
    Column("person_id", String(40), ForeignKey("people.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Index("ix_passkeys_person_id", "person_id"),
)

# What waits for an answer: a second factor after the password, a passkey's signature. Each is answered once.
challenges = Table(
    "challenges",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("purpose", String(30), nullable=False),
    Column("person_id", String(40), ForeignKey("people.id")),
    Column("challenge", LargeBinary(64)),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_challenges_expires_at", "expires_at"),
)

operator_tokens = Table(
    "operator_tokens",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("scope", String(20), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    CheckConstraint("scope IN ('operator', 'platform')", name="scope"),
    Index(
        "ix_operator_tokens_name",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

credentials = Table(
    "credentials",
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("account_id", String(40), ForeignKey("accounts.id"), nullable=False),
    Column("email", String(320), nullable=False),
    Column("label", String(100)),
    Column("algorithm", String(20), nullable=False),
    Column("public_key", LargeBinary(32)),
    Column("sealed_secret", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(320), nullable=False),
    Column("last_used_at", BigInteger),
    Column("deleted_at", BigInteger),
    # Hash of what a form or call named its request by: sent twice, it makes one key.
    Column("request_hash", LargeBinary(32)),
    CheckConstraint("algorithm IN ('ed25519', 'hmac-sha256')", name="algorithm"),
    CheckConstraint("(algorithm = 'ed25519') = (public_key IS NOT NULL)", name="public_key"),
    # A deleted key's sealed secret is erased; an Ed25519 key never has one.
    CheckConstraint(
        "(sealed_secret IS NOT NULL) = (algorithm = 'hmac-sha256' AND deleted_at IS NULL)",
        name="sealed_secret",
    ),
    Index("ix_credentials_account_id", "account_id", "deleted_at", "created_at"),
    Index("ix_credentials_request_hash", "request_hash", unique=True),
)

# One row, changed in the very transaction that changes which keys work. Its number counts revocations. Its token is
# hashed on from change to change, so that two equal tokens mean one and the same history: a verifier which sees the
# same token as before knows that what it cached is still true, also when a backup was put back in between.
revocation_counter = Table(
    "revocation_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("token", String(64), nullable=False),
    CheckConstraint("id = 1", name="single_row"),
)

# What verifiers with caches of their own must drop, in the order of commits; a day of it is kept.
revocations = Table(
    "revocations",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("subject", String(40), nullable=False),  # a Client ID, or the Account ID whose keys stop
    Column("at", BigInteger, nullable=False),
    CheckConstraint("kind IN ('credential', 'account')", name="kind"),
    Index("ix_revocations_at", "at"),
)

# Processes that verify with a cache, and how far each has come; one row for each registration, its ID never used again.
verifiers = Table(
    "verifiers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("node", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("lease_ms", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("renewals", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    CheckConstraint("state IN ('live', 'expired')", name="state"),
)

# Which files of keys belong to this deployment: hashes of the keys in them, never the keys.
deployment_keys = Table(
    "deployment_keys",
    metadata,
    Column("file", String(40), primary_key=True),  # `keyring` or `token-keys`
    Column("fingerprint", String(64), primary_key=True),
    Column("noted_at", BigInteger, nullable=False),
)

# Mail that waits to be sent, its text sealed: links in it are as good as passwords.
outgoing_mail = Table(
    "outgoing_mail",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("recipient", String(320), nullable=False),
    Column("sealed_message", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_outgoing_mail_next_attempt_at", "next_attempt_at"),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("chain", String(40), primary_key=True),  # an account's ID, or `platform`
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),  # text, because it is hashed as it is shown
    Column("actor", Text, nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)


# Texts are compared and sorted byte by byte on every engine. PostgreSQL would do it by the rules of its host's
# language, which an upgrade of that host can change under an index.
for _table in metadata.tables.values():
    for _column in _table.columns:
        if isinstance(_column.type, String):
            _bytewise = type(_column.type)(_column.type.length, collation="C")
            _column.type = _column.type.with_variant(_bytewise, "postgresql")
