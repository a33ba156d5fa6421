"""Signing a request: which headers to add to it."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import replace

from keywright.errors import Refused
from keywright.signatures.algorithms import sign_bytes
from keywright.signatures.base import build_base
from keywright.signatures.components import Plan, plan_for
from keywright.signatures.digest import check_content_digest, content_digest
from keywright.signatures.profile import Profile
from keywright.signatures.request import SignedRequest, combine_fields, usually_has_body
from keywright.signatures.structured_fields import StructuredFieldError, serialise_string
from keywright.signatures.structured_fields_parser import parse_dictionary

_LABEL = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_NONCE = re.compile(r"[!#-\[\]-~]{16,64}")
_LATEST = 999_999_999_999_999
_PROFILE = Profile()


def sign_request(
    request: SignedRequest,
    *,
    key_id: str,
    algorithm: str,
    key: bytes,
    created: int,
    nonce: str,
    components: Sequence[str] | None = None,
    expires: int | None = None,
    tag: str | None = None,
    label: str = "sig1",
    include_alg: bool = False,
) -> dict[str, str]:
    """Sign a request.

    Args:
        request: as it will be sent: method, URL and headers exactly so. A fragment in the URL is left out.
        key_id: the Client ID.
        algorithm: `ed25519` or `hmac-sha256`.
        key: the 32-byte Ed25519 seed, or the MAC key.
        created: the time of signing, seconds since the epoch.
        nonce: 16 to 64 visible characters that were never used before.
        components: what to cover: names, or serialised identifiers such as `"example-dict";key="a"`. By
            default `@method`, `@target-uri`, with a body `content-digest`, and `content-type` where it is
            there.
        expires: seconds since the epoch; left out by default.
        tag: an application's name for the signature; left out by default.
        label: the signature's key in both headers.
        include_alg: name the algorithm in the signature; the verifier does not need it.

    Returns:
        The headers to add, not to replace: `Content-Digest` (with a body, if it is not there already),
        `Signature-Input`, `Signature`.

    Raises:
        ValueError: the request cannot be signed so; the message says why.

    Source: RFC 9421 sections 3.1 and 4; RFC 9530 section 2.
    """
    added: dict[str, str] = {}
    if "#" in request.url:
        request = replace(request, url=request.url.partition("#")[0])
    fields = combine_fields(request.headers)
    _check_label(label, fields)
    digest = _digest_to_add(request, fields)
    if digest is not None:
        added["Content-Digest"] = fields["content-digest"] = digest
        request = replace(request, headers=[*request.headers, ("Content-Digest", digest)])
    plan = _plan(components, fields)
    params = plan.text + _params(
        key_id, created, nonce, expires=expires, tag=tag, alg=algorithm if include_alg else None
    )
    base = build_base(plan, request, fields, params, _PROFILE)
    if not isinstance(base, str):
        raise ValueError(f"This request cannot be signed. {base.detail}")  # noqa: TRY004 - a value is at fault
    signature = sign_bytes(algorithm, key, base.encode("ascii"))
    added["Signature-Input"] = f"{label}={params}"
    added["Signature"] = f"{label}=:{b2a_base64(signature, newline=False).decode('ascii')}:"
    return added


def _check_label(label: str, fields: dict[str, str]) -> None:
    if not _LABEL.fullmatch(label):
        raise ValueError("label: lower-case letters, digits and _ - . * only, beginning with a letter or *")
    for name in ("signature-input", "signature"):
        if name in fields:
            try:
                taken = label in parse_dictionary(fields[name])
            except StructuredFieldError as error:
                raise ValueError(f"The request has a {name} header that cannot be read: {error}.") from error
            if taken:
                raise ValueError(f"The request already has a signature labelled {label}; choose another label.")


def _digest_to_add(request: SignedRequest, fields: dict[str, str]) -> str | None:
    if request.body is None:
        return None
    sent = fields.get("content-digest")
    if sent is None:
        # Also of an empty body, where a gateway that does not see it could not tell.
        return content_digest(request.body) if request.body or usually_has_body(request.method) else None
    mismatch = check_content_digest(sent, request.body)
    if mismatch is not None:
        raise ValueError(f"The request's Content-Digest does not fit its body. {mismatch.detail}")
    return None


def _plan(components: Sequence[str] | None, fields: dict[str, str]) -> Plan:
    if components is None:
        names = '"@method" "@target-uri"'
        if "content-digest" in fields:
            names += ' "content-digest"'
        if "content-type" in fields:
            names += ' "content-type"'
    elif isinstance(components, str):
        raise ValueError("components: a sequence of names, not one string")
    else:
        names = " ".join(name if name.startswith('"') else f'"{name}"' for name in components)
    plan = plan_for(f"({names})")
    if isinstance(plan, Refused):
        raise ValueError(f"components: {plan.detail}")  # noqa: TRY004 - a value is at fault
    if components is not None and len(plan.components) != len(components):
        raise ValueError("components: each entry must be one name or one serialised identifier")
    return plan


def _params(key_id: str, created: int, nonce: str, *, expires: int | None, tag: str | None, alg: str | None) -> str:
    if not key_id:
        raise ValueError("key_id: must not be empty")
    if not _NONCE.fullmatch(nonce):
        raise ValueError("nonce: 16 to 64 visible ASCII characters without quote and backslash")
    if not 0 <= created <= _LATEST:
        raise ValueError("created: seconds since the epoch, as an integer")
    if expires is not None and not created <= expires <= _LATEST:
        raise ValueError("expires: seconds since the epoch, not before created")
    params = f';created={created:d};keyid={_quoted("key_id", key_id)};nonce="{nonce}"'
    if expires is not None:
        params += f";expires={expires:d}"
    if alg is not None:
        params += f";alg={_quoted('algorithm', alg)}"
    if tag is not None:
        params += f";tag={_quoted('tag', tag)}"
    return params


def _quoted(name: str, value: str) -> str:
    try:
        return serialise_string(value)
    except StructuredFieldError as error:
        raise ValueError(f"{name}: {error}") from error
