"""URLs as they may be shown."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """Return a URL as it may be shown.

    Args:
        url: of a database or another server.

    Returns:
        The same with its password, if any, replaced.
    """
    # To the last @: an unescaped sign in a password must not show the rest of it.
    shown = re.sub(r"(?<=://)([^:@/?#]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", shown)
