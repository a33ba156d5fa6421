"""An API key in the hands of its owner."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from keywright.formats import format_client_secret, is_client_id, parse_client_secret
from keywright.signatures import ALGORITHMS, ED25519, SignedRequest, sign_request

CLIENT_ID_VARIABLE = "KEYWRIGHT_CLIENT_ID"
CLIENT_SECRET_VARIABLE = "KEYWRIGHT_CLIENT_SECRET"
ALGORITHM_VARIABLE = "KEYWRIGHT_ALGORITHM"


class Credential:
    """A Client ID with its Client Secret. The secret can be used, and neither shown nor pickled.

    Args:
        client_id: `ck_` and 26 characters, as shown when the key was created.
        client_secret: `cs_live_` or `cs_sandbox_` and 72 hex digits, as shown once when the key was created.
        algorithm: the key's: `ed25519` or `hmac-sha256`.

    Raises:
        ValueError: one of them is not of its form. The message never holds the secret.
    """

    __slots__ = ("_environment", "_secret", "algorithm", "client_id")

    client_id: str
    algorithm: str
    _environment: str
    _secret: bytes

    def __init__(self, client_id: str, client_secret: str, algorithm: str = ED25519) -> None:
        fault: str | None = _fault_in(client_id, algorithm)
        secret, environment = b"", ""
        if fault is None:
            try:
                secret = parse_client_secret(client_secret)
                environment = client_secret.split("_")[1]
            except (ValueError, TypeError) as error:
                fault = (
                    str(error)
                    if isinstance(client_secret, str)
                    else "client_secret: a text is needed, as it was shown when the key was created"
                )
        # Raised from here and with the argument gone, so that no frame of the traceback holds the secret.
        del client_secret
        if fault is not None:
            raise ValueError(fault)
        object.__setattr__(self, "client_id", client_id)
        object.__setattr__(self, "algorithm", algorithm)
        object.__setattr__(self, "_environment", environment)
        object.__setattr__(self, "_secret", secret)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Credential:
        """Read the credential from environment variables.

        Args:
            environ: where from; the process's environment if left out. `KEYWRIGHT_CLIENT_ID` and
                `KEYWRIGHT_CLIENT_SECRET` are needed; `KEYWRIGHT_ALGORITHM` is `ed25519` unless it says otherwise.
                White space around a value is passed over.

        Returns:
            The credential.

        Raises:
            ValueError: a variable is not set, or its value is not of its form.
        """
        source = os.environ if environ is None else environ
        missing = [name for name in (CLIENT_ID_VARIABLE, CLIENT_SECRET_VARIABLE) if not source.get(name, "").strip()]
        if missing:
            raise ValueError(f"set {' and '.join(missing)} in the environment; both were shown with the new key")
        algorithm = source.get(ALGORITHM_VARIABLE, "").strip() or ED25519
        return cls(source[CLIENT_ID_VARIABLE].strip(), source[CLIENT_SECRET_VARIABLE].strip(), algorithm)

    def sign_request(
        self,
        request: SignedRequest,
        *,
        created: int,
        nonce: str,
        components: Sequence[str] | None = None,
        expires: int | None = None,
        tag: str | None = None,
        label: str = "sig1",
    ) -> dict[str, str]:
        """Sign a request with given time and nonce; `keywright.sign` chooses both.

        Args:
            request: exactly as it will be sent.
            created: seconds since the epoch.
            nonce: 16 to 64 visible characters, never used before with this key.
            components: what to cover; the strict profile's components if left out.
            expires: seconds since the epoch; left out by default.
            tag: an application's name for the signature.
            label: the signature's key in both headers.

        Returns:
            The headers to add.

        Raises:
            ValueError: the request cannot be signed so; the message says why.

        Source: RFC 9421 section 3.1.
        """
        try:
            return sign_request(
                request,
                key_id=self.client_id,
                algorithm=self.algorithm,
                key=self._secret,
                created=created,
                nonce=nonce,
                components=components,
                expires=expires,
                tag=tag,
                label=label,
            )
        except ValueError as error:
            fault = str(error)
        # Raised anew: the frames below hold the secret, and some reporters of errors print local variables.
        raise ValueError(fault)

    def token_request_body(self) -> bytes:
        """Write what the token endpoint is sent. It holds the secret in clear: send it there, and keep it nowhere.

        Returns:
            JSON with `clientId` and `clientSecret`.
        """
        secret = format_client_secret(self._secret, self._environment)
        return json.dumps({"clientId": self.client_id, "clientSecret": secret}).encode("ascii")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Credential does not change; make another")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Credential does not change; make another")

    def __repr__(self) -> str:
        # Also for one that was not finished: reporters of errors print that too.
        client_id, algorithm = getattr(self, "client_id", None), getattr(self, "algorithm", None)
        return f"Credential({client_id!r}, <secret hidden>, algorithm={algorithm!r})"

    def __copy__(self) -> Credential:
        return self

    def __deepcopy__(self, memo: object) -> Credential:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "a Credential is not pickled, since that would write its secret; make it anew where it is needed"
        )


def _fault_in(client_id: str, algorithm: str) -> str | None:
    if not isinstance(client_id, str) or not is_client_id(client_id):
        # Not repeated: whoever mixes up the two would find the secret in a log.
        return (
            "client_id: this is not a Client ID: it is ck_ and 26 characters, and its last two are a checksum, so a "
            "mistyped one is noticed"
        )
    if algorithm not in ALGORITHMS:
        return "algorithm: ed25519 or hmac-sha256, as chosen when the key was created"
    return None
