"""What /v1/openapi.json says beside what Litestar finds out by itself: who may call, and how errors look."""

from __future__ import annotations

from litestar.openapi.spec import (
    Components,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    Schema,
    SecurityScheme,
)

from keywright.wire import PROBLEM_TYPE
from keywright.wire.browser import SESSION_COOKIE

SECURITY: list[dict[str, list[str]]] = [{"operatorToken": []}, {"session": []}]
_TEXT = Schema(type=OpenAPIType.STRING)
_FAULT = Schema(type=OpenAPIType.OBJECT, properties={"field": _TEXT, "message": _TEXT}, required=["field", "message"])


def security_schemes() -> Components:
    """Describe the ways to be known to us."""
    return Components(
        security_schemes={
            "operatorToken": SecurityScheme(
                type="http", scheme="bearer", description="A token of `keywright operator-token create`."
            ),
            "session": SecurityScheme(
                type="apiKey", security_scheme_in="cookie", name=SESSION_COOKIE, description="Set by POST /v1/session."
            ),
        }
    )


def describe_problems(description: OpenAPI) -> None:
    """Put our problem documents in the place of the errors that Litestar supposes; 204 has no content.

    Args:
        description: changed in place.

    Source: RFC 9457 section 3.
    """
    assert description.components is not None
    description.components.schemas["Problem"] = Schema(
        type=OpenAPIType.OBJECT,
        description="What went wrong; `code` is for programs and stays, `detail` says what to do.",
        properties={
            "type": _TEXT,
            "title": _TEXT,
            "status": Schema(type=OpenAPIType.INTEGER),
            "detail": _TEXT,
            "code": _TEXT,
            "errors": Schema(type=OpenAPIType.ARRAY, items=_FAULT, description="With `invalid_request`: every fault."),
        },
        required=["type", "title", "status", "detail", "code"],
    )
    problem = OpenAPIResponse(
        description="A problem.",
        content={PROBLEM_TYPE: OpenAPIMediaType(schema=Reference(ref="#/components/schemas/Problem"))},
    )
    for path in (description.paths or {}).values():
        for operation in (path.get, path.put, path.post, path.patch, path.delete):
            if isinstance(operation, Operation):
                granted = {code: told for code, told in (operation.responses or {}).items() if code < "4"}
                if isinstance(empty := granted.get("204"), OpenAPIResponse):
                    empty.content = None
                operation.responses = {**granted, "default": problem}
