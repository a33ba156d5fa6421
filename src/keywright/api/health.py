"""Health, readiness and metrics of the control plane's listener."""

from __future__ import annotations

from litestar import Response, Router, get

from keywright.control import Control


@get("/healthz", summary="Is the process alive?")
async def get_health() -> dict[str, str]:
    """Answer as long as the process can."""
    return {"status": "ok"}


@get("/readyz", summary="Can calls be answered?")
async def get_readiness(control: Control) -> dict[str, str]:
    """Look into the database; 503 with the reason while it does not answer."""
    await control.is_ready()
    return {"status": "ready"}


@get("/metrics", include_in_schema=False)
async def get_metrics(control: Control) -> Response[bytes]:
    """Show the metrics in the Prometheus text format."""
    return Response(control.metrics.render(), media_type=control.metrics.content_type)


router = Router("/", tags=["Health"], route_handlers=[get_health, get_readiness, get_metrics])
