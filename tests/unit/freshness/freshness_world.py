"""A small world in which every order of events is tried: verifiers, control nodes and a database that may be away.

A state is one immutable value, in which the time is always 0: what lies ahead is positive, and a tick takes ten from
everything. So states that differ only in when they happen are one. `steps` yields each state that may come next. The
decisions are those of `keywright.freshness.protocol`; a wrong variant replaces one of them, or one line here.
"""

from __future__ import annotations

from typing import Any

from freshness_states import LEASE, NEVER, TICK, Database, Left, Node, State, Verifier
from freshness_verifier import VerifierSteps

from keywright.freshness.protocol import Confirmation, VerifierRow


class World(VerifierSteps):
    """One configuration, sound or with a wrong variant."""

    # One line each of the glue, to be got wrong.
    reads_rows_under_lock = True
    clock_before_commit = False
    waits = True
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
