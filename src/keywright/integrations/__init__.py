"""The verifier inside someone's own application: middleware for ASGI, WSGI and Django.

Which framework is used is chosen by importing `keywright.integrations.asgi`, `.wsgi` or `.django`; neither a framework
nor any part of the server is imported here.
"""

from keywright.integrations.caller import Caller
from keywright.integrations.configuration import Keywright

__all__ = ["Caller", "Keywright"]
