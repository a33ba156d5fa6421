"""A real PostgreSQL of the tests' own: a throw-away cluster on a unix socket, and databases in it."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from keywright.storage.migrate import migrate

_TEMPLATE = "keywright_template"
_STARTED: dict[str, PostgresqlServer] = {}
_LOCK = threading.Lock()


class PostgresqlServer:
    """One PostgreSQL server.

    Args:
        standby_of: begin as a copy of this one, which it follows.
        rules: lines of pg_hba.conf that come before the one that lets everyone in.
        settings: lines of postgresql.conf, as name to value.
    """

    def __init__(self, *, standby_of: PostgresqlServer | None = None, rules: str = "", **settings: str) -> None:
        self._binaries = _find_binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="kw-pg-", dir="/tmp"))  # a socket's path must be short
        # PostgreSQL does not run as root.
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self._settings = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.folder}'",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": "300",
            "shared_buffers": "64MB",
            "max_wal_size": "'64MB'",  # tests read all of it
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._has_template = False
        if standby_of is not None:
            self.run(
                "pg_basebackup",
                "-h",
                str(standby_of.folder),
                "-U",
                "postgres",
                "-D",
                str(self.data),
                "-R",
                "-c",
                "fast",
            )
            with (self.data / "postgresql.conf").open("a") as file:
                file.write(f"unix_socket_directories = '{self.folder}'\n")
            return
        initdb = ["--pgdata", str(self.data), "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"]
        self.run("initdb", *initdb, "--username", "postgres")
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in self._settings.items())
        allowed = self.data / "pg_hba.conf"
        allowed.write_text(f"{rules}\n{allowed.read_text()}")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def run(self, program: str, *arguments: str, stdin: str | None = None) -> str:
        """Run one of PostgreSQL's programs; what it printed."""
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            user=self._user if os.geteuid() == 0 else None,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def start(self) -> PostgresqlServer:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self.data)],
                user=self._user if os.geteuid() == 0 else None,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(AssertionError):
                self.sql("SELECT 1")
                return self
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def pause(self) -> None:
        """Let no process of the server do anything, as when its host hangs."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, what: signal.Signals) -> None:
        # Each backend is a session of its own, so there is no one group to signal.
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for process in (self._process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, what)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT is a fast shutdown, SIGQUIT an immediate one, as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; what it printed, one row per line."""
        arguments = ["--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", "postgres"]
        return self.run("psql", *arguments, "-d", database, "-c", statement).strip()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder), safe='')}"

    def empty_database(self) -> str:
        """Make a database without anything in it; its name."""
        with _LOCK:
            self._databases += 1
            name = f"keywright_{self._databases}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def new_database(self) -> str:
        """Make a database with the schema of this version; its name."""
        with _LOCK:
            if not self._has_template:
                self.sql(f"CREATE DATABASE {_TEMPLATE}")
                # In a thread, since whoever asks may be in an event loop, and this runs one.
                with ThreadPoolExecutor(1) as thread:
                    thread.submit(migrate, self.url(_TEMPLATE)).result()
                self._has_template = True
            self._databases += 1
            name = f"keywright_{self._databases}"
            self.sql(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return name


def shared_postgresql() -> PostgresqlServer:
    """The server that all tests of this process share, started at its first use; each makes databases of its own."""
    with _LOCK:
        if "shared" not in _STARTED:
            _STARTED["shared"] = PostgresqlServer().start()
            atexit.register(_STARTED["shared"].remove)
        return _STARTED["shared"]


def _find_binaries() -> Path:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[4].split(".")[0]))
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    assert found, "PostgreSQL's server is not installed; on Debian, as root: apt-get install postgresql"
    return Path(found).resolve().parent
