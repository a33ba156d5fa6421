"""`keywright migrate`: a database to this version's schema, or a deployment's data from SQLite to PostgreSQL."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from keywright.audit import check_stored_chains
from keywright.cli.console import reported
from keywright.cli.local import AsJson, DatabaseUrl, DataDir, show
from keywright.errors import Conflict, Fault, InvalidRequest, Unavailable
from keywright.settings import Settings, load_settings
from keywright.storage import ReadSession
from keywright.storage.migrate import migrate as migrate_database

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Move the data of this database, sqlite:////absolute/path.db, once its server is stopped.",
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        help="Where to: postgresql://user@host:port/name, new and empty, the password in PGPASSWORD or ~/.pgpass;"
        " default: KEYWRIGHT_DATABASE_URL.",
        show_default=False,
    ),
]


def migrate(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    source: From = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database to this version's schema, making it if need be; or move all data from SQLite to PostgreSQL.

    A move is one transaction: copied, compared row by row, every audit chain checked, and only then committed.
    """
    with reported(as_json=as_json):
        if source is not None or to is not None:
            show(_move(data_dir, source, to or database_url, telling=_Telling(is_silent=as_json)), as_json=as_json)
            return
        settings = load_settings(data_dir=data_dir, database_url=database_url)
        before, after = migrate_database(settings.database)
        show({"database": settings.database_name, "before": before, "after": after}, as_json=as_json)


def _move(
    data_dir: Path | None, source_url: str | None, target_url: str | None, *, telling: _Telling
) -> dict[str, object]:
    source, target = _ends(data_dir, source_url, target_url)
    chains, events, is_anew = 0, 0, False

    async def verify(session: ReadSession) -> None:
        nonlocal chains, events, is_anew
        chains, events, broken = await check_stored_chains(session, progress=telling.events)
        if broken is not None:
            raise Conflict(
                f"the audit trail of {broken.chain} is broken at event {broken.seq} ({broken.problem}), as it is in the"
                " source, so nothing was moved; restore that event from an export or a backup, and move again"
            )
        # Last, since it is not undone; a Valkey that vouches for less than it could is safe.
        is_anew = await begin_nonces_anew(target)

    from keywright.app import begin_nonces_anew
    from keywright.storage.moving import move

    moved = move(source.database, target.database, verify=verify, progress=telling.rows)
    return {
        "from": source.database_name,
        "to": target.database_name,
        "rows": moved.rows,
        "auditChains": chains,
        "auditEvents": events,
        "files": [str(file) for file in _key_files(source)],
        "nonceMemoryBegunAnew": is_anew,
        "next": "copy these files of keys to every node (KEYWRIGHT_KEYRING_FILE, KEYWRIGHT_TOKEN_KEYS_FILE), put the"
        f" old database away, and start on the new one{'' if is_anew else ' with an empty Valkey (FLUSHDB)'}: see"
        " docs/operations.md",
    }


def _ends(data_dir: Path | None, source_url: str | None, target_url: str | None) -> tuple[Settings, Settings]:
    """Read where from and where to, or tell every fault in them."""
    target = load_settings(data_dir=data_dir, database_url=target_url)
    faults = []
    if source_url is None:
        faults.append(Fault("--from", "say where the data is: --from sqlite:////absolute/path.db"))
    elif not source_url.startswith("sqlite:///"):
        faults.append(Fault("--from", "data moves from SQLite only; between PostgreSQL databases, use pg_dump"))
    if target.is_embedded:
        faults.append(
            Fault("--to", "data moves to PostgreSQL only: --to postgresql://user@host/name or KEYWRIGHT_DATABASE_URL")
        )
    if faults:
        raise InvalidRequest(faults)
    if target_url is not None and urlsplit(target_url).password:
        typer.echo(
            "keywright: while this runs, every program of this machine can read the password in --to; PGPASSWORD,"
            " ~/.pgpass or KEYWRIGHT_DATABASE_URL would keep it",
            err=True,
        )
    source = load_settings(data_dir=data_dir, database_url=source_url)
    if not source.database_file.is_file() or source.database_file.stat().st_size == 0:
        raise Unavailable(f"there is no Keywright database at {source.database_file}; correct --from")
    return source, target


def _key_files(source: Settings) -> list[Path]:
    """The files of keys that belong to the database: where the settings say, or beside it."""
    folder = source.database_file.parent
    pairs = ((source.keyring_path, "keyring.json"), (source.token_keys_path, "token-keys.json"))
    found = (next((file for file in (named, folder / name) if file.is_file()), None) for named, name in pairs)
    return [file for file in found if file is not None]


class _Telling:
    """Tells of a long move on stderr, once a second at most.

    Args:
        is_silent: tell nothing: a program reads stderr, for the one document of a fault.
    """

    def __init__(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._told_at = time.monotonic()

    def rows(self, what: str, table: str, done: int, total: int) -> None:
        """Tell how far a table is."""
        self._tell(f"{what} {table}: {done} of {total}")

    def events(self, chain: str, checked: int) -> None:
        """Tell how much of the audit trail was checked."""
        self._tell(f"checked {checked} audit events, now in {chain}")

    def _tell(self, line: str) -> None:
        if not self._is_silent and time.monotonic() - self._told_at >= 1:
            self._told_at = time.monotonic()
            typer.echo(line, err=True)
