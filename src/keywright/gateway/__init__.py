"""Data plane, HTTP: /v1/verify, /v1/forward-auth and the tokens' addresses on a listener of their own."""

from keywright.gateway.app import Gateway
from keywright.gateway.tokens import TokenAnswers

__all__ = ["Gateway", "TokenAnswers"]
