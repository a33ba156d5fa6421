"""Prometheus metrics, of one process or of all that serve one listener.

The hot path adds to a plain dict; what has come together is handed to the Prometheus library when metrics are read, and
once in a while besides (the library keeps the sums of several processes in files, at a price per call).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

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
        self._gauges: dict[str, tuple[Gauge, Callable[[], float]]] = {}
        self.verdicts: defaultdict[str, int] = defaultdict(int)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show a number that something else keeps.

        Args:
            name: the metric's name.
            description: what it tells.
            read: returns it.
        """
        from prometheus_client import Gauge  # noqa: PLC0415 - see __init__

        gauge = Gauge(name, description, registry=self._registry, multiprocess_mode="livemax")
        self._gauges[name] = (gauge, read)

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

    def settle(self) -> None:
        """Hand over what has come together."""
        verdicts, self.verdicts = dict(self.verdicts), defaultdict(int)
        for code, count in verdicts.items():
            self._verifications.labels(code).inc(count)

    def render(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - see __init__
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        self.settle()
        for gauge, read in self._gauges.values():
            # What cannot be read now keeps its last value; the rest must still be shown.
            with suppress(KeywrightError):
                gauge.set(read())
        if not self._many:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it untyped
        return generate_latest(registry)
