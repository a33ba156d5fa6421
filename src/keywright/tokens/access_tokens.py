"""Access tokens: made, and read again by those who verify.

What is read here is whether a token is ours and has not expired. Whether its key still works is never kept here: that
is asked of the database's state each time, by whoever verifies.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

import msgspec

from keywright.errors import RefusalCode, Refused
from keywright.formats import RandomBytes, new_identifier
from keywright.tokens.compact import read_compact, write_compact
from keywright.tokens.key_file import SigningKeyFile
from keywright.tokens.signing_keys import LIFETIME_SECONDS, SLACK_SECONDS, SigningKey, SigningKeys

# Ours have about 600 characters; names of issuer and audience may be long.
MAX_CHARACTERS = 4096
_TYPES: Final = ("at+jwt", "application/at+jwt")
_LOOK_SECONDS = 1.0

_INVALID = Refused(
    RefusalCode.TOKEN_INVALID,
    "this bearer token was not issued by this Keywright, or was changed or cut off on the way; fetch a new token",
)

# Our clock was ahead when it was issued; it would outlast its hour by as much.
_FROM_THE_FUTURE = Refused(
    RefusalCode.TOKEN_INVALID,
    "this bearer token lasts longer than any that is issued now: the server's clock was put back; fetch a new token",
)


class Claims(msgspec.Struct, frozen=True):
    """What an access token says (RFC 9068 section 2.2). Times in seconds since 1970 UTC."""

    iss: str
    sub: str
    aud: str
    client_id: str
    account_id: str
    iat: int
    exp: int
    jti: str


_decode_claims = msgspec.json.Decoder(Claims).decode


class AccessTokens:
    """Makes and reads access tokens.

    Args:
        key_file: the keys that sign.
        issuer: who we are, a URL.
        audience: whom the tokens are for.
        cache_size: most tokens whose signature was checked that are remembered, by their hash.
        checks_issuer: whether every node of the deployment names itself alike. If not, each goes by its own address,
            and takes tokens of the others: that only this deployment signs with its keys is enough.
        checks_audience: the same for the audience.
    """

    def __init__(
        self,
        key_file: SigningKeyFile,
        *,
        issuer: str,
        audience: str,
        cache_size: int,
        checks_issuer: bool = True,
        checks_audience: bool = True,
    ) -> None:
        self._key_file = key_file
        self.issuer = issuer
        self.audience = audience
        self._cache_size = cache_size
        self._checks_issuer = checks_issuer
        self._checks_audience = checks_audience
        self._keys = key_file.keys()
        self._looked_at = 0.0
        # A plain dict would look through the places of all that it let go to find the oldest one.
        self._checked: OrderedDict[bytes, Claims] = OrderedDict()

    def issue(self, client_id: str, account_id: str, now: float, random_bytes: RandomBytes) -> str:
        """Make an access token.

        Args:
            client_id: the key that it stands for.
            account_id: the key's account.
            now: seconds since 1970 UTC.
            random_bytes: makes the token's identifier.

        Returns:
            The token.

        Source: RFC 9068 section 2.
        """
        key = self._known(now, anew=True).current(now)
        claims = {
            "iss": self.issuer,
            "sub": client_id,
            "aud": self.audience,
            "client_id": client_id,
            "account_id": account_id,
            "iat": int(now),
            "exp": int(now) + LIFETIME_SECONDS,
            "jti": new_identifier("tok", random_bytes),
        }
        return write_compact({"typ": _TYPES[0], "kid": key.key_id}, claims, key.seed)

    def read(self, token: str, now: float) -> Claims | Refused:
        """Read an access token.

        Args:
            token: as sent.
            now: seconds since 1970 UTC.

        Returns:
            What it says; or Refused with `token_invalid` or `token_expired`. Its key may be deleted by now.

        Source: RFC 9068 section 4.
        """
        keys = self._known(now)
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._checked.get(name)
        if claims is None:
            found = self._check(token, keys, now)
            if isinstance(found, Refused):
                return found
            claims = found
            if len(self._checked) >= self._cache_size:
                self._checked.popitem(last=False)
            self._checked[name] = claims
        if now >= claims.exp:
            self._checked.pop(name, None)
            return Refused(
                RefusalCode.TOKEN_EXPIRED,
                f"this bearer token expired {int(now - claims.exp)} s ago; fetch a new one",
            )
        if claims.exp > now + LIFETIME_SECONDS + SLACK_SECONDS:
            return _FROM_THE_FUTURE
        return claims

    def key_set(self, now: float) -> list[SigningKey]:
        """Return the keys to publish."""
        return list(self._known(now, anew=True).published(now))

    def _check(self, token: str, keys: SigningKeys, now: float) -> Claims | Refused:
        parts = read_compact(token, max_characters=MAX_CHARACTERS)
        if parts is None or parts.header.get("typ") not in _TYPES:
            return _INVALID
        key_id = parts.header.get("kid")
        key = keys.by_id(key_id, now) or self._known(now, anew=True).by_id(key_id, now)
        if key is None or not parts.is_signed_by(key.public_key):
            return _INVALID
        try:
            claims = _decode_claims(parts.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _INVALID
        is_other_issuer = self._checks_issuer and claims.iss != self.issuer
        if is_other_issuer or (self._checks_audience and claims.aud != self.audience):
            return Refused(
                RefusalCode.TOKEN_INVALID,
                "this bearer token was issued under another address or for another API; fetch a new token",
            )
        return claims

    def _known(self, now: float, *, anew: bool = False) -> SigningKeys:
        """The keys; whether their file was changed is looked up once a second, and when a token names a new one."""
        if anew or not self._looked_at <= now < self._looked_at + _LOOK_SECONDS:
            self._looked_at = now
            keys = self._key_file.keys()
            if keys is not self._keys:
                # One of them may have been taken away, and its tokens with it.
                self._keys = keys
                self._checked.clear()
        return self._keys
