"""Load on many verifiers: threads that ask them about requests, again and again."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keywright
from support.cluster import Node
from support.ledger import NO_ANSWER, Ledger, Question
from support.server import signed

URL = "https://api.example.com/v1/payments"
_ANSWER_SECONDS = 60
# A server may close a connection that nobody uses, just when it is used again.
_IDLE_SECONDS = 2


class Line:
    """A connection to a node that stays open; one that broke is made anew for the next question.

    Args:
        node: where to ask.
        headers: sent with every question.
    """

    def __init__(self, node: Node, headers: dict[str, str] | None = None) -> None:
        self.node = node
        host, _, port = node.address.removeprefix("http://").rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=_ANSWER_SECONDS)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self.started_at = self.ended_at = 0.0

    def send(self, method: str, path: str, body: Any = None) -> None:
        self.started_at = time.monotonic()
        if self.started_at - self.ended_at > _IDLE_SECONDS:
            self._connection.close()
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)

    def receive(self) -> tuple[int, Any]:
        """The status and the document; 0 and None if there was no answer."""
        try:
            answer = self._connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said) if said else None
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, None
        finally:
            self.ended_at = time.monotonic()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        self.send(method, path, body)
        return self.receive()

    def close(self) -> None:
        self._connection.close()


@dataclass
class Keys:
    """Keys that are there, those that are gone, of which the last few are still asked for, and access tokens."""

    live: dict[str, keywright.Credential] = field(default_factory=dict)
    gone: deque[keywright.Credential] = field(default_factory=lambda: deque(maxlen=12))
    tokens: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: keywright.Credential, token: str | None = None) -> None:
        with self._lock:
            self.live[key.client_id] = key
            if token:
                self.tokens[key.client_id] = token

    def remove(self, client_id: str) -> None:
        with self._lock:
            if key := self.live.pop(client_id, None):
                self.gone.append(key)

    def choose(self, dice: random.Random) -> keywright.Credential | None:
        with self._lock:
            # Of those that are gone mostly the last: if any is still accepted, it is that one.
            if self.gone and dice.random() < 0.25:
                return self.gone[-1]
            found = [*self.live.values(), *self.gone]
        return dice.choice(found) if found else None


class Asker(threading.Thread):
    """Asks verifiers about requests until told to end.

    Args:
        ledger: takes questions and answers.
        nodes: whom to ask, each time another.
        keys: whose requests.
        seed: of its choices.
        replays: the share of signed requests that two verifiers are asked about at the same moment.
        bearer: the share of requests that have a bearer token, of the keys that have one.
        pause_seconds: between two questions.
    """

    def __init__(
        self,
        ledger: Ledger,
        nodes: list[Node],
        keys: Keys,
        *,
        seed: int = 0,
        replays: float = 0.25,
        bearer: float = 0.3,
        pause_seconds: float = 0.0,
    ) -> None:
        super().__init__(daemon=True, name=f"asks {nodes}")
        self._ledger, self._keys, self._dice = ledger, keys, random.Random(seed)
        self._replays, self._bearer, self._pause_seconds = replays, bearer, pause_seconds
        self._lines = [Line(node) for node in nodes]
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.wait(self._pause_seconds):
            if key := self._keys.choose(self._dice):
                self._ask(key)
        for line in self._lines:
            line.close()

    def _ask(self, key: keywright.Credential) -> None:
        token, nonce = self._keys.tokens.get(key.client_id), None
        lines = [self._dice.choice(self._lines)]
        if token and self._dice.random() < self._bearer:
            headers = {"Authorization": f"Bearer {token}"}
        else:
            nonce = os.urandom(16).hex()
            headers = signed(key, method="GET", url=URL, nonce=lambda: str(nonce))
            if len(self._lines) > 1 and self._dice.random() < self._replays:
                lines = self._dice.sample(self._lines, 2)
        question = {"method": "GET", "url": URL, "headers": list(headers.items())}
        for line in lines:
            line.send("POST", "/v1/verify", question)
        for line in lines:
            code = verdict(*line.receive())
            self._ledger.questions.append(
                Question(line.node.name, key.client_id, nonce, line.started_at, line.ended_at, code)
            )


def verdict(status: int, document: Any) -> str:
    """The code of an answer of /v1/verify."""
    if not status:
        return NO_ANSWER
    code = str(document.get("code") or document.get("outcome"))
    return code if status == 200 else f"{status} {code}"


@contextlib.contextmanager
def asking(*askers: threading.Thread) -> Iterator[None]:
    """Let threads work for a while; they have an `end` to be set."""
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        for asker in askers:
            asker.end.set()  # type: ignore[attr-defined]
        for asker in askers:
            asker.join(120)
            assert not asker.is_alive(), f"{asker.name} hangs"
