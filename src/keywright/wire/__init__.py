"""What both listeners say alike: input read whole or with every fault named, errors as problem documents."""

from keywright.problems import CLIENT_CHALLENGE, PROBLEM_TYPE, problem_document, problem_headers
from keywright.wire.fields import fault_in
from keywright.wire.input import read_fields, read_input

__all__ = [
    "CLIENT_CHALLENGE",
    "PROBLEM_TYPE",
    "fault_in",
    "problem_document",
    "problem_headers",
    "read_fields",
    "read_input",
]
