"""Data plane, HTTP: /v1/verify and /v1/forward-auth on a listener of their own."""

from keywright.gateway.app import Gateway

__all__ = ["Gateway"]
