"""Control plane, pages: the same services as `api`, for people in browsers."""

from keywright.web.app import create_pages

__all__ = ["create_pages"]
