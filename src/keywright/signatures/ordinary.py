"""The short way to read a signature of the ordinary shape: one label, known parameters, nothing escaped.

Whatever is not of that shape is left to the general reader; what is read here must read the same there.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from functools import lru_cache

from keywright.signatures.components import Plan, plan_for
from keywright.signatures.found import FoundSignature
from keywright.signatures.profile import Profile

_TEXT = r'"([ !#-\[\]-~]*+)"'
_NONCE = r'"([!#-\[\]-~]*+)"'
_NUMBER = r"(0|[1-9][0-9]{0,14}+)"
_LAST_OF_32 = frozenset("AEIMQUYcgkosw048")
_LAST_OF_64 = frozenset("AQgw")
# Any order, each at most once: a parameter whose group is already set fails on "(?!)".
_ORDINARY = re.compile(
    r"([a-z*][a-z0-9_.*-]*+)=(\([ !-'*-~]*+\))"
    rf"(?:;(?:created=(?(3)(?!)){_NUMBER}|keyid=(?(4)(?!)){_TEXT}|nonce=(?(5)(?!)){_NONCE}"
    rf"|expires=(?(6)(?!)){_NUMBER}|alg=(?(7)(?!)){_TEXT}|tag=(?(8)(?!)){_TEXT}))++"
)


@lru_cache(maxsize=256)
def _strict_plan_for(components: str) -> Plan | None:
    """The plan of a list that can be read and stands in its strict form already."""
    plan = plan_for(components)
    return plan if isinstance(plan, Plan) and plan.text == components else None


def read_ordinary(
    sent_input: str, sent_signature: str, fields: dict[str, str], profile: Profile
) -> FoundSignature | None:
    """Read one signature of the ordinary shape.

    Args:
        sent_input: the value of `Signature-Input`.
        sent_signature: the value of `Signature`.
        fields: the request's header fields by lower-case name.
        profile: bounds.

    Returns:
        The signature; None where the general reader must judge, be the shape merely rare or be it wrong.

    Source: RFC 9421 sections 4.1 and 4.2.
    """
    match = _ORDINARY.fullmatch(sent_input)
    if match is None:
        return None
    label, components, created, key_id, nonce, expires, alg, tag = match.groups()
    if key_id is None:
        return None
    start = len(label) + 2
    text = sent_signature[start:-1]
    if not text or sent_signature != f"{label}=:{text}:":
        return None
    try:
        signature = a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    # Its last letter tells whether base64 of a MAC or an Ed25519 signature has its one canonical spelling.
    size = len(signature)
    if not (size == 32 and text[42] in _LAST_OF_32) and not (size == 64 and text[85] in _LAST_OF_64):
        return None
    plan = _strict_plan_for(components)
    if plan is None or len(plan.covered) > profile.max_components:
        return None
    return FoundSignature(
        label,
        key_id,
        None if created is None else int(created),
        nonce,
        None if expires is None else int(expires),
        alg,
        tag,
        sent_input[start - 1 :],
        signature,
        plan,
        fields,
    )
