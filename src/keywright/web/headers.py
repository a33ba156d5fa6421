"""The headers that every page carries, whatever it shows."""

from __future__ import annotations

from urllib.parse import urlsplit

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from keywright.wire.browser import is_loopback

# Nothing inline, nothing from elsewhere, nobody's frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # To ourselves only: addresses may hold an invitation's token. Without any, browsers send `Origin: null` with forms.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_NO_STORE = (b"cache-control", b"no-store")
_TWO_YEARS = 63_072_000


def with_security_headers(app: ASGIApp, base_url: str) -> ASGIApp:
    """Wrap an application so that each of its answers carries them, those of its router as well.

    Args:
        app: the pages.
        base_url: where people reach them; off loopback, over TLS, browsers are told to stay with TLS.

    Returns:
        The application to serve.
    """
    always = _ALWAYS
    if urlsplit(base_url).scheme == "https" and not is_loopback(base_url):
        always = (*_ALWAYS, (b"strict-transport-security", b"max-age=%d; includeSubDomains" % _TWO_YEARS))

    async def add(scope: Scope, receive: Receive, send: Send) -> None:
        async def adding_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *always]
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                message["headers"] = headers
            await send(message)

        await app(scope, receive, adding_send)

    return add
