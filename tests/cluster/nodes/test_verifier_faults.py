"""What becomes of a delete while a verifier is stopped, cut off or dead, and what that verifier says meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from support.cluster import LEASE_SECONDS, Cluster, Node
from support.namespace import Namespace, can_make_namespaces
from support.scene import SLACK_SECONDS, Put, scene


def test_a_verifier_that_was_stopped_past_its_lease(cluster: Cluster):
    """SIGSTOP; the delete waits for its lease; SIGCONT: it never accepts the key, and soon accepts the others."""
    stopped, *others = cluster.gateways
    with scene(cluster) as it, it.asked():
        it.zero_at = time.monotonic()
        with stopped.paused():
            deleted = it.delete()
            waiting = Put(stopped, it.victim)  # put while it is stopped: the first that it sees when it goes on
            it.lines.append(deleted.told())
        resumed_at = time.monotonic()
        assert set(waiting.answers()) <= {"credential_unknown", "503 verifier_unavailable"}
        back = it.wait_accepted(stopped, it.kept, after=resumed_at)
        it.lines.append(f"{stopped} accepted the other key {back:.2f} s after it went on")
        it.tell("a verifier stopped past its lease")

        assert deleted.counts == (2, 1)
        assert deleted.took_seconds < LEASE_SECONDS + SLACK_SECONDS
        it.assert_unharmed(*others)
        it.assert_healthy()


@pytest.mark.parametrize("how", ["cut", "dead", "deaf"])
def test_a_verifier_cut_off_from_postgresql(cluster: Cluster, how: str):
    """Its sockets are closed; or nothing passes, and nobody is told; or what it sends arrives, but no answer does."""
    assert_cut_off(cluster, cluster.gateways[1], getattr(cluster.gateways[1].wire, how), f"sockets {how}")


# Where the system lets nobody make namespaces (it takes root), the sockets above stand for the network.
@pytest.mark.parametrize("make", [Namespace] if can_make_namespaces() else [])
def test_a_verifier_cut_off_by_its_network(cluster: Cluster, make: type[Namespace]):
    """A verifier in a network namespace of its own, whose link to PostgreSQL goes down."""
    # The addresses are of RFC 2544, which are for trials, so that they are nobody's here.
    with make() as network:
        node = cluster.node(
            "gateway in a namespace",
            "gateway",
            host=network.link("pg", "198.18.77.0"),
            prefix=network.prefix,
            KEYWRIGHT_GATEWAY_HOST=network.inside(network.link("ask", "198.18.78.0")),
        ).start()
        cluster.gateways.append(node)
        try:
            assert_cut_off(cluster, node, lambda: network.down("pg"), "the link down")
        finally:
            cluster.gateways.remove(node)
            assert node.server.stop() == 0


def assert_cut_off(cluster: Cluster, node: Node, fault: Callable[[], AbstractContextManager[None]], what: str) -> None:
    """What holds of a verifier that is cut off, however that is done."""
    others = [each for each in cluster.gateways if each is not node]
    with scene(cluster) as it, it.asked():
        it.zero_at = time.monotonic()
        with fault():
            deleted = it.delete()
            it.lines.append(deleted.told())
            # For a while longer than its lease, so that one sees what it does without one.
            time.sleep(2 * LEASE_SECONDS)
        healed_at = time.monotonic()
        back = it.wait_accepted(node, it.kept, after=healed_at)
        answered = [
            each for each in it.ledger.accepted() if each.node == node.name and it.zero_at < each.ended_at < healed_at
        ]
        last = max((each.started_at for each in answered), default=it.zero_at) - it.zero_at
        it.lines.append(f"{node} accepted the other key for {last:.2f} s, and {back:.2f} s after it was back")
        it.tell(f"a verifier cut off from PostgreSQL, {what}")

        # Whatever it accepted began within the lease that it had when it was cut off.
        assert last < LEASE_SECONDS
        assert deleted.counts == (len(others), 1)
        assert deleted.took_seconds < LEASE_SECONDS + SLACK_SECONDS
        assert it.refused_of_kept(node), "without a lease and without a database it says so"
        it.assert_unharmed(*others)
        it.assert_healthy()


def test_a_verifier_that_was_killed(cluster: Cluster):
    """The first delete waits for what may be its lease; later ones know."""
    killed, *others = cluster.gateways
    with scene(cluster) as it, it.asked(*others):
        it.zero_at = time.monotonic()
        killed.kill()
        first = it.delete()
        second = it.delete(client_id=it.key().client_id)
        it.lines += [first.told(), f"the next {second.told()}"]
        it.tell("a verifier killed -9")
        assert first.counts == (2, 1)
        assert first.took_seconds < LEASE_SECONDS + SLACK_SECONDS
        assert second.counts == (2, 0)
        it.assert_unharmed(*others)
        killed.start()
        it.assert_healthy()
