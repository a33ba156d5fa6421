"""A wrong clock is learnt from the refusal; a server that lies about the time gains nothing."""

import asyncio
import ssl
import time

import httpx
import httpx2
import pytest
import requests

from keywright import RequestsAuth, SignatureAuth
from keywright.sdk.server_clock import MAX_OFFSET_SECONDS, ServerClock
from keywright.signatures import Verified

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
LIBRARIES = {"httpx2": httpx2, "httpx": httpx}
TOO_OLD, IN_FUTURE = frozenset({"signature_too_old"}), frozenset({"signature_in_future"})


class Caller:
    """A client whose clock is off."""

    def __init__(self, kind, key):
        self.off_seconds = 0.0
        self.kind = kind
        clock = lambda: time.time() + self.off_seconds  # noqa: E731
        if kind == "requests":
            self.client = requests.Session()
            self.client.trust_env = False
            self.client.auth = RequestsAuth(key, clock=clock)
        else:
            auth = SignatureAuth(key, clock=clock)
            self.client = LIBRARIES[kind].Client(auth=auth, verify=NO_TLS, trust_env=False, follow_redirects=True)

    def post(self, url, content=b"x"):
        return self.client.post(url, **{"data" if self.kind == "requests" else "content": content})


@pytest.fixture(params=["httpx2", "httpx", "requests"])
def caller(request, key):
    caller = Caller(request.param, key)
    with caller.client:
        yield caller


def codes(server):
    return ["accepted" if arrival.accepted else str(arrival.verdict.code) for arrival in server.arrivals]


@pytest.mark.parametrize("says_why", ["body", "header"])
@pytest.mark.parametrize(("off", "code"), [(-7200, "signature_too_old"), (7200, "signature_in_future")])
def test_a_wrong_clock_costs_one_refusal(caller, server, says_why, off, code):
    server.says_why = says_why
    caller.off_seconds = off
    assert caller.post(server.origin + "/a").status_code == 200
    assert caller.post(server.origin + "/b").status_code == 200
    assert codes(server) == [code, "accepted", "accepted"]
    assert [arrival.body for arrival in server.arrivals] == [b"x"] * 3
    # Somebody sets the clock: learnt anew.
    caller.off_seconds = 0
    assert caller.post(server.origin + "/c").status_code == 200
    assert caller.post(server.origin + "/d").status_code == 200
    assert len(server.arrivals) == 6


def test_a_body_that_was_a_stream_is_sent_again_too(caller, server):
    caller.off_seconds = 3600
    assert caller.post(server.origin, iter([b"a", b"b"])).status_code == 200
    assert [arrival.body for arrival in server.arrivals] == [b"ab", b"ab"]


def test_more_than_a_day_is_left_to_people(caller, server):
    caller.off_seconds = -MAX_OFFSET_SECONDS - 60
    assert caller.post(server.origin).status_code == 401
    assert len(server.arrivals) == 1


def test_a_date_that_does_not_explain_the_refusal_changes_nothing(caller, server):
    caller.off_seconds = 7200
    server.date_offset_seconds = 7200  # the Date agrees with us, and the verifier does not
    assert caller.post(server.origin).status_code == 401
    server.date_offset_seconds = 20_000  # ahead of us, so our signature cannot be in its future
    assert caller.post(server.origin).status_code == 401
    assert codes(server) == ["signature_in_future"] * 2


def test_a_lie_about_the_time_is_dropped_when_it_does_not_help(caller, server):
    caller.off_seconds = -400
    server.date_offset_seconds = 5000
    assert caller.post(server.origin).status_code == 401
    assert codes(server) == ["signature_too_old", "signature_in_future"]
    caller.off_seconds = 0
    assert caller.post(server.origin).status_code == 200
    assert len(server.arrivals) == 3


def test_one_server_does_not_set_the_clock_for_another(caller, server, other_server):
    caller.off_seconds = 7200
    assert caller.post(server.origin).status_code == 200
    caller.off_seconds = 0
    assert caller.post(other_server.origin).status_code == 200
    assert codes(other_server) == ["accepted"]


def test_who_a_redirect_leads_to_is_not_believed(caller, server, other_server):
    caller.off_seconds = 7200
    target = other_server.origin.replace("/", "%2F")
    assert caller.post(f"{server.origin}/redirect/307/{target}%2Fx").status_code == 401
    assert len(other_server.arrivals) == 1


def test_a_redirect_within_the_origin(caller, server):
    caller.off_seconds = 7200
    assert caller.post(server.origin + "/redirect/307/%2Ffinal").status_code == 200
    assert server.last.target == "/final"
    assert isinstance(server.last.verdict, Verified)


def test_a_prepared_request_that_is_sent_late_with_a_wrong_clock(key, server):
    off = [-10_000]
    with requests.Session() as session:
        session.auth = RequestsAuth(key, clock=lambda: time.time() + off[0])
        prepared = session.prepare_request(requests.Request("GET", server.origin))
        off[0] = -7200
        assert session.send(prepared, timeout=5).status_code == 200
    assert codes(server) == ["signature_too_old", "signature_too_old", "accepted"]


async def test_tasks_that_are_refused_together_all_try_again(key, server):
    auth = SignatureAuth(key, clock=lambda: time.time() - 7200)
    async with httpx2.AsyncClient(auth=auth, verify=NO_TLS, trust_env=False) as client:
        answers = await asyncio.gather(*(client.get(f"{server.origin}/{number}") for number in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert (await client.get(server.origin)).status_code == 200
    assert len(server.nonces) == 11
    assert len(server.arrivals) == 21


def test_what_is_learnt_and_what_is_not():
    clock = ServerClock(lambda: 1_000_000_000)  # 2001-09-09T01:46:40Z
    url, date = "https://a.example/x", "Sun, 09 Sep 2001 02:46:40 GMT"
    for why, when, signed_at in (
        (frozenset(), date, 1_000_000_000),
        (frozenset({"nonce_replayed"}), date, 1_000_000_000),
        (TOO_OLD, None, 1_000_000_000),
        (TOO_OLD, "yesterday", 1_000_000_000),
        (TOO_OLD, "Sun, 09 Sep 99999 02:46:40 GMT", 1_000_000_000),
        (IN_FUTURE, date, 1_000_000_000),
        (TOO_OLD, date, 1_000_003_595),
        (TOO_OLD, "Wed, 12 Sep 2001 02:46:40 GMT", 1_000_000_000),
    ):
        assert not clock.learn(url, why, when, signed_at), (why, when)
        assert clock.now(url) == 1_000_000_000
    assert clock.learn(url, TOO_OLD, date, 1_000_000_000)
    assert clock.now("https://A.example/y?z") == 1_000_003_600
    assert clock.now("https://a.example:8443/") == clock.now("http://a.example/") == 1_000_000_000
    clock.forget("https://a.example/")
    assert clock.now(url) == 1_000_000_000


def test_what_is_remembered_is_bounded():
    clock = ServerClock(lambda: 1_000_000_000)
    for number in range(1000):
        assert clock.learn(f"https://{number}.example", TOO_OLD, "Sun, 09 Sep 2001 02:46:40 GMT", 1_000_000_000)
    assert len(clock._offsets) <= 64
    assert clock.now("https://999.example") == 1_000_003_600
