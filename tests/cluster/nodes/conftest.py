"""One deployment of many nodes for all tests here; each leaves it as it found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cluster import Cluster
from support.server import wait_until

# Short, because a memory of nonces that begins anew refuses what may have been signed that far ahead.
MAX_AHEAD_SECONDS = 1


@pytest.fixture(scope="session")
def all_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("nodes"), KEYWRIGHT_MAX_AHEAD_SECONDS=str(MAX_AHEAD_SECONDS))
    try:
        yield found.start()
    finally:
        found.close()


@pytest.fixture
def cluster(all_nodes: Cluster) -> Cluster:
    """All nodes, each of them well."""
    for node in all_nodes.nodes:
        wait_until(node.is_ready, what=f"{node} is ready")
    wait_until(lambda: all_nodes.live_verifiers() == len(all_nodes.gateways), what="only verifiers that run are live")
    return all_nodes
