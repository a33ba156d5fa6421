from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keywright import Credential

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages

from token_server import TokenServer, issuing
from verifying_server import CLIENT_ID, CLIENT_SECRET, VerifyingServer, running


@pytest.fixture
def server() -> Iterator[VerifyingServer]:
    with running() as state:
        yield state


@pytest.fixture
def other_server() -> Iterator[VerifyingServer]:
    with running() as state:
        yield state


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with issuing() as state:
        yield state


@pytest.fixture
def other_tokens() -> Iterator[TokenServer]:
    with issuing() as state:
        yield state


@pytest.fixture
def key() -> Credential:
    return Credential(CLIENT_ID, CLIENT_SECRET)


@pytest.fixture(params=["ed25519", "hmac-sha256"])
def any_key(request, server: VerifyingServer) -> Credential:
    server.algorithm = request.param
    return Credential(CLIENT_ID, CLIENT_SECRET, request.param)
