"""A browser without a script: keeps cookies, follows redirects, fills in forms."""

from __future__ import annotations

from typing import Self

import httpx2

from support.reading import Form, Page
from support.server import Caller, Server


class Visit:
    """Someone who uses the pages.

    Args:
        server: whose pages.
        caller: who is signed in; None for a guest.
    """

    def __init__(self, server: Server, caller: Caller | None = None) -> None:
        self.server = server
        self.client = httpx2.Client(base_url=server.control, timeout=60, headers={"Accept": "text/html"})
        if caller is not None:
            name, _, value = caller.headers["Cookie"].partition("=")
            self.client.cookies.set(name, value)
        self.status = 0
        self.path = ""
        self.answer: httpx2.Response

    def get(self, path: str) -> Page:
        """Open a page."""
        return self._follow(self.client.get(path))

    def post(self, path: str, values: dict[str, str], **headers: str) -> Page:
        """Send a form as it is."""
        return self._follow(self.client.post(path, data=values, headers=headers))

    def submit(self, form: Form, **typed: str) -> Page:
        """Fill in a form of the page that is open, and send it."""
        return self.post(form.action or self.path, {**form.values, **typed})

    def _follow(self, answer: httpx2.Response) -> Page:
        self.server.answers.append(f"{answer.headers}\n{answer.text}")
        hops = 0
        while answer.status_code in {302, 303}:
            hops += 1
            assert hops < 5, f"led in circles to {answer.headers['location']}"
            answer = self.client.get(answer.headers["location"])
            self.server.answers.append(f"{answer.headers}\n{answer.text}")
        self.answer, self.status, self.path = answer, answer.status_code, answer.url.path
        return Page(answer.text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
