"""Engine, transactions, tables, migrations: the only room that knows a SQL dialect."""

from keywright.storage.engine import Database, ReadSession, WriteSession

__all__ = ["Database", "ReadSession", "WriteSession"]
