"""What a token endpoint is asked, and what its answers mean."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from keywright._version import __version__
from keywright.sdk.refusal import json_object

# What an answer without expires_in is taken for (RFC 6749 section 5.1 only recommends to say it).
_ASSUMED_LIFE_SECONDS = 300.0
_MAX_LIFE_SECONDS = 86_400.0 * 366
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 section 2.1
_NOT_SHOWN = re.compile(r"cs_(?:live|sandbox)_[0-9a-fA-F]*|[^ -~]")
_MAX_SHOWN = 300
_REDIRECTS = range(300, 400)

# What to do about the codes of RFC 6749 section 5.2 and our own.
_REMEDIES = {
    "invalid_client": "the endpoint does not know this Client ID with this Client Secret. The key was deleted, is one "
    "of another environment, or the two do not belong together: check both, or create a new key",
    "unauthorized_client": "this key may not fetch tokens: ask the platform",
    "api_access_disabled": "API access of the account is switched off: ask the platform to switch it on again",
    "invalid_request": "the endpoint does not take what was sent: check that the URL is that of /auth/token",
    "unsupported_grant_type": "this is an OAuth endpoint for forms: give the URL of /auth/token",
}
_BY_STATUS = {
    404: "there is no token endpoint at this URL: check it",
    405: "there is no token endpoint at this URL: check it",
    415: "the endpoint takes no JSON: give the URL of /auth/token",
}


class TokenError(Exception):
    """No token could be had.

    Args:
        message: what is wrong and what to do. Never holds the secret.
        code: what the endpoint calls it, such as `invalid_client`; None if it did not say.
        status: the endpoint's HTTP status; None if there was no answer.
        retry_after_seconds: when another attempt is worthwhile, if the endpoint said so.
    """

    def __init__(
        self,
        message: str,
        code: str | None = None,
        status: int | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    def again(self) -> TokenError:
        """Make another one like it, for another thread or task to raise."""
        return TokenError(str(self), self.code, self.status, self.retry_after_seconds)


def checked_token_url(url: str, *, allow_http: bool) -> str:
    """Check that a secret may be sent to a URL.

    Args:
        url: of the token endpoint.
        allow_http: whether the network there is trusted.

    Returns:
        The URL.

    Raises:
        ValueError: it is not absolute, holds a password, or is not protected by TLS.

    Source: RFC 6749 section 3.2.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("token_url: an absolute URL is needed, such as https://api.example.com/auth/token")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("token_url: leave user, password and fragment out; the key says who asks")
    if parts.scheme == "http" and not allow_http and not _is_this_machine(parts.hostname):
        raise ValueError(
            "token_url: the Client Secret goes there, so it must be https://; within a network that you trust, say "
            "allow_http=True"
        )
    return url


def _is_this_machine(host: str) -> bool:
    # The ways in which people write it; any other name or number might lead elsewhere.
    return host in {"localhost", "::1"} or re.fullmatch(r"127(?:\.[0-9]{1,3}){3}", host) is not None


def token_request_headers(body: bytes) -> dict[str, str]:
    """Give the headers of the request for a token.

    Args:
        body: what is posted.

    Returns:
        The headers.
    """
    return {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": f"keywright/{__version__}",
    }


def read_token(status: int, body: bytes) -> tuple[str, float] | None:
    """Read a token endpoint's answer.

    Args:
        status: the HTTP status.
        body: the body.

    Returns:
        The access token and its life in seconds; None if this is no such answer.

    Source: RFC 6749 section 5.1.
    """
    document = json_object(body) if status == 200 else {}
    value, kind, life = document.get("access_token"), document.get("token_type"), document.get("expires_in")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return None
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    if life is None:
        return value, _ASSUMED_LIFE_SECONDS
    if isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life <= _MAX_LIFE_SECONDS:
        return None
    return value, float(life)


def refused_token(url: str, status: int, body: bytes, retry_after: str | None) -> TokenError:
    """Put into words why there is no token.

    Args:
        url: of the token endpoint.
        status: its HTTP status.
        body: its answer's body.
        retry_after: its `Retry-After`, if it has one.

    Returns:
        The error, to be raised.

    Source: RFC 6749 section 5.2; RFC 9457 section 3.
    """
    if status in _REDIRECTS:
        return redirected_token_request(url, status)
    document = json_object(body)
    code = next((value for name in ("error", "code") if isinstance(value := document.get(name), str)), None)
    code = None if code is None else _shown(code)[:64]
    wait = int(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    if status == 200:
        remedy = "the answer is not a bearer token in JSON: check that the URL is that of the token endpoint"
    elif status == 429:
        remedy = f"too many attempts failed: wait {f'{wait} seconds' if wait else 'a while'}, and check the secret"
    elif code in _REMEDIES:
        remedy = _REMEDIES[code]
    elif status >= 500:
        remedy = "it cannot answer now: try again" + (f" in {wait} seconds" if wait else "")
    else:
        remedy = _BY_STATUS.get(status, "it does not say why in a way that is known here: ask the platform")
    said = next((v for n in ("error_description", "detail") if isinstance(v := document.get(n), str)), "")
    name = f" {code}" if code else ""
    message = f"no token from {_shown(url)} ({status}{name}): {remedy}."
    return TokenError(f"{message} It said: {_shown(said)}" if said else message, code, status, wait)


def redirected_token_request(url: str, status: int | None = None) -> TokenError:
    """Put into words that the token endpoint leads elsewhere: a secret is not sent on.

    Args:
        url: of the token endpoint.
        status: its HTTP status, if it is known.

    Returns:
        The error, to be raised.
    """
    return TokenError(
        f"no token from {_shown(url)}: it redirects, and a Client Secret is not sent on to another address. Give "
        "TokenAuth the final URL, if you trust it.",
        None,
        status,
    )


def unreachable(url: str, reason: str) -> TokenError:
    """Put into words that the token endpoint did not answer.

    Args:
        url: of the token endpoint.
        reason: what the HTTP client says.

    Returns:
        The error, to be raised.
    """
    return TokenError(
        f"no token from {_shown(url)}: it cannot be reached; check the address, the network and the certificate. "
        f"The client said: {_shown(reason)}"
    )


def _shown(text: str) -> str:
    """A server's words, fit for a log: short, one line, and without what might be a secret sent back."""
    return _NOT_SHOWN.sub("?", text)[:_MAX_SHOWN]
