"""Tokens fetched, kept and renewed by real clients from a real server."""

import asyncio
import logging
import ssl
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import httpx
import httpx2
import pytest
import requests
from token_server import problem
from verifying_server import CLIENT_SECRET, SEED

from keywright import RequestsTokenAuth, TokenAuth, TokenError

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
LIBRARIES = {"httpx2": httpx2, "httpx": httpx}
KINDS = ["httpx2", "httpx", "requests"]


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


class Caller:
    """Calls an API in the same words through each of the three libraries."""

    def __init__(self, kind, key, tokens, **options):
        self.clock = Clock()
        make = RequestsTokenAuth if kind == "requests" else TokenAuth
        self.auth = make(key, tokens.token_url, clock=self.clock, **options)
        self.origin = tokens.origin
        if kind == "requests":
            self.client = requests.Session()
            self.client.trust_env = False
            self.client.auth = self.auth
            self.options = {"timeout": 20}
        else:
            library = LIBRARIES[kind]
            self.client = library.Client(
                auth=self.auth, verify=NO_TLS, trust_env=False, follow_redirects=True, timeout=20
            )
            self.options = {}

    def get(self, path="/v1"):
        return self.client.get(self.origin + path, **self.options)

    def post(self, path="/v1", **content):
        return self.client.post(self.origin + path, **self.options, **content)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def caller(kind, key, tokens):
    caller = Caller(kind, key, tokens)
    with caller.client:
        yield caller


def test_one_token_serves_many_requests(caller, tokens):
    assert [caller.get().status_code for _ in range(5)] == [200] * 5
    assert caller.post(json={"amount": 1}).status_code == 200
    assert len(tokens.fetches) == 1
    assert {seen.token for seen in tokens.calls} == {"Bearer token-1"}
    fetch = tokens.fetches[0]
    assert (fetch.method, fetch.headers["content-type"]) == ("POST", "application/json")
    assert "authorization" not in fetch.headers
    assert "transfer-encoding" not in fetch.headers


def test_it_is_renewed_early_and_not_sooner(caller, tokens):
    caller.get()
    caller.clock.seconds = 3239
    assert caller.get().status_code == 200
    assert tokens.issued == 1
    caller.clock.seconds = 3241
    assert caller.get().status_code == 200
    assert tokens.issued == 2
    assert tokens.calls[-1].token == "Bearer token-2"


def test_how_early_is_the_callers_choice(kind, key, tokens):
    caller = Caller(kind, key, tokens, renew_early=0.5)
    with caller.client:
        caller.get()
        caller.clock.seconds = 1801
        caller.get()
    assert tokens.issued == 2


@pytest.mark.parametrize("code", ["token_invalid", "token_expired"])
@pytest.mark.parametrize("challenge_only", [False, True])
def test_a_refused_token_is_replaced_once(caller, tokens, code, challenge_only):
    tokens.code, tokens.challenge_only = code, challenge_only
    caller.get()
    tokens.valid.clear()
    assert caller.post(data={"a": "b"}).status_code == 200
    assert tokens.issued == 2
    assert [seen.body for seen in tokens.calls[1:]] == [b"a=b", b"a=b"]


def test_a_token_that_never_works_is_tried_once_more_only(caller, tokens):
    tokens.valid = type("Nothing", (set,), {"add": lambda self, value: None})()
    assert caller.get().status_code == 401
    assert tokens.issued == 2
    assert len(tokens.calls) == 2


def test_other_refusals_are_handed_on(caller, tokens):
    caller.get()
    tokens.valid.clear()
    tokens.code = "nonce_replayed"
    assert caller.get().status_code == 401
    assert tokens.issued == 1


def test_a_body_that_is_used_up_is_not_sent_again_and_the_next_request_has_a_new_token(caller, tokens):
    caller.get()
    tokens.valid.clear()
    streamed = {"data" if isinstance(caller.client, requests.Session) else "content": iter([b"a", b"b"])}
    assert caller.post(**streamed).status_code == 401
    assert caller.get().status_code == 200
    assert tokens.issued == 2


def test_many_threads_fetch_once(caller, tokens):
    tokens.let_go.clear()
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(caller.get) for _ in range(16)]
        tokens.wait_for_fetch()
        threading.Timer(0.3, tokens.let_go.set).start()
        assert {answer.result().status_code for answer in answers} == {200}
    assert len(tokens.fetches) == 1


def test_while_one_renews_early_the_others_go_on(caller, tokens):
    caller.get()
    tokens.arrivals.clear()
    caller.clock.seconds = 3300
    tokens.let_go.clear()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(caller.get)
        tokens.wait_for_fetch()
        assert caller.get().status_code == 200
        assert not renewing.done()
        tokens.let_go.set()
        assert renewing.result().status_code == 200
    assert [seen.token for seen in tokens.calls] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("library", [httpx2, httpx], ids=lambda library: library.__name__)
async def test_many_tasks_fetch_once_and_so_do_threads_beside_them(library, key, tokens):
    auth = TokenAuth(key, tokens.token_url)
    tokens.let_go.clear()
    threading.Timer(0.3, tokens.let_go.set).start()

    def in_a_thread():
        with library.Client(auth=auth, verify=NO_TLS, trust_env=False, timeout=20) as client:
            return client.get(tokens.origin)

    async with library.AsyncClient(auth=auth, verify=NO_TLS, trust_env=False, timeout=20) as client:
        answers = await asyncio.gather(
            *(client.get(tokens.origin) for _ in range(20)), *(asyncio.to_thread(in_a_thread) for _ in range(4))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len(tokens.fetches) == 1


@pytest.mark.parametrize("library", [httpx2, httpx], ids=lambda library: library.__name__)
async def test_a_cancelled_fetch_leaves_the_turn_to_the_next(library, key, tokens):
    auth = TokenAuth(key, tokens.token_url)
    tokens.let_go.clear()
    async with library.AsyncClient(auth=auth, verify=NO_TLS, trust_env=False, timeout=20) as client:
        first = asyncio.create_task(client.get(tokens.origin))
        await asyncio.to_thread(tokens.wait_for_fetch)
        waiting = [asyncio.create_task(client.get(tokens.origin)) for _ in range(5)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        first.cancel()
        await asyncio.sleep(0.05)
        tokens.let_go.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert {answer.status_code for answer in answers[1:]} == {200}
    assert len(tokens.fetches) == 2


async def test_an_async_client_renews_after_a_refusal(key, tokens):
    auth = TokenAuth(key, tokens.token_url)
    async with httpx2.AsyncClient(auth=auth, verify=NO_TLS, trust_env=False) as client:
        await client.get(tokens.origin)
        tokens.valid.clear()
        assert (await client.post(tokens.origin, json={"a": "b"})).status_code == 200
        assert (await client.get(tokens.origin)).status_code == 200
    assert tokens.issued == 2


REFUSALS = [
    (problem(401, "invalid_client"), "invalid_client", "create a new key"),
    ((401, {}, b'{"error": "invalid_client", "error_description": "no"}'), "invalid_client", "It said: no"),
    (problem(403, "api_access_disabled"), "api_access_disabled", "switched off"),
    (problem(429, "too_many_requests", **{"Retry-After": "7"}), "too_many_requests", "wait 7 seconds"),
    (problem(503, "unavailable", **{"Retry-After": "2"}), "unavailable", "again in 2 seconds"),
    ((404, {}, b"<html>"), None, "no token endpoint at this URL"),
    ((200, {}, b"<html>hello</html>"), None, "not a bearer token"),
    ((200, {}, b'{"access_token": "a b", "token_type": "Bearer"}'), None, "not a bearer token"),
    ((200, {}, b'{"access_token": "a", "token_type": "mac"}'), None, "not a bearer token"),
    ((200, {}, b'{"access_token": "a", "token_type": "Bearer", "expires_in": -1}'), None, "not a bearer token"),
    ((200, {}, b'{"access_token": "a", "token_type": "Bearer", "expires_in": true}'), None, "not a bearer token"),
    ((200, {}, b"[" * 100_000), None, "not a bearer token"),
    ((418, {}, b"{}"), None, "ask the platform"),
    ((400, {}, b'{"error": "x\\ny ' + CLIENT_SECRET.encode() + b'"}'), "x?y ?", "ask the platform"),
]


@pytest.mark.parametrize(("answer", "code", "says"), REFUSALS, ids=range(len(REFUSALS)))
def test_a_refusal_names_fault_and_remedy(caller, tokens, answer, code, says):
    tokens.refusals.append(answer)
    with pytest.raises(TokenError, match=says) as caught:
        caller.get()
    assert (caught.value.code, caught.value.status) == (code, answer[0])
    assert tokens.token_url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tokens.calls == []
    # The next request asks again.
    assert caller.get().status_code == 200


def test_all_who_wait_are_told_of_one_refusal(caller, tokens):
    tokens.let_go.clear()
    tokens.refusals += [problem(401, "invalid_client")]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(caller.get) for _ in range(8)]
        tokens.wait_for_fetch()
        threading.Timer(0.5, tokens.let_go.set).start()
        faults = [answer.exception() for answer in answers]
    assert {type(fault) for fault in faults} == {TokenError}
    assert len({id(fault) for fault in faults}) == 8
    assert len(tokens.fetches) == 1


def test_an_early_renewal_that_fails_does_no_harm(caller, tokens):
    caller.get()
    caller.clock.seconds = 3300
    tokens.refusals += [problem(503, "unavailable")] * 2
    assert [caller.get().status_code for _ in range(3)] == [200] * 3
    assert len(tokens.fetches) == 2
    caller.clock.seconds = 3311
    assert caller.get().status_code == 200
    assert len(tokens.fetches) == 3
    caller.clock.seconds = 3601
    assert caller.get().status_code == 200
    assert tokens.issued == 2


def test_a_token_without_a_life_is_used_for_a_while(caller, tokens):
    tokens.life_seconds = None
    caller.get()
    caller.clock.seconds = 300
    caller.get()
    assert tokens.issued == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_secret_is_not_sent_on_by_a_redirect(caller, tokens, other_tokens, status):
    tokens.refusals.append((status, {"Location": other_tokens.token_url}, b""))
    with pytest.raises(TokenError, match="redirects"):
        caller.get()
    everything = repr(other_tokens.arrivals)
    assert CLIENT_SECRET not in everything
    assert SEED.hex() not in everything
    assert caller.get().status_code == 200


@pytest.mark.parametrize("status", [302, 307])
def test_a_token_is_not_sent_on_by_a_redirect(caller, tokens, other_tokens, status):
    target = other_tokens.origin.replace("/", "%2F").replace(":", "%3A")
    answer = caller.post(f"/redirect/{status}/{target}%2Fv1", data={"a": "b"})
    # The other one says token_invalid, and is not believed.
    assert answer.status_code == 401
    assert [seen.token for seen in other_tokens.arrivals] == [""]
    assert tokens.issued == 1


def test_a_redirect_within_the_origin_keeps_the_token(caller, tokens):
    assert caller.get("/redirect/302/%2Fv1").status_code == 200
    assert [seen.token for seen in tokens.calls] == ["Bearer token-1"] * 2


def test_neither_secret_nor_token_is_logged_or_shown(caller, tokens, caplog):
    caplog.set_level(logging.DEBUG)
    answer = caller.get()
    tokens.valid.clear()
    caller.get()
    tokens.refusals.append(problem(401, "invalid_client"))
    tokens.valid.clear()
    with pytest.raises(TokenError) as caught:
        caller.get()
    shown = caplog.text + repr(caller.auth) + repr(vars(caller.auth)) + "".join(map(repr, [answer, *answer.history]))
    # All frames but this one, which has the server's memory at hand.
    frames = caught.value.with_traceback(caught.value.__traceback__.tb_next)
    shown += "".join(traceback.TracebackException.from_exception(frames, capture_locals=True).format())
    assert CLIENT_SECRET not in shown
    assert SEED.hex() not in shown
    # What a hook or a reporter of errors finds in the requests that were made.
    for past in [answer, *answer.history]:
        assert CLIENT_SECRET.encode() not in (getattr(past.request, "content", b"") or b"")
    assert "token-1" not in caplog.text


def test_an_endpoint_that_cannot_be_reached(kind, key, tokens):
    auth = (RequestsTokenAuth if kind == "requests" else TokenAuth)(key, "http://127.0.0.1:9/auth/token")
    if kind == "requests":
        with pytest.raises(TokenError, match=r"cannot be reached.*refused") as caught:
            requests.get(tokens.origin, auth=auth, timeout=5)
        assert caught.value.__context__ is None  # its frames would hold the secret
    else:
        library = LIBRARIES[kind]
        with (
            library.Client(auth=auth, verify=NO_TLS, trust_env=False) as client,
            pytest.raises(library.ConnectError),
        ):
            client.get(tokens.origin)
    assert tokens.arrivals == []


def test_requests_can_fetch_through_a_session_of_ones_own(key, tokens):
    with requests.Session() as session:
        session.trust_env = False
        auth = RequestsTokenAuth(key, tokens.token_url, session=session)
        session.auth = auth
        assert session.get(tokens.origin, timeout=5).status_code == 200
    assert tokens.issued == 1


def test_a_mock_transport_sees_what_is_sent(key):
    def handle(request):
        if request.url.path == "/auth/token":
            assert CLIENT_SECRET.encode() in request.content
            return httpx2.Response(200, json={"access_token": "t", "token_type": "bearer", "expires_in": 60})
        return httpx2.Response(200, text=request.headers["Authorization"])

    auth = TokenAuth(key, "https://api.example.com/auth/token")
    with httpx2.Client(auth=auth, transport=httpx2.MockTransport(handle)) as client:
        assert client.get("https://api.example.com/v1").text == "Bearer t"


@pytest.mark.parametrize("make", [TokenAuth, RequestsTokenAuth])
def test_where_a_secret_may_go(make, key):
    for url in ("http://api.example.com/auth/token", "http://127.0.0.1.example.com/", "http://10.0.0.1/auth/token"):
        with pytest.raises(ValueError, match="https://"):
            make(key, url)
        make(key, url, allow_http=True)
    for url in (
        "/auth/token",
        "ftp://api.example.com/",
        "https://",
        "https://user:pw@api.example.com/",
        "https://a/#b",
    ):
        with pytest.raises(ValueError, match="token_url"):
            make(key, url)
    for url in ("http://localhost:8080/auth/token", "http://[::1]/auth/token", "https://api.example.com/auth/token"):
        make(key, url)
    with pytest.raises(ValueError, match="renew_early"):
        make(key, "https://a/", renew_early=1)
    with pytest.raises(TypeError, match="Credential"):
        make("cs_live_", "https://a/")
