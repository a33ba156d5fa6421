"""Into which parts the memory of nonces in Valkey is divided, and how a part is asked."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

from keywright.errors import Unavailable
from keywright.valkey.client import Script

# The names of keys and the number of buckets are what all nodes of a deployment agree on: never changed.
CLUSTER_BUCKETS = 64
# By how much clocks may be apart, and how long keys wait after a memory began: SKEW and KEY_SKEW of the script.
SKEW_SECONDS = 1
KEY_SKEW_SECONDS = 2
# Added to what a loss makes unprovable: clocks of two servers of which each is 1 s from a verifier's, and 1 s more for
# the verifier's own. In a cluster also the time for which a primary that was cut off goes on beside the one promoted
# in its place: half of cluster-node-timeout, which is 15 s by default.
_SLACK_SECONDS = 3
_CLUSTER_SLACK_SECONDS = 10


class Buckets:
    """The parts of the memory: each has its key tag, so that marker and nonces lie on one server, and go together.

    Args:
        is_cluster: many, over all nodes; or one.
        max_age_seconds: how old an accepted signature may be.
        max_ahead_seconds: how far in the future it may be dated.
    """

    def __init__(self, *, is_cluster: bool, max_age_seconds: int, max_ahead_seconds: int) -> None:
        count = CLUSTER_BUCKETS if is_cluster else 1
        self._prefixes = [f"keywright:{{n{n if is_cluster else ''}}}:".encode() for n in range(count)]
        slack = _CLUSTER_SLACK_SECONDS if is_cluster else _SLACK_SECONDS
        self.is_cluster = is_cluster
        self.window = (max_age_seconds * 1000, max_ahead_seconds * 1000, slack * 1000)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._prefixes)

    def marker(self, bucket: int) -> bytes:
        """The key of a bucket's marker."""
        return self._prefixes[bucket] + b"m"

    def keys_of(self, client_id: str, nonce: str) -> tuple[bytes, bytes]:
        """Name the marker and the key of a nonce.

        Args:
            client_id: who used it.
            nonce: the nonce.

        Returns:
            Two keys of one tag. A signer can choose his nonce, and so a bucket; that what he uses is another's nonce
            as well, 128 bits prevent.
        """
        text = f"{client_id}\0{nonce}".encode("utf-8", "surrogatepass")
        fingerprint = blake2b(text, digest_size=16).digest()
        prefix = self._prefixes[fingerprint[0] % len(self._prefixes)]
        return prefix + b"m", prefix + fingerprint


@cache
def nonce_script() -> Script:
    """The script that answers for a bucket."""
    return Script(Path(__file__).with_name("valkey_nonces.lua").read_text(encoding="utf-8"))


def clock_fault(there: float, asked_at: float, here: float) -> Unavailable:
    """Say why a question came too late or too early by Valkey's clock.

    Args:
        there: Valkey's clock when it was asked, seconds since 1970.
        asked_at: our clock when the question was made.
        here: our clock now.

    Returns:
        The error to raise.
    """
    difference = there - asked_at
    if 0 < difference <= here - asked_at:
        return Unavailable(
            "the memory of used nonces takes too long to answer; try again in a moment",
            private=f"the question reached Valkey only {difference:.1f} s after the request was judged",
        )
    return Unavailable(
        "the verifier's clock and that of the memory of used nonces differ; try again in a moment",
        private=f"Valkey's clock is {difference:+.1f} s from this host's, and {SKEW_SECONDS} s is the most; let NTP set"
        " both",
    )
