"""Milliseconds per page for someone who is signed in, beside the same server's /healthz and the page's queries alone.

    .venv/bin/python benchmarks/pages.py [--rounds 25] [--profile]

A server runs in processes of its own and is asked over one connection that stays open, first for `/healthz`, which does
nothing, then for the page. The page's queries are recorded once, and then run in this process, on the same file and
through the same sessions, one transaction for each of the page's. The aim is a page within three times the sum of both.
Contenders take turns in short batches; a figure is the median over all rounds, and a ratio the median of the rounds'
own ratios, so trust ratios more than milliseconds. `--profile` shows instead where the time of each page goes, with the
control plane in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import http.client
import logging
import os
import platform
import pstats
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from litestar.exceptions import LitestarDeprecationWarning

from keywright.app import clock
from keywright.settings import load_settings
from keywright.storage import Database, ReadSession
from keywright.storage.sqlite import SqliteDatabase

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.queries import in_process
from support.server import Caller, Server, run_cli, running
from support.visit import Visit

BATCH = 8
KEYS, USERS, ACCOUNTS = 9, 24, 40
PASSWORD = "correct horse battery"
# What is asked, and with which parameters; or None and how many rows are read at a time.
Statement = tuple[Any, Any, int | None]


@dataclass
class Page:
    """A page, what it asks the database, and how long each took in each round, milliseconds."""

    name: str
    path: str
    caller: Caller
    transactions: list[list[Statement]] = field(default_factory=list)
    page_ms: list[float] = field(default_factory=list)
    health_ms: list[float] = field(default_factory=list)
    queries_ms: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        rounds = zip(self.page_ms, self.health_ms, self.queries_ms, strict=True)
        return statistics.median(page / (health + queries) for page, health, queries in rounds)


def fill(server: Server) -> list[Page]:
    """Make accounts as people have them, and name the pages."""
    for number in range(ACCOUNTS):
        server.account(name=f"Customer {number}", enabled=False)
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner", "olga@acme.example")
    for name in ("Acme Subsidiary", "Acme Holding"):
        server.person(server.account(name=name), "viewer", "olga@acme.example")
    keys = [server.key(account, caller=owner, label=f"Integration {number}") for number in range(KEYS)]
    for number in range(USERS):
        body = {"email": f"person{number}@acme.example", "name": f"Person {number}", "role": "viewer"}
        server.call("POST", f"/v1/accounts/{account}/users", body, caller=server.operator)
    email = "rita@platform.example"
    added = run_cli("operator", "add", email, "Rita", "--json", data_dir=server.data_dir)
    path = urlsplit(added.stdout.partition('"setPasswordUrl": "')[2].partition('"')[0]).path
    with Visit(server) as guest:
        guest.submit(guest.get(path).forms[0], password=PASSWORD)
    rita = server.sign_in(email, PASSWORD)
    own, console = f"/accounts/{account}", f"/operator/accounts/{account}"
    return [
        Page("account", own, owner),
        Page("accounts", "/accounts", owner),
        Page(f"API keys, {KEYS} of them", f"{own}/api-keys", owner),
        Page("create a key", f"{own}/api-keys/new", owner),
        Page("delete a key", f"{own}/api-keys/{keys[0].client_id}/delete", owner),
        Page(f"users, {USERS + 1} of them", f"{own}/users", owner),
        Page("activity", f"{own}/activity", owner),
        Page("sign-in and security", "/security", owner),
        Page(f"console: accounts, {ACCOUNTS + 3} of them", "/operator/accounts", rita),
        Page("console: account", console, rita),
        Page("console: access requests", "/operator/requests", rita),
    ]


@contextmanager
def noted(transactions: list[list[Statement]]):
    """Note what the sessions of this process ask meanwhile, transaction by transaction."""
    execute, stream, of_session = ReadSession.execute, ReadSession.stream, {}

    def note(session: ReadSession, *asked: Any) -> None:
        if id(session) not in of_session:
            of_session[id(session)] = [session]  # held, so that no other one gets its number
            transactions.append(of_session[id(session)])
        of_session[id(session)].append(asked)

    async def noting_execute(session: ReadSession, statement: Any, parameters: Any = None) -> Any:
        note(session, statement, parameters, None)
        return await execute(session, statement, parameters)

    async def noting_stream(session: ReadSession, statement: Any, *, batch: int) -> Any:
        note(session, statement, None, batch)
        async for rows in stream(session, statement, batch=batch):
            yield rows

    ReadSession.execute, ReadSession.stream = noting_execute, noting_stream
    try:
        yield
    finally:
        ReadSession.execute, ReadSession.stream = execute, stream
        for each in transactions:
            del each[0]


async def record(data_dir: Path, pages: list[Page], *, profile: bool) -> None:
    """Ask for each page in this process, to learn its queries; or where its time goes."""
    warnings.simplefilter("ignore", LitestarDeprecationWarning)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with in_process(load_settings(data_dir=data_dir)) as client:
        for page in pages:
            headers = {**page.caller.headers, "Accept": "text/html"}
            await client.get(page.path, headers=headers)  # templates are compiled, statements too
            with noted(page.transactions):
                answer = await client.get(page.path, headers=headers)
            assert answer.status_code == 200, (page.path, answer.text)
            client.cookies.clear()
            if profile:
                profiler = cProfile.Profile()
                with profiler:
                    for _ in range(BATCH * 10):
                        await client.get(page.path, headers=headers)
                print(f"\n== {page.name}, {BATCH * 10} times")
                pstats.Stats(profiler).sort_stats("tottime").print_stats(r"keywright|jinja|template|markupsafe", 14)


def over_http(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> float:
    """Milliseconds per request of a batch."""
    started = time.perf_counter()
    for _ in range(BATCH):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, path
    return (time.perf_counter() - started) * 1000 / BATCH


async def of_queries(database: Database, transactions: list[list[Statement]]) -> float:
    """Milliseconds per run of a page's queries."""
    started = time.perf_counter()
    for _ in range(BATCH):
        for statements in transactions:
            async with database.read() as session:
                for statement, parameters, batch in statements:
                    if batch is None:
                        (await session.execute(statement, parameters)).all()
                    else:
                        async for _ in session.stream(statement, batch=batch):
                            pass
    return (time.perf_counter() - started) * 1000 / BATCH


async def measure(server: Server, pages: list[Page], rounds: int) -> None:
    """Let all take turns, so that a slow spell of the machine meets each of them."""
    where = urlsplit(server.control)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    database = SqliteDatabase(server.data_dir / "keywright.db", clock)

    async def turn(into: Callable[[Page, float, float, float], None]) -> None:
        for page in pages:
            gc.collect()
            health = over_http(connection, "/healthz", {})
            shown = over_http(connection, page.path, {**page.caller.headers, "Accept": "text/html"})
            into(page, health, shown, await of_queries(database, page.transactions))

    def keep(page: Page, health: float, shown: float, queries: float) -> None:
        page.health_ms.append(health)
        page.page_ms.append(shown)
        page.queries_ms.append(queries)

    for _ in range(2):
        await turn(lambda *_: None)
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        await turn(keep)
    print(file=sys.stderr)
    connection.close()
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="turns that each page gets (25)")
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keywright-bench-") as folder:
        data_dir = Path(folder) / "data"
        with running(data_dir) as server:
            pages = fill(server)
            asyncio.run(record(data_dir, pages, profile=asked.profile))
            if asked.profile:
                return
            asyncio.run(measure(server, pages, asked.rounds))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {asked.rounds} rounds")
    print("\n| page | ms | of it /healthz | of it queries | how many | page / (/healthz + queries) |")
    print("|---|---|---|---|---|---|")
    for page in pages:
        middle = [statistics.median(each) for each in (page.page_ms, page.health_ms, page.queries_ms)]
        many = sum(len(each) for each in page.transactions)
        shown, health, queries = (f"{value:.2f}" for value in middle)
        print(f"| {page.name} | {shown} | {health} | {queries} | {many} | {page.ratio:.2f} |")


if __name__ == "__main__":
    main()
