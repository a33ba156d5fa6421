"""Sending a request of requests a second time, from a response hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests


def send_again(
    response: requests.Response,
    send_options: dict[str, Any],
    authenticate: Callable[[requests.PreparedRequest], object],
) -> requests.Response:
    """Send the request of a response again.

    Args:
        response: the answer to the first sending.
        send_options: what requests gave the hook.
        authenticate: makes a copy of the request a good one, in place.

    Returns:
        The answer to the second.
    """
    _ = response.content  # to the end, so that the connection can be used again
    response.close()
    request = response.request.copy()
    authenticate(request)
    # requests gives every response the adapter that it came through; its own digest auth sends again like this.
    adapter: Any = response.connection
    answer: requests.Response = adapter.send(request, **send_options)
    answer.history.append(response)
    answer.request = request
    return answer


def can_be_sent_again(response: requests.Response) -> bool:
    """Tell whether there is what it takes: an adapter that is named, and a body in memory.

    Args:
        response: an answer.

    Returns:
        Whether `send_again` will do.
    """
    return hasattr(response, "connection") and isinstance(response.request.body, bytes | str | None)
