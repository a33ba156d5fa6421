"""OAuth 2.0 client credentials: access tokens, the keys that sign them, introspection."""

from keywright.tokens.access_tokens import AccessTokens
from keywright.tokens.assertion import AssertionRules, nonce_of
from keywright.tokens.clients import Clients
from keywright.tokens.key_file import SigningKeyFile, load_or_create_signing_keys
from keywright.tokens.oauth import OAuthCall
from keywright.tokens.service import (
    INTROSPECTION_PATH,
    JSON_TOKEN_PATH,
    KEY_SET_PATH,
    MAX_BODY_BYTES,
    METADATA_PATH,
    TOKEN_PATH,
    TokenService,
)
from keywright.tokens.shapes import TokenInput, TokenOutput

__all__ = [
    "INTROSPECTION_PATH",
    "JSON_TOKEN_PATH",
    "KEY_SET_PATH",
    "MAX_BODY_BYTES",
    "METADATA_PATH",
    "TOKEN_PATH",
    "AccessTokens",
    "AssertionRules",
    "Clients",
    "OAuthCall",
    "SigningKeyFile",
    "TokenInput",
    "TokenOutput",
    "TokenService",
    "load_or_create_signing_keys",
    "nonce_of",
]
