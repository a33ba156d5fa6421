"""OAuth 2.0 as bytes: forms and headers in, JSON out. No framework, so that both listeners answer alike."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from keywright.problems import CLIENT_CHALLENGE, Answer
from keywright.tokens.assertion import ASSERTION_TYPE, read_assertion
from keywright.tokens.clients import AssertionProof, SecretProof

FORM = "application/x-www-form-urlencoded"
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
TWO_WAYS = "the client says in more than one way who it is; use one"
_MOST_FIELDS = 50
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class OAuthCall:
    """A call of one of the OAuth addresses.

    Args:
        headers: every header line.
        body: as sent.
        address: the network address that it comes from.
    """

    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    address: str

    def header(self, name: str) -> str | None:
        """Return a header that may be there once.

        Raises:
            OAuthError: it is there twice.
        """
        found = [value for each, value in self.headers if each.lower() == name]
        if len(found) > 1:
            raise OAuthError("invalid_request", f"the {name} header is there twice")
        return found[0] if found else None


class OAuthError(Exception):
    """A refusal in OAuth's words.

    Args:
        error: the error's code.
        description: what to mend, in ASCII without quotes and backslashes (RFC 6749 section 5.2).
        status: the HTTP status.
        headers: more headers of the answer.

    Source: RFC 6749 section 5.2.
    """

    def __init__(
        self, error: str, description: str, status: int = 400, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.headers = list(headers)

    def answer(self, call: OAuthCall) -> Answer:
        """Answer a call with it.

        A client that used the Authorization header is answered in its terms (RFC 6749 section 5.2). Others are not:
        their libraries would take the challenge for the answer, and not look at the error.
        """
        headers = list(self.headers)
        is_asked_for = any(name.lower() == "authorization" for name, _ in call.headers)
        if self.status == 401 and is_asked_for and not any(name == "www-authenticate" for name, _ in headers):
            headers.append(("www-authenticate", CLIENT_CHALLENGE))
        return json_answer(self.status, {"error": self.error, "error_description": self.description}, headers)


def json_answer(status: int, document: Any, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """Answer with JSON that nobody may keep (RFC 6749 section 5.1)."""
    fixed = [("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache")]
    return status, [*fixed, *headers], _encode(document)


def read_form(call: OAuthCall) -> dict[str, str]:
    """Read the parameters of a call.

    Args:
        call: the call.

    Returns:
        The parameters that have a value: one without counts as left out.

    Raises:
        OAuthError: it is no form, or one is there twice.

    Source: RFC 6749 section 3.2 and appendix B.
    """
    content_type = call.header("content-type") or ""
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"the Content-Type must be {FORM}")
    try:
        pairs = parse_qsl(
            call.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise OAuthError("invalid_request", "the body is not a form of UTF-8 text, or has too many fields") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a parameter is there twice")
    return {name: value for name, value in form.items() if value}


def read_proof(call: OAuthCall, form: dict[str, str]) -> SecretProof | AssertionProof:
    """Read with what a client says who it is.

    Args:
        call: the call.
        form: its parameters.

    Returns:
        What is to be checked.

    Raises:
        OAuthError: nothing that can be checked, or more than one thing.

    Source: RFC 6749 sections 2.3 and 2.3.1; RFC 7521 section 4.2.
    """
    authorization = call.header("authorization")
    named = form.get("client_id")
    ways = [authorization is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1:
        raise OAuthError("invalid_request", TWO_WAYS)
    if authorization is not None:
        proof: SecretProof | AssertionProof = _read_basic(authorization)
    elif "client_assertion" in form:
        proof = _read_assertion(form)
    elif named is not None and "client_secret" in form:
        return SecretProof(named, form["client_secret"])
    else:
        ways_text = "Authorization: Basic, client_id and client_secret, or client_assertion"
        raise OAuthError("invalid_client", f"the request does not say which client sends it; send {ways_text}", 401)
    if named is not None and named != proof.client_id:
        raise OAuthError("invalid_request", "client_id names another client than the one that proves who it is")
    return proof


def _read_basic(authorization: str) -> SecretProof:
    scheme, _, encoded = authorization.partition(" ")
    client_id, colon, client_secret = _decoded(encoded.strip(" ")).partition(":")
    if scheme.lower() != "basic" or not colon:
        raise OAuthError(
            "invalid_client", "the Authorization header must be Basic with the Client ID and the Client Secret", 401
        )
    # Both are written as in a form before they are put together (RFC 6749 section 2.3.1).
    return SecretProof(unquote_plus(client_id), unquote_plus(client_secret))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:  # not base64, or not UTF-8
        return ""


def _read_assertion(form: dict[str, str]) -> AssertionProof:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
    assertion = read_assertion(form["client_assertion"])
    if assertion is None:
        raise OAuthError(
            "invalid_client",
            "the client assertion cannot be read; it is a JWT signed with EdDSA, with iss, sub, aud, exp and jti",
            401,
        )
    return AssertionProof(assertion)
