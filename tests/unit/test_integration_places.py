"""Where middleware may verify: beside a SQLite file, or through a gateway listener; PostgreSQL is the gateway's."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.errors import InvalidRequest
from keywright.integrations import Keywright
from keywright.integrations.direct import Direct

POSTGRESQL = "postgresql://keywright@127.0.0.1/keywright"


def test_postgresql_in_the_place_of_a_file_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"let a gateway listener beside the application verify: gateway="):
        Keywright(database=POSTGRESQL)


def test_a_deployment_that_is_on_postgresql_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KEYWRIGHT_DATABASE_URL", POSTGRESQL)
    with pytest.raises(InvalidRequest, match=r"Keywright\(gateway="):
        Direct(Keywright(data_dir=tmp_path))
