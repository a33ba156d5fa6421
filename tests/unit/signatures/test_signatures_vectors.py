"""The published examples, byte for byte."""

import base64
import json
from pathlib import Path

import pytest

from keywright.errors import RefusalCode, Refused
from keywright.signatures import (
    ED25519,
    Profile,
    SignedRequest,
    check_content_digest,
    content_digest,
    find_signature,
    public_key_of,
    signature_base,
)
from keywright.signatures.algorithms import sign_bytes, verify_bytes

VECTORS = Path(__file__).parent / "vectors"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def as_request(data):
    return SignedRequest(
        data["method"],
        data["url"],
        [tuple(line) for line in data["headers"]],
        data.get("body", "").encode(),
    )


def key_pair(keys, vector):
    key = keys[vector["key"]]
    if vector["algorithm"] == ED25519:
        return base64.b64decode(key["seed"]), base64.b64decode(key["public"])
    secret = base64.b64decode(key["secret"])
    return secret, secret


@pytest.mark.parametrize("vector", load("signatures"), ids=lambda vector: vector["name"])
def test_signature_of_the_rfc(vector, keys):
    sent = as_request(vector["request"])
    label, signature = vector["label"], base64.b64decode(vector["signature"])
    sent.headers = [
        *sent.headers,
        ("Signature-Input", f"{label}={vector['params']}"),
        ("Signature", f"{label}=:{vector['signature']}:"),
    ]
    found = find_signature(sent, Profile(), lambda _: True)
    assert not isinstance(found, Refused)
    assert (found.label, found.key_id, found.signature) == (label, vector["key"], signature)
    assert list(found.components) == [line.split('"')[1] for line in vector["base"][:-1]]
    base = signature_base(sent, found)
    assert base == "\n".join(vector["base"])
    assert signature_base(sent, vector["params"]) == base

    private, public = key_pair(keys, vector)
    assert verify_bytes(vector["algorithm"], public, base.encode(), signature) is vector["valid"]
    assert (sign_bytes(vector["algorithm"], private, base.encode()) == signature) is vector["valid"]


def test_public_key_of_the_rfc(keys):
    key = keys["test-key-ed25519"]
    assert public_key_of(base64.b64decode(key["seed"])) == base64.b64decode(key["public"])


@pytest.mark.parametrize("vector", load("components"), ids=lambda vector: f"{vector['source']} {vector['identifier']}")
def test_component_value_of_the_rfc(vector):
    base = signature_base(as_request(vector["request"]), f"({vector['identifier']})")
    assert base == f'{vector["identifier"]}: {vector["value"]}\n"@signature-params": ({vector["identifier"]})'


def test_obsolete_line_folding_of_the_rfc_is_refused_not_unfolded():
    sent = SignedRequest("GET", "https://a/", [("X-Obs-Fold-Header", "Obsolete\n    line folding.")], b"")
    base = signature_base(sent, '("x-obs-fold-header")')
    assert isinstance(base, Refused)
    assert base.code is RefusalCode.SIGNATURE_MALFORMED


@pytest.mark.parametrize("vector", load("digests"), ids=lambda vector: vector["source"])
def test_digest_of_the_rfc(vector):
    body = bytes.fromhex(vector["body_hex"])
    assert check_content_digest(vector["value"], body) is None
    algorithms = [part.partition("=")[0] for part in vector["value"].split(", ")]
    assert ", ".join(content_digest(body, algorithm) for algorithm in algorithms) == vector["value"]
    refused = check_content_digest(vector["value"], body + b" ")
    assert refused is not None
    assert refused.code is RefusalCode.DIGEST_MISMATCH
