"""The page Nodes, as a relationship manager sees it: on one host, and beside PostgreSQL with nodes of all kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from steps import relationship_manager, rows

from support.browser import Visits, check, free_port, sign_in, visiting
from support.nodes import Deployment
from support.server import Server, wait_until

OPERATOR = "ruth@platform.example"
# Beside the two that really run: one that was killed, and one that is far behind under the longest of names.
OTHERS = """
INSERT INTO verifiers (id, node, version, lease_ms, applied, renewals, state, started_at, seen_at)
SELECT id, node, '1.4.0', 2000, applied, 7, state, now_ms - 5400000, now_ms - seen FROM
  (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms) AS clock,
  (VALUES ('ver_a', 'gw-2.frankfurt.example 4711', 0, 'expired', 3600000),
          ('ver_b', 'gateway-with-a-very-long-name-7d9f8b6c5-x2x9k.payments.svc.cluster.example 31', 0,
           'live', 0))
  AS gone (id, node, applied, state, seen)
"""


@pytest.fixture
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Server]]:
    deployment = Deployment(tmp_path_factory.mktemp("many"))
    port = free_port()
    node = deployment.node("all", workers=2, KEYWRIGHT_PUBLIC_URL=f"http://localhost:{port}")
    node.port = port
    try:
        yield deployment, node.start()
    finally:
        deployment.close()


def test_on_one_host_it_says_that_there_are_no_leases(server: Server, visits: Visits):
    page = visits.new()
    relationship_manager(server, page, OPERATOR)
    sign_in(page, OPERATOR)
    page.get_by_role("navigation", name="Operator console").get_by_role("link", name="Nodes").click()
    expect(page.get_by_role("heading", name="One host, no leases")).to_be_visible()
    check(page, "nodes-one-host")


def test_it_shows_who_verifies_and_who_is_gone(many: tuple[Deployment, Server], browser: Browser):
    deployment, server = many
    account = server.account()
    server.delete_key(account, server.key(account).client_id)
    wait_until(lambda: deployment.sql("SELECT count(*) FROM verifiers WHERE state = 'live'") == "2")
    deployment.sql(OTHERS)
    with visiting(browser, server.environment["KEYWRIGHT_PUBLIC_URL"]) as visits:
        page = visits.new()
        relationship_manager(server, page, OPERATOR)
        sign_in(page, OPERATOR)
        page.goto("/operator/nodes")
        expect(rows(page)).to_have_count(4)
        expect(page.get_by_text("1 revocation so far")).to_be_visible()
        expect(rows(page).filter(has_text="gw-2.frankfurt.example")).to_contain_text("Lease over")
        expect(rows(page).filter(has_text="gateway-with-a-very-long-name")).to_contain_text("1 behind")
        expect(rows(page).filter(has_text="0 behind")).to_have_count(0)
        check(page, "nodes")
