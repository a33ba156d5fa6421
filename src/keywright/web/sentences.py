"""An event of the audit trail as a sentence that people read; the important words are marked, and no HTML is made here.

Whatever an event holds comes out as text: someone who tampered with the database may have put anything in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keywright.accounts import PrincipalKind
from keywright.audit import AuditEvent


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of a sentence, and whether they stand out."""

    text: str
    strong: bool = False


Sentence = tuple[Part, ...]


def sentence(event: AuditEvent) -> Sentence:
    """Tell what happened.

    Args:
        event: of any chain.

    Returns:
        One sentence without a full stop. An action that has no sentence is told by its name.
    """
    tell = _SENTENCES.get(event.action, _anything)
    parts = (*_actor(event), Part(" "), *tell(event))
    return tuple(Part(writable(part.text), part.strong) for part in parts)


def plain(parts: Sentence) -> str:
    """Write a sentence without any marks."""
    return "".join(part.text for part in parts)


def writable(text: str) -> str:
    """Replace what no file and no page can hold: halves of characters, which only tampering leaves."""
    return text.encode("utf-8", "replace").decode()


def _actor(event: AuditEvent) -> Sentence:
    actor, name = event.actor, _text(event.actor, "name", "someone")
    kind = actor.get("kind")
    if kind == PrincipalKind.OPERATOR_TOKEN:
        if "onBehalfOf" in actor:
            who = _text(actor, "onBehalfOf", "someone")
            return Part(who, strong=True), Part(" (through the platform, token "), Part(name), Part(")")
        return Part("The platform", strong=True), Part(f" (token {name})")
    if kind == PrincipalKind.LOCAL:
        return Part("The server's administrator", strong=True), Part(f" ({name})")
    if kind == PrincipalKind.OPERATOR:
        return Part(name, strong=True), Part(" (relationship manager)")
    return (Part(name, strong=True),)


def _key(event: AuditEvent) -> Sentence:
    label, client_id = event.detail.get("label"), _text(event.subject, "id", "without a Client ID")
    if label is None:
        return (Part(client_id, strong=True),)
    return Part(str(label), strong=True), Part(f" ({client_id})")


def _key_created(event: AuditEvent) -> Sentence:
    return Part("created the API key "), *_key(event), Part(f" for {_text(event.detail, 'email', 'nobody')}")


def _key_deleted(event: AuditEvent) -> Sentence:
    return Part("deleted the API key "), *_key(event), Part(f" of {_text(event.detail, 'email', 'nobody')}")


def _account_created(event: AuditEvent) -> Sentence:
    kind, name = _text(event.detail, "type", "new"), _text(event.detail, "name", "without a name")
    return Part(f"created the {kind} account "), Part(name, strong=True)


def _access(words: str) -> Callable[[AuditEvent], Sentence]:
    before, _, after = words.partition("API access")

    def tell(event: AuditEvent) -> Sentence:
        said = event.detail.get("reason", event.detail.get("message"))
        quoted = () if said is None else (Part(f": \u201c{said}\u201d"),)
        return Part(before), Part("API access", strong=True), Part(after), *quoted

    return tell


def _user(before: str, after: str = "") -> Callable[[AuditEvent], Sentence]:
    def tell(event: AuditEvent) -> Sentence:
        role = after.format(role=_role(event.detail.get("role"))) if after else ""
        return Part(f"{before} "), Part(_text(event.detail, "email", "someone"), strong=True), Part(role)

    return tell


def _role_changed(event: AuditEvent) -> Sentence:
    return (
        Part("changed the role of "),
        Part(_text(event.detail, "email", "someone"), strong=True),
        Part(f" from {_role(event.detail.get('from'))} to "),
        Part(_role(event.detail.get("to")), strong=True),
    )


def _own(for_oneself: str, for_another: str) -> Callable[[AuditEvent], Sentence]:
    """What people do for themselves, and others at times for them."""

    def tell(event: AuditEvent) -> Sentence:
        email = _text(event.detail, "email", "someone")
        if email == event.actor.get("name"):
            return (Part(for_oneself),)
        return Part(f"{for_another} "), Part(email, strong=True)

    return tell


def _token(verb: str) -> Callable[[AuditEvent], Sentence]:
    def tell(event: AuditEvent) -> Sentence:
        scope = _text(event.detail, "scope", "operator")
        return Part(f"{verb} the {scope} token "), Part(_text(event.detail, "name", "without a name"), strong=True)

    return tell


def _anything(event: AuditEvent) -> Sentence:
    subject = event.subject.get("id")
    return Part("did "), Part(str(event.action), strong=True), Part("" if subject is None else f" to {subject}")


def _role(name: Any) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in str(name or "no role").split("_"))


def _text(values: dict[str, Any], name: str, otherwise: str) -> str:
    value = values.get(name)
    return otherwise if value is None or value == "" else str(value)


_SENTENCES: dict[str, Callable[[AuditEvent], Sentence]] = {
    "account.created": _account_created,
    "api_access.requested": _access("asked for API access"),
    "api_access.enabled": _access("enabled API access"),
    "api_access.declined": _access("declined API access"),
    "api_access.disabled": _access("switched API access off"),
    "credential.created": _key_created,
    "credential.deleted": _key_deleted,
    "user.added": _user("added", " as {role}"),
    "user.invited_again": _user("sent another invitation to"),
    "user.invitation_accepted": _own("accepted the invitation", "accepted the invitation of"),
    "user.role_changed": _role_changed,
    "user.removed": _user("removed", ", who was {role}, and ended their sessions"),
    "person.password_changed": _own("changed their password", "changed the password of"),
    "person.password_reset": _own("set a new password with a link from a mail", "set a new password for"),
    "person.totp_added": _own("began to use one-time codes from an app", "set up one-time codes for"),
    "person.totp_removed": _own("stopped using one-time codes from an app", "removed the one-time codes of"),
    "person.recovery_codes_renewed": _own("made new recovery codes", "made new recovery codes for"),
    "person.recovery_code_used": _own("signed in with a recovery code", "used a recovery code of"),
    "person.passkey_added": _own("added a passkey", "added a passkey for"),
    "person.passkey_removed": _own("removed a passkey", "removed a passkey of"),
    "operator.added": _user("made", " a relationship manager"),
    "operator.invited_again": _user("sent another invitation to"),
    "operator.removed": _user("removed the relationship manager"),
    "operator_token.created": _token("created"),
    "operator_token.deleted": _token("deleted"),
}
