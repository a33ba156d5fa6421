"""The kinds of text that people hand in, wherever they do."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from keywright.errors import Fault

# No control characters, no line ends, no marks that turn the writing direction; and something to see.
_ONE_LINE = r"^(?=[\s\S]*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+\Z"
_SEVERAL_LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*\Z"
_NOT_IN_EMAIL = r"@\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069<>\",;:\\()\[\]"

Name = Annotated[str, Meta(max_length=200, pattern=_ONE_LINE, description="text of 1 to 200 characters on one line")]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=rf"^[^{_NOT_IN_EMAIL}]{{1,64}}@[^{_NOT_IN_EMAIL}]+\.[^{_NOT_IN_EMAIL}.]+\Z",
        description="an email address such as name@example.com",
    ),
]
Label = Annotated[str, Meta(max_length=100, pattern=_ONE_LINE, description="text of 1 to 100 characters on one line")]
Remark = Annotated[str, Meta(max_length=1000, pattern=_SEVERAL_LINES, description="text of at most 1000 characters")]


def fault_in(field: str, value: Any, kind: Any) -> Fault | None:
    """Check one value that came another way than in a JSON body, such as a command's argument.

    Args:
        field: what to call it.
        value: as given.
        kind: one of the kinds above.

    Returns:
        What is wrong with it, or None.
    """
    try:
        msgspec.convert(value, type=kind)
    except msgspec.ValidationError:
        return Fault(field, f"must be {kind.__metadata__[0].description}")
    return None
