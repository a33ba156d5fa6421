"""Every Python example of docs/sdk.md runs, against a server that verifies."""

import re
import warnings
from pathlib import Path

import pytest
from verifying_server import CLIENT_ID, CLIENT_SECRET

from keywright.errors import RefusalCode

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```$", (DOCS / "sdk.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def test_there_are_examples():
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_runs(example, server, tokens, monkeypatch):
    with_token = "/auth/token" in example
    origin = tokens.origin if with_token else server.origin
    monkeypatch.setenv("KEYWRIGHT_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("KEYWRIGHT_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.delenv("KEYWRIGHT_ALGORITHM", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(
            compile(example.replace("https://api.example.com", origin), "sdk.md", "exec"),
            {"__name__": "example"},
        )
    if with_token:
        assert [seen.token for seen in tokens.arrivals] == ["", "Bearer token-1"]
        return
    assert len(server.arrivals) == example.count("https://api.example.com")
    assert all(arrival.accepted for arrival in server.arrivals)


def test_every_refusal_is_explained():
    text = (DOCS / "signing.md").read_text(encoding="utf-8")
    assert [code for code in RefusalCode if f"`{code.value}`" not in text] == []
