"""Whoever takes part in process: calls that are timed in turns."""

from __future__ import annotations

import gc
import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from benchmarks.contestants import PEERS
from benchmarks.machine import tool


class Contender:
    """Something that is timed in turns with the others."""

    def __init__(self, key: str, name: str, call: Callable[[], object], batch: int) -> None:
        self.key, self.name, self.batch, self._call = key, name, batch, call

    def turn(self) -> float:
        """Microseconds of one call, over a batch."""
        gc.collect()
        call, turns = self._call, range(self.batch)
        started = time.perf_counter()
        for _ in turns:
            call()
        return (time.perf_counter() - started) / self.batch * 1e6


class NodeProcess:
    """benchmarks/peers/in_process.mjs, which stays up and times what it is asked to."""

    def __init__(self) -> None:
        command = [tool("node"), str(PEERS / "in_process.mjs")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def micros(self, question: dict[str, Any]) -> float:
        """Microseconds of one call.

        Args:
            question: as in_process.mjs reads it.
        """
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise SystemExit(f"npm {question['library']}: {answer['error']}")
        return answer["micros"]

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class InNode(Contender):
    """An npm library, timed by its own process."""

    def __init__(self, node: NodeProcess, library: str, version: str, question: dict[str, Any], batch: int) -> None:
        super().__init__(library, f"npm {library} {version}, in Node", lambda: None, batch)
        self._node, self._question = node, {**question, "library": library, "times": batch}

    def turn(self) -> float:
        """Microseconds of one call, over a batch."""
        return self._node.micros(self._question)
