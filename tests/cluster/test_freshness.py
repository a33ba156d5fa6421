"""A request that starts after delete returned is refused, in every process of the host."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import httpx2

import keywright
from support.server import run_cli, running, signed, wait_until
from support.workers import gateway_processes


def test_delete_is_immediate_in_every_process(data_dir: Path):
    """Two servers with two gateway workers each; the key is warm in every cache; deletes come from API and CLI."""
    with running(data_dir, workers=2) as first, running(data_dir, workers=2) as second:
        account = first.account()
        for round_number in range(30):
            key = first.key(account, algorithm=("ed25519", "hmac-sha256")[round_number % 2])
            for server in (first, second):
                for _ in range(4):
                    assert server.verify_anew(signed(key)) == "accepted"
            if round_number % 10 == 9:
                done = run_cli("credential", "delete", account, key.client_id, "--yes", data_dir=data_dir)
                assert done.returncode == 0, done.stderr
            else:
                deleter = (first, second)[round_number // 2 % 2]
                deleter._tokens = first._tokens  # one token for both
                assert deleter.delete_key(account, key.client_id).status == 200
            for _ in range(4):
                for server in (second, first):
                    assert server.verify_anew(signed(key)) == "credential_unknown"


def test_no_acceptance_starts_after_a_delete_returned_under_load(data_dir: Path):
    """Clients hammer all workers while keys come and go; every acceptance is held against the time of the delete."""
    with running(data_dir, workers=2) as server:
        account = server.account()
        keys: list[keywright.Credential] = [server.key(account) for _ in range(6)]
        deleted_at: dict[str, float] = {}
        accepted: list[tuple[str, float]] = []
        end = threading.Event()

        def hammer(seed: int) -> None:
            choose = random.Random(seed)
            with httpx2.Client(timeout=30) as client:
                while not end.is_set():
                    key = choose.choice(keys)
                    question = {"method": "GET", "url": "https://a.example/", "headers": []}
                    question["headers"] = list(signed(key, method="GET", url="https://a.example/").items())
                    started = time.monotonic()
                    verdict = client.post(f"{server.data}/v1/verify", json=question).json()
                    if verdict["outcome"] == "accepted":
                        accepted.append((key.client_id, started))

        threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            victim = random.Random(len(deleted_at)).choice([key for key in keys if key.client_id not in deleted_at])
            assert server.delete_key(account, victim.client_id).status == 200
            deleted_at[victim.client_id] = time.monotonic()
            keys.append(server.key(account))
            time.sleep(0.02)  # the deleted one is still asked for
            if len(keys) > 12:
                keys.remove(next(key for key in keys if key.client_id in deleted_at))  # the one deleted longest ago
        end.set()
        for thread in threads:
            thread.join(60)
        assert len(accepted) > 100
        late = [(key, started) for key, started in accepted if started > deleted_at.get(key, float("inf"))]
        assert late == []


def test_a_paused_verifier_does_not_wake_up_with_a_deleted_key(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        key = server.key(account)
        assert server.verify(signed(key)).code == "accepted"
        workers = gateway_processes(server)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert server.delete_key(account, key.client_id).status == 200
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        assert server.verify(signed(key)).code == "credential_unknown"


def test_a_new_key_works_at_once_in_every_worker(data_dir: Path):
    with running(data_dir, workers=2) as server:
        account = server.account()
        for _ in range(5):
            key = server.key(account)
            assert {server.verify_anew(signed(key)) for _ in range(6)} == {"accepted"}
            server.delete_key(account, key.client_id)


def test_deletes_hold_across_a_restart(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        kept, gone = server.key(account), server.key(account)
        server.delete_key(account, gone.client_id)
        server.kill()
        server.start()
        assert server.verify(signed(gone)).code == "credential_unknown"
        assert server.verify(signed(kept)).code == "accepted"


def test_a_killed_server_leaves_no_process_behind(data_dir: Path):
    """Only the first process is killed; the others end by themselves, and the ports are free again."""
    with running(data_dir, workers=2) as server:
        children = gateway_processes(server)
        server.kill(everything=False)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), what="the workers end")
        server.start()
        assert server.ask("GET", "/readyz").status == 200
