"""`keywright explain`: what a request's signature covers, and what is wrong with it."""

from __future__ import annotations

import json
import re
import sys
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
from keywright.diagnosis import Diagnosis, VerificationKey, examine
from keywright.diagnosis.examination import hide_client_secrets, instant
from keywright.diagnosis.refusal import ServerRefusal
from keywright.diagnosis.remedies import REMEDIES
from keywright.diagnosis.request_text import RawRequest
from keywright.formats import parse_client_secret
from keywright.signatures import ALGORITHMS, FoundSignature, SignedRequest


def explain(
    file: Annotated[
        str, typer.Argument(help="The raw request, or a refusal: a file, or - for stdin.", show_default=False)
    ] = "-",
    scheme: Annotated[
        Literal["https", "http"], typer.Option("--scheme", help="For a request line that has a path only.")
    ] = "https",
    url: Annotated[
        str | None,
        typer.Option(
            "--url", help="Origin or URL as the client called it; default: the Host header.", show_default=False
        ),
    ] = None,
    refusal: Annotated[
        str | None,
        typer.Option("--refusal", help="What the server answered, saved with curl -i: a file.", show_default=False),
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
        typer.Option(
            "--at",
            help="Judge as of this time, seconds since 1970; default: the refusal's Date, else now.",
            show_default=False,
        ),
    ] = None,
    client_secret: RefusedSecret = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what was signed of a raw HTTP request, show the signature base, and name what is wrong.

    Given the server's refusal, with --refusal or in the request's place, say what to change, and where its signature
    base differs. Status 0 if nothing is wrong, 1 if something is.
    """
    refuse_secret_argument(client_secret)
    if algorithm is not None and algorithm not in ALGORITHMS:
        fail("--algorithm: ed25519 or hmac-sha256", status=MISUSED)
    key = _verification_key(secret_file, public_key)
    with reported():
        examination = examine(
            _read(file),
            None if refusal is None else Path(refusal).read_bytes(),
            key=key,
            algorithm=algorithm,
            scheme=scheme,
            url=url,
            at=at,
        )
    document = examination.document()
    diagnosis = examination.diagnosis
    lines: list[str] = []
    if examination.raw is not None and diagnosis is not None:
        lines = [*_lines(examination.raw, diagnosis, document), ""]
    if examination.refused is not None:
        lines += _refusal_lines(examination.refused, document["refusal"], diagnosis)
    shown = json.dumps(document, indent=2) if as_json else "\n".join(lines).rstrip("\n")
    print(hide_client_secrets(shown))
    raise typer.Exit(0 if document["ok"] else 1)


def _read(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


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
        for problem in diagnosis.problems:
            lines += [f"  {problem.code.value}: {problem.detail}", f"    {REMEDIES[problem.code]}"]
    elif diagnosis.token is not None:
        ends = instant(diagnosis.token.expires)
        lines.append(
            f"Token      of {diagnosis.token.client_id or 'nobody that it names'}"
            + (f", good until {ends}." if ends else ", without an end that can be read.")
        )
        lines.append(
            "Nothing is wrong that can be seen here. The server also knows whether it is genuine and its key active."
        )
    else:
        lines.append("Nothing is wrong here. A verifier also knows whether the key is active and the nonce unused.")
    return lines


def _refusal_lines(refused: ServerRefusal, shown: dict[str, Any], diagnosis: Diagnosis | None) -> list[str]:
    status = "" if refused.status is None else f" ({refused.status})"
    lines = [f"Server     refused it with {refused.code}{status}{': ' + refused.title if refused.title else ''}"]
    if refused.detail:
        lines.append(f"           {refused.detail}")
    lines.append(f"To do      {refused.remedy}")
    compared = shown["differences"]
    if compared:
        lines += ["", "The signature bases differ:"]
        for each in compared:
            lines += [
                f"  {each['component']}",
                f"    here    {'(no such line)' if each['here'] is None else each['here']}",
                f"    server  {'(no such line)' if each['server'] is None else each['server']}",
                f"    {each['hint']}",
            ]
    elif compared is not None:
        lines.append(
            "Bases      The server built the same signature base, so the secret is another key's, or other bytes"
        )
        lines.append("           were signed. Say --secret-file to check the signature here.")
    elif refused.base is not None:
        lines += ["", "Signature base, as the server built it:", *(f"  | {line}" for line in refused.base.split("\n"))]
    elif refused.code == "signature_invalid" and diagnosis is not None:
        lines.append("           The refusal carries no signatureBase to compare with: something replaced its body.")
    return lines
