"""The protocol in a small world, through every order of events; and the wrong variants, each of which must be found."""

from __future__ import annotations

from typing import Any

import pytest
from freshness_states import Left, explore
from freshness_world import World
from hypothesis import given, settings
from hypothesis import strategies as st

from keywright.freshness.protocol import Lease, Round

MOST = 200_000


class NoMarks(Lease[str]):
    """Takes a fill whatever was revoked since it began."""

    def _revoke(self, subject: str) -> None:
        super()._revoke(subject)
        self._marks.clear()


class NoFloor(Lease[str]):
    """Drops the oldest mark, and forgets that it did."""

    def _revoke(self, subject: str) -> None:
        floor = self._floor
        super()._revoke(subject)
        self._floor = floor


class FillsLive(Lease[str]):
    """Takes fills that began before it registered anew."""

    def _empty(self) -> None:
        super()._empty()
        self._floor = 0


class KeepsCache(Lease[str]):
    """Goes on with its cache after it registered anew."""

    def _empty(self) -> None:
        """Nothing."""


class GapsIgnored(Lease[str]):
    """Applies the revocations that are listed, and takes them for all."""

    def apply(self, number: int, revoked: Any) -> bool:
        for each in revoked:
            self._revoke(each.subject)
        self.applied = max(number, self.applied)
        return True


class ClockAfterwards(Lease[str]):
    """Counts its lease from the answer."""

    def renewed(self, this: Round, updated: int) -> bool:
        return super().renewed(Round(this.registration, this.renewals, 0.0), updated)


class TrustsAtOnce(Lease[str]):
    """Trusts its cache from the answer to its registration."""

    def registered(self, registration: str, number: int) -> None:
        super().registered(registration, number)
        self.trusted_until_seconds = self.lease_seconds


class TrustsOldCache(KeepsCache, TrustsAtOnce):
    """Both."""


class KeysOnly(Lease[str]):
    """Evicts a key that is revoked, and of an account nothing."""

    def _revoke(self, subject: str) -> None:
        self._of_account.pop(subject, None)
        super()._revoke(subject)


class TrustsAnyway(Lease[str]):
    """Trusts its cache, however many rows were renewed."""

    def renewed(self, this: Round, updated: int) -> bool:
        return super().renewed(this, 1)


SMALL = {"verifiers": 1, "keys": "A", "deletes": "A"}
TWO_KEYS = {"verifiers": 1, "keys": "AB", "deletes": "AB"}
# Where the start is a verifier, or two, that have registered.
REGISTERED = ("v0 begins to register", "v0 commits its row", "v0 registered")
BOTH = (*REGISTERED, "v1 begins to register", "v1 commits its row", "v1 registered")
DELETING = ("c0 begins to delete A", "c0 commits", "c0 reads its clock")
BACKUP = ("v0 fills B", "v0 reads B", "v0 stores B", "backup")

WORLDS: dict[str, dict[str, Any]] = {
    "plain": {**SMALL, "left": Left(ticks=3, registrations=1, rounds=2, fills=1)},
    "two fills": {**SMALL, "left": Left(ticks=1, registrations=1, rounds=2, fills=2)},
    "connection lost": {**SMALL, "left": Left(ticks=1, registrations=2, rounds=2, fills=1, lost_answers=1)},
    "crash": {**SMALL, "left": Left(ticks=1, registrations=2, rounds=2, fills=1, crashes=1)},
    "database away": {**SMALL, "left": Left(ticks=3, registrations=1, rounds=1, fills=1, outages=1)},
    "leaving": {**SMALL, "left": Left(ticks=1, registrations=2, rounds=2, fills=1, leaves=1)},
    "pruned": {**SMALL, "left": Left(ticks=1, registrations=1, rounds=2, fills=1, prunings=1)},
    "two deletes": {**TWO_KEYS, "left": Left(rounds=1, fills=1), "already": REGISTERED},
    "expired": {**TWO_KEYS, "left": Left(ticks=2, rounds=1, fills=1), "already": (*REGISTERED, *DELETING)},
    "account": {**TWO_KEYS, "deletes": "Ax", "account": "x", "left": Left(rounds=1, fills=1), "already": REGISTERED},
    "restored": {
        **TWO_KEYS,
        "left": Left(rounds=2, backups=1),
        "already": (*REGISTERED, *BACKUP),
    },
    "two verifiers": {**SMALL, "verifiers": 2, "left": Left(ticks=2, rounds=1, fills=1), "already": BOTH},
}

WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "tells before it evicts": ("plain", {"evicts_first": False}),
    "fill without the sticky mark": ("plain", {"lease_class": NoMarks}),
    "clock read after the write": ("plain", {"lease_class": ClockAfterwards}),
    "registration not ordered by the counter": ("plain", {"registers_under_lock": False}),
    "rows read before the counter is held": ("plain", {"reads_rows_under_lock": False}),
    "receipt that does not wait": ("plain", {"waits": False}),
    "receipt's clock before the commit": ("plain", {"clock_before_commit": True}),
    "verifier's clock stands still in suspend": ("plain", {"clock_counts_suspend": False}),
    "marks dropped without raising the floor": ("two deletes", {"lease_class": NoFloor, "most_marks": 1}),
    "keys of an account not evicted": ("account", {"lease_class": KeysOnly}),
    "fills that began before a registration": ("connection lost", {"lease_class": FillsLive}),
    "cache kept at a registration": ("connection lost", {"lease_class": KeepsCache}),
    "trust at a registration that keeps the cache": ("connection lost", {"lease_class": TrustsOldCache}),
    "row deleted before it stops verifying": ("leaving", {"stops_before_leaving": False}),
    "late deletion under an id used again": ("leaving", {"reuses_ids": True}),
    "missing revocations taken for none": ("pruned", {"lease_class": GapsIgnored}),
    "renewal of a row declared expired": ("expired", {"row_must_be_live": False}),
    "trust after no row was renewed": ("expired", {"lease_class": TrustsAnyway}),
    "renewal without compare-and-set": ("restored", {"compares_renewals": False}),
}


def world(name: str, how: dict[str, Any]) -> World:
    return type("Variant", (World,), how)(**WORLDS[name])


@pytest.mark.parametrize("name", WORLDS)
def test_no_order_of_events_accepts_a_key_whose_deletion_returned(name):
    explored = explore(world(name, {}), most=MOST)
    assert explored.fault is None, explored.story
    assert explored.complete, "every state is looked at, or this shows nothing"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_variant_is_found(name):
    where, how = WRONG[name]
    assert explore(world(where, how), most=MOST).fault is not None


def test_trust_at_registration_alone_would_be_sound_too():
    # The round that has to come first is a second net: the counter's order and the empty cache are enough.
    explored = explore(world("plain", {"lease_class": TrustsAtOnce}), most=MOST)
    assert explored.complete


WIDE = World(
    verifiers=3,
    keys="ABC",
    deletes="ABx",
    account="x",
    left=Left(
        ticks=12,
        registrations=8,
        rounds=20,
        fills=15,
        crashes=2,
        outages=2,
        leaves=2,
        lost_answers=3,
        backups=1,
        prunings=1,
    ),
    already=BOTH,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_long_walks_in_a_wide_world(data):
    state = WIDE.start
    for _ in range(data.draw(st.integers(20, 150))):
        following = list(WIDE.steps(state))
        if not following:
            break
        _, state = following[data.draw(st.integers(0, len(following) - 1))]
        assert WIDE.fault(state) is None
