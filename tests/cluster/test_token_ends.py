"""A token is refused in the first verification that starts after the delete of its key has returned."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path

from support.server import Server, running
from support.tokens import bearer
from support.workers import worker_of

DELETES = 1000
HAMMERS = 3
KEYS_AT_ONCE = 5


class Line:
    """A connection that stays open: what is measured is the server's speed, not that of a client library."""

    def __init__(self, base: str, headers: dict[str, str] | None = None) -> None:
        host, _, port = base.removeprefix("http://").rpartition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.headers = {"Content-Type": "application/json", **(headers or {})}

    def ask(self, method: str, path: str, body: object = None) -> dict:
        self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status < 300, said
        return said

    def verify(self, token: str) -> str:
        question = {"method": "GET", "url": "https://a.example/", "headers": list(bearer(token).items())}
        verdict = self.ask("POST", "/v1/verify", question)
        return str(verdict.get("code") or verdict["outcome"])


def lines_to_both(server: Server, token: str) -> list[Line]:
    """A connection to each of the two workers: which one takes a connection is the kernel's choice."""
    found: dict[int, Line] = {}
    for _ in range(200):
        line = Line(server.data)
        assert line.verify(token) == "accepted"
        worker = worker_of(line.connection.sock)
        assert worker is not None
        if worker in found:
            line.connection.close()
        found.setdefault(worker, line)
        if len(found) == 2:
            return list(found.values())
    raise AssertionError("200 connections reached one worker only")


class Deletes:
    """Keys that come and go, with a token each, while others go on using the tokens."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.account = server.account()
        self.control = Line(server.control, server.platform.headers)
        self.live: dict[str, str] = {}  # Client ID to token
        self.deleted_at: dict[str, float] = {}
        self.accepted: list[tuple[str, float]] = []
        self.end = threading.Event()

    def make(self) -> None:
        path = f"/v1/accounts/{self.account}/credentials"
        made = self.control.ask("POST", path, {"email": "x@example.com"})
        given = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
        self.live[made["clientId"]] = self.control.ask("POST", "/auth/token", given)["access_token"]

    def delete(self, client_id: str) -> None:
        self.control.ask("DELETE", f"/v1/accounts/{self.account}/credentials/{client_id}")
        self.deleted_at[client_id] = time.monotonic()

    def hammer(self) -> None:
        line, number = Line(self.server.data), 0
        while not self.end.is_set():
            # The oldest is the next to go.
            client_id, token = list(self.live.items())[number % 2]
            number += 1
            started = time.monotonic()
            if line.verify(token) == "accepted":
                self.accepted.append((client_id, started))
        line.connection.close()


def test_no_token_is_accepted_after_delete_returned_a_thousand_times_under_load(data_dir: Path):
    with running(data_dir, workers=2, KEYWRIGHT_LOG_LEVEL="warning") as server:
        world = Deletes(server)
        for _ in range(KEYS_AT_ONCE):
            world.make()
        lines = lines_to_both(server, next(iter(world.live.values())))
        threads = [threading.Thread(target=world.hammer) for _ in range(HAMMERS)]
        for thread in threads:
            thread.start()
        try:
            for number in range(DELETES):
                client_id, token = next(iter(world.live.items()))
                world.delete(client_id)
                # Which of the two is asked first changes.
                assert [line.verify(token) for line in lines[:: 1 if number % 2 else -1]] == ["token_invalid"] * 2
                world.make()
                del world.live[client_id]
                assert lines[number % 2].verify(next(reversed(world.live.values()))) == "accepted"
        finally:
            world.end.set()
            for thread in threads:
                thread.join(60)
            for line in (*lines, world.control):
                line.connection.close()
        assert len(world.deleted_at) == DELETES
        assert len(world.accepted) > DELETES, "the tokens were in use all the while"
        late = [each for each in world.accepted if each[1] > world.deleted_at.get(each[0], float("inf"))]
        assert late == []


def test_switching_access_off_ends_all_tokens_of_an_account_in_every_worker(data_dir: Path):
    with running(data_dir, workers=2) as server:
        world = Deletes(server)
        for _ in range(3):
            world.make()
        for _ in range(20):
            verdicts = {server.verify_anew(bearer(token)) for token in world.live.values()}
            assert verdicts == {"accepted"}
            server.set_access(world.account, False)
            verdicts = {server.verify_anew(bearer(token)) for token in world.live.values()}
            assert verdicts == {"api_access_disabled"}
            server.set_access(world.account, True)
        world.control.connection.close()


def test_a_token_ends_at_the_other_servers_of_the_host_too(data_dir: Path):
    """Issued by one server, used at another on the same data, deleted at the first."""
    issuer = {"KEYWRIGHT_TOKEN_ISSUER": "https://id.example.com"}
    with running(data_dir, **issuer) as first, running(data_dir, workers=2, **issuer) as second:
        world = Deletes(first)
        for _ in range(10):
            world.make()
            client_id, token = world.live.popitem()
            assert {second.verify_anew(bearer(token)) for _ in range(3)} == {"accepted"}
            world.delete(client_id)
            assert {second.verify_anew(bearer(token)) for _ in range(3)} == {"token_invalid"}
        world.control.connection.close()
