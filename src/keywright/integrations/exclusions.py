"""Paths that are let through without verification."""

from __future__ import annotations

from collections.abc import Sequence


class Exclusions:
    """Tells which paths are excluded.

    Args:
        paths: each a path, or with `/*` at its end all paths below: `/public/*` is neither `/public` nor `/public/`,
            which some frameworks take for the same.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._exact = frozenset(path for path in paths if not path.endswith("/*"))
        self._below = tuple(path[:-1] for path in paths if path.endswith("/*"))

    def __bool__(self) -> bool:
        """Whether any path is let through."""
        return bool(self._exact or self._below)

    def __contains__(self, path: str) -> bool:
        """Whether a path, already percent-decoded, is let through.

        One that could be another after normalisation (`/public/../admin`) is not: it is verified like any other.
        """
        if path in self._exact:
            return True
        if not any(path.startswith(prefix) and (path != prefix or prefix == "/") for prefix in self._below):
            return False
        return "\\" not in path and not {"", ".", ".."} & set(path[1:].removesuffix("/").split("/"))
