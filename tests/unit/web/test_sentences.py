"""What the trail tells in words: a sentence for every action that the code records, and none lost."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import keywright
from keywright.accounts import ApiAccess
from keywright.audit import AuditEvent
from keywright.web.sentences import _SENTENCES, plain, sentence

SOURCE = Path(keywright.__file__).parent
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
ROOT = {"kind": "local", "id": "root", "name": "root"}
PERSON = {"kind": "person", "id": "usr_1", "name": "olga@acme.example"}
TOKEN = {"kind": "operator_token", "id": "tok_1", "name": "portal"}


def event(action: str, detail: dict[str, Any] | None = None, *, actor: Any = None, subject: Any = None) -> AuditEvent:
    about = {"kind": "credential", "id": "ck_1"} if subject is None else subject
    by = PERSON if actor is None else actor
    return AuditEvent(1, "2026-11-23T09:30:00.250Z", by, action, about, detail or {}, "", "")


def recorded_actions() -> set[str]:
    """Every action in the source: what functions that record are called with, and what they are given as `action`."""
    found = set()
    for file in SOURCE.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            given = [each.value for each in call.keywords if each.arg == "action"]
            if "record" in name.split("_") and "." not in name:
                given += call.args
            given += [way for each in given if isinstance(each, ast.IfExp) for way in (each.body, each.orelse)]
            for each in given:
                if isinstance(each, ast.Constant) and ACTION.fullmatch(str(each.value)):
                    found.add(each.value)
                elif isinstance(each, ast.JoinedStr):
                    found |= written_out(each)
    return found


def written_out(text: ast.JoinedStr) -> set[str]:
    """The only f-string names a state of API access: those that a decision leads to."""
    assert ast.unparse(text) == "f'api_access.{status.value}'", f"teach this test {ast.unparse(text)}"
    return {f"api_access.{each}" for each in (ApiAccess.ENABLED, ApiAccess.DECLINED, ApiAccess.DISABLED)}


def test_the_source_is_understood():
    found = recorded_actions()
    assert {"account.created", "api_access.requested", "api_access.disabled", "credential.deleted"} <= found
    assert {"user.added", "user.invited_again", "person.password_reset", "operator_token.created"} <= found
    assert {"operator.added", "operator.invited_again"} <= found, "both ways of an if"


def test_every_action_that_is_recorded_has_a_sentence():
    assert recorded_actions() - set(_SENTENCES) == set()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            event("credential.created", {"email": "dev@acme.example", "label": "Shop, test", "algorithm": "ed25519"}),
            "**olga@acme.example** created the API key **Shop, test** (ck_1) for dev@acme.example",
        ),
        (
            event("credential.created", {"email": "dev@acme.example"}),
            "**olga@acme.example** created the API key **ck_1** for dev@acme.example",
        ),
        (
            event("credential.deleted", {"email": "dev@acme.example"}),
            "**olga@acme.example** deleted the API key **ck_1** of dev@acme.example",
        ),
        (
            event("account.created", {"name": "Acme <b>", "type": "corporate"}, actor=TOKEN),
            "**The platform** (token portal) created the corporate account **Acme <b>**",
        ),
        (
            event("api_access.requested", {"message": "for our shop"}),
            "**olga@acme.example** asked for **API access**: \u201cfor our shop\u201d",
        ),
        (event("api_access.enabled", actor={"kind": "operator", "name": "rita@bank.example"}),
         "**rita@bank.example** (relationship manager) enabled **API access**"),
        (
            event("api_access.disabled", {"reason": "unpaid"}, actor=ROOT),
            "**The server's administrator** (root) switched **API access** off: \u201cunpaid\u201d",
        ),
        (
            event("user.added", {"email": "kim@acme.example", "role": "onboarding_agent"},
                  actor={**TOKEN, "onBehalfOf": "olga@acme.example"}),
            "**olga@acme.example** (through the platform, token portal) added **kim@acme.example** as Onboarding Agent",
        ),
        (
            event("user.role_changed", {"email": "kim@acme.example", "from": "viewer", "to": "admin"}),
            "**olga@acme.example** changed the role of **kim@acme.example** from Viewer to **Admin**",
        ),
        (
            event("user.removed", {"email": "kim@acme.example", "role": "viewer"}),
            "**olga@acme.example** removed **kim@acme.example**, who was Viewer, and ended their sessions",
        ),
        (
            event("user.invitation_accepted", {"email": "olga@acme.example"}),
            "**olga@acme.example** accepted the invitation",
        ),
        (
            event("person.totp_removed", {"email": "kim@acme.example"}, actor=ROOT),
            "**The server's administrator** (root) removed the one-time codes of **kim@acme.example**",
        ),
        (
            event("operator_token.deleted", {"name": "portal", "scope": "platform"}, actor=ROOT),
            "**The server's administrator** (root) deleted the platform token **portal**",
        ),
        (event("moon.landed", subject={"kind": "moon", "id": "m1"}), "**olga@acme.example** did **moon.landed** to m1"),
        (event("moon.landed", subject={}), "**olga@acme.example** did **moon.landed**"),
    ],
)  # fmt: skip
def test_sentences(told: AuditEvent, expected: str):
    parts = sentence(told)
    assert "".join(f"**{part.text}**" if part.strong else part.text for part in parts) == expected
    assert plain(parts) == expected.replace("**", "")


@pytest.mark.parametrize("action", [*_SENTENCES, "moon.landed"])
@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"unreadable": "not json"},
        {name: {"a": [1]} for name in ("email", "name", "role", "from", "to", "label", "reason", "type", "scope")},
        dict.fromkeys(("email", "name", "role", "from", "to", "label", "kind", "onBehalfOf"), 7.5),
        dict.fromkeys(("email", "name", "role", "label", "kind", "id")),
        dict.fromkeys(("email", "name", "role", "label", "reason"), "{0} {role} %s"),
    ],
)
def test_whatever_a_tampered_event_holds_comes_out_as_words(action: str, odd: dict[str, Any]):
    parts = sentence(event(action, odd, actor=odd, subject=odd))
    assert all(isinstance(part.text, str) for part in parts)
    assert plain(parts).strip()
