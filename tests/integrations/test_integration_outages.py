"""The verifier away, wrong or forked: nothing is let through, and afterwards all is well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import keywright
from support.guarded import BODY, assert_refused, guarded, signed
from support.guarded_apps import APPS
from support.server import Server, running


@pytest.mark.parametrize("framework", APPS)
def test_without_its_gateway_nothing_is_let_through(framework: str, tmp_path: Path, deployment: Server, key: Any):
    deployment_of_its_own = tmp_path / "data"
    with running(deployment_of_its_own) as server:
        own_key = server.key(server.account())
        options = {"gateway": server.data, "exclude": ["/open/*"], "timeout_seconds": 2}
        with guarded(framework, "gateway", options, tmp_path / "log") as app:
            assert app.ask("POST", content=BODY, auth=keywright.SignatureAuth(own_key)).status_code == 200
            server.kill()
            for sent in ({}, signed(app, own_key)):
                response = app.ask("POST", headers=sent, content=BODY)
                assert_refused(response, "verifier_unavailable", 503)
                assert int(response.headers["retry-after"]) >= 1
            assert app.ask("POST", "/open/x", content=BODY).status_code == 200
    assert "is `keywright serve` running" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("framework", APPS)
def test_without_its_database_nothing_is_let_through_and_afterwards_all_is_well(framework: str, tmp_path: Path):
    data_dir = tmp_path / "data"
    options = {"data_dir": str(data_dir), "exclude": ["/open/*"]}
    if framework in {"starlette", "fastapi", "litestar"}:
        with pytest.raises(AssertionError), guarded(framework, "database", options, tmp_path / "log"):
            pass
        assert "there is no Keywright database" in (tmp_path / "log").read_text()
        return
    with guarded(framework, "database", options, tmp_path / "log") as app:
        response = app.ask("POST", content=BODY)
        assert_refused(response, "verifier_unavailable", 503)
        with running(data_dir) as server:
            key = server.key(server.account())
            assert app.ask("POST", content=BODY, auth=keywright.SignatureAuth(key)).status_code == 200
        # The server is gone; the database is not.
        assert app.ask("POST", content=BODY, auth=keywright.SignatureAuth(key)).status_code == 200
