"""What operators see: structured logs without secrets, and metrics."""

from keywright.telemetry.logs import configure_logs, masked
from keywright.telemetry.metrics import Metrics
from keywright.telemetry.requests import AsgiApp, observed

__all__ = ["AsgiApp", "Metrics", "configure_logs", "masked", "observed"]
