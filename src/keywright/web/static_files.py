"""Stylesheet and scripts: a handful of files, kept in memory, named by their content so that browsers can keep them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files

from litestar import Response, Router, get

from keywright.errors import NotFound

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def static_url(name: str) -> str:
    """Return the address of a file; another content has another address."""
    return f"/static/{_hash(name)}/{name}"


@get("/static/{version:str}/{name:str}")
async def get_static(version: str, name: str) -> Response[bytes]:
    """Answer with a file. The version is for browsers to know it by, so an older page still gets today's file."""
    content = _files().get(name)
    if content is None:
        raise NotFound("there is no such file")
    lasts = "public, max-age=31536000, immutable" if version == _hash(name) else "no-cache"
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers={"Cache-Control": lasts})


@lru_cache(maxsize=1)
def _files() -> dict[str, bytes]:
    folder = files("keywright.web") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES}


@lru_cache
def _hash(name: str) -> str:
    return hashlib.sha256(_files()[name]).hexdigest()[:12]


router = Router("/", route_handlers=[get_static])
