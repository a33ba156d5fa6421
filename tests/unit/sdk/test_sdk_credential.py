import copy
import pickle
import sys
import traceback

import pytest
from verifying_server import CLIENT_ID, CLIENT_SECRET, SEED

from keywright import Credential, sign


def shown(error: BaseException) -> str:
    """All that a reporter of errors could show: messages, chained errors, and every local variable of our frames."""
    parts = []
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), repr(seen)]
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if "/keywright/" in frame.f_code.co_filename:
                parts.append(repr(frame.f_locals))
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)


def holds_secret(text: str) -> bool:
    return SEED.hex() in text or repr(SEED) in text or SEED.hex()[:16] in text


def test_a_key_as_it_was_shown():
    key = Credential(CLIENT_ID, CLIENT_SECRET)
    assert key.client_id == CLIENT_ID
    assert key.algorithm == "ed25519"


@pytest.mark.parametrize("show", [repr, str, format, lambda key: f"{key!s} {key!r}", lambda key: str([key])])
def test_the_secret_is_not_shown(show):
    assert not holds_secret(show(Credential(CLIENT_ID, CLIENT_SECRET)))


def test_the_secret_is_not_pickled_and_copies_are_the_same_object():
    key = Credential(CLIENT_ID, CLIENT_SECRET)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(key, protocol)
    assert copy.copy(key) is key
    assert copy.deepcopy({"key": key})["key"] is key


def test_it_does_not_change():
    key = Credential(CLIENT_ID, CLIENT_SECRET)
    with pytest.raises(AttributeError):
        key.algorithm = "hmac-sha256"
    with pytest.raises(AttributeError):
        del key.client_id
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize(
    ("client_id", "client_secret", "algorithm", "says"),
    [
        (CLIENT_ID[:-1], CLIENT_SECRET, "ed25519", "Client ID"),
        (CLIENT_ID[:-1] + "z", CLIENT_SECRET, "ed25519", "checksum"),
        (CLIENT_SECRET, CLIENT_ID, "ed25519", "Client ID"),
        (None, CLIENT_SECRET, "ed25519", "Client ID"),
        (CLIENT_ID, CLIENT_SECRET + "\n", "ed25519", "Client Secret"),
        (CLIENT_ID, CLIENT_SECRET[:-1], "ed25519", "Client Secret"),
        (CLIENT_ID, CLIENT_SECRET[:-1] + ("0" if CLIENT_SECRET[-1] != "0" else "1"), "ed25519", "damaged"),
        (CLIENT_ID, CLIENT_SECRET.encode(), "ed25519", "client_secret"),
        (CLIENT_ID, CLIENT_SECRET, "rsa-pss-sha512", "algorithm"),
    ],
)
def test_what_is_no_key_is_refused_without_the_secret(client_id, client_secret, algorithm, says):
    with pytest.raises(ValueError, match=says) as caught:
        Credential(client_id, client_secret, algorithm)
    if client_id != CLIENT_SECRET:
        assert not holds_secret(shown(caught.value))
    assert not holds_secret(str(caught.value))


def test_a_failing_signature_does_not_show_the_secret():
    key = Credential(CLIENT_ID, CLIENT_SECRET)
    with pytest.raises(ValueError, match="nonce") as caught:
        sign(key, method="GET", url="https://api.example.com/", nonce=lambda: "short")
    assert not holds_secret(shown(caught.value))


def test_from_env():
    environ = {"KEYWRIGHT_CLIENT_ID": CLIENT_ID + "\n", "KEYWRIGHT_CLIENT_SECRET": f" {CLIENT_SECRET}\n"}
    assert Credential.from_env(environ).algorithm == "ed25519"
    assert Credential.from_env({**environ, "KEYWRIGHT_ALGORITHM": "hmac-sha256"}).algorithm == "hmac-sha256"
    assert Credential.from_env({**environ, "KEYWRIGHT_ALGORITHM": ""}).algorithm == "ed25519"


def test_from_env_names_all_that_is_missing():
    with pytest.raises(ValueError, match="KEYWRIGHT_CLIENT_ID and KEYWRIGHT_CLIENT_SECRET"):
        Credential.from_env({})
    with pytest.raises(ValueError, match="set KEYWRIGHT_CLIENT_SECRET in") as caught:
        Credential.from_env({"KEYWRIGHT_CLIENT_ID": CLIENT_ID, "KEYWRIGHT_CLIENT_SECRET": " "})
    assert "KEYWRIGHT_CLIENT_ID " not in str(caught.value)


def test_from_env_reads_the_process(monkeypatch):
    monkeypatch.setenv("KEYWRIGHT_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("KEYWRIGHT_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.delenv("KEYWRIGHT_ALGORITHM", raising=False)
    assert Credential.from_env().client_id == CLIENT_ID
    assert "keywright" in sys.modules
