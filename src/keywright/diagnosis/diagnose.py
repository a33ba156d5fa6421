"""What is wrong with a signature, all of it at once: the verifier itself ends at the first refusal."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass, field

from keywright.diagnosis.token import TokenFound, find_token
from keywright.errors import RefusalCode, Refused
from keywright.formats import is_client_id
from keywright.signatures import (
    ED25519,
    HMAC_SHA256,
    FoundSignature,
    Profile,
    SignedRequest,
    check_content_digest,
    find_signature,
    public_key_of,
    signature_base,
    verify_bytes,
    verify_signature,
)

_TIMES = frozenset({RefusalCode.SIGNATURE_TOO_OLD, RefusalCode.SIGNATURE_IN_FUTURE, RefusalCode.SIGNATURE_EXPIRED})
_MILLISECONDS_FROM = 100_000_000_000
_STRICT = Profile()


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """What a signature can be checked with.

    Args:
        seed: the 32 bytes of a Client Secret, or None.
        public_key: the 32 bytes of an Ed25519 public key, or None.
    """

    seed: bytes | None = field(default=None, repr=False)
    public_key: bytes | None = None

    def keys(self) -> dict[str, bytes]:
        """The key by algorithm: a secret serves both, a public key one."""
        if self.seed is not None:
            return {ED25519: public_key_of(self.seed), HMAC_SHA256: self.seed}
        return {} if self.public_key is None else {ED25519: self.public_key}


@dataclass(slots=True)
class Diagnosis:
    """What was found out about a request's signature.

    Args:
        found: the signature, if one could be picked out.
        base: the signature base, if it could be built.
        problems: all that a verifier would refuse, and hints.
        signature_holds: whether the signature is genuine; None if that was not checked.
        digest_holds: whether Content-Digest fits the body; None if there is none.
        token: what its bearer token says of itself, if it carries one in place of a signature.
    """

    found: FoundSignature | None = None
    base: str | None = None
    problems: list[Refused] = field(default_factory=list)
    signature_holds: bool | None = None
    digest_holds: bool | None = None
    token: TokenFound | None = None


def diagnose(
    request: SignedRequest, key: VerificationKey, algorithm: str | None, now: float, *, profile: Profile = _STRICT
) -> Diagnosis:
    """Judge a request against the strict profile.

    Args:
        request: the request.
        key: to check the signature itself with; empty leaves that out.
        algorithm: the API key's; None takes what the signature looks like.
        now: seconds since the epoch.
        profile: how old a signature may be, and the like.

    Returns:
        All that is wrong.
    """
    diagnosis = Diagnosis()
    found = find_signature(request, _STRICT, is_client_id)
    if isinstance(found, Refused):
        token = find_token(request, now) if found.code is RefusalCode.SIGNATURE_MISSING else None
        if isinstance(token, TokenFound):
            diagnosis.token = token
        else:
            diagnosis.problems.append(token or found)
        return diagnosis
    diagnosis.found = found
    if not is_client_id(found.key_id):
        diagnosis.problems.append(
            Refused(
                RefusalCode.CREDENTIAL_UNKNOWN,
                "The keyid is not a Client ID: it is ck_ and 26 characters with a checksum. Copy it again.",
            )
        )
    expected = algorithm or _likely_algorithm(found)
    base = signature_base(request, found, _STRICT)
    _check_rules(diagnosis, request, found, expected, now, profile=profile)
    if isinstance(base, Refused):
        if base not in diagnosis.problems:
            diagnosis.problems.append(base)
    else:
        diagnosis.base = base
        _check_signature(diagnosis, request, found, key, expected)
    _check_digest(diagnosis, request, found)
    return diagnosis


def _likely_algorithm(found: FoundSignature) -> str:
    return HMAC_SHA256 if len(found.signature) == 32 else ED25519


def _check_rules(
    diagnosis: Diagnosis, request: SignedRequest, found: FoundSignature, algorithm: str, now: float, *, profile: Profile
) -> None:
    """Ask the verifier with a key that fits nothing, and again with each thing mended that it complains of."""
    mended, moment = found, now
    fits_nothing = secrets.token_bytes(32)
    for _ in range(len(RefusalCode)):
        verdict = verify_signature(request, mended, algorithm, fits_nothing, profile, moment)
        if not isinstance(verdict, Refused) or verdict.code in {
            RefusalCode.SIGNATURE_INVALID,
            RefusalCode.DIGEST_MISMATCH,
        }:
            return
        if verdict in diagnosis.problems:
            return
        diagnosis.problems.append(_with_hint(verdict, found))
        if verdict.code is RefusalCode.PARAMETER_MISSING:
            mended = dataclasses.replace(
                mended,
                created=int(moment) if mended.created is None else mended.created,
                nonce=mended.nonce if mended.created is None else "0" * profile.nonce_min_characters,
            )
        elif verdict.code is RefusalCode.COVERAGE_INSUFFICIENT:
            plan = mended.plan
            if not plan.covers_method:
                plan = dataclasses.replace(plan, covers_method=True)
            elif not plan.covers_uri and "content-digest" not in verdict.detail:
                plan = dataclasses.replace(plan, covers_uri=True)
            else:
                plan = dataclasses.replace(plan, covers_digest=True)
            mended = dataclasses.replace(mended, plan=plan)
        elif verdict.code is RefusalCode.ALGORITHM_MISMATCH:
            mended = dataclasses.replace(mended, alg=None)
        elif verdict.code in _TIMES:
            moment = float(mended.created or 0)
            mended = dataclasses.replace(mended, expires=None)
        elif mended.nonce is not None and len(mended.nonce) < profile.nonce_min_characters:
            mended = dataclasses.replace(mended, nonce="0" * profile.nonce_min_characters)
        else:
            return


def _with_hint(refused: Refused, found: FoundSignature) -> Refused:
    if refused.code is RefusalCode.SIGNATURE_IN_FUTURE and (found.created or 0) >= _MILLISECONDS_FROM:
        return Refused(refused.code, "created looks like milliseconds; write whole seconds since 1970.")
    return refused


def _check_signature(
    diagnosis: Diagnosis,
    request: SignedRequest,
    found: FoundSignature,
    key: VerificationKey,
    algorithm: str,
) -> None:
    keys = key.keys()
    if not keys or diagnosis.base is None:
        return
    if algorithm not in keys:
        diagnosis.problems.append(
            Refused(RefusalCode.ALGORITHM_MISMATCH, "A public key checks ed25519 signatures; this is another one.")
        )
        return

    def holds(base: str | Refused, tried: str = algorithm) -> bool:
        return isinstance(base, str) and verify_bytes(tried, keys[tried], base.encode("ascii"), found.signature)

    diagnosis.signature_holds = holds(diagnosis.base)
    if diagnosis.signature_holds:
        return
    other = next((name for name in keys if name != algorithm and holds(diagnosis.base, name)), None)
    if other is not None:
        hint = f"It was made with {other}, and the API key is for {algorithm}."
    else:
        hint = next((hint for hint, base in _variants(request, found, diagnosis.base) if holds(base)), "")
    diagnosis.problems.append(
        Refused(
            RefusalCode.SIGNATURE_INVALID,
            hint
            or "It was made with another secret or over another base. Compare the base above with your own, byte by "
            "byte: lines end in LF, the last one does not.",
        )
    )


def _variants(request: SignedRequest, found: FoundSignature, base: str) -> list[tuple[str, str | Refused]]:
    """The usual mistakes: what would have been signed with each of them."""
    scheme, _, rest = request.url.partition("://")
    other = "http" if scheme.lower() == "https" else "https"
    path = rest.find("/")

    def changed(method: str, url: str) -> str | Refused:
        altered = SignedRequest(method, url, request.headers, request.body)
        return signature_base(altered, dataclasses.replace(found, fields=dict(found.fields)), _STRICT)

    lower = base.replace(f'"@method": {request.method}\n', f'"@method": {request.method.lower()}\n')
    relative = base.replace(f'"@target-uri": {scheme}://{rest[:path]}', '"@target-uri": ') if path > 0 else base
    return [
        ("It was made over a base that ends in a line end; leave that out.", base + "\n"),
        ("It was made over a base with CRLF line ends; end lines in LF.", base.replace("\n", "\r\n")),
        (
            f"It was made for {other}://, and the request is read as {scheme}://.",
            changed(request.method, f"{other}://{rest}"),
        ),
        ("It was made over the URL without its query.", changed(request.method, request.url.partition("?")[0])),
        ("It was made over the method in lower case; sign it as it is sent.", lower),
        ("It was made over the path alone; @target-uri is the absolute URL.", relative),
        (
            "It was made over a base without its last line, @signature-params.",
            base.rpartition("\n")[0],
        ),
    ]


def _check_digest(diagnosis: Diagnosis, request: SignedRequest, found: FoundSignature) -> None:
    sent = found.fields.get("content-digest")
    if sent is None or request.body is None:
        return
    refused = check_content_digest(sent, request.body)
    diagnosis.digest_holds = refused is None
    if refused is not None:
        diagnosis.problems.append(refused)
