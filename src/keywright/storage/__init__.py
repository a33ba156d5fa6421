"""Engine, transactions, tables, migrations: the only room that knows a SQL dialect."""

from keywright.storage.database import Database, ReadSession, WriteSession, no_answer
from keywright.storage.open import open_database

__all__ = ["Database", "ReadSession", "WriteSession", "no_answer", "open_database"]
