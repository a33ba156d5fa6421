"""`keywright serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from keywright.cli.console import reported
from keywright.cli.local import DatabaseUrl, DataDir
from keywright.settings import load_settings


def serve(
    role: Annotated[
        Literal["all", "control", "gateway"] | None,
        typer.Option(help="Which listeners this node has [all].", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    host: Annotated[str | None, typer.Option(help="Address of the control plane [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the control plane [8080].")] = None,
    gateway_host: Annotated[str | None, typer.Option(help="Address of the data plane [127.0.0.1].")] = None,
    gateway_port: Annotated[int | None, typer.Option(help="Port of the data plane [8081].")] = None,
    gateway_workers: Annotated[int | None, typer.Option(help="Processes that verify requests [1].")] = None,
    valkey_url: Annotated[
        str | None, typer.Option(help="Nonces and rate limits that all nodes share; needed with PostgreSQL.")
    ] = None,
    public_url: Annotated[str | None, typer.Option(help="Where people reach the control plane.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
) -> None:
    """Run both listeners, or the one of --role, until SIGTERM or Ctrl-C. The database is made or migrated first.

    On SIGTERM, /readyz says no for drain_seconds while requests are still answered; then what is being answered is
    finished, and the node ends. A second SIGTERM cuts that short.
    """
    with reported():
        settings = load_settings(
            config,
            role=role,
            data_dir=data_dir,
            database_url=database_url,
            host=host,
            port=port,
            gateway_host=gateway_host,
            gateway_port=gateway_port,
            gateway_workers=gateway_workers,
            valkey_url=valkey_url,
            public_url=public_url,
        )
        from keywright.app import prepare
        from keywright.serving import serve as serve_listeners

        status = serve_listeners(settings, prepare=prepare, announce=lambda line: print(line, flush=True))
    raise typer.Exit(status)
