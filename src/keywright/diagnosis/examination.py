"""A request, the server's refusal of it, or both: read from text, judged, and told in a document."""

from __future__ import annotations

import dataclasses
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keywright.diagnosis.diagnose import Diagnosis, VerificationKey, diagnose
from keywright.diagnosis.refusal import ServerRefusal, differences, hint_for, looks_like_refusal, read_refusal
from keywright.diagnosis.remedies import REMEDIES
from keywright.diagnosis.request_text import RawRequest, read_raw_request
from keywright.errors import RefusalCode, Refused
from keywright.formats import CLIENT_SECRET_PATTERN
from keywright.signatures import Profile, check_content_digest

_CLIENT_SECRET = re.compile(CLIENT_SECRET_PATTERN)
_PRIVATE = '"(?:authorization|proxy-authorization|cookie)"'
_HIDDEN = "(hidden here)"
_LATEST = 253_402_300_799  # the end of the year 9999, where datetime ends


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out.

    Args:
        raw: the request, if one was given.
        diagnosis: what is wrong with it.
        refused: what the server said, if that was given.
        now: the time by which the request was judged, seconds since 1970.
    """

    raw: RawRequest | None
    diagnosis: Diagnosis | None
    refused: ServerRefusal | None
    now: float

    def document(self) -> dict[str, Any]:
        """Tell everything, fit to be shown to somebody who helps: without secrets that the request holds."""
        document: dict[str, Any] = {"ok": self.refused is None, "problems": []}
        if self.raw is not None and self.diagnosis is not None:
            document = _told(self.raw, self.diagnosis, self.now)
        if self.refused is not None:
            document["ok"] = False
            document["refusal"] = _told_refusal(self.refused, self.diagnosis)
        return document


def examine(
    text: bytes,
    refusal: bytes | None = None,
    *,
    key: VerificationKey,
    algorithm: str | None = None,
    client_id: str | None = None,
    scheme: str = "https",
    url: str | None = None,
    at: float | None = None,
    pasted: bool = False,
    profile: Profile | None = None,
) -> Examination:
    """Look at a request and at what the server answered to it.

    Args:
        text: the raw request; or a refusal; empty if there is a refusal only.
        refusal: what the server answered, head and body, or its body alone.
        key: to check the signature with; empty leaves that out.
        algorithm: the API key's; None takes what the signature looks like.
        client_id: the key that the request should be signed with; None leaves that open.
        scheme: `https` or `http`, for a request line that has a path only.
        url: origin or whole URL as the client called it; None takes the Host header.
        at: judge as of this time, seconds since 1970; None takes the refusal's Date, else now.
        pasted: the text came through a browser's form, which does not keep line ends.
        profile: the verifier's; the default one if left out.

    Returns:
        What was found out.

    Raises:
        ValueError: one of them cannot be read; the message says where.
    """
    raw: RawRequest | None = None
    refused = read_refusal(refusal) if refusal is not None else None
    if refused is None and looks_like_refusal(text):
        refused = read_refusal(text)
    elif refused is None or text.strip():
        raw = read_raw_request(text, scheme=scheme, url=url)
    if raw is not None and pasted:
        raw = _with_fitting_line_ends(raw)
    told = None if refused is None else refused.date
    now = at if at is not None else told if told is not None else time.time()
    diagnosis = None if raw is None else diagnose(raw.request, key, algorithm, now, profile=profile or Profile())
    if diagnosis is not None and client_id is not None:
        _check_client(diagnosis, client_id)
    return Examination(raw, diagnosis, refused, now)


def hide_client_secrets(text: str) -> str:
    """Take Client Secrets out of a text: somebody who mixes things up may have put one into the request itself.

    Args:
        text: what is to be shown.

    Returns:
        The same without them.
    """
    return _CLIENT_SECRET.sub("cs_(a Client Secret, hidden here)", text)


def instant(seconds: int | None) -> str | None:
    """Write a time as RFC 3339, if it is one.

    Args:
        seconds: since 1970 UTC.
    """
    if seconds is None or not 0 <= seconds <= _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _with_fitting_line_ends(raw: RawRequest) -> RawRequest:
    """Take the body with those line ends with which it fits its digest, if there are such."""
    body = raw.request.body or b""
    sent = next((value for name, value in raw.request.headers if name.lower() == "content-digest"), None)
    if sent is None or check_content_digest(sent, body) is None:
        return raw
    unix = body.replace(b"\r\n", b"\n").rstrip(b"\n")
    for tried in (unix, unix + b"\n"):
        for candidate in (tried, tried.replace(b"\n", b"\r\n")):
            if check_content_digest(sent, candidate) is None:
                remark = "The body is taken with the line ends that fit its Content-Digest: pasting does not keep them."
                request = dataclasses.replace(raw.request, body=candidate)
                return RawRequest(request, [*raw.remarks, remark])
    return raw


def _check_client(diagnosis: Diagnosis, client_id: str) -> None:
    signed_by = None if diagnosis.found is None else diagnosis.found.key_id
    if signed_by is None and diagnosis.token is not None:
        signed_by = diagnosis.token.client_id
    if signed_by is not None and signed_by != client_id:
        others = f"It is from {signed_by[:60]}, and this key is {client_id}. Test it at that key, or use this one."
        # Checked with this key, another's signature cannot hold: that would only distract.
        kept = [each for each in diagnosis.problems if each.code is not RefusalCode.SIGNATURE_INVALID]
        if not any(each.code is RefusalCode.CREDENTIAL_UNKNOWN for each in kept):
            kept.insert(0, Refused(RefusalCode.CREDENTIAL_UNKNOWN, others))
        diagnosis.problems = kept
        diagnosis.signature_holds = None


def _told(raw: RawRequest, diagnosis: Diagnosis, now: float) -> dict[str, Any]:
    found = diagnosis.found
    return {
        "ok": not diagnosis.problems,
        "request": {
            "method": raw.request.method,
            "url": raw.request.url,
            "bodyBytes": len(raw.request.body or b""),
            "remarks": raw.remarks,
        },
        "signature": None
        if found is None
        else {
            "label": found.label,
            "keyid": found.key_id,
            "created": found.created,
            "createdAt": instant(found.created),
            "ageSeconds": None if found.created is None else int(now - found.created),
            "nonce": found.nonce,
            "expires": found.expires,
            "alg": found.alg,
            "tag": found.tag,
            "covered": list(found.components),
        },
        "base": _masked(diagnosis.base),
        "signatureHolds": diagnosis.signature_holds,
        "digestHolds": diagnosis.digest_holds,
        "problems": [
            {
                "code": problem.code.value,
                "title": problem.title,
                "detail": problem.detail,
                "remedy": REMEDIES[problem.code],
            }
            for problem in diagnosis.problems
        ],
        "token": None
        if diagnosis.token is None
        else {"clientId": diagnosis.token.client_id, "expires": diagnosis.token.expires},
    }


def _told_refusal(refused: ServerRefusal, diagnosis: Diagnosis | None) -> dict[str, Any]:
    ours = None if diagnosis is None else diagnosis.base
    compared = None if ours is None or refused.base is None else differences(ours, refused.base)
    return {
        "code": refused.code,
        "title": refused.title,
        "detail": refused.detail,
        "remedy": refused.remedy,
        "status": refused.status,
        "base": refused.base,
        "differences": None
        if compared is None
        else [
            {
                "component": each.component,
                "here": None if each.here is None else _masked_value(each.component, each.here),
                "server": each.server,
                "hint": hint_for(each),
            }
            for each in compared
        ],
    }


def _masked(base: str | None) -> str | None:
    """Hide what other secrets the base may hold."""
    if base is None:
        return None
    return re.sub(rf"^({_PRIVATE}[^:]*: ).+$", lambda match: match[1] + _HIDDEN, base, flags=re.MULTILINE)


def _masked_value(component: str, value: str) -> str:
    return _HIDDEN if re.match(_PRIVATE, component) else value
