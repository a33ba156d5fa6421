"""What a verifier may do next, in the model's world; its decisions are those of the real class."""

from __future__ import annotations

from typing import Any

from freshness_states import LEASE, Database, Row, State, Verifier

from keywright.freshness.protocol import Lease, Revoked, Round

_FIELDS = ("trusted_until_seconds", "registration", "applied", "renewals", "_count", "_floor")


class VerifierSteps:
    """One verifier's part of the world."""

    lease_class: type[Lease[str]] = Lease
    most_marks = 10_000
    # One line each of the glue, to be got wrong.
    registers_under_lock = True
    row_must_be_live = True
    compares_renewals = True
    evicts_first = True
    stops_before_leaving = True
    reuses_ids = False

    keys: str
    account: str | None

    def new_lease(self) -> Lease[str]:
        return self.lease_class(lease_seconds=LEASE, size=10, most_marks=self.most_marks)

    def freeze(self, lease: Lease[str]) -> tuple[Any, ...]:
        return (*(getattr(lease, name) for name in _FIELDS), tuple(lease._entries.items()), tuple(lease._marks.items()))

    def thaw(self, frozen: tuple[Any, ...]) -> Lease[str]:
        lease = self.new_lease()
        for name, value in zip(_FIELDS, frozen, strict=False):
            setattr(lease, name, value)
        lease._entries, lease._marks = dict(frozen[-2]), dict(frozen[-1])
        for client_id, (account_id, _) in lease._entries.items():
            lease._of_account.setdefault(account_id, set()).add(client_id)
        return lease

    def cut(self, verifier: Verifier) -> Verifier:
        """The connection is lost. What is trusted stays so until its time."""
        return verifier._replace(at="away", round=None, seen=None, owed=None)

    def verifier_steps(self, name: str, v: Verifier, state: State) -> Any:
        database, left = state.database, state.left
        if left.fills or v.fill:
            yield from self.fill_steps(v, state)
        if left.crashes:
            crashed = Verifier("away", self.freeze(self.new_lease()), None, None, None, None)
            free = database._replace(locked_by=None) if database.locked_by == name else database
            yield "crashes", free, crashed, left._replace(crashes=left.crashes - 1)
        if left.lost_answers and v.at not in {"away", "idle"}:
            free = database._replace(locked_by=None) if database.locked_by == name else database
            yield "loses its connection", free, self.cut(v), left._replace(lost_answers=left.lost_answers - 1)
        if not database.up:
            return
        if v.at == "away" and left.registrations:
            yield from self.register_begins(name, v, state)
        elif v.at == "inserting":
            yield self.register_commits(name, v, state)
        elif v.at == "inserted":
            lease = self.thaw(v.lease)
            lease.registered(*v.seen)
            yield "registered", database, v._replace(at="idle", lease=self.freeze(lease), seen=None), left
        elif v.at == "idle" and left.rounds:
            begun = self.thaw(v.lease).begin_round(0.0)
            this = (begun.registration, begun.renewals, begun.started_seconds)
            yield "reads its clock", database, v._replace(at="began", round=this), left._replace(rounds=left.rounds - 1)
        else:
            yield from self.round_steps(v, state)
        yield from self.leave_steps(v, state)

    def leave_steps(self, v: Verifier, state: State) -> Any:
        database, left = state.database, state.left
        if v.at == "idle" and left.leaves:
            lease = self.thaw(v.lease)
            if self.stops_before_leaving:
                lease.forget()
            leaving = v._replace(at="leaving", lease=self.freeze(lease), seen=(v.lease[1],))
            yield "leaves", database, leaving, left._replace(leaves=left.leaves - 1)
        elif v.at == "leaving":
            yield "deletes its row", database.without_row(v.seen[0]), v._replace(at="away", seen=None), left
            if self.reuses_ids:
                yield "goes, its deletion under way", database, v._replace(at="away", seen=None, owed=v.seen[0]), left
        if v.owed is not None:
            yield "late deletion", database.without_row(v.owed), v._replace(owed=None), left

    def register_begins(self, name: str, v: Verifier, state: State) -> Any:
        database, left = state.database, state.left
        if database.locked_by is not None and self.registers_under_lock:
            return
        lease = self.thaw(v.lease)
        old = lease.registration
        lease.forget()
        locked = database._replace(locked_by=name) if self.registers_under_lock else database
        after = v._replace(at="inserting", lease=self.freeze(lease), seen=(database.number, old))
        yield "begins to register", locked, after, left._replace(registrations=left.registrations - 1)

    def register_commits(self, name: str, v: Verifier, state: State) -> Any:
        number, old = v.seen
        database = state.database.without_row(old)
        id_ = name if self.reuses_ids else f"r{database.next_id}"
        database = database.with_row(Row(id_, number, 0, True))._replace(next_id=database.next_id + 1)
        if self.registers_under_lock:
            database = database._replace(locked_by=None)
        return "commits its row", database, v._replace(at="inserted", seen=(id_, number)), state.left

    def round_steps(self, v: Verifier, state: State) -> Any:
        database, left = state.database, state.left
        if v.at == "began":
            applied = v.lease[2]
            seen = (database.number, tuple(each for each in database.revoked if each[0] > applied))
            yield "reads revocations", database, v._replace(at="selected", seen=seen), left
        elif v.at == "selected":
            if not self.evicts_first:
                database, updated = self.update(database, v, v.seen[0])
                yield "tells before it evicts", database, v._replace(at="told", seen=(*v.seen, updated)), left
                return
            lease = self.thaw(v.lease)
            goes_on = lease.apply(v.seen[0], [Revoked(*each) for each in v.seen[1]])
            after = v._replace(at="evicted" if goes_on else "away", lease=self.freeze(lease), seen=None)
            yield "evicts", database, after, left
        elif v.at == "told":
            number, revoked, updated = v.seen
            lease = self.thaw(v.lease)
            lease.apply(number, [Revoked(*each) for each in revoked])
            yield "evicts at last", database, v._replace(at="updated", lease=self.freeze(lease), seen=(updated,)), left
        elif v.at == "evicted":
            database, updated = self.update(database, v, v.lease[2])
            yield "commits its renewal", database, v._replace(at="updated", seen=(updated,)), left
        elif v.at == "updated":
            lease = self.thaw(v.lease)
            good = lease.renewed(Round(*v.round), v.seen[0])
            after = v._replace(at="idle" if good else "away", lease=self.freeze(lease), seen=None, round=None)
            yield "is answered", database, after, left

    def update(self, database: Database, v: Verifier, applied: int) -> tuple[Database, int]:
        id_, renewals, _ = v.round
        row = database.row(id_)
        if row is None or (self.row_must_be_live and not row.live):
            return database, 0
        if self.compares_renewals and row.renewals != renewals:
            return database, 0
        return database.with_row(row._replace(applied=applied, renewals=row.renewals + 1)), 1

    def fill_steps(self, v: Verifier, state: State) -> Any:
        database, left = state.database, state.left
        if v.fill is None:
            begun = self.thaw(v.lease).begin_fill()
            for key in self.keys:
                yield f"fills {key}", database, v._replace(fill=(key, begun, None)), left._replace(fills=left.fills - 1)
            return
        key, begun, read = v.fill
        if read is None:
            if database.up:
                found = key in database.keys
                yield f"reads {key}", database, v._replace(fill=(key, begun, True) if found else None), left
            return
        lease = self.thaw(v.lease)
        lease.store(begun, key, self.account or f"account of {key}", key)
        yield f"stores {key}", database, v._replace(lease=self.freeze(lease), fill=None), left
