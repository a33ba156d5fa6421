"""What a browser calls itself, in two words, for its owner to recognise it by. Browsers say what they want."""

from __future__ import annotations

# In this order: each of them also claims to be those that come after it.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_LONGEST = 40


def browser_name(user_agent: str) -> str:
    """Name a browser.

    Args:
        user_agent: the header it sent, which may be anything.

    Returns:
        Such as `Firefox on Linux`; what it calls itself first, if it is none that we know.
    """
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    own = user_agent.partition("/")[0].strip()[:_LONGEST]
    return browser or system or (own if own.isprintable() else "") or "Unknown"
