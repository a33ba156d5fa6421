"""Verifying against a database on this host, in the application's own process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from keywright.errors import Fault, InvalidRequest, KeywrightError, Refused, Unavailable
from keywright.integrations.caller import Caller
from keywright.integrations.configuration import Keywright
from keywright.signatures import SignedRequest

try:
    from keywright.app import open_database, random_bytes, verification_service
    from keywright.keyring import KeyringFile
    from keywright.settings import Settings, load_settings
    from keywright.verification import VERDICT_TYPES, Verdict
    from keywright.verification.nonces import done
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"verifying against a database needs {error.name}: pip install 'keywright[server]',"
        " or let a gateway listener verify: Keywright(gateway=...)",
        name=error.name,
    ) from error

# Database files that this process has open, and those that it had open when it was forked off: a child has SQLite's
# account of locks without the locks, so new connections of its own would not be safe either.
_in_use: Counter[Path] = Counter()
_inherited: set[Path] = set()


def _leave_to_parent() -> None:
    _inherited.update(_in_use)


os.register_at_fork(after_in_child=_leave_to_parent)


@dataclass
class _Opened:
    """A verifier on one event loop, and what must be closed with it."""

    loop: asyncio.AbstractEventLoop
    service: Any
    keys: Any
    nonces: Any
    last_used: Any
    database: Any
    rechecking: asyncio.Task[None]


class Direct:
    """Verifies against a database, from an event loop.

    It opens on the loop that first asks, and anew on another. A process that was forked off while the database was open
    judges nothing: SQLite does not survive that.

    Args:
        config: says where the database is; everything else is set as for the server, by `KEYWRIGHT_*` and its file.

    Raises:
        InvalidRequest: those settings have faults.
    """

    def __init__(self, config: Keywright) -> None:
        self._settings = _settings(config)
        self._timeout_seconds = config.timeout_seconds
        self._opened: _Opened | None = None

    async def open(self) -> None:
        """Open the database.

        Raises:
            Unavailable: there is none, or it cannot be opened.
        """
        if self._opened is None or self._opened.loop is not asyncio.get_running_loop():
            self._opened = _open(self._settings, self._timeout_seconds)

    def judge(
        self, request: SignedRequest, fields: dict[str, str] | None = None
    ) -> Caller | Refused | Awaitable[Caller | Refused]:
        """Judge a request; see AsyncVerifier."""
        opened = self._opened
        if opened is None or opened.loop is not asyncio.get_running_loop():
            opened = self._opened = _open(self._settings, self._timeout_seconds)
        origin = self._settings.api_origin
        if origin is not None:
            # Our URLs have a path; the deployment's own word for the origin counts here as it does at its gateway.
            request.url = origin + request.url[request.url.index("/", len("https://")) :]
        verdict = opened.service.judge(request, fields)
        return _told(verdict) if isinstance(verdict, VERDICT_TYPES) else _tell(verdict)

    async def close(self) -> None:
        """Write what is left and close."""
        opened = self._opened
        if opened is None or opened.loop is not asyncio.get_running_loop():
            return
        self._opened = None
        opened.rechecking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opened.rechecking
        await opened.last_used.stop()
        await opened.keys.close()
        await done(opened.nonces.close())
        await opened.database.close()
        _let_go(self._settings.database_file)


def _settings(config: Keywright) -> Settings:
    if config.data_dir is not None:
        settings = load_settings(data_dir=Path(config.data_dir))
        if not settings.is_embedded:
            raise InvalidRequest(
                [
                    Fault(
                        "database_url",
                        "names PostgreSQL, where verifiers are processes of their own; let a gateway listener verify:"
                        " Keywright(gateway=...)",
                    )
                ]
            )
        return settings
    assert config.database is not None
    file = Path(config.database)
    return load_settings(data_dir=file.parent, database_url=f"sqlite:///{file}")


def _open(settings: Settings, timeout_seconds: float) -> _Opened:
    file = settings.database_file
    if file in _inherited:
        raise Unavailable(
            "the verifier cannot be opened in this process",
            private=f"it was forked off while its parent had {file} open, which SQLite does not survive; start workers"
            " before the first request, by spawn, or let a gateway listener verify: Keywright(gateway=...)",
        )
    if not file.is_file():
        raise Unavailable(
            f"there is no Keywright database at {file}; check data_dir, or make one with `keywright migrate`"
        )
    _in_use[file] += 1
    database = open_database(settings)
    try:
        keyring = KeyringFile(settings.keyring_path, random_bytes)
        service, keys, nonces, last_used = verification_service(
            settings, database, keyring, patience_seconds=timeout_seconds
        )
    except (KeywrightError, OSError) as error:
        _let_go(file)
        reason = (error.private or error.message) if isinstance(error, KeywrightError) else repr(error)
        raise Unavailable("the verifier cannot be opened; try again in a moment", private=reason) from error
    keys.start()
    last_used.start()
    loop = asyncio.get_running_loop()
    return _Opened(loop, service, keys, nonces, last_used, database, loop.create_task(_recheck(keys)))


async def _tell(verdict: Awaitable[Verdict]) -> Caller | Refused:
    return _told(await verdict)


def _told(verdict: Verdict) -> Caller | Refused:
    if isinstance(verdict, Refused):
        return verdict
    return _caller(verdict.client_id, verdict.account_id, verdict.account_type, verdict.scheme)


# A key is used over and over, and making a frozen object takes longer than finding it.
_caller = lru_cache(maxsize=4096)(Caller)


def _let_go(file: Path) -> None:
    _in_use[file] -= 1
    if not _in_use[file]:
        del _in_use[file]


async def _recheck(keys: Any) -> None:
    while True:
        await asyncio.sleep(1)
        keys.recheck()
