"""The script on a real Valkey against the plainest model there is: the set of everything that was ever accepted.

Valkey's clock cannot be set, so here the script reads another one, and what ends by it is deleted by the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from keywright.verification.valkey_buckets import Buckets, nonce_script
from support.valkey import Valkey, valkey

START = 2_500_000_000_000  # later than today, so that Valkey itself ends nothing
FRESH, REPLAYED, UNPROVABLE = 1, 2, 3
WIDEST_AHEAD, SLACK = 120_000, 3_000
CLOCK = "clock"
TIME = "redis.call('TIME')"
AGES = st.sampled_from([1, 5, 300, 300, 3600])
AHEADS = st.sampled_from([0, 30, 30, 120])
AT = st.sampled_from([0.0, 0.01, 0.5, 0.9, 1.0])
# By how much a verifier's clock is off; and that of whoever dates keys.
OFF = st.integers(-900, 900)
KEY_OFF = st.integers(-1900, 1900)


@dataclass(frozen=True)
class Node:
    """A verifier."""

    age: int  # seconds
    ahead: int
    off: int  # milliseconds

    @property
    def buckets(self) -> Buckets:
        return Buckets(is_cluster=False, max_age_seconds=self.age, max_ahead_seconds=self.ahead)


class NeverTwice(RuleBasedStateMachine):
    """Nothing that was accepted is accepted again; and what must be fresh is.

    Given is (docs/decisions/0010-replay-on-valkey.md): when the memory is lost with its marker, the clock is not behind
    the times at which it was used, and there is still someone who accepts signatures as far ahead as before.
    """

    server: Valkey

    def __init__(self) -> None:
        super().__init__()
        self.redis: redis.Redis = redis.Redis(unix_socket_path=self.server.socket, protocol=2)
        self.redis.flushall()
        text = nonce_script().text
        assert text.count(TIME) == 1
        self.script = self.redis.register_script(text.replace(TIME, f"redis.call('LRANGE', '{CLOCK}', 0, 1)"))
        self.now = START
        self.nodes: list[Node] = []
        self.keys: list[int] = []
        # Client, nonce, created in milliseconds: what tells a signature from any other. And those since something last
        # happened that not everything was remembered through.
        self.accepted: dict[tuple[int, str, int], None] = {}
        self.undisturbed: set[tuple[int, str, int]] = set()
        self.names: set[tuple[int, str]] = set()
        self.provable_after = 0
        self.snapshot: list[tuple[bytes, bytes, int]] | None = None
        self.count = 0

    @initialize(off=OFF)
    def first(self, off: int) -> None:
        self.nodes = [Node(300, 30, off)]
        self.keys = [START - 1_000_000]
        self.set_clock(START)
        self.disturb(is_lost=True)

    # --- what happens ----------------------------------------------------------------------------------------------

    @rule(milliseconds=st.sampled_from([10, 500, 1000, 2000, 3100, 10_000, 34_000, 61_000, 335_000, 700_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.set_clock(self.now + milliseconds)

    @rule(which=st.integers(0, 9), at=AT, new=st.booleans(), client=st.integers(0, 9))
    def signatures_come(self, which: int, at: float, client: int, *, new: bool) -> None:
        node = self.nodes[which % len(self.nodes)]
        oldest, newest = self.now + node.off - node.age * 1000, self.now + node.off + node.ahead * 1000
        created = int(oldest + at * (newest - oldest)) // 1000 * 1000
        for number in range(3):
            self.count += 1
            self.present(client % len(self.keys), f"{self.count}" if new else f"nonce-{number}", created, which)

    @precondition(lambda self: self.accepted)
    @rule()
    def all_is_replayed(self) -> None:
        for client, nonce, created in list(self.accepted)[-60:]:
            for which in range(len(self.nodes)):
                self.present(client, nonce, created, which)

    @rule(off=KEY_OFF, which=st.integers(0, 9))
    def a_new_key_is_used(self, off: int, which: int) -> None:
        self.keys.append(self.now + off)
        self.present(len(self.keys) - 1, "nonce-0", self.now // 1000 * 1000, which)

    @rule(seconds=st.integers(-1000, 1000))
    def all_clocks_are_set(self, seconds: int) -> None:
        self.set_clock(self.now + seconds * 1000)
        self.disturb(is_lost=False)

    @rule(seconds=st.sampled_from([-4000, -100, 3, 100, 400, 4000]))
    def valkeys_clock_strays(self, seconds: int) -> None:
        right = self.now
        self.redis.lset(CLOCK, 0, (right + seconds * 1000) // 1000)
        for node in self.nodes:
            assert int(self.touch(node)) < 0, "the verifier's clock is not Valkey's"
        self.end(right + seconds * 1000)
        self.set_clock(right)
        self.disturb(is_lost=False)

    @rule(which=st.integers(0, 9), ends=st.booleans(), age=AGES, ahead=AHEADS, off=OFF)
    def nodes_come_and_go(self, which: int, age: int, ahead: int, off: int, *, ends: bool) -> None:
        if ends and len(self.nodes) > 1:
            self.nodes.pop(which % len(self.nodes))
        else:
            self.nodes = [*self.nodes[-2:], Node(age, ahead, off)]
        self.touch_all()
        self.disturb(is_lost=False)

    @rule(age=AGES, ahead=AHEADS, off=OFF)
    def settings_are_rolled_out(self, age: int, ahead: int, off: int) -> None:
        self.nodes = [Node(age, ahead, off)]
        self.set_clock(self.now + 61_000)
        self.disturb(is_lost=False)

    @rule()
    def a_replica_copies(self) -> None:
        keys = [key for key in self.redis.keys("*") if key != CLOCK.encode()]
        self.snapshot = [(key, self.redis.dump(key), self.redis.pexpiretime(key)) for key in keys]

    @rule(how=st.sampled_from(["flush", "restart", "promote"]))
    def the_memory_is_lost(self, how: str) -> None:
        if how == "flush":
            self.redis.flushall()
        elif how == "promote" and self.snapshot is not None:
            self.redis.flushall()
            for key, value, ends in self.snapshot:
                self.redis.restore(key, ends, value, absttl=True)
        if self.redis.exists("keywright:{n}:m"):
            self.redis.hset("keywright:{n}:m", "id", "another process of a server")
        self.set_clock(self.now)
        self.disturb(is_lost=True)
        self.all_is_replayed()

    # --- what must be ----------------------------------------------------------------------------------------------

    def present(self, client: int, nonce: str, created: int, which: int) -> None:
        node = self.nodes[which % len(self.nodes)]
        said = self.now + node.off
        if not said - node.age * 1000 <= created <= said + node.ahead * 1000:
            return  # refused before anyone asks
        keys = node.buckets.keys_of(f"ck_{client}", nonce)
        self.count += 1
        verdict = self.script(keys, (said, *node.buckets.window, created, self.keys[client], f"attempt-{self.count}"))
        use = (client, nonce, created)
        if verdict == FRESH:
            assert use not in self.accepted, "accepted twice"
            self.accepted[use] = None
            self.undisturbed.add(use)
            self.names.add((client, nonce))
        elif use in self.undisturbed:
            assert verdict == REPLAYED
        elif created > self.provable_after:
            # The same nonce in another signature is replayed as long as it is remembered.
            assert verdict == REPLAYED
            assert (client, nonce) in self.names

    def disturb(self, *, is_lost: bool) -> None:
        """Note that from here on not everything is known."""
        newest = max((created for _, _, created in self.accepted), default=0)
        since = self.now + WIDEST_AHEAD + SLACK + 1000 if is_lost else 0
        self.provable_after = max(self.provable_after, newest, since)
        self.undisturbed.clear()
        if is_lost:
            ahead = max(node.ahead for node in self.nodes) * 1000
            self.accepted = {
                use: None
                for use in self.accepted
                if use[2] <= self.now + ahead + SLACK and self.keys[use[0]] <= self.now + 2000
            }

    def set_clock(self, now: int) -> None:
        self.touch_all()
        self.now = now
        self.redis.delete(CLOCK)
        self.redis.rpush(CLOCK, now // 1000, now % 1000 * 1000)
        self.end(now)
        self.touch_all()

    def end(self, now: int) -> None:
        for key in self.redis.keys("keywright:*"):
            if 0 < self.redis.pexpiretime(key) <= now:
                self.redis.delete(key)

    def touch_all(self) -> None:
        if self.redis.exists(CLOCK):
            for node in self.nodes:
                self.touch(node)

    def touch(self, node: Node) -> object:
        return self.script([node.buckets.marker(0)], (self.now + node.off, *node.buckets.window))

    def teardown(self) -> None:
        self.redis.close()


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with valkey() as found:
        NeverTwice.server = found
        yield


class TestNeverTwice(NeverTwice.TestCase):
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
