"""Control plane, REST: parse, call one service, serialise."""

from keywright.api.app import create_api

__all__ = ["create_api"]
