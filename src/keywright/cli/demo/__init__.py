"""`keywright demo`: the product's main job, on a server of its own, step by step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from keywright.cli.console import reported
from keywright.cli.demo.story import Story


def demo(
    end: Annotated[bool, typer.Option("--exit", help="End after the steps instead of staying up.")] = False,
    port: Annotated[int, typer.Option(help="Port of the control plane; 0 picks a free one.")] = 0,
    gateway_port: Annotated[int, typer.Option(help="Port of the data plane; 0 picks a free one.")] = 0,
) -> None:
    """Create a key, sign, verify, replay, tamper, delete, and be refused: on a throw-away server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="keywright-demo-"))
    with reported():
        try:
            status = Story(folder, Console(highlight=False)).run(end=end, port=port, gateway_port=gateway_port)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(status)
