"""What a fault is tried on: two keys that verifiers are asked about all the time, one of which is to be deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import keywright
from support.cluster import LEASE_SECONDS, Cluster, Node
from support.ledger import Ledger
from support.load import URL, Asker, Keys, Line, asking, verdict
from support.server import signed, wait_until

# What a wait may take longer on a busy machine; what must not happen at all is never given this time.
SLACK_SECONDS = 20
_BETWEEN_QUESTIONS_SECONDS = 0.02


@dataclass(frozen=True)
class Deleted:
    """A delete that has returned.

    Args:
        status: of the answer; 0 if there was none.
        document: the answer.
        started_at: before it was sent; monotonic.
        ended_at: when the answer was there.
    """

    status: int
    document: Any
    started_at: float
    ended_at: float

    @property
    def took_seconds(self) -> float:
        return self.ended_at - self.started_at

    @property
    def counts(self) -> tuple[int, int]:
        """Verifiers that confirmed, and leases that ran out."""
        assert self.status == 200, self.document
        return self.document["receipt"]["confirmed"], self.document["receipt"]["expired"]

    def told(self) -> str:
        confirmed, expired = self.counts
        return f"delete took {self.took_seconds:.2f} s: {confirmed} confirmed, {expired} expired"


@dataclass
class Scene:
    """An account with a key that stays, a key to be deleted, and the askers of each verifier."""

    cluster: Cluster
    ledger: Ledger = field(default_factory=Ledger)
    account: str = ""
    token: str = ""  # of the key that stays
    lines: list[str] = field(default_factory=list)  # what is told in the end
    zero_at: float = 0.0  # when the fault came

    def key(self) -> keywright.Credential:
        """One more key of the account."""
        return self.cluster.control.key(self.account)

    def prepare(self) -> None:
        self.account = self.cluster.control.account(name="Faults")
        self.victim = self.key()
        # The key that stays has an access token, too.
        control, path = self.cluster.control, f"/v1/accounts/{self.account}/credentials"
        made = control.call("POST", path, {"email": "integration@example.com"}, caller=control.platform).json
        self.kept = keywright.Credential(made["clientId"], made["clientSecret"])
        credentials = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
        self.token = str(control.call("POST", "/auth/token", credentials).json["access_token"])

    @contextlib.contextmanager
    def asked(self, *nodes: Node) -> Iterator[None]:
        """Ask all verifiers, or those named, about both keys all the time; each is warm when this begins."""
        asked = nodes or tuple(self.cluster.gateways)
        askers = []
        for number, node in enumerate(asked):
            for key in (self.kept, self.victim):
                keys = Keys()
                keys.add(key)
                askers.append(Asker(self.ledger, [node], keys, seed=number, pause_seconds=_BETWEEN_QUESTIONS_SECONDS))
        with asking(*askers):
            for node in asked:
                for key in (self.kept, self.victim):
                    self.wait_accepted(node, key, after=0)
            yield

    def delete(self, *, control: int = 0, client_id: str | None = None) -> Deleted:
        """Delete the victim, or another key."""
        client_id = client_id or self.victim.client_id
        line = Line(self.cluster.controls[control], self.cluster.control.platform.headers)
        status, document = line.ask("DELETE", f"/v1/accounts/{self.account}/credentials/{client_id}")
        line.close()
        if status == 200:
            self.ledger.deleted_at[client_id] = line.ended_at
            self.ledger.receipts.append(document["receipt"])
        return Deleted(status, document, line.started_at, line.ended_at)

    @contextlib.contextmanager
    def deleting(self, *, control: int = 0) -> Iterator[Future[Deleted]]:
        """Delete the victim aside; what is within begins when the delete is committed."""
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(self.delete, control=control)
            wait_until(lambda: running.done() or self.is_deleted(self.victim), what="the delete is committed")
            yield running

    def is_deleted(self, key: keywright.Credential) -> bool:
        """Tell whether the database has a key as deleted."""
        query = f"SELECT count(*) FROM credentials WHERE client_id = '{key.client_id}' AND deleted_at IS NOT NULL"
        return self.cluster.sql(query) == "1"

    def wait_accepted(self, node: Node, key: keywright.Credential, *, after: float) -> float:
        """Wait until a verifier has accepted a key in a question put after this time; seconds from then to that."""
        wait_until(
            lambda: self.ledger.has_accepted(node.name, key.client_id, after=after),
            seconds=60,
            what=f"{node} accepts again; it said {self.ledger.spells(node.name, [key.client_id], since=after)}",
        )
        return self.ledger.first_accepted(node.name, key.client_id, after=after) - after

    def refused_of_kept(self, node: Node) -> list[str]:
        """What a verifier said of the key that stays, but for `accepted`, since the fault."""
        spells = self.ledger.spells(node.name, [self.kept.client_id], since=self.zero_at)
        return [f"{node}: {spell.told(self.zero_at)}" for spell in spells if spell.code != "accepted"]

    def tell(self, what: str) -> None:
        """Print what happened: what was refused for how long."""
        refused = [line for node in self.cluster.gateways for line in self.refused_of_kept(node)]
        print("\n  ".join([f"\n{what}", *self.lines, *(refused or ["nothing was refused"])]))  # noqa: T201 - this is asked of the tests

    def assert_unharmed(self, *nodes: Node) -> None:
        """Verifiers that the fault had nothing to do with accepted the key that stays all the time."""
        for node in nodes:
            assert self.refused_of_kept(node) == []

    def assert_healthy(self) -> None:
        """All is as before: every verifier confirms, soon."""
        wait_until(lambda: self.cluster.live_verifiers() == len(self.cluster.gateways), what="all verifiers are live")
        deleted = self.delete(client_id=self.key().client_id)
        assert deleted.counts == (len(self.cluster.gateways), 0)
        assert deleted.took_seconds < LEASE_SECONDS + SLACK_SECONDS


@contextlib.contextmanager
def scene(cluster: Cluster) -> Iterator[Scene]:
    """Set a scene; whatever happens in it, what must hold is checked at its end."""
    found = Scene(cluster)
    found.prepare()
    yield found
    found.ledger.assert_safe()


class Put:
    """Questions that are put to a verifier now, and answered when it can."""

    def __init__(self, node: Node, key: keywright.Credential, count: int = 3) -> None:
        self._lines = [Line(node) for _ in range(count)]
        for line in self._lines:
            headers = signed(key, method="GET", url=URL)
            line.send("POST", "/v1/verify", {"method": "GET", "url": URL, "headers": list(headers.items())})

    def answers(self) -> list[str]:
        found = [verdict(*line.receive()) for line in self._lines]
        for line in self._lines:
            line.close()
        return found
