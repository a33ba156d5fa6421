"""Control plane, REST: parse, call one service, serialise."""

from keywright.api.app import create_api
from keywright.control import Control

__all__ = ["Control", "create_api"]
