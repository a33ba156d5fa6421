"""Verifying against a gateway listener over HTTP, over connections that are kept."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import threading
from collections.abc import Collection
from typing import Any

from keywright.errors import Fault, InvalidRequest, PayloadTooLarge, RefusalCode, Refused, Unavailable
from keywright.integrations.caller import Caller
from keywright.signatures import SignedRequest

try:
    import httpx2
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "verifying against a gateway listener needs httpx2: pip install 'keywright[middleware]'", name=error.name
    ) from error

# Proxies and credentials that the environment has for the outside are not for the verifier beside us. A request that
# was sent is never sent again: it would find its own nonce used. So idle connections end here first, well before the
# ten seconds after which the listener ends them.
_OPTIONS: dict[str, Any] = {
    "trust_env": False,
    "limits": httpx2.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=5),
    "headers": {"content-type": "application/json"},
}
# What a verdict needs beside what the signature itself names. Cookies and keys for others stay here.
_NEEDED = frozenset(
    {"authorization", "content-digest", "content-length", "signature", "signature-input", "transfer-encoding"}
)


class AsyncRemote:
    """Asks a gateway listener, from an event loop.

    Args:
        gateway: its address.
        timeout_seconds: how long to wait for it.
    """

    def __init__(self, gateway: str, timeout_seconds: float) -> None:
        self._url = _verify_url(gateway)
        self._timeout_seconds = timeout_seconds
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Do nothing: the gateway listener may come up after us, and go and come again."""

    async def judge(self, request: SignedRequest, fields: dict[str, str] | None = None) -> Caller | Refused:
        """Judge a request; see AsyncVerifier."""
        loop = asyncio.get_running_loop()
        client = self._client
        if client is None or self._loop is not loop:
            # Connections belong to the event loop that made them.
            client = httpx2.AsyncClient(timeout=self._timeout_seconds, **_OPTIONS)
            self._client, self._loop = client, loop
        question = _question(request)
        try:
            # The client's own timeouts hold for each step; this one for all of them.
            async with asyncio.timeout(self._timeout_seconds):
                response = await client.post(self._url, content=question)
        except (httpx2.HTTPError, OSError) as error:
            raise _unreachable(self._url, error) from error
        return _verdict(response)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()


class Remote:
    """Asks a gateway listener, from any number of threads.

    Args:
        gateway: its address.
        timeout_seconds: how long to wait for it, at each step.
    """

    def __init__(self, gateway: str, timeout_seconds: float) -> None:
        self._url = _verify_url(gateway)
        self._timeout_seconds = timeout_seconds
        self._client: httpx2.Client | None = None
        self._process = 0
        self._lock = threading.Lock()
        # A thread of the parent may hold it at the moment of a fork.
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def verify(self, request: SignedRequest) -> Caller | Refused:
        """Judge a request; see Verifier."""
        with self._lock:
            if self._client is None:
                self._client = httpx2.Client(timeout=self._timeout_seconds, **_OPTIONS)
            client = self._client
        try:
            response = client.post(self._url, content=_question(request))
        except (httpx2.HTTPError, OSError) as error:
            raise _unreachable(self._url, error) from error
        return _verdict(response)

    def _leave_to_parent(self) -> None:
        # Two processes on one connection would read each other's answers.
        self._lock = threading.Lock()
        self._client = None


def _verify_url(gateway: str) -> str:
    return gateway.rstrip("/") + "/v1/verify"


def _question(request: SignedRequest) -> bytes:
    assert request.body is not None
    return json.dumps(
        {
            "method": request.method,
            "url": request.url,
            "headers": _needed(request.headers),
            "body": base64.b64encode(request.body).decode("ascii"),
        }
    ).encode("ascii")


def _needed(headers: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every line of each header that the verdict depends on: a covered one stands in Signature-Input in quotes."""
    inputs = "".join(value for name, value in headers if name.lower() == "signature-input")
    return [(name, value) for name, value in headers if (lower := name.lower()) in _NEEDED or f'"{lower}"' in inputs]


def _verdict(response: httpx2.Response) -> Caller | Refused:
    if response.status_code == 413:
        raise PayloadTooLarge(
            "the request is larger than the verifier reads; KEYWRIGHT_MAX_BODY_BYTES sets how much that is"
        )
    if response.status_code == 400:
        raise InvalidRequest([Fault("", "the request cannot be put to the verifier: its method or URL is not valid")])
    try:
        if response.status_code == 200:
            return _read_verdict(response.json())
        fault = f"status {response.status_code}"
    except (KeyError, TypeError, ValueError, RecursionError) as error:  # the last of JSON that is nested too deep
        fault = f"an answer that cannot be read: {error!r}"
    raise Unavailable(
        "the verifier cannot answer now; try again in a moment",
        private=f"{response.url} answered with {fault}; is it a gateway listener of this version?",
    )


def _read_verdict(document: Any) -> Caller | Refused:
    if document["outcome"] == "accepted":
        named = [document[name] for name in ("clientId", "accountId", "accountType", "scheme")]
        if not all(isinstance(each, str) and each for each in named):
            raise ValueError("an accepted request without a client")
        return Caller(*named)
    if document["outcome"] == "refused":
        base = document.get("signatureBase")
        return Refused(RefusalCode(document["code"]), str(document["detail"]), None if base is None else str(base))
    raise ValueError(f"an outcome that is not known: {document['outcome']!r}")


def _unreachable(url: str, error: Exception) -> Unavailable:
    return Unavailable(
        "the verifier cannot be reached; try again in a moment",
        private=f"{url} did not answer ({error!r}); is `keywright serve` running, and is this its gateway listener?",
    )
