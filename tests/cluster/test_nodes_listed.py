"""What operators see of the nodes that verify: those that run, those that were killed, and none that left."""

from __future__ import annotations

from support.nodes import Deployment
from support.server import Server, run_cli, wait_until


def listed(control: Server) -> list[dict]:
    return control.call("GET", "/v1/nodes", caller=control.operator).json["nodes"]


def test_nodes_come_and_go_in_the_list(deployment: Deployment):
    control = deployment.node("control").start()
    assert listed(control) == []
    assert "No node verifies now" in run_cli("nodes", "list", data_dir=control.data_dir).stdout
    first = deployment.node("gateway", workers=2).start()
    second = deployment.node("gateway").start()
    wait_until(lambda: [node["state"] for node in listed(control)] == ["live"] * 3, what="three processes verify")
    account = control.account()
    control.delete_key(account, control.key(account).client_id)
    answer = control.call("GET", "/v1/nodes", caller=control.operator).json
    assert answer["revocations"] == 1
    # The deletion has returned, so all have confirmed it.
    assert [(node["revocationsApplied"], node["revocationsBehind"]) for node in answer["nodes"]] == [(1, 0)] * 3

    second.kill()
    wait_until(lambda: sorted(node["state"] for node in listed(control)) == ["expired", "live", "live"])
    control.delete_key(account, control.key(account).client_id)
    behind = {node["state"]: node["revocationsBehind"] for node in listed(control)}
    assert behind == {"expired": 1, "live": 0}
    assert first.stop() == 0
    assert [node["state"] for node in listed(control)] == ["expired"]
    deployment.sql("UPDATE verifiers SET seen_at = seen_at - 86400000")
    assert listed(control) == []
    first.start()  # and whoever comes next sweeps
    wait_until(lambda: len(listed(control)) == 2)
    assert deployment.sql("SELECT count(*) FROM verifiers") == "2"
