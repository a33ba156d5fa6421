"""What becomes of a delete whose control node dies, or loses the database, after the commit and before the receipt."""

from __future__ import annotations

import time

import pytest

from support.cluster import LEASE_SECONDS, Cluster
from support.scene import SLACK_SECONDS, Put, scene
from support.server import run_cli, wait_until


def test_a_control_node_killed_between_commit_and_receipt(cluster: Cluster):
    """The caller has no answer; the key is dead everywhere all the same, within a lease of the commit."""
    stopped, *others = cluster.gateways
    with scene(cluster) as it, it.asked():
        # A verifier that does not confirm keeps the receipt waiting.
        with stopped.paused(), it.deleting(control=1) as running:
            it.zero_at = time.monotonic()
            assert not running.done()
            cluster.controls[1].kill()
            unanswered = running.result(60)
            killed_at = time.monotonic()
            # Nobody waits for the lease any more, so we do. What is put from then on must be refused, everywhere.
            time.sleep(max(0.0, it.zero_at + LEASE_SECONDS - time.monotonic()))
            it.ledger.note_deleted(it.victim.client_id)
            waiting = Put(stopped, it.victim)
        assert set(waiting.answers()) <= {"credential_unknown", "503 verifier_unavailable"}
        last = max(it.ledger.last_accepted(it.victim.client_id, node=node.name) for node in others)
        it.lines.append(
            f"no answer {killed_at - it.zero_at:.2f} s after the commit was seen; the verifiers that ran accepted the"
            f" key last in a question {last - it.zero_at:+.2f} s from then"
        )
        resumed = it.wait_accepted(stopped, it.kept, after=time.monotonic())
        it.lines.append(f"{stopped}, stopped meanwhile, accepted the other key {resumed:.2f} s after it went on")
        it.tell("a control node killed -9 between commit and receipt")

        assert unanswered.status == 0
        assert it.delete(control=0).status == 404, "it was deleted, as the other control node says"
        it.assert_unharmed(*others)
        cluster.controls[1].start()
        it.assert_healthy()
    checked = run_cli("audit", "verify", data_dir=cluster.control.data_dir)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("how", ["cut", "dead"])
def test_a_control_node_cut_off_after_its_commit(cluster: Cluster, how: str):
    """It cannot see who confirms, so it waits for the longest lease, and then its receipt is true all the same."""
    stopped, *others = cluster.gateways
    control = cluster.controls[1]
    with scene(cluster) as it, it.asked(*others):
        with stopped.paused(), it.deleting(control=1) as running:
            it.zero_at = time.monotonic()
            time.sleep(0.2)  # until the control node, too, knows that it has committed
            assert not running.done()
            with getattr(control.wire, how)():
                deleted = running.result(60)
                it.lines.append(deleted.told())
                refused = it.delete(control=1, client_id=it.kept.client_id)
                it.lines.append(f"the next delete by it: {refused.status} after {refused.took_seconds:.2f} s")
            healed_at = time.monotonic()
            waiting = Put(stopped, it.victim)
        assert set(waiting.answers()) <= {"credential_unknown", "503 verifier_unavailable"}
        wait_until(control.is_ready, what="the control node is back")
        it.lines.append(f"{control} was ready {time.monotonic() - healed_at:.2f} s after it was back")
        it.tell(f"a control node cut off after its commit, sockets: {how}")

        assert sum(deleted.counts) == len(cluster.gateways)
        assert deleted.counts[1] >= 1
        assert deleted.took_seconds < LEASE_SECONDS + SLACK_SECONDS
        assert refused.status == 503
        assert not it.is_deleted(it.kept), "a delete that never came to the database did nothing"
        it.assert_unharmed(*others)
        it.assert_healthy()
