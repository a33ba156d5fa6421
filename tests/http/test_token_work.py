"""Unknown, deleted and wrong cost the server the same work, so that the time of an answer tells nothing."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx2
import pytest

from keywright.keyring import Keyring
from keywright.settings import Settings
from keywright.signatures import public_key_of
from support.queries import counted, in_process
from support.server import running
from support.tokens import wrong_pairs

# Litestar 2 says with each handler how Litestar 3 wants its dependencies marked; servers do not tell it to anyone.
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

# What takes longest of all that differs by the pair: deriving, and opening a sealed secret.
COSTLY: dict[CodeType, str] = {public_key_of.__code__: "derived", Keyring.open.__code__: "opened"}


async def work_of(client: httpx2.AsyncClient, client_id: str, secret: str) -> Counter[str]:
    """Every statement that the database is asked, and how often each costly function is called."""
    done: Counter[str] = Counter()
    task = asyncio.current_task()

    def note(frame: FrameType, event: str, called: Any) -> None:
        if asyncio.current_task() is not task:
            return  # the postman's work, which nobody waits for
        if event == "call" and frame.f_code in COSTLY:
            done[COSTLY[frame.f_code]] += 1
        elif event == "c_call" and called.__name__ in {"compare_digest", "_compare_digest"}:
            done["compared"] += 1

    with counted() as statements:
        sys.setprofile(note)
        try:
            answer = await client.post("/auth/token", json={"clientId": client_id, "clientSecret": secret})
        finally:
            sys.setprofile(None)
    assert answer.status_code == 401, answer.text
    return done + Counter(each for each in statements if "outgoing_mail" not in each)


async def test_unknown_wrong_and_deleted_are_the_same_work(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        pairs = wrong_pairs(server, account, delete=False)
    async with in_process(Settings(data_dir=data_dir)) as client:
        await work_of(client, *pairs["unknown"])  # what is loaded with the first request is loaded then
        works = {name: await work_of(client, *pair) for name, pair in pairs.items()}
    first = works["unknown"]
    assert first["derived"] >= 1
    assert first["opened"] >= 1
    assert first["compared"] >= 2
    assert any("credentials" in each for each in first)
    assert {name: work for name, work in works.items() if work != first} == {}
