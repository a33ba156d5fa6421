"""`import keywright` is the SDK alone."""

import json
import subprocess
import sys

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
    assert not {"asyncio", "ssl", "email", "http.client", "urllib.request", "socket"} & set(modules)


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
