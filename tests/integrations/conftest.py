"""Applications behind the middleware: each framework, against a database and against a gateway listener."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import keywright
from support.guarded import LIMIT, Guarded, guarded, place
from support.guarded_apps import APPS
from support.server import Server, running

PUBLIC = "https://keys.example.com"


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("guarded") / "data", KEYWRIGHT_PUBLIC_URL=PUBLIC) as server:
        yield server


@pytest.fixture(scope="session")
def account(deployment: Server) -> str:
    return deployment.account("partner")


@pytest.fixture(scope="session")
def key(deployment: Server, account: str) -> keywright.Credential:
    return deployment.key(account)


@pytest.fixture(scope="session", params=[(app, way) for app in APPS for way in ("gateway", "database")], ids="-".join)
def app(
    request: pytest.FixtureRequest, deployment: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    framework, way = request.param
    options = {**place(deployment, way), "exclude": ["/open/*"], "max_body_bytes": LIMIT}
    log = tmp_path_factory.mktemp("app") / "log"
    with guarded(framework, way, options, log, KEYWRIGHT_PUBLIC_URL=PUBLIC) as served:
        yield served
