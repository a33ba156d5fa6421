"""Which origin a client signed for, where the deployment says so itself."""

from __future__ import annotations

from urllib.parse import urlsplit


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
