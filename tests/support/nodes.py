"""Several nodes of one deployment: each has a data directory of its own, and they share a PostgreSQL database."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from support.postgresql import shared_postgresql
from support.server import Server, set_environment
from support.valkey import shared_valkey

KEY_FILES = ("keyring.json", "token-keys.json")
# Databases of the shared Valkey; the lower ones are those of deployments of one node.
_NUMBERS = itertools.count(5000)


@dataclass
class Deployment:
    """What the nodes of one deployment share: a database of PostgreSQL, one of Valkey, and settings.

    Args:
        folder: where their data directories are made.
        settings: environment variables that all of them are given besides.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    nodes: list[Server] = field(default_factory=list)
    database: str = field(default_factory=lambda: shared_postgresql().new_database())
    valkey_url: str = field(default_factory=lambda: f"{shared_valkey().url}?db={next(_NUMBERS)}")

    @property
    def url(self) -> str:
        return shared_postgresql().url(self.database)

    def sql(self, statement: str) -> str:
        return shared_postgresql().sql(statement, self.database)

    def data_dir(self, name: str) -> Path:
        """The data directory of a node; what is run in it knows the shared database."""
        found = self.folder / name
        found.mkdir(mode=0o700, exist_ok=True)
        set_environment(
            found, {"KEYWRIGHT_DATABASE_URL": self.url, "KEYWRIGHT_VALKEY_URL": self.valkey_url, **self.settings}
        )
        return found

    def node(self, role: str, *, copy_keys: bool = True, workers: int = 1, **environment: str) -> Server:
        """Make a node that is not started yet; it is handed the key files of the first one."""
        name = f"{role}-{len(self.nodes)}"
        data_dir = self.data_dir(name)
        if copy_keys and self.nodes:
            self.hand_over(self.nodes[0].data_dir, data_dir)
        made = Server(data_dir, workers=workers, environment={"KEYWRIGHT_ROLE": role, **environment})
        self.nodes.append(made)
        if len(self.nodes) > 1:
            made._tokens = self.nodes[0]._tokens
        return made

    @staticmethod
    def hand_over(source: Path, target: Path) -> None:
        """Copy the key files, as an operator does."""
        for name in KEY_FILES:
            shutil.copy2(source / name, target / name)

    def close(self) -> None:
        for node in self.nodes:
            node.close()
