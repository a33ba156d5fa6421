"""Structured logs on stderr, in which no secret, token or signature can be read."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import structlog

from keywright.formats import CLIENT_SECRET_PATTERN

_MASK = "[masked]"
_SECRET_FIELDS = frozenset(
    {
        "authorization",
        "proxy_authorization",
        "cookie",
        "set_cookie",
        "signature",
        "password",
        "token",
        "client_secret",
        "clientsecret",
        "secret",
        "access_token",
        "client_assertion",
        "private_key",
        "key",
    }
)
# Whatever field they come in: Client Secrets, our own tokens, bearer tokens, byte sequences of signature headers.
_SECRET_TEXT = re.compile(
    rf"{CLIENT_SECRET_PATTERN}|kw(?:op|s|i|r|c)_[0-9a-f]{{16,}}"
    r"|(?i:bearer|basic)\s+[\w.~+/=-]+|:[A-Za-z0-9+/]{40,}={0,2}:"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a token in the compact form, also without its scheme
    r"|\b[0-9a-f]{64,}\b|\$argon2\S+"
)


def masked(value: Any) -> Any:
    """Hide what must not be read.

    Args:
        value: anything that is about to be logged.

    Returns:
        The same with secrets replaced, inside of dicts, lists and texts too.
    """
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_MASK, value)
    if isinstance(value, bytes):
        return _MASK
    if isinstance(value, dict):
        return {
            key: _MASK if str(key).lower().replace("-", "_") in _SECRET_FIELDS else masked(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        if len(value) == 2 and str(value[0]).lower().replace("-", "_") in _SECRET_FIELDS:
            return [value[0], _MASK]  # a header line
        return [masked(inner) for inner in value]
    return value


def _mask_event(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    hidden = masked(event)
    assert isinstance(hidden, dict)
    return hidden


def _processors() -> Iterator[Any]:
    yield structlog.contextvars.merge_contextvars
    yield structlog.stdlib.add_log_level
    yield structlog.processors.TimeStamper(fmt="iso", utc=True)
    yield structlog.processors.format_exc_info  # before masking: a traceback can quote a secret
    yield _mask_event


def configure_logs(level: str, fmt: str) -> None:
    """Send our logs, and those of the libraries, to stderr as masked structured lines.

    Args:
        level: the least level: debug, info, warning, error.
        fmt: `json`, one object a line, or `console` for people.
    """
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared = list(_processors())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The web server tells of its own start and stop; we say that ourselves, in one line.
    for chatty in ("_granian", "granian", "aiosqlite", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
