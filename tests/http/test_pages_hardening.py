"""What every page holds against other sites: headers, cookies, forms that only our own pages can send, addresses."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from functools import cached_property
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from litestar.exceptions import LitestarDeprecationWarning

from keywright.settings import load_settings
from keywright.web import create_pages, with_security_headers
from support import data
from support.reading import Page
from support.server import PASSWORD, Caller, Server, run_cli, running
from support.visit import Visit

HTML = {"Accept": "text/html"}
# Of pages that came from elsewhere: another site, a sibling, a sandboxed frame, the same host without TLS.
ELSEWHERE = ["https://evil.example", "https://keys.example.com.evil.example", "null", "http://localhost:1", "nonsense"]


def routes(method: str) -> list[str]:
    """Every address of the pages that answers to a method, as the application has them."""
    # Their handlers are not called here, so they need nothing to work with.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LitestarDeprecationWarning)  # as listener.py does
        app = create_pages(cast("Any", SimpleNamespace(settings=load_settings(data_dir=Path("/nowhere")))))
    found = [
        route.path_format
        for route in app.routes
        if any(method in handler.http_methods for handler in getattr(route, "route_handlers", []))
    ]
    assert found
    return sorted(set(found))


POSTS = routes("POST")
GETS = [path for path in routes("GET") if not path.startswith("/static/")]


class Site:
    """A deployment with an account, a key, its Owner and a relationship manager, whom each address is asked by."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.account = server.account()
        self.owner = server.person(self.account, "owner")
        key = server.key(self.account, caller=self.owner)
        self.values = {
            "account_id": self.account,
            "client_id": key.client_id,
            "user_id": self.owner.user_id,
            "token": "kwi_" + "0" * 64,
        }
        self.client = httpx2.Client(base_url=server.control, timeout=60)

    @cached_property
    def operator(self) -> Caller:
        email = "rosa@platform.example"
        added = json.loads(run_cli("operator", "add", email, "Rosa", "--json", data_dir=self.server.data_dir).stdout)
        with Visit(self.server) as guest:
            (form,) = guest.get(urlsplit(added["setPasswordUrl"]).path).forms
            guest.submit(form, password=PASSWORD)
        return self.server.sign_in(email)

    def caller(self, path: str) -> Caller:
        return self.operator if path.startswith("/operator") else self.owner

    def filled(self, path: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: self.values.get(found[1], "unknown"), path)

    def csrf(self, caller: Caller) -> str:
        return Page(self.send("GET", "/security", caller=caller).text).csrf

    def send(self, method: str, path: str, *, caller: Caller | None = None, **options: Any) -> httpx2.Response:
        headers = {**HTML, **(caller.headers if caller else {}), **options.pop("headers", {})}
        answer = self.client.request(method, path, headers=headers, **options)
        self.client.cookies.clear()
        return answer

    def everything(self) -> dict[str, list[str]]:
        """All that the database holds, but for mail, which leaves when it may, and leases, which are renewed."""
        return data.every_row(self.server.data_dir, without=("outgoing_mail", "verifiers"))


@pytest.fixture(scope="module")
def site(server: Server) -> Iterator[Site]:
    found = Site(server)
    yield found
    found.client.close()


# --- forms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POSTS)
def test_a_form_without_this_browsers_token_is_refused(site: Site, path: str):
    caller, address = site.caller(path), site.filled(path)
    other = site.csrf(site.owner if caller is site.operator else site.operator)
    before = site.everything()
    for form in ({}, {"csrf": ""}, {"csrf": "0" * 32}, {"csrf": other}, {"csrf": "é"}):
        answer = site.send("POST", address, caller=caller, data={**form, "password": PASSWORD})
        assert answer.status_code == 403, (form, answer.text[:500])
    # In the address, or in another form than ours, it does not count either.
    csrf = site.csrf(caller)
    assert site.send("POST", f"{address}?csrf={csrf}", caller=caller, data={"name": "x"}).status_code == 403
    for media_type in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
        answer = site.send("POST", address, caller=caller, content=f"csrf={csrf}", headers={"Content-Type": media_type})
        # An invitation is accepted with JSON too: at the REST call, to which it is led.
        is_led_on = answer.status_code == 307 and answer.headers["location"] == f"/v1{address}"
        assert answer.status_code == 400 or (is_led_on and path.startswith("/invitations/")), media_type
    assert site.everything() == before


@pytest.mark.parametrize("path", POSTS)
def test_a_form_of_another_site_is_refused_even_with_the_token(site: Site, path: str):
    caller, address = site.caller(path), site.filled(path)
    csrf, before = site.csrf(caller), site.everything()
    for origin in ELSEWHERE:
        answer = site.send("POST", address, caller=caller, data={"csrf": csrf}, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    assert site.everything() == before


def test_a_guests_form_is_the_browsers_own(site: Site):
    with Visit(site.server) as one, Visit(site.server) as other:
        form, stranger = one.get("/sign-in").form("/sign-in"), other.get("/sign-in").form("/sign-in")
        one.post("/sign-in", {**form.values, "csrf": stranger.values["csrf"], "email": "a@example.com"})
        assert one.status == 403
        one.submit(form, email=site.owner.email, password=PASSWORD)
        assert one.path == f"/accounts/{site.account}"
        # Signed in, the token of before is worth nothing any more.
        one.post("/sign-out", {"csrf": form.values["csrf"]})
        assert one.status == 403
        one.post("/sign-out", {"csrf": one.get("/security").csrf})
        assert one.path == "/sign-in"


# --- headers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*GETS, "/nothing/here"])
def test_each_page_carries_the_headers(site: Site, path: str):
    for caller in (site.owner, site.operator, None):
        answer = site.send("GET", site.filled(path), caller=caller)
        assert answer.status_code in {200, 303, 404}, answer.text[:500]
        assert_guarded(answer)
        assert answer.headers["cache-control"] == "no-store"
        if answer.headers["content-type"].startswith("text/html"):
            assert_nothing_inline(answer.text)


def test_refusals_carry_them_too(site: Site):
    csrf = site.csrf(site.owner)
    for answer, status in (
        (site.send("POST", "/sign-in", data={"email": "x"}), 403),
        (site.send("POST", "/security", caller=site.owner, data={"csrf": csrf}), 405),
        (site.send("POST", "/sign-in", content=b"x" * 70_000, headers={"Content-Type": "text/plain"}), 413),
        (site.send("POST", f"/accounts/{site.account}/users", caller=site.owner, data={"csrf": csrf}), 400),
        (site.send("POST", "/security/password", caller=site.owner, data={"csrf": csrf, "x": "x" * 70_000}), 413),
    ):
        assert answer.status_code == status, answer.text[:500]
        assert_guarded(answer)
        assert answer.headers["cache-control"] == "no-store"
        assert_nothing_inline(answer.text)


def assert_guarded(answer: httpx2.Response) -> None:
    assert answer.headers.get_list("content-security-policy") == [answer.headers["content-security-policy"]]
    parts = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    policy = {name: values for name, *values in parts}
    assert len(policy) == len(parts)
    assert not any("unsafe" in value or value in {"*", "http:", "https:"} for each in policy.values() for value in each)
    for name in ("default-src", "frame-ancestors", "base-uri"):
        assert policy[name] == ["'none'"]
    for name in ("script-src", "style-src", "connect-src", "form-action"):
        assert policy[name] == ["'self'"]
    assert set(policy["img-src"]) <= {"'self'", "data:"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in answer.headers, "no TLS on this machine"


def assert_nothing_inline(html: str) -> None:
    assert not re.search(r"<style\b|\sstyle\s*=|<[^>]+\son\w+\s*=|javascript:", html)
    assert all("src=" in tag for tag in re.findall(r"<script\b[^>]*>", html))
    # Nor anything from elsewhere.
    assert not re.search(r"""\b(?:src|action|formaction)\s*=\s*["']?(?:https?:)?//""", html)


@pytest.mark.parametrize(
    ("base_url", "has_it"),
    [
        ("https://keys.example.com", True),
        ("http://keys.example.com", False),
        ("https://localhost:8443", False),
        ("http://127.0.0.1:8080", False),
    ],
)
async def test_browsers_are_told_to_stay_with_tls(base_url: str, has_it: bool):
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def keep(message: Any) -> None:
        sent.append(message)

    await with_security_headers(app, base_url)(cast("Any", {}), cast("Any", None), keep)
    found = dict(sent[0]["headers"]).get(b"strict-transport-security")
    assert (found is not None) == has_it
    if found is not None:
        assert int(re.search(rb"max-age=(\d+)", found)[1]) >= 31_536_000


# --- cookies ----------------------------------------------------------------------------------------------


def cookies_of(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for header in answer.headers.get_list("set-cookie"):
        found.update(SimpleCookie(header))
    return found


def sign_in(site: Site, *, origin: str | None = None, cookies: str = "", **typed: str) -> httpx2.Response:
    """Sign in through the page, as a browser that came with these cookies."""
    first = site.send("GET", "/sign-in", headers={"Cookie": cookies} if cookies else {})
    jar = "; ".join(
        [*([cookies] if cookies else []), *(f"{name}={each.value}" for name, each in cookies_of(first).items())]
    )
    form = {"csrf": Page(first.text).csrf, "email": site.owner.email, "password": PASSWORD, **typed}
    headers = {"Cookie": jar, **({"Origin": origin} if origin else {})}
    return site.send("POST", "/sign-in", data=form, headers=headers)


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A deployment that people reach by a name, over TLS."""
    folder = tmp_path_factory.mktemp("public") / "data"
    with running(folder, KEYWRIGHT_PUBLIC_URL="https://keys.example.com") as server:
        found = Site(server)
        yield found
        found.client.close()


@pytest.mark.parametrize("is_public", [False, True])
def test_cookies_are_for_us_alone(site: Site, public: Site, is_public: bool):
    here = public if is_public else site
    guest = cookies_of(here.send("GET", "/sign-in"))
    assert set(guest) == {"keywright_guest"}
    signed_in = sign_in(here, origin="https://keys.example.com" if is_public else here.server.control)
    assert signed_in.status_code == 303
    session = cookies_of(signed_in)
    assert "keywright_session" in session
    for cookie in [*guest.values(), *session.values()]:
        assert cookie["httponly"] is True
        assert cookie["samesite"].lower() == "lax"
        assert bool(cookie["secure"]) == is_public
        assert cookie["path"] == "/"
        assert not cookie["domain"], "no other host of ours gets it"
    if is_public:
        assert "max-age=" in here.send("GET", "/sign-in").headers["strict-transport-security"]
        refused = sign_in(here, origin="http://keys.example.com.evil.example")
        assert refused.status_code == 403


def test_a_session_that_was_planted_is_not_the_one_that_is_opened(site: Site):
    planted = "kws_" + "a" * 64
    answer = sign_in(site, cookies=f"keywright_session={planted}")
    opened = cookies_of(answer)["keywright_session"].value
    assert opened != planted
    assert site.send("GET", "/security", headers={"Cookie": f"keywright_session={planted}"}).status_code == 303
    assert site.send("GET", "/security", headers={"Cookie": f"keywright_session={opened}"}).status_code == 200


def test_signing_in_anew_is_another_session(site: Site):
    first = cookies_of(sign_in(site))["keywright_session"].value
    second = cookies_of(sign_in(site))["keywright_session"].value
    assert first != second
    csrf = site.csrf(Caller({"Cookie": f"keywright_session={first}"}))
    form = {"csrf": csrf, "email": site.owner.email, "password": PASSWORD}
    third = site.send("POST", "/sign-in", data=form, headers={"Cookie": f"keywright_session={first}"})
    assert third.status_code == 303
    assert cookies_of(third)["keywright_session"].value not in {first, second}
    assert site.send("GET", "/security", headers={"Cookie": f"keywright_session={first}"}).status_code == 303


# --- addresses --------------------------------------------------------------------------------------------

_LEADS_AWAY = [
    *("https://evil.example", "http:evil.example", "//evil.example", "///evil.example", "////evil.example/"),
    *("/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example"),
    *("\t//evil.example", " //evil.example", "/%09/evil.example", "@evil.example", ".evil.example", ""),
    *("javascript:alert(1)", "data:text/html,x", "/\r\nLocation: https://evil.example"),
    *("/\u2028/evil.example", "/\x00/evil.example"),
]


@pytest.mark.parametrize("wanted", _LEADS_AWAY)
def test_next_leads_to_no_other_site(site: Site, wanted: str):
    signed_in = site.send("GET", "/sign-in", caller=site.owner, params={"next": wanted})
    assert signed_in.status_code == 303
    for answer in (signed_in, sign_in(site, next=wanted)):
        assert answer.status_code == 303
        (location,) = answer.headers.get_list("location")
        # As browsers read it: white space around and line ends within are dropped, backslashes are slashes.
        read = re.sub(r"[\t\r\n]", "", location.strip("".join(map(chr, range(33))))).replace("\\", "/")
        where = urlsplit(urljoin("https://keys.example.com/sign-in", read))
        assert (where.scheme, where.netloc) == ("https", "keys.example.com"), location


def test_next_leads_to_the_page_that_was_wanted(site: Site):
    wanted = f"/accounts/{site.account}/activity?kind=keys&who=a%20b"
    led = site.send("GET", wanted)
    assert led.status_code == 303
    page = Page(site.send("GET", led.headers["location"]).text)
    answer = sign_in(site, next=page.form("/sign-in").values["next"])
    assert answer.headers["location"] == wanted


# --- files ------------------------------------------------------------------------------------------------


def test_files_are_kept_by_browsers_and_named_by_what_they_hold(site: Site):
    html = site.send("GET", "/sign-in").text
    names = sorted(set(re.findall(r'"(/static/[^"]+)"', html)))
    assert {name.rpartition(".")[2] for name in names} == {"css", "js", "svg"}
    for name in names:
        answer = site.send("GET", name)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "set-cookie" not in answer.headers
        assert_guarded(answer)
        older = site.send("GET", re.sub(r"/static/\w+/", "/static/000000000000/", name))
        assert (older.status_code, older.headers["cache-control"]) == (200, "no-cache")
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for name in names:
        assert site.send("GET", name).headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
    for nothing in ("/static/x/none.css", "/static/x/..%2Fapp.py", "/static/x/%2e%2e/app.py", "/static/x/keywright.py"):
        answer = site.send("GET", nothing)
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
