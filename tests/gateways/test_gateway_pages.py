"""The pages are followed by pasting: their commands are run as they stand, and do what the comments behind them say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.gateways import DOCS, HOST, block
from support.server import Server
from support.tokens import secret_of
from support.ways import Way

PAGES = sorted(path.stem for path in (DOCS / "gateways").glob("*.md"))


def run_shell(script: str, folder: Path, **environment: str) -> str:
    """What a pasted script says, on both outputs, with this project's own `keywright` first in the path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
    path = f"{folder}:{Path(sys.executable).parent}:{clean['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={**clean, **environment, "PATH": path, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def curl_for(way: Way, folder: Path) -> None:
    """A curl that finds the gateway by the name on the pages, and trusts its certificate."""
    options = f"--cacert {way.gateway.certificate.chain} --connect-to {HOST}:443:127.0.0.1:{way.gateway.port}"
    (folder / "curl").write_text(f'#!/bin/sh\nexec {shutil.which("curl")} "$@" --noproxy "*" {options}\n')
    (folder / "curl").chmod(0o755)


@pytest.mark.parametrize("page", ["its own", "bodies", "tokens"])
def test_the_commands_do_what_the_page_says(way: Way, page: str, tmp_path: Path):
    name = way.gateway.name if page == "its own" else page
    text = (DOCS / f"gateways/{name}.md").read_text()
    [script] = re.findall(r"^## Try it\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    curl_for(way, tmp_path)
    key = {"KEYWRIGHT_CLIENT_ID": way.key.client_id, "KEYWRIGHT_CLIENT_SECRET": secret_of(way.key)}
    said = run_shell(script, tmp_path, **key)

    promised = re.findall(r"^.*? # (\d*) ?(.*)$", script, re.MULTILINE)
    statuses = [int(status) if status else 200 for status, _ in promised]
    assert len(statuses) >= 2
    assert [int(status) for status in re.findall(r"^HTTP/[\d.]+ (\d+)", said, re.MULTILINE)] == statuses
    for _, words in promised:
        for code in re.findall(r"[a-z]+_[a-z]+", words):
            assert f'"{code}"' in said


def test_the_key_to_try_with_is_made_as_the_page_says(server: Server, tmp_path: Path):
    script = block("gateways/README.md", "bash").replace("http://127.0.0.1:8080", server.control)
    shown = 'echo; echo "$KEYWRIGHT_CLIENT_ID $KEYWRIGHT_CLIENT_SECRET"; keywright sign GET https://api.example.com/'
    said = run_shell(script + shown, tmp_path, KEYWRIGHT_DATA_DIR=str(server.data_dir))
    assert re.search(r"^ck_\w{26} cs_\w+$", said, re.MULTILINE)
    headers = [tuple(line.split(": ", 1)) for line in said.splitlines() if line.startswith("Signature")]
    assert server.verify(headers, method="GET", url="https://api.example.com/").code == "accepted"


@pytest.mark.parametrize("page", sorted({*PAGES} - {"README"}))
def test_every_page_goes_from_what_one_gets_to_what_to_know(page: str):
    text = (DOCS / f"gateways/{page}.md").read_text()
    intro = text.partition("\n## ")[0]
    assert re.findall(r"^\*\*(What you \w+):\*\*", intro, re.MULTILINE) == ["What you get", "What you need"]
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [each for each in headings if each in {"Steps", "Try it", "What to know"}] == [
        "Steps",
        "Try it",
        "What to know",
    ]


def test_the_overview_names_every_gateway_and_says_which_are_run():
    overview = (DOCS / "gateways/README.md").read_text()
    for page in set(PAGES) - {"README", "bodies", "tokens"}:
        [row] = re.findall(rf"^\| \[\w+\]\({page}\.md\) \|.*\| (.*) \|$", overview, re.MULTILINE)
        is_run = page in {"nginx", "caddy", "haproxy"}
        assert row.startswith("yes") == is_run
        assert ("**Not run by our tests.**" in (DOCS / f"gateways/{page}.md").read_text()) != is_run


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_links_within_the_pages_lead_to_headings():
    for page in PAGES:
        here = DOCS / f"gateways/{page}.md"
        for target, heading in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", prose(here)):
            there = here.parent / target if target else here
            headings = re.findall(r"^#+ (.*)$", prose(there), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", found.lower()).replace(" ", "-") for found in headings}
            assert heading in slugs, f"{page}.md leads to {target}#{heading}"
