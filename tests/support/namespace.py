"""A network namespace: a network of its own, with links to this one that can go down."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Self


class Namespace:
    """A network of its own for a process; making one takes root."""

    def __init__(self) -> None:
        self.name = f"kw{os.getpid()}"
        self._links: dict[str, str] = {}

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_error: object) -> None:
        for name in self._links:
            _ip("link", "del", self._near(name))
        _ip("netns", "del", self.name)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Of the command line of a process that is to live in it."""
        return "ip", "netns", "exec", self.name

    def link(self, name: str, network: str) -> str:
        """Lead a link there; the address of this end of it.

        Args:
            name: tells it from the other links; a few letters.
            network: a /30 of which nobody else has anything.
        """
        near, far = self._near(name), f"{self._near(name)}x"
        _ip("link", "add", near, "type", "veth", "peer", "name", far)
        self._links[name] = network
        _ip("link", "set", far, "netns", self.name)
        address = ipaddress.ip_address(network) + 1
        _ip("addr", "add", f"{address}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", self.name, "addr", "add", f"{address + 1}/30", "dev", far)
        _ip("-n", self.name, "link", "set", far, "up")
        return str(address)

    def inside(self, address: str) -> str:
        """The address of the other end of a link."""
        return str(ipaddress.ip_address(address) + 1)

    @contextlib.contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Nothing passes over this link."""
        _ip("link", "set", self._near(name), "down")
        try:
            yield
        finally:
            _ip("link", "set", self._near(name), "up")

    def _near(self, name: str) -> str:
        return f"{self.name}{name}"[:14]


def can_make_namespaces() -> bool:
    """Tell whether this process may make them."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"kw{os.getpid()}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, timeout=30, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=30, check=False)
    return made


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
