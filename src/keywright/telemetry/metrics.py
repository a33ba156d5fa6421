"""Prometheus metrics, of one process or of all that serve one listener.

The hot path adds to a plain dict; what has come together is handed to the Prometheus library when metrics are read, and
once in a while besides (the library keeps the sums of several processes in files, at a price per call).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from keywright.errors import KeywrightError

if TYPE_CHECKING:
    from prometheus_client import Gauge

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
ACCEPTED = "accepted"


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        # Loaded here and not above: as it is loaded, the library looks whether several processes are counted together,
        # and each listener's process is told so only after it was forked.
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram  # noqa: PLC0415

        self.content_type = CONTENT_TYPE_LATEST
        # With several processes each writes files that any of them can sum up; the library asks that of the registry.
        self._many = MULTIPROCESS_VARIABLE in os.environ
        self._registry = CollectorRegistry()
        self._verifications = Counter(
            "keywright_verifications",
            "Verdicts on requests; code is accepted or the refusal's code.",
            ["code"],
            registry=self._registry,
        )
        self._requests = Histogram(
            "keywright_http_request_seconds",
            "Time to answer control plane requests.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._revocations = Counter(
            "keywright_revocations",
            "Deleted keys and accounts switched off, by this process.",
            registry=self._registry,
        )
        self._receipts = Histogram(
            "keywright_receipt_seconds",
            "Time from a revocation's request until no verifier anywhere accepts what was revoked.",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
            registry=self._registry,
        )
        self._mail = Counter(
            "keywright_mail",
            "Attempts to send a mail; outcome is sent, failed (tried again later) or given_up.",
            ["outcome"],
            registry=self._registry,
        )
        self._tokens = Counter(
            "keywright_token_requests",
            "Requests for access tokens; outcome is issued or the error's code.",
            ["outcome"],
            registry=self._registry,
        )
        self._valkey_failures = Counter(
            "keywright_valkey_failures",
            "Questions about nonces that Valkey did not answer, or not with its clock near ours.",
            registry=self._registry,
        )
        self._gauges: dict[str, tuple[Gauge, Callable[[], float]]] = {}
        self._states: dict[str, tuple[Gauge, Callable[[], Mapping[str, float]]]] = {}
        self.verdicts: defaultdict[str, int] = defaultdict(int)

    def watch(self, name: str, description: str, read: Callable[[], float], *, lowest: bool = False) -> None:
        """Show a number that something else keeps.

        Args:
            name: the metric's name.
            description: what it tells.
            read: returns it.
            lowest: of several processes on one listener show the lowest number, not the highest.
        """
        from prometheus_client import Gauge  # noqa: PLC0415 - see __init__

        mode: Literal["livemin", "livemax"] = "livemin" if lowest else "livemax"
        gauge = Gauge(name, description, registry=self._registry, multiprocess_mode=mode)
        self._gauges[name] = (gauge, read)

    def watch_states(self, name: str, description: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Show how many things are in each state, which something else counts.

        Args:
            name: the metric's name.
            description: what it tells.
            read: returns state to number.
        """
        from prometheus_client import Gauge  # noqa: PLC0415 - see __init__

        gauge = Gauge(name, description, ["state"], registry=self._registry, multiprocess_mode="livemax")
        self._states[name] = (gauge, read)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered control plane request.

        Args:
            method: the HTTP method.
            route: the route's pattern, never the path itself: paths are without number.
            status: the HTTP status.
            seconds: how long it took.
        """
        self._requests.labels(method, route, str(status)).observe(seconds)

    def count_revocation(self) -> None:
        """Count a revocation."""
        self._revocations.inc()

    def observe_receipt(self, seconds: float) -> None:
        """Note how long a revocation took.

        Args:
            seconds: from its request until it was in force everywhere.
        """
        self._receipts.observe(seconds)

    def count_mail(self, outcome: str) -> None:
        """Count an attempt to send a mail.

        Args:
            outcome: sent, failed or given_up.
        """
        self._mail.labels(outcome).inc()

    def count_token(self, outcome: str) -> None:
        """Count a request for an access token.

        Args:
            outcome: issued, or the error's code.
        """
        self._tokens.labels(outcome).inc()

    def count_valkey_failure(self) -> None:
        """Count a question that Valkey did not answer."""
        self._valkey_failures.inc()

    def settle(self) -> None:
        """Hand over what has come together; where several processes are counted together, the others see it then."""
        verdicts, self.verdicts = dict(self.verdicts), defaultdict(int)
        for code, count in verdicts.items():
            self._verifications.labels(code).inc(count)
        if self._many:
            self._look()

    def _look(self) -> None:
        """Take down the numbers that others keep."""
        for gauge, read in self._gauges.values():
            # What cannot be read now keeps its last value; the rest must still be shown.
            with suppress(KeywrightError):
                gauge.set(read())
        for labelled, read_states in self._states.values():
            for state, number in read_states().items():
                labelled.labels(state).set(number)

    def render(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - see __init__
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        self.settle()
        self._look()
        if not self._many:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it untyped
        return generate_latest(registry)
