"""The console with 100,000 accounts: found, paged through both ways, and never with more than five questions."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest
from test_pages_operator import add_operator

from support import data
from support.queries import counted, in_process
from support.reading import Page
from support.server import Caller, Server, running
from support.visit import Visit

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

MANY = 100_000
MOST_QUERIES = 5
PAGE = 25
WORDS = ["Acme", "Nord", "Wind", "Handel", "Ocean", "Blau", "Iron", "Müller", "Straße", "Licht", "Σίγμα", "Łódź"]
RARE = "Quetzalcóatl Überweisungen"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with 100,000 accounts; some ask for API access, one has a name, a user and a key to look for."""
    with running(tmp_path_factory.mktemp("crowd") / "data") as found:
        chance = random.Random(20261123)
        states = chance.choices(
            ["enabled", "not_requested", "requested", "declined", "disabled"], [80, 18, 1, 1, 0.1], k=MANY
        )
        rows = []
        for number, state in enumerate(states):
            name = f"{chance.choice(WORDS)} {chance.choice(WORDS)} {number}"
            asked = (number, "kim@example.com") if state == "requested" else (None, None)
            kind = "partner" if number % 3 == 0 else "corporate"
            rows.append((f"acc_{number:020d}", name, name.casefold(), kind, state, number + 1, number + 1, *asked))
        with data.looking_into(found.data_dir) as database:
            database.change_many(
                "INSERT INTO accounts (id, name, name_folded, type, api_access, api_access_changed_at, created_at,"
                " api_access_requested_at, api_access_requested_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        yield found


@pytest.fixture(scope="module")
def rita(crowd: Server) -> Caller:
    return add_operator(crowd)


@pytest.fixture
def visit(crowd: Server, rita: Caller) -> Iterator[Visit]:
    with Visit(crowd, rita) as found:
        yield found


@pytest.fixture(scope="module")
def in_order(crowd: Server) -> list[str]:
    """Every Account ID as the list must have it, sorted here and not by the database."""
    rows = data.rows(crowd.data_dir, "SELECT name, id FROM accounts")
    assert len(rows) >= MANY
    return [identifier for _, identifier in sorted((name.casefold().encode(), identifier) for name, identifier in rows)]


def ids(page: Page) -> list[str]:
    return [row["Account ID"] for row in page.rows()]


def step(visit: Visit, page: Page, way: str) -> Page:
    (link,) = page.all("a", rel=way)
    return visit.get(link["href"])


def test_pages_lead_forth_and_back(visit: Visit, in_order: list[str]):
    page = visit.get("/operator/accounts")
    assert ids(page) == in_order[:PAGE]
    assert not page.all("a", rel="prev")
    for number in range(1, 6):
        page = step(visit, page, "next")
        assert ids(page) == in_order[number * PAGE : (number + 1) * PAGE]
    for number in reversed(range(5)):
        page = step(visit, page, "prev")
        assert ids(page) == in_order[number * PAGE : (number + 1) * PAGE]
    assert not page.all("a", rel="prev")


def test_pages_far_in_and_the_last_one(visit: Visit, in_order: list[str]):
    middle = MANY // 2
    page = visit.get(f"/operator/accounts?cursor=after-{in_order[middle]}")
    assert ids(page) == in_order[middle + 1 : middle + 1 + PAGE]
    assert ids(step(visit, page, "prev")) == in_order[middle + 1 - PAGE : middle + 1]
    page = visit.get(f"/operator/accounts?cursor=after-{in_order[-PAGE - 1]}")
    assert ids(page) == in_order[-PAGE:]
    assert not page.all("a", rel="next")
    assert "Nothing more here" in visit.get(f"/operator/accounts?cursor=after-{in_order[-1]}").headings


def test_a_common_word_is_found_page_by_page(visit: Visit):
    first = visit.get(f"/operator/accounts?q={quote_plus('mÜLLER strasse')}")
    second = step(visit, first, "next")
    names = [row["Name"] for page in (first, second) for row in page.rows()]
    assert len(names) == 2 * PAGE
    assert all("müller strasse" in name.casefold() for name in names)
    assert names == sorted(names, key=str.casefold)
    assert ids(step(visit, second, "prev")) == ids(first)
    assert second.one(id="q")["value"] == "mÜLLER strasse"


def test_rare_and_absent_words_wildcards_ids_emails_and_keys(crowd: Server, visit: Visit):
    account = crowd.account(name=RARE)
    owner = crowd.person(account, "owner")
    key, gone = crowd.key(account), crowd.key(account)
    assert crowd.delete_key(account, gone.client_id).status == 200
    one = f"acc_{4711:020d}"
    for text, found in {
        "COATL überW": [],
        "CÓATL überW": [account],
        account: [account],
        owner.email.upper(): [account],
        key.client_id: [account],
        f"  {gone.client_id.upper()} ": [account],
        one: [one],
        " 4711": None,
        "no such word": [],
        "%": [],
        "_": [],
        "acc_": [],
        "ck_" + "0" * 26: [],
        "nobody@example.com": [],
        "\ufffd": [],
    }.items():
        page = visit.get(f"/operator/accounts?q={quote_plus(text)}")
        assert visit.status == 200, text
        if found is None:
            assert all("4711" in row["Name"] for row in page.rows())
        elif found:
            assert ids(page) == found, text
        else:
            assert "Nothing found" in page.headings, text
            assert "as a part of the name, and as the whole Account ID" in page.main
    assert visit.get(f"/operator/accounts?q={key.client_id}&access=disabled").headings[-1] == "Nothing found"


def test_filters(visit: Visit):
    page = visit.get("/operator/accounts?access=disabled&type=partner")
    for each in (page, step(visit, page, "next")):
        assert {(row["API access"], row["Type"]) for row in each.rows()} == {("Switched off", "Partner")}
    both = visit.get("/operator/accounts?q=nord+wind&access=declined")
    assert both.rows()
    assert all(row["API access"] == "Declined" and "Nord Wind" in row["Name"] for row in both.rows())
    chosen = [each.get("value") for each in both.all("option") if "selected" in each.attributes]
    assert chosen == ["declined"]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=after-acc_unknown",
        "cursor=%ff",
        "access=other",
        "type=%00",
        "q=" + "x" * 300,
        "cursor=before-",
        "q=%00",
    ],
)
def test_what_cannot_be_read_is_told_over_the_whole_list(visit: Visit, in_order: list[str], query: str):
    page = visit.get(f"/operator/accounts?{query}")
    assert visit.status == 400
    (told,) = page.notices
    assert told.startswith("This search could not be read: ")
    assert ids(page) == in_order[:PAGE]


def test_more_requests_than_anyone_counts(visit: Visit):
    assert "Access requests (99+)" in visit.get("/operator/accounts").text
    assert len(visit.get("/operator/requests").all("li", class_="card")) == 20


async def test_no_page_asks_more_than_five_questions(crowd: Server, rita: Caller, in_order: list[str]):
    account = crowd.account(name=f"Full {os.urandom(4).hex()}")
    keys = [crowd.key(account) for _ in range(10)]
    for number in range(30):
        crowd.person(account, "viewer") if number < 3 else crowd.set_access(account, number % 2 == 0)
    far = f"cursor=after-{in_order[MANY // 2]}"
    here = f"/operator/accounts/{account}"
    crowd.set_access(account, True)
    paths = [
        "/operator/accounts",
        f"/operator/accounts?{far}",
        f"/operator/accounts?{far.replace('after', 'before')}&q=m&access=enabled&type=partner",
        f"/operator/accounts?q={keys[0].client_id}&{far}",
        "/operator/accounts?q=nobody@example.com",
        "/operator/accounts/new",
        "/operator/requests",
        here,
        f"{here}/switch-off",
        f"{here}/users/new",
        f"{here}/api-keys/{keys[0].client_id}/delete",
        f"{here}/activity",
        f"{here}/activity?before=30",
    ]
    async with in_process(data.settings_of(crowd.data_dir)) as client:
        for path in paths:
            with counted() as asked:
                answer = await client.get(path, headers={**rita.headers, "Accept": "text/html"})
            assert answer.status_code == 200, path
            assert 2 <= len(asked) <= MOST_QUERIES, f"{path}: {asked}"


async def test_the_list_walks_the_index_of_names(crowd: Server, rita: Caller, in_order: list[str]):
    """Whatever page of it: no sorting, no scan of the table."""
    for cursor in ("", f"?cursor=after-{in_order[MANY // 2]}", f"?cursor=before-{in_order[MANY // 2]}"):
        async with in_process(data.settings_of(crowd.data_dir)) as client:
            with counted() as asked:
                await client.get(f"/operator/accounts{cursor}", headers=rita.headers)
        (listing,) = [statement for statement in asked if "ORDER BY accounts.name_folded" in statement]
        if data.is_postgresql(crowd.data_dir):
            told = data.plan(crowd.data_dir, listing)
            assert "using ix_accounts_name_folded" in told
            assert "Seq Scan" not in told
            assert "Sort" not in told
            assert ("Index Cond" in told) == bool(cursor)
        else:
            (told,) = data.plan(crowd.data_dir, listing).splitlines()
            assert "USING INDEX ix_accounts_name_folded" in told
            assert told.startswith("SEARCH" if cursor else "SCAN")


async def test_the_list_of_one_state_walks_an_index_of_it(crowd: Server, rita: Caller, in_order: list[str]):
    """However few are in that state: nobody reads past all the others to find them."""
    for cursor in ("", f"&cursor=after-{in_order[MANY // 2]}", f"&cursor=before-{in_order[MANY // 2]}"):
        async with in_process(data.settings_of(crowd.data_dir)) as client:
            with counted() as asked:
                answer = await client.get(f"/operator/accounts?access=disabled{cursor}", headers=rita.headers)
        assert answer.status_code == 200
        (listing,) = [statement for statement in asked if "ORDER BY accounts.name_folded" in statement]
        assert "accounts.api_access = " in listing
        told = data.plan(crowd.data_dir, listing)
        told = told.lower()
        assert "using ix_accounts_api_access_name" in told or "index ix_accounts_api_access_name" in told, told
        assert not re.search("scan accounts|seq scan|sort|temp b-tree", told), told
