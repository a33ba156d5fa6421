"""Stands between a browser and a server, and keeps every byte that passes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Recorder:
    """What was asked and answered so far, as raw bytes in the order in which they came.

    Args:
        port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self.asked = b""
        self.answered = b""
        self._port = port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.base_url = f"http://localhost:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [browser, server]
            for source, target, is_answer in ((browser, server, False), (server, browser, True)):
                threading.Thread(target=self._pump, args=(source, target, is_answer), daemon=True).start()

    def close(self) -> None:
        # Shutting down wakes the threads that wait in these; closing alone would not.
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _pump(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                with self._lock:
                    if is_answer:
                        self.answered += piece
                    else:
                        self.asked += piece
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def recording(port: int) -> Iterator[Recorder]:
    """Record what passes to a server on this port."""
    recorder = Recorder(port)
    serving = threading.Thread(target=recorder.serve)
    serving.start()
    try:
        yield recorder
    finally:
        recorder.close()
        serving.join(10)
