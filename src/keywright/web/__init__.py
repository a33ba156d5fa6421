"""Control plane, pages: the same services as `api`, for people in browsers."""

from keywright.web.app import create_pages
from keywright.web.headers import with_security_headers

__all__ = ["create_pages", "with_security_headers"]
