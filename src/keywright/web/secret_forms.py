"""A new key in the forms in which people store it, ready to paste; no command has the secret as an argument."""

from __future__ import annotations

import json
from dataclasses import dataclass

from keywright.credentials import Credential
from keywright.tokens import JSON_TOKEN_PATH


@dataclass(frozen=True, slots=True)
class SecretForm:
    """One form: a title, what it is for, and the text."""

    title: str
    hint: str
    text: str


def secret_forms(key: Credential, client_secret: str, base_url: str) -> list[SecretForm]:
    """Write a new key down in every form that is offered.

    Args:
        key: the key.
        client_secret: its secret; it is in what is returned, so that goes into one answer and nowhere else.
        base_url: where tokens are fetched.

    Returns:
        The forms.
    """
    values = {
        "KEYWRIGHT_CLIENT_ID": key.client_id,
        "KEYWRIGHT_CLIENT_SECRET": client_secret,
        "KEYWRIGHT_ACCOUNT_ID": key.account_id,
        "KEYWRIGHT_ALGORITHM": key.algorithm.value,
    }
    document = {
        "clientId": key.client_id,
        "clientSecret": client_secret,
        "accountId": key.account_id,
        "algorithm": key.algorithm.value,
    }
    name = f"keywright/{key.client_id}"
    lines = json.dumps(document, indent=2)
    exchanged = json.dumps({"clientId": key.client_id, "clientSecret": client_secret})
    return [
        SecretForm(
            "Environment (.env)",
            "What the SDK reads. Keep the file out of source control.",
            "\n".join(f"{variable}={value}" for variable, value in values.items()),
        ),
        SecretForm("JSON", "For anything else.", lines),
        SecretForm(
            "HashiCorp Vault",
            "Reads the values from standard input, so that no process list shows them.",
            f"vault kv put secret/{name} - <<'END'\n{lines}\nEND",
        ),
        SecretForm(
            "AWS Secrets Manager",
            "Reads the values from standard input, so that no process list shows them.",
            f"aws secretsmanager create-secret --name {name} \\\n"
            f"  --secret-string file:///dev/stdin <<'END'\n{lines}\nEND",
        ),
        SecretForm(
            "Try it: fetch a token with curl",
            "Exchanges the key for a bearer token that lasts an hour. Reads the values from standard input, too.",
            f"curl -s {base_url}{JSON_TOKEN_PATH} --json @- <<'END'\n{exchanged}\nEND",
        ),
    ]
