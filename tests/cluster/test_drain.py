"""A node that is told to end is left first: not one request is lost."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import keywright
from support.nodes import Deployment
from support.server import API_URL, Server, running, signed, wait_until
from support.workers import gateway_processes


def address(node: Server) -> tuple[str, int]:
    host, _, port = node.data.removeprefix("http://").rpartition(":")
    return host, int(port)


def is_ready(node: Server) -> bool:
    connection = http.client.HTTPConnection(*address(node), timeout=60)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class Client:
    """Asks for a verdict again and again, and tries nothing twice. Chooses a node by its /readyz, as balancers do."""

    nodes: list[Server]
    key: keywright.Credential
    keeps: bool  # one connection, for as long as the node says that it may
    end: threading.Event
    answered: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    told_to_leave: int = 0
    lost: list[str] = field(default_factory=list)

    def run(self) -> None:
        choose = random.Random(id(self))
        connection = None
        while not self.end.is_set():
            if connection is None:
                number = choose.choice([n for n, node in enumerate(self.nodes) if is_ready(node)])
                connection = http.client.HTTPConnection(*address(self.nodes[number]), timeout=60)
            question = {"method": "GET", "url": API_URL, "headers": list(signed(self.key, method="GET").items())}
            try:
                connection.request("POST", "/v1/verify", json.dumps(question))
                answer = connection.getresponse()
                verdict = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.lost.append(repr(error))
                return
            if answer.status != 200 or verdict["outcome"] != "accepted":
                self.lost.append(f"{answer.status} {verdict}")
            self.answered[number] += 1
            has_to_leave = answer.headers.get("Connection", "").lower() == "close"
            self.told_to_leave += has_to_leave
            if has_to_leave or not self.keeps:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def test_no_request_is_lost_while_a_node_drains_under_load(deployment: Deployment):
    control = deployment.node("control").start()
    nodes = [deployment.node("gateway", workers=2, KEYWRIGHT_DRAIN_SECONDS="4").start() for _ in range(2)]
    account = control.account()
    end = threading.Event()
    clients = [Client(nodes, control.key(account), keeps, end) for keeps in (True, True, True, False, False)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for node in (0, 1):
            wait_until(lambda n=node: sum(c.answered[n] for c in clients) > 50, what="both nodes are asked")
        leaving = nodes[0].process
        leaving.terminate()
        wait_until(lambda: not is_ready(nodes[0]))
        before = sum(client.answered[1] for client in clients)
        assert leaving.wait(60) == 0
        wait_until(lambda: sum(client.answered[1] for client in clients) > before + 50, what="the other one is asked")
        nodes[0]._ended()
        nodes[0].start()  # and comes back
        before = sum(client.answered[0] for client in clients)
        wait_until(lambda: sum(client.answered[0] for client in clients) > before + 20, what="it is asked again")
    finally:
        end.set()
        for thread in threads:
            thread.join(60)
    assert [client.lost for client in clients] == [[]] * len(clients)
    assert sum(client.told_to_leave for client in clients if client.keeps) > 0


def test_both_listeners_say_no_while_they_go_on_answering(data_dir: Path):
    with running(data_dir, workers=2, KEYWRIGHT_DRAIN_SECONDS="600") as server:
        key = server.key(server.account())
        server.process.terminate()
        wait_until(lambda: not is_ready(server))
        for answer, code in (
            (server.call("GET", "/readyz"), "unavailable"),
            (server.ask("GET", "/readyz"), "verifier_unavailable"),
        ):
            assert (answer.status, answer.code) == (503, code)
            assert "draining" in answer.json["detail"]
            assert int(answer.headers["retry-after"]) > 0
        assert server.ask("HEAD", "/readyz").text == ""
        for answer in (server.call("GET", "/healthz"), server.call("GET", "/sign-in"), server.verify(signed(key))):
            assert answer.status == 200
            assert answer.headers.get_list("connection") == ["close"]
        # A second signal is from somebody who does not want to wait.
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 60


def test_what_is_being_answered_is_finished(data_dir: Path):
    with running(data_dir) as server:
        key = server.key(server.account())
        question = {"method": "GET", "url": API_URL, "headers": list(signed(key, method="GET").items())}
        body = json.dumps(question).encode()
        with socket.create_connection(address(server), timeout=60) as connection:
            head = f"POST /v1/verify HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            connection.sendall(head + body[:10])
            assert server.ask("GET", "/healthz").status == 200  # so the one before is accepted, too
            server.process.terminate()
            wait_until(lambda: refuses(address(server)), what="nothing new is taken")
            connection.sendall(body[10:])
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"accepted"' in answer
        assert server.process.wait(60) == 0
        server._ended()


def refuses(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("signals", [1, 2])
def test_a_worker_that_hangs_keeps_no_node_from_ending(data_dir: Path, signals: int):
    with running(data_dir, workers=2) as server:
        stopped = gateway_processes(server)[0]
        os.kill(stopped, signal.SIGSTOP)
        for _ in range(signals):
            server.process.terminate()
            time.sleep(0.2)
        assert server.process.wait(90) == 0
        server._ended()
        wait_until(lambda: not Path(f"/proc/{stopped}").exists())
