"""A captured request works at most once: in another worker, after SIGKILL, after a restart, after a loss."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.server import running, signed


def test_a_replay_is_refused_by_every_other_worker(data_dir: Path):
    with running(data_dir, workers=2) as server:
        key = server.key(server.account())
        for _ in range(10):
            headers = signed(key)
            codes = [server.verify_anew(headers) for _ in range(8)]
            assert codes == ["accepted"] + ["nonce_replayed"] * 7


def test_of_many_at_once_exactly_one_is_accepted(data_dir: Path):
    with running(data_dir, workers=2) as server:
        key = server.key(server.account())
        for _ in range(10):
            headers = signed(key)
            together = threading.Barrier(8)

            def send(_number: int, headers=headers, together=together) -> str:
                together.wait()
                return server.verify_anew(headers)

            with ThreadPoolExecutor(8) as threads:
                outcomes = list(threads.map(send, range(8)))
            assert outcomes.count("accepted") == 1


def test_a_replay_is_refused_after_sigkill_and_restart(data_dir: Path):
    with running(data_dir, workers=2) as server:
        key = server.key(server.account())
        used = [signed(key) for _ in range(50)]
        assert {server.verify(headers).code for headers in used} == {"accepted"}
        for everything in (True, False):
            server.kill(everything=everything)
            server.start()
            assert {server.verify(headers).code for headers in used} == {"nonce_replayed"}
            assert server.verify(signed(key)).code == "accepted"
        assert server.stop() == 0
        server.start()
        assert {server.verify(headers).code for headers in used} == {"nonce_replayed"}


def test_after_a_loss_what_could_have_been_used_is_refused(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        key = server.key(account)
        used = signed(key)
        assert server.verify(used).code == "accepted"
        server.stop()
        shutil.rmtree(data_dir / "nonces")
        server.start()
        assert server.verify(used).code == "nonce_unprovable"
        # A key that is younger than the loss cannot have been used before it.
        assert server.verify(signed(server.key(account))).code == "accepted"
