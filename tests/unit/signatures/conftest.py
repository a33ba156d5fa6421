"""What the tests of signatures share: keys, a signed request to start from, and the peers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from peers.peers import NodePeer, PeerUnavailable, PyPIPeer

VECTORS = Path(__file__).parent / "vectors"


@pytest.fixture(scope="session")
def node_peer():
    try:
        peer = NodePeer()
    except PeerUnavailable as error:
        pytest.fail(str(error))
    yield peer
    peer.close()


@pytest.fixture(scope="session")
def pypi_peer():
    return PyPIPeer()


@pytest.fixture(scope="session")
def keys():
    return json.loads((VECTORS / "keys.json").read_text())
