"""What the administering commands share: options, the database of this machine, tables and JSON."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from keywright.accounts import Page, Principal, PrincipalKind
from keywright.settings import Settings, load_settings
from keywright.storage import Database

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

PAGE = 200

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of database, keyring and nonces.", show_default=False),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="sqlite:////absolute/path.db, or postgresql://user@host/name with the password in KEYWRIGHT_DATABASE_URL.",
        show_default=False,
    ),
]
# After a file of keys was changed on one of many nodes.
HANDED_OUT = (
    "copy the file to every other node now; running nodes read it at once, and until then say in their logs that"
    " theirs is outdated"
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def how_to_hand_out(name: str, variable: str) -> str:
    """Say how a new file of keys comes to all nodes.

    Args:
        name: the file's in a data directory.
        variable: the environment variable that names another place.

    Returns:
        One sentence.
    """
    return (
        f"give every node a copy that only the server's user can read: as {name} in its data directory, or anywhere"
        f" with {variable}; keep another one apart from the database's backups"
    )


def local_principal() -> Principal:
    """Return the person at this machine: whoever may write the data directory may administer it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Principal(PrincipalKind.LOCAL, name, name)


def existing_settings(data_dir: Path | None, database_url: str | None) -> Settings:
    """Read the settings, and make sure that there is a database of this version.

    Raises:
        Unavailable: there is none, so that a mistyped folder or name is not taken for an empty deployment.
    """
    settings = load_settings(data_dir=data_dir, database_url=database_url)
    # Here, since `serve` forks listeners that have what this module has, and no use for Alembic.
    from keywright.storage.migrate import migrate

    migrate(settings.database, create=False)
    return settings


@contextlib.asynccontextmanager
async def open_local(settings: Settings) -> AsyncIterator[Database]:
    """Open the database of this machine for one command."""
    from keywright.app import open_database

    database = open_database(settings)
    try:
        yield database
    finally:
        await database.close()


async def every_item(fetch: Callable[[str | None], Awaitable[Page[ItemT]]]) -> list[ItemT]:
    """Gather a list that comes in pages.

    Args:
        fetch: returns the page at a cursor; None is the first.

    Returns:
        All items, in order.
    """
    items: list[ItemT] = []
    cursor: str | None = None
    while True:
        page = await fetch(cursor)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


def run_async(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a command's work to its end."""
    return asyncio.run(work)


def show(
    document: Any, *, as_json: bool, columns: dict[str, str] | None = None, empty: str = "There are none."
) -> None:
    """Print a list as a table or one thing line by line, or either as JSON.

    Args:
        document: a dict, or a list of dicts.
        as_json: print it as it is, for programs.
        columns: for a table: member to heading; None shows every member of a dict.
        empty: what to say of an empty list.
    """
    if as_json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return
    # Into a pipe, a table is as wide as it needs: nothing is cut off.
    console = Console(width=None if sys.stdout.isatty() else 400, highlight=False)
    if isinstance(document, list):
        if not document:
            console.print(empty, markup=False)
            return
        headings = columns or {name: name for name in document[0]}
        table = Table(*headings.values(), box=box.SIMPLE_HEAD)
        for row in document:
            table.add_row(*(_cell(row.get(name)) for name in headings))
        console.print(table)
        return
    width = max((len(name) for name in document), default=0)
    for name, value in document.items():
        console.print(f"{name:<{width}}  {_cell(value)}", markup=False, soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
