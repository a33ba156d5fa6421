"""The change signal against real SQLite in other processes (never forked ones: SQLite does not survive a fork)."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from keywright.errors import Unavailable
from keywright.storage import change_signal as change_signal_module
from keywright.storage.change_signal import ChangeSignal

# Executes what it reads, a line at a time; "again" first opens a new connection.
PEER = """
    import sqlite3, sys
    path = sys.argv[1]
    connect = lambda: sqlite3.connect(path, isolation_level=None, timeout=20)
    connection = connect()
    for line in sys.stdin:
        again, _, sql = line.strip().rpartition("|")
        if again:
            connection.close()
            connection = connect()
        print(connection.execute(sql).fetchall(), flush=True)
"""

# Counts up in its own row, and tells each number it has committed by writing it into shared memory.
WRITER = """
    import mmap, random, sqlite3, sys
    path, shared, row = sys.argv[1], sys.argv[2], int(sys.argv[3])
    file = open(shared, "r+b")
    told = memoryview(mmap.mmap(file.fileno(), 4096)).cast("q")
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={random.choice([1, 5, 50])}")
    number = connection.execute("SELECT number FROM counter WHERE row = ?", (row,)).fetchone()[0]
    while True:
        number += 1
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE counter SET number = ? WHERE row = ?", (number, row))
        connection.execute("UPDATE ballast SET data = randomblob(3000) WHERE row = ?", (number % 20,))
        connection.execute("COMMIT")
        told[row] = number
"""

CHECKPOINTER = """
    import sqlite3, sys, time
    while True:
        for mode in ("PASSIVE", "RESTART", "TRUNCATE"):
            connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.05)
            try:
                connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            except sqlite3.OperationalError:
                pass
            connection.close()
            time.sleep(0.001)
"""


def start(script: str, *arguments: object, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)], **options)


class Peer:
    """Another process with a connection."""

    def __init__(self, database: Path) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = start(PEER, database, stderr=subprocess.DEVNULL, **pipes)

    def do(self, sql: str) -> str:
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, "the peer failed"
        return answer

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=20)


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "keywright.db"
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE counter (row INTEGER PRIMARY KEY, number INTEGER)")
        connection.execute("CREATE TABLE ballast (row INTEGER PRIMARY KEY, data BLOB)")
        connection.executemany("INSERT INTO counter VALUES (?, 0)", [(row,) for row in range(4)])
        connection.executemany("INSERT INTO ballast VALUES (?, zeroblob(3000))", [(row,) for row in range(20)])
    return path


@pytest.fixture
def watched(database):
    with closing(ChangeSignal(database)) as change_signal:
        yield change_signal


@pytest.fixture
def peer(database):
    peer = Peer(database)
    yield peer
    peer.end()


def test_every_commit_of_another_process_is_seen(watched, peer):
    seen = {watched.read()}
    kinds = [
        "INSERT INTO counter VALUES ({n} + 10, 1)",
        "UPDATE counter SET number = number + 1 WHERE row = {n} + 9",
        "UPDATE counter SET number = number + 1 WHERE row = 1",
        "DELETE FROM counter WHERE row = {n} + 7",
    ]
    for n in range(2000):
        if n % 97 == 0:
            peer.do("PRAGMA wal_checkpoint(TRUNCATE)")
        if n % 113 == 0:
            peer.do("PRAGMA wal_checkpoint(RESTART)")
        before = watched.read()
        again = "again|" if n % 5 == 0 else ""
        peer.do(again + kinds[n % 4].format(n=n))
        after = watched.read()
        assert after != before
        assert after not in seen
        seen.add(after)


def test_the_same_change_again_and_a_change_undone_are_changes(watched, peer):
    seen = [watched.read()]
    for _ in range(50):
        for number in (1, 0):
            peer.do("PRAGMA wal_checkpoint(TRUNCATE)")
            peer.do(f"UPDATE counter SET number = {number} WHERE row = 0")
            seen.append(watched.read())
    assert len(set(seen)) == len(seen)


def test_without_commits_it_stays(watched, peer):
    peer.do("SELECT count(*) FROM counter")
    before = watched.read()
    for _ in range(20):
        peer.do("again|SELECT count(*) FROM counter")
    peer.do("BEGIN")
    peer.do("UPDATE counter SET number = 7")
    peer.do("ROLLBACK")
    assert watched.read() == before


def test_commits_of_this_process_are_seen(database, watched):
    with closing(connect(database)) as connection:
        before = watched.read()
        connection.execute("UPDATE counter SET number = 1")
        assert watched.read() != before


def test_schema_changes_and_vacuum_are_seen(watched, peer):
    for sql in ("CREATE TABLE more (a)", "DROP TABLE more", "VACUUM", "PRAGMA user_version=7"):
        before = watched.read()
        peer.do(sql)
        assert watched.read() != before


class Reader:
    """Keeps what it read for as long as the signal stays, as the verifier does."""

    def __init__(self, database: Path, change_signal: ChangeSignal) -> None:
        self._connection = connect(database)
        self._signal = change_signal
        self._captured = b""
        self.numbers: dict[int, int] = {}
        self.hits = self.reads = 0

    def look(self) -> dict[int, int]:
        captured = self._signal.read()
        if captured == self._captured:
            self.hits += 1
            return self.numbers
        self.reads += 1
        self.numbers = dict(self._connection.execute("SELECT row, number FROM counter"))
        self._captured = captured
        return self.numbers

    def close(self) -> None:
        self._connection.close()


def shared_numbers(path: Path) -> memoryview:
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 4096)).cast("q")


def is_whole(database: Path) -> bool:
    with closing(connect(database)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def watch(reader: Reader, told: memoryview, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(50):
            committed = told[:4].tolist()
            numbers = reader.look()
            for row in range(4):
                assert numbers[row] >= committed[row]


def test_no_commit_goes_unseen_among_writers_and_checkpoints(database, watched, tmp_path):
    told = shared_numbers(tmp_path / "told")
    processes = [
        *(start(WRITER, database, tmp_path / "told", row) for row in range(2)),
        start(CHECKPOINTER, database),
    ]
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            with closing(connect(database)) as connection:
                connection.execute("SELECT count(*) FROM counter").fetchone()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        with closing(Reader(database, watched)) as reader:
            watch(reader, told, 3)
            assert reader.hits > 20
            assert reader.reads > 20
    finally:
        stop.set()
        thread.join()
        for process in processes:
            process.kill()
            process.wait()
    assert min(told[:2]) > 20
    assert watched.in_place()
    assert is_whole(database)


def test_no_commit_goes_unseen_when_writers_are_killed_and_others_recover(database, watched, tmp_path):
    told = shared_numbers(tmp_path / "told")
    chance = random.Random(7)
    checkpointer = start(CHECKPOINTER, database)
    with closing(Reader(database, watched)) as reader:
        for _ in range(12):
            before = told[0]
            writer = start(WRITER, database, tmp_path / "told", 0)
            while told[0] < before + 3:
                assert writer.poll() is None
                reader.look()
            watch(reader, told, chance.random() * 0.05)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            watch(reader, told, 0.01)
    checkpointer.kill()
    checkpointer.wait()
    assert watched.in_place()
    assert is_whole(database)


def test_a_recovery_by_another_process_is_followed(database, watched, peer):
    """A damaged header is what a writer leaves that dies while writing it; the next to come makes it anew."""
    with closing(Reader(database, watched)) as reader:
        peer.do("UPDATE counter SET number = 41 WHERE row = 0")
        assert reader.look()[0] == 41
        damage = "import sys; file = open(sys.argv[1], 'r+b'); file.seek(60); file.write(bytes(8))"
        subprocess.run([sys.executable, "-c", damage, f"{database}-shm"], check=True)
        peer.do("UPDATE counter SET number = 42 WHERE row = 0")
        assert reader.look()[0] == 42
        peer.do("UPDATE counter SET number = 43 WHERE row = 0")
        assert reader.look()[0] == 43


def test_the_shared_memory_stays_while_others_come_and_go(database, watched):
    inode = Path(f"{database}-shm").stat().st_ino
    for n in range(5):
        peer = Peer(database)
        before = watched.read()
        peer.do(f"UPDATE counter SET number = {n} + 100")
        assert watched.read() != before
        peer.end()
        with closing(connect(database)) as connection:
            connection.execute("SELECT * FROM counter").fetchall()
    assert Path(f"{database}-shm").stat().st_ino == inode
    assert watched.in_place()


def test_nobody_can_leave_wal_mode_under_it(watched, peer):
    peer.do("PRAGMA busy_timeout=10")
    with pytest.raises(AssertionError, match="peer failed"):
        peer.do("PRAGMA journal_mode=DELETE")
    assert watched.in_place()


HOLDER = """
    import sqlite3, sys
    from pathlib import Path
    database, way = Path(sys.argv[1]), sys.argv[2]
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM counter").fetchone()
    if way == "signal":
        from keywright.storage.change_signal import ChangeSignal
        for _ in range(3):
            change_signal = ChangeSignal(database)
            change_signal.read()
            change_signal.close()
            del change_signal
    elif way == "naive":
        open(f"{database}-shm", "rb").close()
    print("reading", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize(("way", "busy"), [("nothing", "1"), ("signal", "1"), ("naive", "0")])
def test_the_locks_of_the_process_are_not_lost(database, peer, way, busy):
    """A read transaction holds off a truncating checkpoint; opening and closing the file by hand ends that."""
    peer.do("PRAGMA busy_timeout=50")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with start(HOLDER, database, way, **pipes) as holder:
        assert holder.stdout.readline() == "reading\n"
        peer.do("UPDATE counter SET number = 5")
        assert peer.do("PRAGMA wal_checkpoint(TRUNCATE)").startswith(f"[({busy}, ")
        holder.stdin.close()


def test_it_opens_no_descriptor_of_the_shared_memory(database):
    def descriptors() -> int:
        links = list(Path("/proc/self/fd").iterdir())
        return sum(str(link.readlink()).endswith("-shm") for link in links if link.is_symlink())

    with closing(connect(database)) as connection:
        connection.execute("SELECT * FROM counter").fetchall()
        assert descriptors() == 1
        first, second = ChangeSignal(database), ChangeSignal(database)
        assert descriptors() == 1
        first.close()
        assert second.read()
        second.close()
        assert descriptors() == 1


def test_a_symbolic_link_to_the_database_will_do(database, tmp_path):
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(database)
    with closing(ChangeSignal(link)) as change_signal, closing(connect(database)) as connection:
        before = change_signal.read()
        connection.execute("UPDATE counter SET number = 1")
        assert change_signal.read() != before


def test_odd_names_will_do(tmp_path):
    path = tmp_path / "a b?c#d%20.db"
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (a)")
        with closing(ChangeSignal(path)) as change_signal:
            before = change_signal.read()
            connection.execute("INSERT INTO t VALUES (1)")
            assert change_signal.read() != before


def test_another_journal_mode_is_refused(tmp_path):
    path = tmp_path / "old.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(ValueError, match="journal mode 'delete'; run PRAGMA journal_mode=WAL"):
        ChangeSignal(path)


def test_private_memory_is_refused(database, monkeypatch):
    monkeypatch.setattr(change_signal_module, "_BUSY_SECONDS", 0.05)
    with closing(connect(database)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("SELECT * FROM counter").fetchall()
        with pytest.raises((ValueError, Unavailable)):
            ChangeSignal(database)


def test_a_missing_database_is_said_and_not_made(tmp_path):
    with pytest.raises(Unavailable):
        ChangeSignal(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_after_the_end_it_says_so(watched):
    watched.close()
    watched.close()
    with pytest.raises(Unavailable, match="not watched"):
        watched.read()


def test_a_forked_child_does_not_trust_it(watched):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            watched.read()
        except Unavailable:
            os.write(write, b"unavailable")
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 100) == b"unavailable"
    os.close(read)
    os.waitpid(pid, 0)
    assert len(watched.read()) == 48


def test_replaced_files_are_noticed(database, watched, tmp_path):
    assert watched.in_place()
    shutil.copy(database, tmp_path / "copy.db")
    (tmp_path / "copy.db").rename(database)
    assert not watched.in_place()
