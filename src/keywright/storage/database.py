"""Transactions, whatever the engine. Read and write sessions are different types, so that a reader cannot write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import CursorResult, Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection

from keywright.errors import Unavailable

Clock = Callable[[], float]


class ReadSession:
    """One read transaction: a consistent view of the database.

    Args:
        connection: an open connection inside a transaction.
        now_ms: the time of this transaction, milliseconds since 1970 UTC.
        server: names the server that answers, where there may be another one day; see `WatchedConnection`.
    """

    def __init__(self, connection: AsyncConnection, now_ms: int, *, server: str = "") -> None:
        self._connection = connection
        self.now_ms = now_ms
        self.server = server

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement.

        Args:
            statement: a SQLAlchemy Core statement.
            parameters: its values, or a list of them to run it many times.

        Returns:
            The buffered result.

        Raises:
            Unavailable: the connection was lost, or no answer came in time.
        """
        try:
            return await self._connection.execute(statement, parameters)
        except OSError as error:  # a time-out is one, too
            raise no_answer(error) from error

    async def stream(self, statement: Executable, *, batch: int) -> AsyncGenerator[Sequence[Row[Any]]]:
        """Run one statement whose rows are too many to hold at once.

        Args:
            statement: a SQLAlchemy Core statement.
            batch: how many rows to read at a time.

        Yields:
            The rows in batches, none of them empty. Nothing else runs in this session meanwhile.

        Raises:
            Unavailable: the connection was lost, or no answer came in time.
        """
        try:
            async with self._connection.stream(statement, execution_options={"yield_per": batch}) as result:
                async for rows in result.partitions():
                    yield rows
        except OSError as error:  # as above
            raise no_answer(error) from error


class WriteSession(ReadSession):
    """One write transaction. It is undone unless the edge calls `commit`; services never do."""

    async def commit(self) -> None:
        """Make the changes last. When this returns, they are on the disk.

        Raises:
            Unavailable: no answer came; the changes may or may not have been made.
        """
        try:
            await self._connection.commit()
        except OSError as error:
            raise unknown_outcome(error) from error

    async def notify(self, channel: str) -> None:
        """Wake whoever listens on other nodes, once this transaction is committed.

        Args:
            channel: what they listen to.
        """


class Database(ABC):
    """The one door to the data: `SqliteDatabase` on one host, `PostgresqlDatabase` for many nodes."""

    @property
    @abstractmethod
    def is_shared(self) -> bool:
        """Whether nodes on other hosts may work with it as well, so that what is cached here needs a lease."""

    @abstractmethod
    def read(self) -> AbstractAsyncContextManager[ReadSession]:
        """Open a read transaction.

        Raises:
            Unavailable: the database does not answer in time.
        """

    @abstractmethod
    def write(self, *, alone: bool = True) -> AbstractAsyncContextManager[WriteSession]:
        """Open a write transaction; undone unless committed.

        Args:
            alone: no other transaction that is alone runs meanwhile, on any node, so that what is checked in it still
                holds at its commit. Only bookkeeping that checks nothing goes without.

        Raises:
            Unavailable: the database does not answer, or others held the write lock too long.
        """

    @abstractmethod
    async def check(self) -> None:
        """Make sure that questions are answered, and truthfully.

        Raises:
            Unavailable: they are not.
        """

    @abstractmethod
    async def reconnect(self) -> None:
        """Read over new connections from now on: those that there are lead to a server that may have been replaced."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection."""


def no_answer(error: BaseException) -> Unavailable:
    """Say that the database did not answer, and that nothing was changed.

    Args:
        error: what came instead; it goes to the log.

    Returns:
        The error to raise.
    """
    return Unavailable("the database did not answer; try again in a moment", private=repr(error))


def unknown_outcome(error: BaseException) -> Unavailable:
    """Say that a commit was not answered.

    Args:
        error: what came instead; it goes to the log.

    Returns:
        The error to raise.
    """
    return Unavailable(
        "the database did not confirm the change, so it may or may not have been made; look before you try again",
        private=repr(error),
    )
