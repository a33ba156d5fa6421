"""How often something may be tried: sign-ins, codes, password resets, proofs."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from keywright.errors import TooManyRequests
from keywright.identity.throttle_memory import MAX_KEYS, ThrottleMemory


@dataclass(frozen=True, slots=True)
class Rule:
    """At most so many within a time, for one key: an email address, a network, a person.

    Args:
        name: tells its counts from those of other rules.
        most: attempts that are let through.
        within_seconds: the window, which moves.
        message: what to say to the next one.
    """

    name: str
    most: int
    within_seconds: int
    message: str


_TOO_MANY_FOR_EMAIL = "too many sign-ins failed for this email address; wait before you try again"
# For an address that nobody has as well: it must not tell. Counted with the network that tries, so that a stranger who
# guesses does not keep the person out, who comes from elsewhere; and over all networks, so that many cannot guess on.
SIGN_IN = Rule("sign-in", 10, 300, _TOO_MANY_FOR_EMAIL)
SIGN_IN_ANYWHERE = Rule("sign-in-anywhere", 100, 3600, _TOO_MANY_FOR_EMAIL)
SIGN_IN_NETWORK = Rule("sign-in-network", 60, 300, "too many sign-ins from your network; wait before you try again")
SECOND_FACTOR = Rule("second-factor", 10, 300, "too many codes were wrong; wait before you try again")
# A code of six digits is soon guessed by someone who may go on for ever: after five, the password is asked for again.
CHALLENGE = Rule("challenge", 5, 300, "too many codes were wrong; sign in from the beginning")
PROOF = Rule("proof", 10, 300, "too many passwords or codes were wrong; wait before you try again")
RESET = Rule("reset", 3, 900, "too many requests for this email address; wait before you try again")
RESET_NETWORK = Rule("reset-network", 30, 900, "too many requests from your network; wait before you try again")
PASSKEY_NETWORK = Rule("passkey-network", 60, 300, "too many sign-ins from your network; wait before you try again")


class Throttle:
    """Counts attempts. Each counts from its beginning, so that many at once are no way around.

    Args:
        shared: where counts are kept for all processes; None keeps them in this process.
        close: lets go of that.
        clock: tells the time in seconds to counts in this process; should not jump.
        max_keys: of more for one rule in this process, the one that was tried longest ago is forgotten.
    """

    def __init__(
        self,
        shared: Storage | None = None,
        *,
        close: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._close = close
        self._shared = None if shared is None else MovingWindowRateLimiter(shared)
        self._clock = clock if shared is None else time.time
        self._max_keys = max_keys
        self._own: dict[str, MovingWindowRateLimiter] = {}

    async def begin_sign_in(self, email: str, address: str) -> None:
        """Let a sign-in through, or not.

        Args:
            email: as typed; upper and lower case are one.
            address: the network address it comes from.

        Raises:
            TooManyRequests: too many within the window; this one is not counted for the email address.
        """
        await self._begin_from(SIGN_IN_NETWORK, address)
        await self.begin(SIGN_IN, _from_there(email, address))
        await self.begin(SIGN_IN_ANYWHERE, email.lower())

    async def signed_in(self, email: str, address: str) -> None:
        """Forget what failed for an email address: its person is in.

        Args:
            email: as typed.
            address: the network address they came from.
        """
        await self.succeeded(SIGN_IN, _from_there(email, address))
        await self.succeeded(SIGN_IN_ANYWHERE, email.lower())

    async def begin_passkey_sign_in(self, address: str) -> None:
        """Let someone ask for a passkey's challenge, or not.

        Args:
            address: the network address it comes from.

        Raises:
            TooManyRequests: too many within the window.
        """
        await self._begin_from(PASSKEY_NETWORK, address)

    async def may_mail_reset(self, email: str, address: str) -> bool:
        """Tell whether a password reset is mailed. The answer to whoever asked must not differ.

        Args:
            email: as typed; upper and lower case are one.
            address: the network address it comes from.

        Returns:
            Whether there were not too many for the email address or the network.
        """
        try:
            await self._begin_from(RESET_NETWORK, address)
            await self.begin(RESET, email.lower())
        except TooManyRequests:
            return False
        return True

    async def begin_second_factor(self, person_id: str, challenge: str | None = None) -> None:
        """Let a code be tried, or not.

        Args:
            person_id: whose code it should be.
            challenge: the token of the sign-in that waits for it, which bears fewer.

        Raises:
            TooManyRequests: too many within the window.
        """
        if challenge is not None:
            await self.begin(CHALLENGE, challenge)
        await self.begin(SECOND_FACTOR, person_id)

    async def second_factor_given(self, person_id: str) -> None:
        """Forget which codes of a person were wrong: the right one was given."""
        await self.succeeded(SECOND_FACTOR, person_id)

    async def begin_proof(self, person_id: str) -> None:
        """Let someone who has a session prove again who they are, or not.

        Args:
            person_id: the person.

        Raises:
            TooManyRequests: too many within the window.
        """
        await self.begin(PROOF, person_id)

    async def proof_given(self, person_id: str) -> None:
        """Forget which proofs of a person were wrong: the right one was given."""
        await self.succeeded(PROOF, person_id)

    async def begin(self, rule: Rule, key: str) -> None:
        """Count an attempt.

        Args:
            rule: how many there may be.
            key: of whom or what.

        Raises:
            TooManyRequests: there were as many already; this one is not counted.
            Unavailable: shared counts cannot be had.
        """
        limiter, item, name = self._limiter(rule), _item(rule), _name(key)
        if not await limiter.hit(item, rule.name, name):
            free_again_at, _ = await limiter.get_window_stats(item, rule.name, name)
            wait = min(max(1, math.ceil(free_again_at - self._clock())), rule.within_seconds)
            raise TooManyRequests(rule.message, retry_after_seconds=wait)

    async def succeeded(self, rule: Rule, key: str) -> None:
        """Forget the attempts of one key.

        Args:
            rule: under which they were counted.
            key: of whom or what.
        """
        await self._limiter(rule).clear(_item(rule), rule.name, _name(key))

    async def close(self) -> None:
        """Let go of connections to shared counts."""
        if self._close is not None:
            await self._close()

    async def _begin_from(self, rule: Rule, address: str) -> None:
        network = network_of(address)
        if network is not None:
            await self.begin(rule, network)

    def _limiter(self, rule: Rule) -> MovingWindowRateLimiter:
        if self._shared is not None:
            return self._shared
        if rule.name not in self._own:
            # A memory for each rule: whoever fills one does not push out what another remembers.
            memory: Storage = ThrottleMemory(clock=self._clock, max_keys=self._max_keys)
            self._own[rule.name] = MovingWindowRateLimiter(memory)
        return self._own[rule.name]


def network_of(address: str) -> str | None:
    """Return what attempts from a network address are counted under.

    Args:
        address: an IP address.

    Returns:
        An IPv4 address, or the /64 of an IPv6 address: whoever has one of its addresses has them all. None is not
        counted: no address at all, and this very machine, since behind a proxy that is not among `trusted_proxies`
        everyone would be one.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return None if found.is_loopback else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
        found = found.ipv4_mapped
    return None if found.is_loopback else str(found)


def _item(rule: Rule) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(rule.most, rule.within_seconds, namespace="keywright")


def _from_there(email: str, address: str) -> str:
    return f"{email.lower()}\n{network_of(address) or 'here'}"


def _name(key: str) -> str:
    """A name of one length for whatever was typed; addresses and tokens are not kept as they are."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
