"""PostgreSQL restarts, Valkey dies or forgets, with load on all nodes: what is refused for how long."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.churn import Churn
from support.cluster import LEASE_SECONDS, Cluster, Node
from support.ledger import ACCEPTED
from support.load import URL, Keys, Line, asking, verdict
from support.scene import SLACK_SECONDS, Scene, scene
from support.server import run_cli, signed, wait_until

_LOAD_SECONDS = 2
MAX_AHEAD_SECONDS = 1  # as conftest.py sets it
_SKEW_SECONDS = 1  # how far a verifier's clock may be from Valkey's


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_postgresql_is_restarted_under_load(cluster: Cluster, how: str):
    """Down for longer than a lease. Answers are 503 meanwhile; nothing that was answered before is undone."""
    keys = Keys()
    with scene(cluster) as it:
        accounts = [cluster.control.account(name=f"Load {number}") for number in range(2)]
        churns = [Churn(cluster, node, accounts, keys, it.ledger, may_fail=True) for node in cluster.controls]
        with it.asked(), asking(*churns):
            time.sleep(_LOAD_SECONDS)
            it.zero_at = time.monotonic()
            cluster.postgresql.stop(signal.SIGINT if how == "fast" else signal.SIGQUIT)
            time.sleep(2 * LEASE_SECONDS)
            up_at = time.monotonic()
            cluster.postgresql.start()
            backs = {node: it.wait_accepted(node, it.kept, after=up_at) for node in cluster.gateways}
            for node in cluster.nodes:
                wait_until(node.is_ready, what=f"{node} is ready again")
            it.lines.append(f"PostgreSQL was down from 0 to {up_at - it.zero_at:.2f} s")
            it.lines += [f"{node} accepted the other key {seconds:.2f} s after that" for node, seconds in backs.items()]
            time.sleep(_LOAD_SECONDS)
        created, deleted, failed = (
            sum(getattr(churn, n) for churn in churns) for n in ("created", "deleted", "failed")
        )
        it.lines.append(f"keys created {created}, deleted {deleted}, calls without success {failed}")
        it.tell(f"PostgreSQL restarted ({how}) under load")

        assert created > 5
        assert failed > 0
        assert it.ledger.unexpected == []
        for node in cluster.gateways:
            refused = it.ledger.spells(node.name, [it.kept.client_id], since=it.zero_at)
            assert {spell.code for spell in refused} <= {ACCEPTED, "503 verifier_unavailable"}, refused
        # What was answered lasts: keys that were made are there, those that were deleted are not.
        stored = set(cluster.sql("SELECT client_id FROM credentials WHERE deleted_at IS NULL").splitlines())
        assert set(it.ledger.deleted_at) & stored == set()
        assert set(keys.live) - stored - unanswered_deletes(cluster, keys) == set()
        it.assert_healthy()
    checked = run_cli("audit", "verify", data_dir=cluster.control.data_dir)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def unanswered_deletes(cluster: Cluster, keys: Keys) -> set[str]:
    """Keys that are deleted though nobody was told so: their delete had 503, which says that it may have been made."""
    deleted = cluster.sql("SELECT client_id FROM credentials WHERE deleted_at IS NOT NULL").splitlines()
    return set(keys.live) & set(deleted)


def test_valkey_is_killed_and_comes_back_without_its_data(cluster: Cluster):
    """Signatures are refused with 503, then as unprovable for as long as they may have been used; tokens go on."""
    with scene(cluster) as it:
        captured = [signed(it.kept, method="GET", url=URL) for _ in range(10)]
        assert {ask(cluster.gateways[0], headers) for headers in captured} == {ACCEPTED}
        with it.asked():
            it.zero_at = time.monotonic()
            cluster.valkey.kill()
            time.sleep(LEASE_SECONDS)
            bearer = {ask(node, {"Authorization": f"Bearer {it.token}"}) for node in cluster.gateways}
            while_down = {ask(node, signed(it.kept, method="GET", url=URL)) for node in cluster.gateways}
            up_at = time.monotonic()
            cluster.valkey.start()
            new_key = first_acceptance_of_a_new_key(it, since=up_at)
            replayed = {ask(node, headers) for node in cluster.gateways for headers in captured}
            backs = {node: it.wait_accepted(node, it.kept, after=up_at) for node in cluster.gateways}
        it.lines.append(f"Valkey was down from 0 to {up_at - it.zero_at:.2f} s; tokens meanwhile: {bearer}")
        it.lines.append(f"a key made after that was accepted {new_key:.2f} s after it")
        it.lines += [f"{node} accepted the old key {seconds:.2f} s after it" for node, seconds in backs.items()]
        it.tell("Valkey killed, and started without its data")

        assert while_down == {"503 verifier_unavailable"}
        assert bearer == {ACCEPTED}
        assert replayed <= {"nonce_unprovable", "nonce_replayed"}, "what was accepted before the loss is not again"
        for node, seconds in backs.items():
            # What is signed when the memory begins could have been used before, so far ahead may clocks be.
            assert seconds >= MAX_AHEAD_SECONDS
            assert seconds < MAX_AHEAD_SECONDS + 2 * _SKEW_SECONDS + SLACK_SECONDS
            spells = it.ledger.spells(node.name, [it.kept.client_id], since=up_at)
            assert "nonce_unprovable" in {spell.code for spell in spells}, spells
        it.assert_healthy()


def first_acceptance_of_a_new_key(it: Scene, *, since: float) -> float:
    """Make keys until one is accepted by all verifiers in its first request; seconds since then."""
    for _ in range(100):
        key = it.key()
        codes = [ask(node, signed(key, method="GET", url=URL)) for node in it.cluster.gateways]
        took = time.monotonic() - since
        assert set(codes) <= {ACCEPTED, "nonce_unprovable", "503 verifier_unavailable"}
        if set(codes) == {ACCEPTED}:
            return took
        it.delete(client_id=key.client_id)
        time.sleep(0.05)
    raise AssertionError(f"no new key worked within {time.monotonic() - since} s")


def test_valkey_is_flushed_under_load(cluster: Cluster):
    """FLUSHALL again and again while the same requests are put to all verifiers: none is accepted twice."""
    accepted = refused_after = 0
    with scene(cluster) as it, it.asked(), ThreadPoolExecutor(8) as threads:
        it.zero_at = time.monotonic()
        for _ in range(4):
            for node in cluster.gateways:
                it.wait_accepted(node, it.kept, after=time.monotonic())
            requests = [signed(it.kept, method="GET", url=URL) for _ in range(40)]
            first = list(threads.map(lambda headers: ask(cluster.gateways[0], headers), requests[:20]))
            together = threads.map(lambda headers: ask(cluster.gateways[1], headers), requests[20:])
            cluster.valkey.call("FLUSHALL")
            second = list(together)
            codes = [*first, *second]
            once = [headers for headers, code in zip(requests, codes, strict=True) if code == ACCEPTED]
            accepted += len(once)
            for node in cluster.gateways:
                again = list(threads.map(lambda headers, node=node: ask(node, headers), once))
                assert ACCEPTED not in again, again
                refused_after += len(again)
        for node in cluster.gateways:
            it.wait_accepted(node, it.kept, after=time.monotonic())
        it.lines.append(f"{accepted} accepted once, then put {refused_after} times more after a flush: none accepted")
        it.tell("Valkey flushed under load")
        assert accepted > 50
        for node in cluster.gateways:
            spells = it.ledger.spells(node.name, [it.kept.client_id], since=it.zero_at)
            assert {spell.code for spell in spells} <= {ACCEPTED, "nonce_unprovable"}, spells


def ask(node: Node, headers: dict[str, str]) -> str:
    """Ask a verifier about a request; the code."""
    line = Line(node)
    code = verdict(*line.ask("POST", "/v1/verify", {"method": "GET", "url": URL, "headers": list(headers.items())}))
    line.close()
    return code
