"""The description of the control plane, and thousands of calls made up from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import response_schema_conformance

from support.server import Server, running

EXAMPLES = 20
CALLS = {
    "POST /v1/accounts": 201,
    "GET /v1/accounts": 200,
    "GET /v1/accounts/{account_id}": 200,
    "PUT /v1/accounts/{account_id}/api-access": 200,
    "POST /v1/accounts/{account_id}/api-access/requests": 202,
    "GET /v1/api-access/requests": 200,
    "POST /v1/accounts/{account_id}/users": 201,
    "GET /v1/accounts/{account_id}/users": 200,
    "GET /v1/accounts/{account_id}/users/{user_id}": 200,
    "PATCH /v1/accounts/{account_id}/users/{user_id}": 200,
    "DELETE /v1/accounts/{account_id}/users/{user_id}": 204,
    "POST /v1/invitations/{token}": 204,
    "GET /v1/invitations/{token}": 200,
    "POST /v1/session": 204,
    "DELETE /v1/session": 204,
    "POST /v1/accounts/{account_id}/credentials": 201,
    "GET /v1/accounts/{account_id}/credentials": 200,
    "DELETE /v1/accounts/{account_id}/credentials/{client_id}": 200,
    "GET /v1/accounts/{account_id}/audit-events": 200,
    "GET /v1/nodes": 200,
    "POST /auth/token": 200,
    "GET /healthz": 200,
    "GET /readyz": 200,
}
WITHOUT_CALLER = {call for call in CALLS if re.search("/(session|invitations|auth|healthz|readyz)", call)}
MEMBERS = {"type", "title", "status", "detail", "code"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: what is made up here would stand in others' lists."""
    with running(tmp_path_factory.mktemp("described") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def description(own: Server) -> dict[str, Any]:
    answer = own.call("GET", "/v1/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"].split(";")[0] in {"application/json", "application/vnd.oai.openapi+json"}
    return answer.json


def test_it_is_openapi_31_and_lists_the_calls_of_the_contract(description: dict[str, Any]):
    assert re.fullmatch(r"3\.1\.\d+", description["openapi"])
    offered = {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    assert set(offered) == set(CALLS)
    for call, operation in offered.items():
        assert operation["summary"], call
        assert [status for status in operation["responses"] if status != "default"] == [str(CALLS[call])]
        # Whatever else comes is a problem document.
        assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"]
        assert bool(operation.get("security")) is (call not in WITHOUT_CALLER), call
    schemes = description["components"]["securitySchemes"]
    assert schemes["operatorToken"]["scheme"] == "bearer"
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "keywright_session")
    assert set(description["components"]["schemas"]["Problem"]["required"]) == MEMBERS


def test_every_reference_in_it_leads_somewhere(description: dict[str, Any]):
    for name in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(description)):
        assert name in description["components"]["schemas"]


def test_no_answer_but_the_new_key_describes_a_secret(description: dict[str, Any]):
    schemas = description["components"]["schemas"]
    holding = {name for name, schema in schemas.items() if "clientSecret" in schema.get("properties", {})}
    assert holding == {"CreatedCredentialOutput", "TokenInput"}  # the latter is what a call takes
    users = [
        (path, method)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if "CreatedCredentialOutput" in json.dumps(operation)
    ]
    assert users == [("/v1/accounts/{account_id}/credentials", "post")]


@pytest.mark.parametrize("call", CALLS)
def test_whatever_is_made_up_from_it_is_answered_properly(own: Server, description: dict[str, Any], call: str):
    method, path = call.split()
    account = own.account(name="Described")
    schema = schemathesis.openapi.from_dict(description)
    operation = schema[path][method]
    headers = own.platform.headers if call not in WITHOUT_CALLER else {}
    modes = schemathesis.GenerationMode

    @seed(20261123)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        case=operation.as_strategy(generation_mode=modes.POSITIVE)
        | operation.as_strategy(generation_mode=modes.NEGATIVE),
        real=st.booleans(),
    )
    def ask(case: schemathesis.Case, real: bool) -> None:
        if real and "account_id" in (case.path_parameters or {}):
            case.path_parameters["account_id"] = account  # or hardly any call would reach beyond 404
        answer = case.call(base_url=own.control, headers=headers)
        content_type = answer.headers.get("content-type", [""])[0].split(";")[0]
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert content_type == "application/problem+json", (answer.status_code, answer.text)
            assert set(answer.json()) - {"errors"} == MEMBERS
            assert answer.json()["status"] == answer.status_code
        elif answer.status_code == 204:
            assert not answer.content
        else:
            assert answer.status_code == CALLS[call]
            assert content_type == "application/json"
        case.validate_response(answer, checks=[response_schema_conformance])

    ask()
