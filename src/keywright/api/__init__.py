"""Control plane, REST: parse, call one service, serialise."""

from keywright.api.app import create_api
from keywright.api.control import Control

__all__ = ["Control", "create_api"]
