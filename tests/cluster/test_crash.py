"""kill -9 in the midst of work: what was acknowledged holds, and the audit trail is whole."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from pathlib import Path

import httpx2
import pytest

import keywright
from support.server import Server, run_cli, running, signed, wait_until
from support.workers import gateway_processes


def test_kill_9_during_200_creates_and_deletes(data_dir: Path):
    created: dict[str, keywright.Credential] = {}
    deleted: set[str] = set()
    attempted: set[str] = set()  # a delete that was sent, and may or may not have happened
    with running(data_dir) as server:
        accounts = [server.account() for _ in range(4)]
        headers = server.platform.headers
        done = threading.Semaphore(0)
        rounds = 0
        active: dict[str, list[str]] = {account: [] for account in accounts}

        def work(account: str, seed: int, base: str, mine: list[str]) -> None:
            choose = random.Random(seed)
            with httpx2.Client(headers=headers, timeout=30, base_url=base) as client:
                path = f"/v1/accounts/{account}/credentials"
                try:
                    while True:
                        if len(mine) < 3 or (len(mine) < 9 and choose.random() < 0.5):
                            made = client.post(path, json={"email": "a@example.com"})
                            assert made.status_code == 201, made.text
                            answer = made.json()
                            key = keywright.Credential(answer["clientId"], answer["clientSecret"])
                            created[key.client_id] = key
                            mine.append(key.client_id)
                        else:
                            victim = mine.pop(choose.randrange(len(mine)))
                            attempted.add(victim)
                            assert client.delete(f"{path}/{victim}").status_code == 200
                            deleted.add(victim)
                        done.release()
                except (httpx2.TransportError, json.JSONDecodeError):
                    return  # the server was killed

        while len(created) + len(deleted) < 200:
            rounds += 1
            assert rounds < 30
            threads = [
                threading.Thread(
                    target=work, args=(account, rounds * 10 + number, server.control, list(active[account]))
                )
                for number, account in enumerate(accounts)
            ]
            for thread in threads:
                thread.start()
            for _ in range(random.Random(rounds).randrange(40, 65)):
                assert done.acquire(timeout=30)
            server.kill()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()
            server.start()

            for account in accounts:
                answer = server.call("GET", f"/v1/accounts/{account}/credentials", caller=server.operator).json
                active[account] = [row["clientId"] for row in answer["credentials"]]
                assert len(active[account]) <= 10
            alive = set().union(*active.values())
            assert deleted & alive == set(), "an acknowledged deletion was undone"
            assert set(created) - attempted <= alive, "an acknowledged key is gone"
            checked = run_cli("audit", "verify", data_dir=data_dir)
            assert checked.returncode == 0, checked.stdout + checked.stderr
        assert rounds >= 3, "it was killed several times"
        for client_id, key in created.items():
            expected = "accepted" if client_id in alive else "credential_unknown"
            assert server.verify(signed(key)).code == expected


def test_sigterm_drains_and_ends_with_status_0(data_dir: Path):
    with running(data_dir, workers=2) as server:
        key = server.key(server.account())
        assert server.verify(signed(key)).code == "accepted"
        assert server.stop() == 0
        assert '"level": "error"' not in server.log


@pytest.mark.parametrize("ignores_children", [False, True], ids=["", "SIGCHLD ignored by whoever started it"])
def test_a_listener_that_is_killed_ends_the_server_at_once(data_dir: Path, ignores_children: bool):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN) if ignores_children else None
    try:
        server = Server(data_dir, workers=1).start()
    finally:
        if before is not None:
            signal.signal(signal.SIGCHLD, before)
    try:
        assert server.process is not None
        supervisor = server.process.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        assert len(children) == 2
        workers = gateway_processes(server)
        os.kill(int(children[1]), signal.SIGKILL)
        # Well before the supervisor would look by itself, and the workers that were left alone are gone, too.
        assert server.process.wait(timeout=3) == 1
        wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in workers), what="its workers end")
    finally:
        server.kill()
