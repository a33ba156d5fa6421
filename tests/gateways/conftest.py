"""Each gateway between a client and a backend, asking a real Keywright."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.backends import Backend, Wire
from support.gateways import NAMES, Certificate, gateway, make_certificate
from support.server import Server, running
from support.ways import ORIGIN, Way


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server set up as docs/gateways/tokens.md says; the origin that clients sign for is left to the gateways."""
    settings = {"KEYWRIGHT_TOKEN_ISSUER": ORIGIN, "KEYWRIGHT_TRUSTED_PROXIES": "127.0.0.1"}
    with running(tmp_path_factory.mktemp("gateways") / "data", workers=2, **settings) as found:
        yield found


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="package")
def backend() -> Iterator[Backend]:
    found = Backend().start()
    yield found
    found.stop()


@pytest.fixture(scope="package", params=NAMES)
def way(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
    backend: Backend,
    server: Server,
) -> Iterator[Way]:
    wire = Wire(server.data.removeprefix("http://")).join()
    folder = tmp_path_factory.mktemp(request.param)
    account_id = server.account(name=f"Behind {request.param}")
    with gateway(request.param, folder, certificate, keywright=wire.address, backend=backend.address) as running:
        yield Way(running, wire, backend, server, account_id, server.key(account_id))
    wire.cut()
