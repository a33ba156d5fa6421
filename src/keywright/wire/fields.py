"""The kinds of text that people hand in, wherever they do."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from keywright.errors import Fault

# What is not to be seen: control characters, line ends, marks that turn the writing direction, fillers of no width. The
# joiners U+200C and U+200D stay, since some scripts need them between letters.
_UNSEEN = (
    r"\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    r"\ufff0-\ufffb\U000e0000-\U000e0fff"
)
_ONE_LINE = rf"^(?=[\s\S]*[^\s\u200c\u200d])[^\x00-\x1f{_UNSEEN}]+\Z"
_SEVERAL_LINES = rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f{_UNSEEN}]*\Z"
_NOT_IN_EMAIL = rf"@\s\x00-\x1f{_UNSEEN}\u200c\u200d<>\",;:\\()\[\]"

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
