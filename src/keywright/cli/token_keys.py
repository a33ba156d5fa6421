"""`keywright token-key`: the keys that sign access tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keywright.cli.console import reported
from keywright.cli.local import (
    HANDED_OUT,
    AsJson,
    DatabaseUrl,
    DataDir,
    existing_settings,
    how_to_hand_out,
    run_async,
    show,
)
from keywright.storage.times import rfc3339
from keywright.tokens.key_file import (
    add_signing_key,
    create_signing_keys,
    load_or_create_signing_keys,
    replace_signing_keys,
)
from keywright.tokens.signing_keys import LEAD_SECONDS, SigningKeys, last_use

group = typer.Typer(no_args_is_help=True)

_COLUMNS = {"kid": "kid", "state": "state", "signsFrom": "signs from", "publishedUntil": "published until"}


@group.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="Where to write it; a file that is there stays as it is.")],
    as_json: AsJson = False,
) -> None:
    """Write a new file of token keys, to hand to every node of a new deployment before the first one starts."""
    with reported(as_json=as_json):
        from keywright.app import clock, random_bytes

        keys = create_signing_keys(file.absolute(), random_bytes, clock())
        typer.echo(how_to_hand_out("token-keys.json", "KEYWRIGHT_TOKEN_KEYS_FILE"), err=True)
        show({"tokenKeys": str(file.absolute()), "kid": keys.keys[0].key_id}, as_json=as_json)


@group.command("list")
def list_keys(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the keys that sign access tokens, by when they sign."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import clock, match_token_keys, random_bytes

        run_async(match_token_keys(settings))
        keys = load_or_create_signing_keys(settings.token_keys_path, random_bytes, clock())
        show(_shown(keys, clock()), as_json=as_json, columns=_COLUMNS)


@group.command("rotate")
def rotate(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    lead_seconds: Annotated[
        int, typer.Option("--signs-in", min=0, max=86_400, help="Seconds for which the new key is published first.")
    ] = LEAD_SECONDS,
    stolen: Annotated[
        bool, typer.Option("--stolen", help="Forget every older key at once: all access tokens end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a new key, which then signs; the old one stays published until its last token has expired."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import change_key_file, clock, random_bytes, token_keys_of_node

        file = settings.token_keys_path

        def change() -> SigningKeys:
            if stolen:
                return replace_signing_keys(file, random_bytes, clock())
            return add_signing_key(file, random_bytes, clock(), lead_seconds=lead_seconds)

        keys = run_async(change_key_file(settings, token_keys_of_node, change, is_new=stolen))
        if not settings.is_embedded:
            typer.echo(HANDED_OUT, err=True)
        show(_shown(keys, clock()), as_json=as_json, columns=_COLUMNS)


def _shown(keys: SigningKeys, now: float) -> list[dict[str, Any]]:
    signing = keys.current(now)
    following = [*(key.signs_from for key in keys.keys[1:]), None]
    published = keys.published(now)
    return [
        {
            "kid": key.key_id,
            "state": "signs" if key is signing else "signs later" if key.signs_from > now else "signed",
            "signsFrom": rfc3339(key.signs_from * 1000),
            "publishedUntil": None if until is None else rfc3339(int(last_use(until)) * 1000),
        }
        for key, until in zip(keys.keys, following, strict=True)
        if key in published
    ]
