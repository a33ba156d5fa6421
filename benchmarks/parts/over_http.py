"""Verifying over HTTP, one worker, beside what a user would pick instead."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nacl.bindings

from benchmarks import contestants, nginx
from benchmarks.contestants import Contestant, check
from benchmarks.cores import on_cores
from benchmarks.deployment import ED25519, HMAC, Deployment, deployment
from benchmarks.effort import Effort, Progress, server_core
from benchmarks.figures import Result
from benchmarks.message import as_asked, signed, with_header
from benchmarks.turns import sign_round, take_turns
from benchmarks.wrk import Prepared, prepare
from support.gateways import free_port

PART = "over-http"
# More than the quickest that remembers will answer in a second; a run that needs more says so.
_MOST_PER_SECOND = {HMAC: 32_000, ED25519: 16_000}
_OF_ONE_BATCH = 400
_LIBSODIUM = "libsodium's Ed25519 verify, in process"
HOW = (
    "One server process on one core, wrk with 16 connections on the other. Every contestant is sent the very same"
    " bytes: what nginx's auth_request asks about one signed POST, ten headers, signed in advance with the SDK, "
    "each with a nonce of its own, none sent twice to whoever remembers. bearer and API key: the same without "
    "signature, with a header instead. Each has refused a tampered request, and Keywright a replayed one, before "
    "it was measured."
)


def measure(effort: Effort) -> Result:
    """Let all contestants take turns, round by round."""
    result, progress = effort.result(PART, "Verifying over HTTP, one process on one core", HOW), Progress(PART)
    folder = effort.room(PART)
    progress.say("starting the servers")
    with contest(folder) as (deployed, api_key, everyone):
        for each in everyone:
            check(each, *_pair(deployed, api_key, each.requests))
        take_turns(
            result,
            effort,
            progress,
            everyone,
            lambda: requests(folder, deployed, api_key, effort.seconds),
            between=[lambda: result.add("libsodium", _LIBSODIUM, "us", libsodium_verify_us(deployed))],
        )
    progress.done()
    return result


@contextmanager
def contest(folder: Path) -> Iterator[tuple[Deployment, str, list[Contestant]]]:
    """Start all servers.

    Yields:
        Our deployment, better-auth's API key, and everyone who takes part.
    """
    core = server_core()
    with ExitStack() as stack:
        ours = stack.enter_context(deployment(folder, core))
        keys = str(ours.write_keys(folder / "keys.json"))
        noop = stack.enter_context(contestants.noop(folder, "noop", core))
        noop_verify = stack.enter_context(contestants.noop(folder, "noop-verify", core, verify=True))
        node = stack.enter_context(contestants.node_server(folder, "node", ["signature_server.mjs", keys], core))
        starlette, plain = (
            stack.enter_context(
                contestants.python_server(folder, f"starlette-{kind}", ["starlette_peer.py", keys, kind], core)
            )
            for kind in ("quick", "plain")
        )
        better_auth = stack.enter_context(
            contestants.node_server(folder, "better-auth", ["better_auth_server.mjs", str(folder / "auth.db")], core)
        )
        port = free_port()
        command = nginx.lua_check(folder / "lua", port, ours.keys[HMAC].client_id, ours.secrets[HMAC])
        lua = stack.enter_context(contestants.running(folder, "nginx-lua", command, port, core))
        api_key = json.loads(better_auth.output.read_text().strip().splitlines()[-1])["key"]
        pid = ours.process_id
        node_pid, starlette_pid = node.process.pid, starlette.process.pid
        yield (
            ours,
            api_key,
            [
                Contestant(
                    "noop", "no-op: the same server doing nothing", noop.url, noop.process.pid, HMAC, verifies=False
                ),
                Contestant("ours-hmac", "Keywright, HMAC", ours.gateway, pid, HMAC, remembers=True),
                Contestant("ours-ed25519", "Keywright, Ed25519", ours.gateway, pid, ED25519, remembers=True),
                Contestant("ours-bearer", "Keywright, bearer token", ours.gateway, pid, "bearer"),
                Contestant(
                    "noop-ed25519",
                    "no-op, sent Ed25519 requests",
                    noop.url,
                    noop.process.pid,
                    ED25519,
                    verifies=False,
                ),
                Contestant(
                    "noop-verify",
                    "no-op and libsodium's verify",
                    noop_verify.url,
                    noop_verify.process.pid,
                    ED25519,
                    verifies=False,
                ),
                Contestant("node-hmac", "Node, npm http-message-sig, HMAC", node.url, node_pid, HMAC),
                Contestant("node-ed25519", "Node, npm http-message-sig, Ed25519", node.url, node_pid, ED25519),
                Contestant(
                    "starlette-hmac",
                    "Starlette, PyPI http-message-signatures, HMAC",
                    starlette.url,
                    starlette_pid,
                    HMAC,
                ),
                Contestant(
                    "starlette-plain-hmac",
                    "Starlette, the same on plain uvicorn",
                    plain.url,
                    plain.process.pid,
                    HMAC,
                ),
                Contestant(
                    "starlette-ed25519",
                    "Starlette, PyPI http-message-signatures, Ed25519",
                    starlette.url,
                    starlette_pid,
                    ED25519,
                ),
                Contestant(
                    "better-auth",
                    "Node, npm better-auth's API keys",
                    better_auth.url,
                    better_auth.process.pid,
                    "api-key",
                ),
                Contestant("nginx-lua", "nginx, HMAC check in Lua and C", lua.url, lua.process.pid, HMAC),
            ],
        )


def requests(folder: Path, deployed: Deployment, api_key: str, seconds: int) -> dict[str, Prepared]:
    """Sign what one round needs: a second to warm up, then the measured ones."""
    found = sign_round(folder, deployed, as_asked, _MOST_PER_SECOND, seconds)
    # Nothing in these is used up, so one is enough; its size on the wire is that of the signed ones or less.
    for name, request in _unsigned(deployed, api_key).items():
        found[name] = prepare(folder / f"{name}.requests", [request])
    return found


def _unsigned(deployed: Deployment, api_key: str) -> dict[str, bytes]:
    return {
        "bearer": with_header(as_asked, "Authorization", f"Bearer {deployed.token}"),
        "api-key": with_header(as_asked, "X-API-Key", api_key),
    }


def _pair(deployed: Deployment, api_key: str, kind: str) -> tuple[bytes, bytes]:
    """A good request and a tampered one."""
    if kind in deployed.keys:
        good = next(signed(deployed.keys[kind], as_asked, 1))
        return good, good.replace(b"currency=EUR", b"currency=USD")
    good = _unsigned(deployed, api_key)[kind]
    value = deployed.token if kind == "bearer" else api_key
    # In the middle, where every character of a signature or key counts.
    at = len(value) - 12
    other = "A" if value[at] != "A" else "B"
    return good, good.replace(value.encode(), (value[:at] + other + value[at + 1 :]).encode())


def libsodium_verify_us(deployed: Deployment) -> float:
    """Microseconds of one Ed25519 verification by libsodium through PyNaCl, on the servers' core; median of batches."""
    secret = deployed.secrets[ED25519]
    public, expanded = nacl.bindings.crypto_sign_seed_keypair(secret)
    # Its length is that of a signature base; what stands in it does not matter.
    message, opened, took = nacl.bindings.crypto_sign(b"x" * 420, expanded), nacl.bindings.crypto_sign_open, []
    with on_cores(server_core()):
        for _ in range(9):
            started = time.perf_counter()
            for _ in range(_OF_ONE_BATCH):
                opened(message, public)
            took.append((time.perf_counter() - started) / _OF_ONE_BATCH * 1e6)
    return sorted(took)[len(took) // 2]
