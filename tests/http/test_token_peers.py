"""Other people's OAuth clients fetch tokens: PyPI Authlib and npm oauth4webapi, with every way to say who they are."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess

import httpx2
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet, OKPKey

import keywright
from peers.peers import HERE
from support.server import Server
from support.tokens import bearer, secret_of

METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")


@pytest.fixture(scope="module")
def key(server: Server) -> keywright.Credential:
    return server.key(server.account())


@pytest.fixture(scope="module")
def hmac_key(server: Server) -> keywright.Credential:
    return server.key(server.account(), algorithm="hmac-sha256")


def private_jwk(key: keywright.Credential) -> OKPKey:
    text = {"d": key._secret, "x": keywright.signatures.public_key_of(key._secret)}
    parts = {name: base64.urlsafe_b64encode(each).rstrip(b"=").decode() for name, each in text.items()}
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", **parts})


@pytest.mark.parametrize("plane", ["control", "data"])
@pytest.mark.parametrize("method", METHODS)
def test_authlib(server: Server, key: keywright.Credential, method: str, plane: str):
    base = getattr(server, plane)
    metadata = httpx2.get(f"{base}/.well-known/oauth-authorization-server").json()
    assert method in metadata["token_endpoint_auth_methods_supported"]
    if method == "private_key_jwt":
        way = PrivateKeyJWT(metadata["token_endpoint"], alg="Ed25519")
        session = OAuth2Session(key.client_id, private_jwk(key), token_endpoint_auth_method=way)
    else:
        session = OAuth2Session(key.client_id, secret_of(key), token_endpoint_auth_method=method)
    with session:
        token = session.fetch_token(f"{base}/oauth2/token", grant_type="client_credentials")
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    assert server.verify(bearer(token["access_token"])).json["clientId"] == key.client_id
    # Its library for tokens reads ours with the published keys.
    keys = KeySet.import_key_set(httpx2.get(f"{base}/.well-known/jwks.json").json())
    with pytest.warns(SecurityWarning, match="EdDSA"):
        read = jwt.decode(token["access_token"], keys, algorithms=["EdDSA"])
    assert (read.header["typ"], read.claims["client_id"]) == ("at+jwt", key.client_id)


@pytest.mark.parametrize("method", METHODS[:2])
def test_authlib_with_an_hmac_key(server: Server, hmac_key: keywright.Credential, method: str):
    with OAuth2Session(hmac_key.client_id, secret_of(hmac_key), token_endpoint_auth_method=method) as session:
        token = session.fetch_token(f"{server.control}/oauth2/token", grant_type="client_credentials")
    assert server.verify(bearer(token["access_token"])).json["clientId"] == hmac_key.client_id


def ask_node(**question: str) -> dict:
    node = shutil.which("node")
    assert node, "node is not installed: run scripts/test, which installs it"
    assert (HERE / "node_modules" / "oauth4webapi").is_dir(), "run scripts/test, which runs `npm ci` in tests/peers"
    done = subprocess.run(
        [node, str(HERE / "tokens.mjs")],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("method", METHODS)
def test_oauth4webapi(server: Server, key: keywright.Credential, method: str):
    question = {
        "issuer": server.control,
        "clientId": key.client_id,
        "clientSecret": secret_of(key),
        "seed": base64.b64encode(key._secret).decode(),
        "method": method,
        "audience": server.control,
    }
    answer = ask_node(**question)
    assert answer["ok"], answer
    assert answer["token"]["expires_in"] == 3600
    assert answer["introspected"]["active"] is True
    assert answer["introspected"]["client_id"] == answer["claims"]["client_id"] == key.client_id
    assert server.verify(bearer(answer["token"]["access_token"])).code == "accepted"
    # It sees a refusal for what it is, and a token for another API as none.
    wrong = {"clientSecret": secret_of(key)[:-1] + "x", "seed": base64.b64encode(bytes(32)).decode()}
    refused = ask_node(**{**question, **wrong})
    # With Basic it is the challenge that it looks at.
    assert refused["code"] == ("OAUTH_WWW_AUTHENTICATE_CHALLENGE" if method == METHODS[0] else "invalid_client")
    assert not ask_node(**{**question, "audience": "https://other.example"})["ok"]
