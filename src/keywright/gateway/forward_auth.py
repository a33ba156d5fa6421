"""Put the original request together again from what a gateway forwards, and tell it what to hand on."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from keywright.errors import Fault, InvalidRequest
from keywright.gateway.origin import is_absolute, with_origin
from keywright.problems import Answer
from keywright.signatures import SignedRequest

_ORIGINAL = ("x-original-method", "x-original-url")
_FORWARDED = ("x-forwarded-method", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri")
_USED = frozenset(_ORIGINAL + _FORWARDED)
# nginx reads the whole head of an answer into 4 KiB.
_MAX_PROBLEM_BYTES = 3000
_HOST = re.compile(r"[^\s,/?#@\\]+")


def read_original_request(
    headers: Collection[tuple[str, str]], fields: dict[str, str] | None, body: bytes | None, api_origin: str | None
) -> SignedRequest:
    """Read the original request.

    Args:
        headers: lines of the gateway's own request, which carries the original's along.
        fields: the same by lower-case name, if no name is there twice.
        body: if the gateway sends it along; None if it does not.
        api_origin: scheme and authority that clients sign for; None takes what the gateway says.

    Returns:
        The request as the client sent it.

    Raises:
        InvalidRequest: the gateway does not say what the original was, or says it twice.
    """
    method, url = _target(_said_by_gateway(headers) if fields is None else fields)
    if not is_absolute(url):
        raise InvalidRequest([Fault("X-Original-URL", "must be absolute, beginning with https:// or http://")])
    if api_origin is not None:
        url = with_origin(url, api_origin)
    return SignedRequest(method, url, headers, body)


def _said_by_gateway(headers: Collection[tuple[str, str]]) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _USED:
            if lower in said:
                # One of the two would be the client's own: a gateway must overwrite, not add.
                raise InvalidRequest([Fault(name, "is there twice; the gateway must set it, not add to it")])
            said[lower] = value
    return said


def with_problem_header(answer: Answer) -> Answer:
    """Say a refusal's problem document in the header `Keywright-Problem` too.

    Some gateways (nginx) keep only the headers of such an answer, and have the client's answer made of them.

    Args:
        answer: the refusal.

    Returns:
        The same with the header: ASCII, and without the signature base where that makes it too long.
    """
    status, headers, body = answer
    document = json.loads(body)
    problem = json.dumps(document)
    if len(problem) > _MAX_PROBLEM_BYTES:
        document.pop("signatureBase", None)
        problem = json.dumps(document)
    if len(problem) <= _MAX_PROBLEM_BYTES:
        headers = [*headers, ("keywright-problem", problem)]
    return status, headers, body


def _target(said: dict[str, str]) -> tuple[str, str]:
    method, url = said.get("x-original-method"), said.get("x-original-url")
    if method is not None or url is not None:
        if method is None or url is None:
            raise _lacking(said, _ORIGINAL)
        if "x-forwarded-method" in said or "x-forwarded-uri" in said:
            # -Proto and -Host are set by any proxy on the way; these two only by one that asks us in this way. And then
            # one family would be the gateway's, the other the client's, who must not choose which request is judged.
            message = "is there beside X-Forwarded-Method or -Uri; the gateway must remove what it does not set itself"
            raise InvalidRequest([Fault("X-Original-URL", message)])
        return method, url
    if not all(name in said for name in _FORWARDED):
        raise _lacking(said, _FORWARDED)
    uri = said["x-forwarded-uri"]
    if not uri.startswith("/"):
        raise InvalidRequest([Fault("X-Forwarded-Uri", "must be the path and query, beginning with /")])
    if said["x-forwarded-proto"] not in {"http", "https"} or not _HOST.fullmatch(said["x-forwarded-host"]):
        message = "X-Forwarded-Proto must be http or https, and X-Forwarded-Host one host: set them, do not add to them"
        raise InvalidRequest([Fault("X-Forwarded-Host", message)])
    return said["x-forwarded-method"], f"{said['x-forwarded-proto']}://{said['x-forwarded-host']}{uri}"


def _lacking(said: dict[str, str], names: tuple[str, ...]) -> InvalidRequest:
    message = (
        "is missing; the gateway must say what the original request was: X-Original-Method and X-Original-URL, or"
        " X-Forwarded-Method, -Proto, -Host and -Uri"
    )
    return InvalidRequest([Fault(name, message) for name in names if name not in said])
