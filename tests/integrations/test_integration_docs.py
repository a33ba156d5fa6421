"""The pages of docs/integrations are followed by pasting: their programs run as they stand, on the server they name."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import keywright
from support.gateways import free_port
from support.guarded import HOST, wait_for
from support.server import Server
from support.tokens import secret_of

PAGES = Path(__file__).parents[2] / "docs" / "integrations"
GATEWAY, APP = "http://127.0.0.1:8081", "8000"
# A page, and which of its programs for the application.
FRAMEWORKS = {"fastapi": ("asgi", 0), "starlette": ("asgi", 1), "litestar": ("asgi", 2), "flask": ("flask", 0)}


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def paste(folder: Path, programs: list[str], changes: dict[str, str]) -> None:
    """Save each program under the name in its first line; the end of a file that is there is its end now."""
    for program in programs:
        name = re.match(r"# (\S+)\n", program)
        assert name is not None, f"no file is named: {program[:60]}"
        file = folder / name[1]
        for old, new in changes.items():
            program = program.replace(old, new)  # noqa: PLW2901
        before = file.read_text() if file.name == "settings.py" else ""
        file.write_text(before + program)


def environment(key: keywright.Credential | None = None) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
    clean |= {"PATH": f"{Path(sys.executable).parent}:{clean['PATH']}", "PYTHONUNBUFFERED": "1"}
    if key is not None:
        clean |= {"KEYWRIGHT_CLIENT_ID": key.client_id, "KEYWRIGHT_CLIENT_SECRET": secret_of(key)}
    return clean


@contextlib.contextmanager
def run(page: str, folder: Path, port: int) -> Iterator[None]:
    """Run the command of the page's step 3 for a while."""
    [command] = [each for each in blocks(page, "sh") if "8000" in each]
    log = folder / "log"
    with log.open("w") as said:
        process = subprocess.Popen(
            shlex.split(command.replace(APP, str(port))),
            cwd=folder,
            env=environment(),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        wait_for(port, process, log)
        yield
    finally:
        # Django's runs in two processes.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(20)


def follow(page: str, folder: Path, server: Server, port: int) -> None:
    """Do the page's step 3, and look at what it says one sees."""
    account = server.account()
    key = server.key(account)
    client = blocks(page, "python")[-1]
    assert client.startswith("# client.py\n")
    paste(folder, [client], {f":{APP}/": f":{port}/"})
    with run(page, folder, port):
        done = subprocess.run(
            [sys.executable, "client.py"],
            cwd=folder,
            env=environment(key),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr + (folder / "log").read_text()
        first, second = done.stdout.splitlines()
        assert ast.literal_eval(first) == {"account": account, "payment": {"amount": "12.50"}}
        assert second == "signature_missing"
        health = httpx2.get(f"http://{HOST}:{port}/healthz", trust_env=False)
        assert (health.status_code, health.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_program_works_as_pasted(framework: str, server: Server, tmp_path: Path):
    page, number = FRAMEWORKS[framework]
    program = blocks(page, "python")[number]
    assert framework in program.lower()
    assert GATEWAY in program
    paste(tmp_path, [program], {GATEWAY: server.data})
    follow(page, tmp_path, server, free_port())


def test_the_project_of_django_works_as_pasted(server: Server, tmp_path: Path):
    [start] = re.findall(r"^(django-admin [^#\n]*)", "".join(blocks("django", "sh")), re.MULTILINE)
    subprocess.run(shlex.split(start), cwd=tmp_path, env=environment(), check=True, timeout=120)
    *programs, _ = blocks("django", "python")
    assert len(programs) == 2
    paste(tmp_path, programs, {GATEWAY: server.data})
    follow("django", tmp_path, server, free_port())


def test_every_program_of_the_pages_is_run():
    assert {path.stem for path in PAGES.glob("*.md")} == {"README", "asgi", "flask", "django"}
    assert blocks("README", "python") == []
    assert [len(blocks(page, "python")) for page in ("asgi", "flask", "django")] == [3 + 1, 1 + 1, 2 + 1]
