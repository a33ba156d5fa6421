"""A TCP way to a server's socket that can be cut, or go dead without a word, as when a network is split."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"


class Wire:
    """Leads to a server on this host.

    Args:
        target: the unix socket at which the server listens.
        host: the address at which this end of the way listens.
    """

    def __init__(self, target: Path, *, host: str = HOST) -> None:
        self._target = str(target)
        # Per direction: whether what comes is handed on.
        self._there, self._back = threading.Event(), threading.Event()
        self._there.set()
        self._back.set()
        self._is_cut = False
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server((host, 0))
        self.host, self.port = host, int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def dead(self) -> Iterator[None]:
        """Nothing passes, and nobody is told: connections stay open, and what is sent waits."""
        self._there.clear()
        with self.deaf():
            try:
                yield
            finally:
                self._there.set()

    @contextlib.contextmanager
    def deaf(self) -> Iterator[None]:
        """What is sent arrives, but no answer comes back until this is over."""
        self._back.clear()
        try:
            yield
        finally:
            self._back.set()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Every connection is closed, and every new one at once."""
        self._is_cut = True
        self._close_all()
        try:
            yield
        finally:
            self._is_cut = False

    def close(self) -> None:
        self._is_cut = True
        self._there.set()
        self._back.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes accept, which close alone does not
        self._listening.close()
        self._close_all()

    def _close_all(self) -> None:
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # of the listening socket, once it is closed
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        self._there.wait()
        with contextlib.suppress(OSError), near, socket.socket(socket.AF_UNIX) as far:
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._is_cut:
                    return
                self._ends |= {near, far}
            far.connect(self._target)
            back = threading.Thread(target=self._pump, args=(far, near, self._back), daemon=True)
            back.start()
            self._pump(near, far, self._there)
            back.join()
            with self._lock:
                self._ends -= {near, far}

    def _pump(self, source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                flows.wait()
                sink.sendall(piece)
        flows.wait()  # that a connection ended is a word, too
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
