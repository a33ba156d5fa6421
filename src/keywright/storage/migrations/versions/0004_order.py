"""The list of accounts in one state by name; and on PostgreSQL, texts compared byte by byte, as SQLite does."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
# Names are Alembic's own, and are not compared by us.
_NOT_OURS = ("alembic_version",)


def upgrade() -> None:
    """Add the index, and give every text its collation."""
    if op.get_bind().dialect.name == "postgresql":
        _compare_bytes()
    op.create_index("ix_accounts_api_access_name", "accounts", ["api_access", "name_folded", "id"])


def _compare_bytes() -> None:
    """Let no order depend on the language of the database's host, whose rules an upgrade can change under an index."""
    inspector = sa.inspect(op.get_bind())
    for table in sorted(inspector.get_table_names()):
        if table in _NOT_OURS:
            continue
        # All columns of a table at once, so that it is worked on once.
        changes = [
            f'ALTER COLUMN {column["name"]} TYPE {_name_of(column["type"])} COLLATE "C"'
            for column in inspector.get_columns(table)
            if isinstance(column["type"], sa.String)
        ]
        if changes:
            op.execute(f"ALTER TABLE {table} {', '.join(changes)}")


def _name_of(kind: Any) -> str:
    return "TEXT" if kind.length is None else f"VARCHAR({kind.length})"
