"""`keywright explain`: what a request's signature covers, and what is wrong with it."""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from keywright.cli.console import (
    MISUSED,
    RefusedSecret,
    SecretFile,
    fail,
    read_secret,
    refuse_secret_argument,
    reported,
)
from keywright.cli.diagnosis import Diagnosis, VerificationKey, diagnose
from keywright.cli.raw_request import RawRequest, read_raw_request
from keywright.formats import CLIENT_SECRET_PATTERN, parse_client_secret
from keywright.signatures import ALGORITHMS, FoundSignature, SignedRequest

_CLIENT_SECRET = re.compile(CLIENT_SECRET_PATTERN)
_LATEST = 253_402_300_799  # the end of the year 9999, where datetime ends


def explain(
    file: Annotated[str, typer.Argument(help="The raw request: a file, or - for stdin.", show_default=False)] = "-",
    scheme: Annotated[
        Literal["https", "http"], typer.Option("--scheme", help="For a request line that has a path only.")
    ] = "https",
    url: Annotated[
        str | None,
        typer.Option(
            "--url", help="Origin or URL as the client called it; default: the Host header.", show_default=False
        ),
    ] = None,
    secret_file: SecretFile = None,
    public_key: Annotated[
        str | None,
        typer.Option("--public-key", help="The key's Ed25519 public key, 64 hex digits.", show_default=False),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option("--algorithm", help="The key's algorithm; default: what fits.", show_default=False),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option("--at", help="Judge as of this time, seconds since 1970; default: now.", show_default=False),
    ] = None,
    client_secret: RefusedSecret = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what was signed of a raw HTTP request, show the signature base, and name what is wrong.

    Status 0 if nothing is wrong, 1 if something is.
    """
    refuse_secret_argument(client_secret)
    if algorithm is not None and algorithm not in ALGORITHMS:
        fail("--algorithm: ed25519 or hmac-sha256", status=MISUSED)
    key = _verification_key(secret_file, public_key)
    with reported():
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        raw = read_raw_request(text, scheme=scheme, url=url)
    now = time.time() if at is None else at
    diagnosis = diagnose(raw.request, key, algorithm, now)
    document = _document(raw, diagnosis, now)
    shown = json.dumps(document, indent=2) if as_json else "\n".join(_lines(raw, diagnosis, document))
    # Somebody who mixes things up may have put the secret into the request itself.
    print(_CLIENT_SECRET.sub("cs_(a Client Secret, hidden here)", shown))
    raise typer.Exit(0 if document["ok"] else 1)


def _verification_key(secret_file: Path | None, public_key: str | None) -> VerificationKey:
    if public_key is not None:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", public_key):
            fail("--public-key: 64 hex digits are needed", status=MISUSED)
        return VerificationKey(public_key=bytes.fromhex(public_key))
    seed: bytes | None = None
    with reported():
        secret = read_secret(secret_file)
        seed = None if secret is None else parse_client_secret(secret)
    return VerificationKey(seed=seed)


def _document(raw: RawRequest, diagnosis: Diagnosis, now: float) -> dict[str, Any]:
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
            "createdAt": _instant(found.created),
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
            {"code": problem.code.value, "title": problem.title, "detail": problem.detail}
            for problem in diagnosis.problems
        ],
    }


def _instant(seconds: int | None) -> str | None:
    if seconds is None or not 0 <= seconds <= _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _masked(base: str | None) -> str | None:
    """Hide what other secrets the base may hold: it is shown to be sent to somebody who helps."""
    if base is None:
        return None
    return re.sub(
        r'^("(?:authorization|proxy-authorization|cookie)"[^:]*: ).+$',
        lambda match: match[1] + "(hidden here)",
        base,
        flags=re.MULTILINE,
    )


def _lines(raw: RawRequest, diagnosis: Diagnosis, document: dict[str, Any]) -> list[str]:
    body = raw.request.body or b""
    lines = [
        f"Request    {raw.request.method} {raw.request.url}, {f'{len(body)} bytes of body' if body else 'no body'}"
    ]
    lines += [f"           {remark}" for remark in raw.remarks]
    if diagnosis.found is not None:
        lines += _signature_lines(diagnosis.found, document["signature"], raw.request)
    if diagnosis.base is not None:
        lines += ["", "Signature base, exactly what is signed (no line end after the last line):"]
        lines += [f"  | {line}" for line in (document["base"] or "").split("\n")]
    lines += ["", *_verdict_lines(diagnosis)]
    return lines


def _signature_lines(found: FoundSignature, shown: dict[str, Any], request: SignedRequest) -> list[str]:
    age = shown["ageSeconds"]
    when = "not given"
    if found.created is not None:
        behind = f"{age} s ago" if age >= 0 else f"{-age} s ahead"
        when = f"{found.created} = {shown['createdAt'] or 'no date that there is'}, {behind}"
    lines = [
        f"Signature  {found.label}, {len(found.signature)} bytes",
        f"  keyid    {found.key_id}",
        f"  created  {when}",
        f"  nonce    {found.nonce if found.nonce is not None else 'not given'}",
    ]
    lines += [f"  {name:<8} {shown[name]}" for name in ("expires", "alg", "tag") if shown[name] is not None]
    lines.append(f"  covers   {', '.join(found.components) or 'nothing'}")
    if "content-type" in found.fields and "content-type" not in found.components and request.body:
        lines.append("           (content-type is not covered: it may be, and then nobody can reinterpret the body)")
    return lines


def _verdict_lines(diagnosis: Diagnosis) -> list[str]:
    lines = []
    if diagnosis.digest_holds is not None:
        lines.append(f"Body       {'fits' if diagnosis.digest_holds else 'does not fit'} its Content-Digest.")
    if diagnosis.signature_holds is not None:
        lines.append(f"Signature  {'holds' if diagnosis.signature_holds else 'does not hold'} with the given key.")
    elif diagnosis.found is not None:
        lines.append("Signature  not checked: no key given. Say --secret-file or --public-key to check it.")
    if diagnosis.problems:
        lines.append("")
        lines.append("Wrong:")
        lines += [f"  {problem.code.value}: {problem.detail}" for problem in diagnosis.problems]
    else:
        lines.append("Nothing is wrong here. A verifier also knows whether the key is active and the nonce unused.")
    return lines
