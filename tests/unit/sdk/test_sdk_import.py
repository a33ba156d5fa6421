"""`import keywright` is the SDK alone."""

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

import keywright
from keywright.sdk import Credential

ALLOWED_OF_OURS = (
    "keywright._version",
    "keywright.sdk",
    "keywright.signatures",
    "keywright.errors",
    "keywright.formats",
)
PROGRAM = """
import sys
before = set(sys.modules)
import keywright
for name in keywright.__all__:
    getattr(keywright, name)
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_no_http_client_and_no_part_of_the_server_is_imported():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    modules = json.loads(result.stdout)
    foreign = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert {name for name in foreign if not name.startswith("_")} <= {"keywright", "nacl"}
    assert not {"httpx", "httpx2", "requests", "sqlalchemy", "litestar", "msgspec", "typer", "pydantic"} & set(modules)
    ours = [name for name in modules if name.startswith("keywright.")]
    assert [name for name in ours if not name.startswith(ALLOWED_OF_OURS)] == []
    # What costs much to import and is not needed to sign.
    dear = {"asyncio", "concurrent.futures", "email", "http.client", "logging", "socket", "ssl", "urllib.request"}
    assert not dear & set(modules)


@pytest.mark.parametrize(
    ("use", "limit_seconds"),
    [
        ("", 0.1),
        # All that there is: some 80 ms on a slow machine.
        ("; [getattr(keywright, name) for name in keywright.__all__]", 0.2),
    ],
    ids=["import", "everything"],
)
def test_importing_takes_less_than_a_tenth_of_a_second(tmp_path, use, limit_seconds):
    # The processor's time: on a machine with nothing else to do, that is the time it takes.
    program = f"import time; began = time.process_time(); import keywright{use}; print(time.process_time() - began)"
    # With bytecode, as an installer leaves it; the best of several.
    command = [sys.executable, "-X", f"pycache_prefix={tmp_path}", "-c", program]
    seconds = []
    for _ in range(8):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONDONTWRITEBYTECODE": ""})
        seconds.append(float(done.stdout))
    assert min(seconds) < limit_seconds, seconds


def test_names_are_there_and_others_are_not():
    assert set(keywright.__all__) <= set(dir(keywright))
    assert keywright.Credential is Credential
    with pytest.raises(AttributeError, match="Credentials"):
        _ = keywright.Credentials


def test_the_base_install_has_at_most_four_packages_of_others():
    found, to_do = set(), ["keywright"]
    while to_do:
        name = to_do.pop()
        for line in importlib.metadata.requires(name) or ():
            requirement = Requirement(line)
            # Markers of other platforms count as well; those of extras do not.
            if "extra ==" in str(requirement.marker or ""):
                continue
            other = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if other not in found:
                found.add(other)
                to_do.append(other)
    assert "pynacl" in found
    assert len(found) <= 4, found


def test_an_auth_object_made_before_the_http_client_is_imported_is_taken_by_both():
    program = """
import sys, keywright
from keywright.formats import format_client_secret, new_client_id
key = keywright.Credential(new_client_id(bytes), format_client_secret(bytes(32), "sandbox"))
auth = keywright.SignatureAuth(key)
assert isinstance(auth, keywright.SignatureAuth)
assert not {"httpx", "httpx2"} & set(sys.modules)
import httpx
assert isinstance(auth, httpx.Auth)
import httpx2
assert isinstance(auth, httpx2.Auth) and isinstance(auth, httpx.Auth)
assert isinstance(auth, keywright.SignatureAuth)
assert not isinstance(auth, httpx2.BasicAuth)
auth = keywright.TokenAuth(key, "https://api.example.com/auth/token")
assert isinstance(auth, httpx2.Auth) and isinstance(auth, httpx.Auth) and isinstance(auth, keywright.TokenAuth)
assert not isinstance(auth, keywright.SignatureAuth)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_an_auth_object_does_not_stand_in_the_way_of_the_httpx_alias():
    program = """
import keywright
from keywright.formats import format_client_secret, new_client_id
key = keywright.Credential(new_client_id(bytes), format_client_secret(bytes(32), "sandbox"))
auth = keywright.SignatureAuth(key)
import httpx2
httpx2.alias_httpx()
import httpx
assert httpx is httpx2 and isinstance(auth, httpx.Auth)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
