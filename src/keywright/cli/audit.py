"""`keywright audit`: show, export, verify."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from keywright.accounts import Permission, authorize
from keywright.audit import (
    PLATFORM_CHAIN,
    AuditEvent,
    BrokenChain,
    ChainChecker,
    check_stored_chains,
    events_newest_first,
)
from keywright.audit.event import FORMAT, genesis_hash
from keywright.audit.store import events_oldest_first, head_of
from keywright.cli.console import reported
from keywright.cli.local import (
    AsJson,
    DatabaseUrl,
    DataDir,
    existing_settings,
    local_principal,
    open_local,
    run_async,
    show,
)
from keywright.errors import Fault, InvalidRequest
from keywright.storage import ReadSession

group = typer.Typer(no_args_is_help=True)
Chain = Annotated[
    str,
    typer.Argument(help=f"The account, acc_..., or {PLATFORM_CHAIN} for what belongs to none.", show_default=False),
]
_PAGE = 500


@group.command("list")
def list_(
    chain: Chain,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most events to show.")] = 50,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest events of an account."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> list[AuditEvent]:
            async with open_local(settings) as database, database.read() as session:
                await _check_chain(session, chain)
                return await events_newest_first(session, chain, before_seq=None, limit=limit)

        events = [event.public() for event in run_async(work())]
        columns = {
            "seq": "#",
            "at": "At",
            "action": "Action",
            "actor": "Actor",
            "subject": "Subject",
            "detail": "Detail",
        }
        show(events, as_json=as_json, columns=columns)


@group.command("export")
def export(
    chain: Chain,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print a chain as JSON lines, oldest first, for `keywright audit verify FILE` on any machine."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> None:
            async with open_local(settings) as database, database.read() as session:
                await _check_chain(session, chain)
                seq, head_hash = await head_of(session, chain) or (0, None)
                print(json.dumps({"format": FORMAT, "chain": chain, "events": seq, "head": head_hash}))
                after = 0
                while page := await events_oldest_first(session, chain, after_seq=after, limit=_PAGE):
                    for event in page:
                        print(json.dumps(event.public(), ensure_ascii=False))
                    after = page[-1].seq

        run_async(work())


@group.command("verify")
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(help="An export; - for standard input. Left out: the database.", show_default=False),
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only this account's chain.", show_default=False)] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check that no event was changed, removed or put in between. Status 1 and the first broken event if one was."""
    with reported(as_json=as_json):
        if file is not None:
            chains, events, broken = _verify_export(file)
        else:
            settings = existing_settings(data_dir, database_url)

            def progress(name: str, checked: int) -> None:
                if sys.stderr.isatty():
                    typer.echo(f"\rchecked {checked} events, now in {name} ", err=True, nl=False)

            async def work() -> tuple[int, int, BrokenChain | None]:
                async with open_local(settings) as database, database.read() as session:
                    if account is not None:
                        await _check_chain(session, account)
                    return await check_stored_chains(session, chain=account, progress=progress)

            chains, events, broken = run_async(work())
    document: dict[str, Any] = {"chains": chains, "events": events, "holds": broken is None}
    if broken is not None:
        document["broken"] = {"chain": broken.chain, "seq": broken.seq, "problem": broken.problem}
    if as_json:
        show(document, as_json=True)
    elif broken is None:
        print(f"The audit trail holds: {events} events in {chains} {'chain' if chains == 1 else 'chains'}.")
    else:
        print(f"The audit trail of {broken.chain} is broken at event {broken.seq}: {broken.problem}.")
    raise typer.Exit(0 if broken is None else 1)


async def _check_chain(session: ReadSession, chain: str) -> None:
    """Make sure that a mistyped account is not taken for an empty chain."""
    if chain != PLATFORM_CHAIN:
        await authorize(session, local_principal(), chain, Permission.VIEW_AUDIT)


def _verify_export(file: Path) -> tuple[int, int, BrokenChain | None]:
    try:
        if str(file) == "-":
            return _verify_lines(sys.stdin)
        with file.open(encoding="utf-8") as stream:
            return _verify_lines(stream)
    except OSError as error:
        raise InvalidRequest([Fault("FILE", f"{file} cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest([Fault("FILE", f"{file} is not an export: it is not UTF-8 text")]) from error


def _verify_lines(stream: TextIO) -> tuple[int, int, BrokenChain | None]:
    lines = _objects(stream)
    head = next(lines, (0, None))[1]
    if not isinstance(head, dict) or head.get("format") != FORMAT or not isinstance(head.get("chain"), str):
        raise InvalidRequest(
            [Fault("FILE", "is not an export of `keywright audit export`: its first line is not one's")]
        )
    checker = ChainChecker(head["chain"])
    for number, event in lines:
        if not isinstance(event, dict):
            return (
                1,
                checker.checked,
                BrokenChain(checker.chain, checker.checked + 1, f"line {number} is not JSON"),
            )
        if broken := checker.check(event):
            return 1, checker.checked, broken
    # The head of a chain without events is where it would begin.
    events, head_hash = head.get("events"), head.get("head") or genesis_hash(checker.chain)
    if not isinstance(events, int) or not isinstance(head_hash, str):
        raise InvalidRequest([Fault("FILE", "its first line lacks the number of events or the hash of the last")])
    return 1, checker.checked, checker.finish(events, head_hash)


def _objects(stream: TextIO) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None
