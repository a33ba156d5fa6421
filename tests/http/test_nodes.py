"""The nodes that verify, in the API, on the command line and in the console, on each engine."""

from __future__ import annotations

import json

from test_pages_operator import add_operator

from support.server import Server, run_cli, wait_until
from support.visit import Visit

MEMBERS = {
    *("name", "version", "state", "revocationsApplied", "revocationsBehind", "leaseMs", "startedAt", "lastSeenAt"),
}


def test_they_are_listed_where_there_are_leases(server: Server, engine: str):
    def listed() -> dict:
        return server.call("GET", "/v1/nodes", caller=server.operator).json

    shown = run_cli("nodes", "list", data_dir=server.data_dir)
    assert shown.returncode == 0, shown.stderr
    if engine == "sqlite":
        assert listed() == {"leased": False, "revocations": 0, "nodes": []}
        assert "one database" in shown.stdout
        return
    wait_until(lambda: len(listed()["nodes"]) >= 2, what="both workers have registered")
    nodes = listed()["nodes"]
    assert all(set(node) == MEMBERS for node in nodes)
    assert {node["state"] for node in nodes} <= {"live", "expired"}
    assert all(node["leaseMs"] > 0 and node["revocationsBehind"] >= 0 for node in nodes)
    as_json = json.loads(run_cli("nodes", "list", "--json", data_dir=server.data_dir).stdout)
    assert as_json["leased"] is True
    assert [node["name"] for node in as_json["nodes"]] == [node["name"] for node in listed()["nodes"]]
    assert nodes[0]["name"] in run_cli("nodes", "list", data_dir=server.data_dir).stdout


def test_the_console_shows_them_to_operators_only(server: Server, engine: str):
    with Visit(server, add_operator(server)) as visit:
        visit.get("/operator/nodes")
        assert visit.status == 200
        assert 'href="/operator/nodes" aria-current="page"' in visit.answer.text
        assert ("One host, no leases" in visit.answer.text) is (engine == "sqlite")
        assert ("Verifiers</h2>" in visit.answer.text) is (engine == "postgresql")
    with Visit(server, server.person(server.account(), "owner")) as visit:
        visit.get("/operator/nodes")
        assert visit.status == 404
