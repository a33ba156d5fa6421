"""Requests that no client would send: bodies that end early or late, clients that go, signatures on several lines."""

from __future__ import annotations

import re
import socket
import struct

import pytest

import keywright
from support.guarded import BODY, HOST, Guarded, signed
from support.raw import RawAnswer, exchange, raw_request
from support.server import Server

Lines = list[tuple[str, str]]

# No answer, or that the body is incomplete; granian says 500 for an application that has nothing to say to who is gone.
UNHEARD = ([], [400], [500])


def head(app: Guarded, lines: Lines, method: str = "POST") -> bytes:
    lines = [("Host", f"{HOST}:{app.port}"), ("Connection", "close"), *lines]
    return "\r\n".join([f"{method} /v1/echo HTTP/1.1", *(f"{name}: {value}" for name, value in lines), "", ""]).encode()


def statuses(app: Guarded, sent: bytes, *, ends: bool = False) -> list[int]:
    """Send these bytes on one connection, then end it or not; the status of each answer."""
    received = b""
    with socket.create_connection((HOST, app.port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass  # a server may close on what it does not read
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", received)]


def test_a_body_that_ends_too_early_is_never_let_through(app: Guarded, key: keywright.Credential):
    headers = signed(app, key)
    lines = [*headers.items(), ("Content-Length", str(len(BODY)))]
    for body in (b"", BODY[:-1]):
        assert statuses(app, head(app, lines) + body, ends=True) in UNHEARD
    # Signed for what did come, and a longer one said.
    short = [*signed(app, key).items(), ("Content-Length", str(len(BODY) + 5))]
    assert statuses(app, head(app, short) + BODY, ends=True) in UNHEARD
    # Nothing of it was judged: complete, the first one is accepted, once.
    assert app.ask("POST", headers=headers, content=BODY).status_code == 200
    assert app.ask("POST", headers=headers, content=BODY).json()["code"] == "nonce_replayed"


def test_a_client_that_goes_away_midway_harms_nobody(app: Guarded, key: keywright.Credential):
    headers = signed(app, key)
    for sent in (
        head(app, [*headers.items(), ("Content-Length", str(len(BODY)))]) + BODY[:5],
        head(app, [*headers.items(), ("Transfer-Encoding", "chunked")]) + b"5\r\n" + BODY[:5] + b"\r\n",
        head(app, [*headers.items(), ("Transfer-Encoding", "chunked")]) + b"500\r\n" + BODY[:5],
    ):
        connection = socket.create_connection((HOST, app.port), timeout=30)
        connection.sendall(sent)
        # Closed with a reset, as by a client that was killed.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert app.ask("POST", headers=headers, content=BODY).status_code == 200


def test_what_follows_a_body_is_no_part_of_it(app: Guarded, key: keywright.Credential):
    lines = [*signed(app, key).items(), ("Content-Length", str(len(BODY)))]
    assert statuses(app, head(app, lines).replace(b"Connection: close\r\n", b"") + BODY + head(app, [], "GET")) in (
        [200],
        [200, 401],
    )
    # Signed for all of it, and only the first part said to be the body.
    lines = [*signed(app, key, body=BODY + b"more").items(), ("Content-Length", str(len(BODY)))]
    assert statuses(app, head(app, lines) + BODY + b"more")[:1] == [401]


@pytest.mark.parametrize(
    "lengths",
    [
        [("Content-Length", str(len(BODY))), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", str(len(BODY)))],
        [("Content-Length", str(len(BODY))), ("Content-Length", "3")],
        [("Content-Length", f"+{len(BODY)}")],
        [("Content-Length", "-1")],
    ],
    ids=["both", "both, the other way round", "two", "a sign", "negative"],
)
def test_two_ways_to_read_a_body_are_no_way_in(app: Guarded, key: keywright.Credential, lengths: Lines):
    """Signed for the one reading, sent so that another reads something else."""
    chunks = b"3\r\nbad\r\n0\r\n\r\n"
    for signed_body in (BODY, b"other"):
        sent = head(app, [*signed(app, key, body=signed_body).items(), *lengths])
        assert 200 not in statuses(app, sent + chunks, ends=True)


def ask_with(app: Guarded, lines: Lines) -> RawAnswer:
    pairs = [(name.encode(), value.encode()) for name, value in lines]
    return exchange(app.origin, raw_request(b"POST", b"/v1/echo", pairs, BODY))


def test_signatures_on_several_lines(app: Guarded, key: keywright.Credential, deployment: Server):
    def sign(by: keywright.Credential, label: str = "sig1") -> dict[str, str]:
        return keywright.sign(by, method="POST", url="http://keywright.test/v1/echo", body=BODY, label=label)

    def lines(*signatures: dict[str, str]) -> Lines:
        digest = ("Content-Digest", sign(key)["Content-Digest"])
        pairs = [(name, each[name]) for each in signatures for name in ("Signature-Input", "Signature")]
        return [digest, *pairs]

    # One of ours among those of others, in front or behind: it counts.
    ours = sign(key)
    partner = {"Signature-Input": 'partner=("@method");created=1;keyid="theirs"', "Signature": "partner=:AAAA:"}
    assert ask_with(app, lines(ours, partner)).status == 200
    assert ask_with(app, lines(partner, sign(key))).status == 200
    # Several lines are one dictionary, so nothing can be hidden on the second.
    other = deployment.key(deployment.account("partner"))
    refused = {
        "signature_ambiguous": lines(sign(key), sign(other, "sig2")),
        "signature_malformed": lines(sign(key), sign(key)),
        "credential_unknown": lines(
            partner, {name: value.replace("partner=", "more=") for name, value in partner.items()}
        ),
    }
    for code, sent in refused.items():
        answer = ask_with(app, sent)
        assert (answer.status, answer.json["code"]) == (401, code)
        assert deployment.verify(sent, url="http://keywright.test/v1/echo", body=BODY).code == code
    # A digest on two lines: which one is the body's?
    twice = [*lines(sign(key)), ("Content-Digest", signed(app, key, body=b"other")["Content-Digest"])]
    assert ask_with(app, twice).status == 401
