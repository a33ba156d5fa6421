"""A FastAPI application with one call, with or without Keywright's middleware.

python fastapi_app.py PORT plain|quick [DATA_DIR]: plain is uvicorn alone, as docs/integrations/asgi.md installs it (h11
on asyncio's loop); quick is with httptools and uvloop.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from keywright.integrations.asgi import Keywright, KeywrightMiddleware


class Payment(BaseModel):
    """What is ordered."""

    amount: Decimal
    reference: str


def application(data_dir: Path | None) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/payments")
    async def pay(payment: Payment, currency: str) -> dict[str, str]:
        return {"status": "accepted", "amount": str(payment.amount), "currency": currency}

    if data_dir is not None:
        keywright = Keywright(data_dir=data_dir, api_origin="https://api.example.com")
        app.add_middleware(KeywrightMiddleware, keywright=keywright)
    return app


if __name__ == "__main__":
    uvicorn.run(
        application(Path(sys.argv[3]) if len(sys.argv) > 3 else None),
        port=int(sys.argv[1]),
        loop="uvloop" if sys.argv[2] == "quick" else "asyncio",
        http="httptools" if sys.argv[2] == "quick" else "h11",
        log_level="warning",
        access_log=False,
    )
