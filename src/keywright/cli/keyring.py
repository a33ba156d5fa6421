"""`keywright keyring`: the keys that seal secrets."""

from __future__ import annotations

import typer

from keywright.cli.console import reported
from keywright.cli.local import (
    AsJson,
    DatabaseUrl,
    DataDir,
    existing_settings,
    open_local,
    run_async,
    show,
)
from keywright.credentials import reseal_credentials
from keywright.identity import reseal_totp_secrets
from keywright.keyring import add_sealing_key, load_or_create_keyring

group = typer.Typer(no_args_is_help=True)


@group.command("add-key")
def add_key(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Add a sealing key that seals from now on, also in a running server. Then run `keywright keyring reseal`."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import random_bytes

        keyring = add_sealing_key(settings.keyring_path, random_bytes)
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
        from keywright.app import random_bytes

        keyring = load_or_create_keyring(settings.keyring_path, random_bytes)

        async def work() -> int:
            total = 0
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

        show({"resealed": run_async(work()), "current": keyring.current}, as_json=as_json)
