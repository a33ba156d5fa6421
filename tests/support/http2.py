"""HTTP/2 by hand, for header lists that no client would send."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable, Sequence

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from support.gateways import HOST, RunningGateway

# Nothing is checked, set right or left out on the way: what a test says is what is sent.
_CONFIG = h2.config.H2Configuration(
    header_encoding="utf-8",
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    split_outbound_cookies=False,
)
REFUSED = 0


def send_http2(
    gateway: RunningGateway, requests: Iterable[tuple[Sequence[tuple[str, str]], bytes]], *, seconds: float = 20
) -> list[int]:
    """Send requests one after the other over one connection.

    Args:
        gateway: where to.
        requests: of each the header list, pseudo-headers included, and the body; taken when the answer before is there.
        seconds: how long to wait for each answer.

    Returns:
        The status of each; `REFUSED` where the stream or the connection was ended without an answer.
    """
    context = ssl.create_default_context(cafile=str(gateway.certificate.chain))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=seconds) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        connection = h2.connection.H2Connection(_CONFIG)
        connection.initiate_connection()
        return [_send(secure, connection, headers, body) for headers, body in requests]


def _send(
    secure: ssl.SSLSocket, connection: h2.connection.H2Connection, headers: Sequence[tuple[str, str]], body: bytes
) -> int:
    try:
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, headers, end_stream=not body)
        if body:
            connection.send_data(stream, body, end_stream=True)
    except h2.exceptions.ProtocolError:
        return REFUSED  # the connection was ended by the request before
    status = REFUSED
    with contextlib.suppress(ConnectionError):
        while True:
            secure.sendall(connection.data_to_send())
            received = secure.recv(65536)
            if not received:
                return status
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream:
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.ConnectionTerminated) or (
                    isinstance(event, h2.events.StreamEnded | h2.events.StreamReset) and event.stream_id == stream
                ):
                    return status
    return status
