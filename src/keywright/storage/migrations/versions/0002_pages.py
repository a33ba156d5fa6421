"""Operators, second factors, password resets, mail to be sent, searchable account names: what the pages need."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_BATCH = 1000


def upgrade() -> None:
    """Add the tables and columns of step two. Everyone has to sign in again."""
    op.add_column("accounts", sa.Column("name_folded", sa.String(600), nullable=False, server_default=sa.text("''")))
    _fold_names()
    op.create_index("ix_accounts_name_folded", "accounts", ["name_folded", "id"])
    op.add_column("accounts", sa.Column("request_hash", sa.LargeBinary(32)))
    op.create_index("ix_accounts_request_hash", "accounts", ["request_hash"], unique=True)

    op.add_column("credentials", sa.Column("request_hash", sa.LargeBinary(32)))
    op.create_index("ix_credentials_request_hash", "credentials", ["request_hash"], unique=True)

    op.add_column("people", sa.Column("came_at", sa.BigInteger()))
    op.execute("UPDATE people SET came_at = (SELECT changed_at FROM passwords WHERE passwords.person_id = people.id)")
    op.add_column("invitations", sa.Column("shown_at", sa.BigInteger()))
    # Nobody noted until now which links were shown, so all of them count as shown.
    op.execute("UPDATE invitations SET shown_at = created_at")

    op.create_table(
        "operators",
        sa.Column("person_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_operators_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_operators")),
    )
    _renew_sessions()
    op.create_table(
        "password_resets",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("person_id", sa.String(40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_password_resets_person_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_password_resets")),
    )
    op.create_index("ix_password_resets_person_id", "password_resets", ["person_id"])
    op.create_table(
        "totp_secrets",
        sa.Column("person_id", sa.String(40), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_totp_secrets_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_totp_secrets")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("person_id", sa.String(40), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_recovery_codes_person_id")),
        sa.PrimaryKeyConstraint("person_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "passkeys",
        sa.Column("credential_id", sa.LargeBinary(1023), nullable=False),
        sa.Column("person_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_passkeys_person_id")),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_passkeys")),
    )
    op.create_index("ix_passkeys_person_id", "passkeys", ["person_id"])
    op.create_table(
        "challenges",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("purpose", sa.String(30), nullable=False),
        sa.Column("person_id", sa.String(40)),
        sa.Column("challenge", sa.LargeBinary(64)),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_challenges_person_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_challenges")),
    )
    op.create_index("ix_challenges_expires_at", "challenges", ["expires_at"])
    op.create_table(
        "outgoing_mail",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("sealed_message", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_mail")),
    )
    op.create_index("ix_outgoing_mail_next_attempt_at", "outgoing_mail", ["next_attempt_at"])


def _fold_names() -> None:
    accounts = sa.table("accounts", sa.column("id"), sa.column("name"), sa.column("name_folded"))
    connection = op.get_bind()
    last = ""
    while True:
        query = sa.select(accounts.c.id, accounts.c.name).where(accounts.c.id > last).order_by(accounts.c.id)
        rows = connection.execute(query.limit(_BATCH)).all()
        for row in rows:
            folded = row.name.casefold()
            connection.execute(sa.update(accounts).where(accounts.c.id == row.id).values(name_folded=folded))
        if len(rows) < _BATCH:
            return
        last = rows[-1].id


def _renew_sessions() -> None:
    op.drop_table("sessions")
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("person_id", sa.String(40), nullable=False),
        sa.Column("address", sa.String(60), nullable=False),
        sa.Column("user_agent", sa.String(300), nullable=False),
        sa.Column("proved_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_sessions_person_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
        sa.UniqueConstraint("id", name=op.f("uq_sessions_id")),
    )
    op.create_index("ix_sessions_person_id", "sessions", ["person_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
