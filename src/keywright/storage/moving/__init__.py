"""Carry a deployment's data from SQLite to PostgreSQL: all of it, compared row by row, or nothing."""

from keywright.storage.moving.move import Moved, move

__all__ = ["Moved", "move"]
