"""When the database is damaged or gone, the server says so, lets nothing through, and recovers."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.server import running, signed, wait_until


def test_a_damaged_database_gives_503_and_is_used_again_once_restored(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        key = server.key(account)
        assert server.verify(signed(key)).code == "accepted"
        assert server.stop() == 0
        file = data_dir / "keywright.db"
        shutil.copy(file, data_dir / "good")
        server.start()
        # Overwritten in place, as a failing disk would: the same file, and other content.
        with file.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xa5" * (file.stat().st_size - 4096))
        # Pages that a connection has in memory still answer; what has to be read anew cannot.
        paths = [f"/v1/accounts/{account}{rest}" for rest in ("", "/users", "/credentials", "/audit-events")]
        answers = [server.call("GET", path, caller=server.operator) for path in (*paths, "/v1/accounts", "/readyz")]
        answers += [server.call("POST", "/v1/accounts", {"name": "B", "type": "partner"}, caller=server.operator)]
        assert {answer.status for answer in answers} <= {200, 503}, [answer.text for answer in answers]
        broken = [answer for answer in answers if answer.status == 503]
        assert {answer.code for answer in broken} == {"unavailable"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in broken)
        answer = server.verify(signed(key))
        assert (answer.status, answer.code) == (503, "verifier_unavailable"), answer.text
        with file.open("r+b") as stream:
            stream.write((data_dir / "good").read_bytes())
        wait_until(lambda: server.call("GET", "/readyz").status == 200, what="the control plane recovers")
        wait_until(lambda: server.ask("GET", "/readyz").status == 200, what="the data plane recovers")
        assert server.verify(signed(key)).code == "accepted"
        assert {server.call("GET", path, caller=server.operator).status for path in paths} == {200}


def test_a_database_moved_away_is_not_served_from_and_not_made_anew(data_dir: Path):
    with running(data_dir) as server:
        key = server.key(server.account())
        assert server.verify(signed(key)).code == "accepted"
        file = data_dir / "keywright.db"
        file.rename(data_dir / "moved")
        assert server.call("GET", "/readyz").status == 503
        assert server.ask("GET", "/readyz").status == 503
        wait_until(lambda: server.verify(signed(key)).status == 503, what="the verifier notices")
        assert "restart" in server.verify(signed(key)).json["detail"]
        assert not file.exists()
        (data_dir / "moved").rename(file)
        assert server.ask("GET", "/readyz").status == 200
        assert server.verify(signed(key)).code == "accepted"
