"""`keywright keyring`: the keys that seal secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keywright.cli.console import reported
from keywright.cli.local import (
    HANDED_OUT,
    AsJson,
    DatabaseUrl,
    DataDir,
    existing_settings,
    how_to_hand_out,
    open_local,
    run_async,
    show,
)
from keywright.credentials import reseal_credentials
from keywright.identity import reseal_totp_secrets
from keywright.keyring import add_sealing_key, create_keyring, load_or_create_keyring

group = typer.Typer(no_args_is_help=True)


@group.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="Where to write it; a file that is there stays as it is.")],
    as_json: AsJson = False,
) -> None:
    """Write a new keyring, to hand to every node of a new deployment before the first one starts."""
    with reported(as_json=as_json):
        from keywright.app import random_bytes

        keyring = create_keyring(file.absolute(), random_bytes)
        typer.echo(how_to_hand_out("keyring.json", "KEYWRIGHT_KEYRING_FILE"), err=True)
        show({"keyring": str(file.absolute()), "current": keyring.current}, as_json=as_json)


@group.command("add-key")
def add_key(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Add a sealing key that seals from now on, also in a running server. Then run `keywright keyring reseal`."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import change_key_file, keyring_of_node, random_bytes

        keyring = run_async(
            change_key_file(settings, keyring_of_node, lambda: add_sealing_key(settings.keyring_path, random_bytes))
        )
        if not settings.is_embedded:
            typer.echo(HANDED_OUT, err=True)
        show(
            {
                "keyring": str(settings.keyring_path),
                "current": keyring.current,
                "keys": ", ".join(keyring.keys),
            },
            as_json=as_json,
        )


@group.command("reseal")
def reseal(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Seal every secret anew under the current key, so that older sealing keys can be taken out of the file."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import match_keyring, random_bytes

        async def work() -> int:
            total = 0
            await match_keyring(settings)  # one that is not the deployment's would lock the others out
            keyring = load_or_create_keyring(settings.keyring_path, random_bytes)
            async with open_local(settings) as database:
                for reseal_batch in (reseal_credentials, reseal_totp_secrets):
                    after: str | None = ""
                    while after is not None:
                        async with database.write() as session:
                            after, changed = await reseal_batch(
                                session, keyring, after=after, random_bytes=random_bytes
                            )
                            await session.commit()
                        total += changed
                        typer.echo(f"sealed anew: {total}", err=True)
            return total

        resealed = run_async(work())
        show(
            {"resealed": resealed, "current": load_or_create_keyring(settings.keyring_path, random_bytes).current},
            as_json=as_json,
        )


@group.command("register")
def register(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Make this node's keyring the deployment's, since the one before is lost. Every node then needs a copy of it."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import random_bytes, register_keyring

        run_async(register_keyring(settings))
        current = load_or_create_keyring(settings.keyring_path, random_bytes).current
        show({"keyring": str(settings.keyring_path), "current": current}, as_json=as_json)
