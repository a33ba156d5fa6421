"""What a gateway worker takes of memory, idle and with a full cache."""

from __future__ import annotations

import http.client
import math
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keywright
from benchmarks.cores import cpu_seconds, on_cores, process_tree
from benchmarks.deployment import ED25519, deployment
from benchmarks.effort import Effort, Progress, client_core, server_core
from benchmarks.figures import Result
from benchmarks.fixed_rate import ask
from benchmarks.message import as_asked, signed_lines
from keywright.formats import format_client_secret, new_client_id
from support.server import Server

PART = "memory"
_KEYS, _QUICK_KEYS, _PER_ACCOUNT, _AT_A_TIME = 100_000, 2_000, 10, 5_000
HOW = (
    "Resident size of the one process that verifies, from /proc: after the start, and when every one of the keys "
    "has signed a request and is in its cache. Pages of files (libraries, the memory of nonces) are shared with "
    "the server's other processes; anonymous ones are the process's own. The keys are put into the database by "
    "copying a real one, ten to an account."
)


def measure(effort: Effort) -> Result:
    """Start a server, fill its cache, look at its memory."""
    result, progress = effort.result(PART, "Memory of a gateway worker", HOW), Progress(PART)
    many = _QUICK_KEYS if effort.quick else _KEYS
    folder = effort.room(PART)
    with deployment(folder, server_core()) as deployed:
        server, secret = deployed.server, deployed.secrets[ED25519]
        server.stop()
        progress.say(f"making {many} keys")
        client_ids = copy_keys(server.data_dir / "keywright.db", deployed.keys[ED25519].client_id, many)
        for number in range(2):
            with on_cores(server_core()):
                server.start()
            progress.say(f"round {number + 1} of 2: {many} keys sign a request each")
            before, used = _sizes(server), _cpu(server)
            for at in range(0, many, _AT_A_TIME):
                asked = list(_requests(client_ids[at : at + _AT_A_TIME], secret))
                with on_cores(client_core()):
                    ask(int(deployed.gateway.rpartition(":")[2]), asked, math.inf, patience_seconds=300)
            cached = _cached_keys(deployed.gateway)
            if cached < many:
                raise SystemExit(f"the gateway keeps {cached} keys of {many}")
            after = _sizes(server)
            # The process that did the work is the worker, wherever in the tree it stands.
            worker = max(used, key=lambda each: _cpu(server).get(each, 0) - used[each])
            for name, shown in (("VmRSS", "resident"), ("RssAnon", "of it anonymous")):
                result.add(f"idle/{name}", f"idle, {shown}", "MiB", before[worker][name])
                result.add(f"full/{name}", f"{many:,} keys in its cache, {shown}", "MiB", after[worker][name])
            each_key = (after[worker]["RssAnon"] - before[worker]["RssAnon"]) * 2**20 / many
            result.add("each-key", "for each key", "bytes", each_key)
            if number == 0:
                server.stop()
    progress.done()
    return result


def copy_keys(database: Path, client_id: str, many: int) -> list[str]:
    """Copy a key, with its account, so often; the server must not run.

    Args:
        database: the SQLite file.
        client_id: the key to copy; all copies have its secret.
        many: how many.

    Returns:
        The copies' Client IDs.
    """
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    key: dict[str, Any] = dict(
        connection.execute("SELECT * FROM credentials WHERE client_id = ?", [client_id]).fetchone()
    )
    owner = dict(connection.execute("SELECT * FROM accounts WHERE id = ?", [key["account_id"]]).fetchone())
    client_ids = [new_client_id(os.urandom) for _ in range(many)]
    accounts = [
        {**owner, "id": f"acc_{number:026}", "request_hash": None} for number in range(-(-many // _PER_ACCOUNT))
    ]
    keys = [
        {**key, "client_id": each, "account_id": accounts[number // _PER_ACCOUNT]["id"], "request_hash": None}
        for number, each in enumerate(client_ids)
    ]
    with connection:
        for table, rows in (("accounts", accounts), ("credentials", keys)):
            names = list(rows[0])
            places = ", ".join(f":{name}" for name in names)
            connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", rows)
    connection.close()
    return client_ids


def _requests(client_ids: list[str], secret: bytes) -> Iterator[bytes]:
    client_secret = format_client_secret(secret, "live")
    for each in client_ids:
        yield as_asked(signed_lines(keywright.Credential(each, client_secret)))


def _pids(server: Server) -> list[int]:
    assert server.process is not None
    return process_tree(server.process.pid)


def _cpu(server: Server) -> dict[int, float]:
    return {each: cpu_seconds(each) for each in _pids(server)[1:] if len(process_tree(each)) == 1}


def _sizes(server: Server) -> dict[int, dict[str, float]]:
    """VmRSS and RssAnon of each of the server's processes, MiB (proc(5))."""
    time.sleep(2)  # what a start or a load leaves to be tidied up is not the state that is asked for
    found = {}
    for each in _pids(server):
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        found[each] = {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")}
    return found


def _cached_keys(gateway: str) -> int:
    connection = http.client.HTTPConnection(gateway.removeprefix("http://"), timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    lines = [line.split() for line in text.splitlines() if line.startswith("keywright_cached_credentials ")]
    return int(float(lines[0][1]))
