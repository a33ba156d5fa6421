"""Which origin a client signed for, where the deployment says so itself."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_absolute(url: str) -> bool:
    """Tell whether a URL says scheme and authority; a scheme may be in any case (RFC 9110 section 4.2.3)."""
    return url.startswith(("https://", "http://")) or url[:8].lower().startswith(("https://", "http://"))


def with_origin(url: str, origin: str) -> str:
    """Put the public origin in the place of whatever origin a request came in by.

    Args:
        url: absolute, as the gateway forwards it.
        origin: scheme and authority from the settings.

    Returns:
        The URL with that origin.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # unreadable: the verifier refuses it
    return url.replace(f"{url.partition('//')[0]}//{parts.netloc}", origin, 1)
