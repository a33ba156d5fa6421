"""A small world in which every order of events is tried: verifiers, control nodes and a database that may be away.

A state is one immutable value, in which the time is always 0: what lies ahead is positive, and a tick takes ten from
everything. So states that differ only in when they happen are one. `steps` yields each state that may come next. The
decisions are those of `keywright.freshness.protocol`; a wrong variant replaces one of them, or one line here.
"""

from __future__ import annotations

from typing import Any

from freshness_states import LEASE, NEVER, TICK, Database, Left, Node, Row, State, Verifier

from keywright.freshness.protocol import Confirmation, Lease, Revoked, Round, VerifierRow

_FIELDS = ("trusted_until_seconds", "registration", "applied", "renewals", "_count", "_floor")


class World:
    """One configuration, sound or with a wrong variant."""

    lease_class: type[Lease[str]] = Lease
    most_marks = 10_000
    # One line each of the glue, to be got wrong.
    registers_under_lock = True
    reads_rows_under_lock = True
    row_must_be_live = True
    compares_renewals = True
    evicts_first = True
    clock_before_commit = False
    waits = True
    stops_before_leaving = True
    reuses_ids = False
    clock_counts_suspend = True

    def __init__(
        self,
        *,
        verifiers: int,
        keys: str,
        deletes: str,
        left: Left,
        already: tuple[str, ...] = (),
        account: str | None = None,
    ) -> None:
        self.keys = keys
        # All keys are one account's, and its access may be switched off; or each is its own account's.
        self.account = account
        fresh = self.freeze(self.new_lease())
        self.start = State(
            Database(True, frozenset(keys), 0, (), (), None, 0),
            tuple(Verifier("away", fresh, None, None, None, None) for _ in range(verifiers)),
            tuple(Node("idle", key, None, None, (), ()) for key in deletes),
            Left(registrations=9, fills=9, backups=9),
            frozenset(),
            None,
        )
        for name in already:
            self.start = dict(self.steps(self.start))[name]
        self.start = self.start._replace(left=left)

    # The real classes, to and from immutable values.

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

    def confirmation(self, node: Node) -> Confirmation:
        number, _ = node.seen
        made = Confirmation(number, {}, 0.0)
        made._over_at_seconds = dict(node.over_at)
        return made

    # The property.

    def fault(self, state: State) -> str | None:
        for at, verifier in enumerate(state.verifiers):
            if verifier.lease[0] > 0 and state.returned:
                lease = self.thaw(verifier.lease)
                for key in state.returned:
                    if lease.cached(key, 0.0) is not None:
                        return f"verifier {at} accepts {key} from its cache"
        return None

    def stopped_by(self, subject: str) -> frozenset[str]:
        return frozenset(self.keys) if subject == self.account else frozenset(subject)

    # What may happen next.

    def steps(self, state: State) -> Any:
        for at, verifier in enumerate(state.verifiers):
            for name, database, after, left in self.verifier_steps(f"v{at}", verifier, state):
                verifiers = (*state.verifiers[:at], after, *state.verifiers[at + 1 :])
                yield f"v{at} {name}", state._replace(database=database, verifiers=verifiers, left=left)
        for at, node in enumerate(state.nodes):
            for name, database, after in self.node_steps(f"c{at}", node, state):
                nodes = (*state.nodes[:at], after, *state.nodes[at + 1 :])
                returned = state.returned | self.stopped_by(node.key) if after.at == "returned" else state.returned
                yield f"c{at} {name}", state._replace(database=database, nodes=nodes, returned=returned)
        yield from self.things_that_happen(state)

    def things_that_happen(self, state: State) -> Any:
        left, database = state.left, state.database
        if left.ticks:
            after = self.later(state, TICK)
            yield "time passes", after._replace(left=left._replace(ticks=left.ticks - 1))
            if not self.clock_counts_suspend:
                for at, verifier in enumerate(state.verifiers):
                    verifiers = (*after.verifiers[:at], verifier, *after.verifiers[at + 1 :])
                    yield f"v{at} sleeps", after._replace(verifiers=verifiers, left=left._replace(ticks=left.ticks - 1))
        if database.up and left.outages:
            yield "database away", self.database_away(state)._replace(left=left._replace(outages=left.outages - 1))
        if not database.up:
            yield "database back", state._replace(database=database._replace(up=True))
        if left.backups and state.backup is None:
            yield "backup", state._replace(backup=database._replace(locked_by=None))
        if left.backups and state.backup is not None:
            yield "restore", self.restored(state)._replace(left=left._replace(backups=left.backups - 1))
        if left.prunings and database.revoked:
            pruned = database._replace(revoked=())
            yield "prune", state._replace(database=pruned, left=left._replace(prunings=left.prunings - 1))

    def later(self, state: State, by: float) -> State:
        def earlier(time: float) -> float:
            return NEVER if time - by <= -LEASE else time - by

        verifiers = tuple(
            verifier._replace(
                lease=(earlier(verifier.lease[0]), *verifier.lease[1:]),
                round=verifier.round and (*verifier.round[:2], earlier(verifier.round[2])),
            )
            for verifier in state.verifiers
        )
        nodes = tuple(
            node._replace(
                over_at=tuple((each, earlier(at)) for each, at in node.over_at),
                clock=earlier(node.clock) if self.clock_before_commit and node.clock is not None else None,
            )
            for node in state.nodes
        )
        return state._replace(verifiers=verifiers, nodes=nodes)

    def database_away(self, state: State) -> State:
        """Transactions under way are undone, and their clients told nothing."""
        nodes = tuple(node._replace(at="dead") if node.at == "begun" else node for node in state.nodes)
        verifiers = tuple(v if v.at in {"idle", "away"} else self.cut(v) for v in state.verifiers)
        database = state.database._replace(up=False, locked_by=None)
        return state._replace(database=database, nodes=nodes, verifiers=verifiers)

    def restored(self, state: State) -> State:
        """A backup is put back: that takes longer than a lease, and no round spans it. Idle connections live on."""
        assert state.backup is not None
        back = state.backup._replace(next_id=state.database.next_id)
        state = self.later(self.database_away(state), 2 * LEASE)
        nodes = tuple(node if node.at == "idle" else node._replace(at="dead") for node in state.nodes)
        # What was deleted after the backup is not deleted any more; nodes may delete it again.
        nodes = tuple(
            n._replace(at="idle") if n.at == "dead" and self.stopped_by(n.key) & back.keys else n for n in nodes
        )
        return state._replace(database=back, nodes=nodes, returned=state.returned - back.keys)

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

    def node_steps(self, name: str, node: Node, state: State) -> Any:
        database = state.database
        if node.at in {"returned", "dead"}:
            return
        if node.at == "waiting":
            yield from self.wait_steps(node, state)
        elif node.at == "committed":
            number, rows = node.seen
            clock = node.clock if self.clock_before_commit else 0.0
            over_at = {
                id_: Confirmation(number, {id_: VerifierRow(applied, LEASE)}, clock)._over_at_seconds[id_]
                for id_, applied in rows
            }
            if not self.waits:
                over_at = dict.fromkeys(over_at, 0.0)
            yield "reads its clock", database, node._replace(at="waiting", clock=None, over_at=tuple(over_at.items()))
        elif database.up and node.at == "idle" and not self.reads_rows_under_lock and node.seen is None:
            yield "reads rows too early", database, node._replace(seen=(None, self.live_rows(database)))
        elif not database.up:
            return
        elif node.at == "idle" and database.locked_by is None and self.stopped_by(node.key) & database.keys:
            rows = node.seen[1] if node.seen else self.live_rows(database)
            begun = node._replace(at="begun", seen=(database.number + 1, rows), clock=0.0)
            yield f"begins to delete {node.key}", database._replace(locked_by=name), begun
        elif node.at == "begun":
            number = node.seen[0]
            committed = database._replace(
                keys=database.keys - self.stopped_by(node.key),
                number=number,
                revoked=(*database.revoked, (number, node.key)),
                locked_by=None,
            )
            yield "commits", committed, node._replace(at="committed", clock=node.clock)
            yield "is killed before its commit", database._replace(locked_by=None), node._replace(at="dead")

    def live_rows(self, database: Database) -> tuple[tuple[str, int], ...]:
        return tuple((row.id, row.applied) for row in database.rows if row.live)

    def wait_steps(self, node: Node, state: State) -> Any:
        database = state.database
        wait = self.confirmation(node)
        if database.up and node.over_at:
            rows = {row.id: VerifierRow(row.applied, LEASE, row.live) for row in database.rows}
            wait.look(rows)
            if tuple(wait._over_at_seconds.items()) != node.over_at:
                yield "looks", database, node._replace(over_at=tuple(wait._over_at_seconds.items()))
        wait = self.confirmation(node)
        if wait.remaining_seconds(0.0) == 0:
            lost = wait.give_up(0.0)
            after = node._replace(at="returned", over_at=(), seen=(node.seen[0], ()))
            yield "returns", database, after
            if database.up and lost:
                for id_ in lost:
                    row = database.row(id_)
                    if row is not None and row.live and row.applied < node.seen[0]:
                        database = database.with_row(row._replace(live=False))
                yield "declares expired, returns", database, after
