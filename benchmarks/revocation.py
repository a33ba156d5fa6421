"""How long a delete takes, and how long its key is accepted after the commit, on PostgreSQL with several verifiers.

    .venv/bin/python benchmarks/revocation.py [--verifiers 1 3 10] [--rounds 200] [--asked-rounds 50] [--cut-rounds 10]

Every node is `keywright serve` in processes of its own: one control node, and as many gateway nodes as there are
verifiers, on a PostgreSQL that waits for its disk (fsync and synchronous_commit are on) and a Valkey on this host.

- *delete*: the time of the whole call, seen by the caller, while nothing else is asked; each key was verified by every
  verifier before, so that each has something to forget.
- *acceptance after the commit*: every verifier is asked about the key all the time. What is told is the time from the
  revoking transaction's own time, which is shortly before its commit, to the answer of the last question that was
  accepted anywhere. No question that was put after the delete had returned may be accepted: such a one ends the run.
- *one cut off*: the way of one verifier to PostgreSQL goes dead without a word. The delete waits for its lease, once.

Results go to benchmarks/results/revocation.json, and a table to the screen.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measured import machine, percentile, progress, write_results

import keywright
from support.cluster import LEASE_SECONDS, Cluster
from support.ledger import Ledger
from support.load import Asker, Keys, Line, asking
from support.server import signed, wait_until

AIM_MS = 50


class Bench:
    """A cluster with one control node, and an account whose keys come and go.

    Args:
        folder: takes what the nodes keep.
        verifiers: how many gateway nodes.
    """

    def __init__(self, folder: Path, verifiers: int) -> None:
        self.cluster = Cluster(folder, controls=1, gateways=verifiers, wired=False, postgresql={"fsync": "on"})
        self.verifiers = verifiers

    def start(self) -> None:
        self.cluster.start()
        self.account = self.cluster.control.account(name="Bench")
        self._control = Line(self.cluster.controls[0], self.cluster.control.platform.headers)
        self._gateways = [Line(gateway) for gateway in self.cluster.gateways]
        wait_until(lambda: self.cluster.live_verifiers() == self.verifiers, what="every verifier is registered")

    def close(self) -> None:
        self.cluster.close()

    def warm_key(self) -> keywright.Credential:
        """A new key that every verifier has in its cache."""
        path = f"/v1/accounts/{self.account}/credentials"
        status, made = self._control.ask("POST", path, {"email": "bench@example.com"})
        assert status == 201, made
        key = keywright.Credential(made["clientId"], made["clientSecret"])
        for line in self._gateways:
            headers = list(signed(key, method="GET", url="https://a.example/").items())
            question = {"method": "GET", "url": "https://a.example/", "headers": headers}
            status, verdict = line.ask("POST", "/v1/verify", question)
            assert verdict["outcome"] == "accepted", verdict
        return key

    def delete(self, key: keywright.Credential) -> tuple[float, dict[str, Any]]:
        """Delete a key; milliseconds that it took, and the answer."""
        path = f"/v1/accounts/{self.account}/credentials/{key.client_id}"
        status, answer = self._control.ask("DELETE", path)
        assert status == 200, answer
        self.returned_at = self._control.ended_at
        return (self._control.ended_at - self._control.started_at) * 1000, answer

    def deletes(self, rounds: int) -> list[float]:
        """Milliseconds of each delete while nothing else is asked."""
        took = []
        for number in range(rounds + 5):
            progress(f"{self.verifiers} verifiers: delete {number + 1} of {rounds + 5}")
            milliseconds, answer = self.delete(self.warm_key())
            counts = answer["receipt"]["confirmed"], answer["receipt"]["expired"]
            if counts != (self.verifiers, 0):
                raise SystemExit(f"a verifier did not confirm: {answer['receipt']}; is the machine too busy?")
            took.append(milliseconds)
        return took[5:]

    def acceptances(self, rounds: int) -> tuple[list[float], list[float]]:
        """Milliseconds of each delete, and from its transaction's time to the last answer that accepted the key."""
        took, lasted = [], []
        for number in range(rounds):
            progress(f"{self.verifiers} verifiers, all asked: delete {number + 1} of {rounds}")
            key, keys, ledger = self.warm_key(), Keys(), Ledger()
            keys.add(key)
            askers = [Asker(ledger, [node], keys, pause_seconds=0.001) for node in self.cluster.gateways]
            with asking(*askers):
                wait_until(lambda ledger=ledger: len({each.node for each in ledger.accepted()}) == self.verifiers)
                milliseconds, answer = self.delete(key)
                ledger.deleted_at[key.client_id] = self.returned_at
                time.sleep(0.05)
            ledger.assert_safe()
            # Both are this machine's clock: the transaction's time is the database's, which runs here.
            to_wall = time.time() - time.monotonic()
            at = datetime.fromisoformat(answer["deletedAt"]).timestamp()
            last = max(each.ended_at for each in ledger.accepted()) + to_wall
            took.append(milliseconds)
            lasted.append((last - at) * 1000)
        return took, lasted

    def cut_off(self, rounds: int) -> list[float]:
        """Milliseconds of each delete while one verifier is cut off; it is back in between."""
        took = []
        for number in range(rounds):
            progress(f"{self.verifiers} verifiers, one cut off: delete {number + 1} of {rounds}")
            key = self.warm_key()
            # Cut off at any time of its lease.
            time.sleep(LEASE_SECONDS / 3 * (number / rounds))
            with self.cluster.gateways[-1].wire.dead():
                milliseconds, answer = self.delete(key)
            if answer["receipt"]["expired"] != 1:
                raise SystemExit(f"one was cut off, and the receipt says {answer['receipt']}")
            took.append(milliseconds)
            wait_until(lambda: self.cluster.live_verifiers() == self.verifiers, what="the verifier is back")
        return took


def summary(milliseconds: list[float]) -> dict[str, float]:
    return {
        "count": len(milliseconds),
        "p50_ms": round(statistics.median(milliseconds), 2),
        "p99_ms": round(percentile(milliseconds, 99), 2),
        "most_ms": round(max(milliseconds), 2),
    }


def measure(verifiers: int, rounds: int, asked_rounds: int, cut_rounds: int) -> dict[str, Any]:
    """Everything with so many verifiers."""
    with tempfile.TemporaryDirectory(prefix="keywright-bench-") as folder:
        bench = Bench(Path(folder), verifiers)
        try:
            progress(f"{verifiers} verifiers: nodes start")
            bench.start()
            found: dict[str, Any] = {"postgresql": bench.cluster.sql("SHOW server_version")}
            found |= {"verifiers": verifiers, "delete": summary(bench.deletes(rounds))}
            took, lasted = bench.acceptances(asked_rounds)
            found["delete_while_all_are_asked"] = summary(took)
            found["commit_to_last_acceptance"] = summary(lasted)
            if cut_rounds:
                found["delete_with_one_cut_off"] = summary(bench.cut_off(cut_rounds))
            return found
        finally:
            bench.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verifiers", type=int, nargs="+", default=[1, 3, 10], help="how many, each in turn (1 3 10)")
    parser.add_argument("--rounds", type=int, default=200, help="deletes while nothing else is asked (200)")
    parser.add_argument("--asked-rounds", type=int, default=50, help="deletes while all verifiers are asked (50)")
    parser.add_argument("--cut-rounds", type=int, default=10, help="deletes while one verifier is cut off (10)")
    chosen = parser.parse_args()
    found = [
        measure(verifiers, chosen.rounds, chosen.asked_rounds, chosen.cut_rounds) for verifiers in chosen.verifiers
    ]
    progress("")
    (version,) = {each.pop("postgresql") for each in found}
    print(f"{machine()['text']}; lease {LEASE_SECONDS:g} s; milliseconds\n")
    kinds = {
        "delete": "delete",
        "delete_while_all_are_asked": "delete while all are asked",
        "commit_to_last_acceptance": "commit to last acceptance",
        "delete_with_one_cut_off": "delete, one verifier cut off",
    }
    print("| verifiers | what | count | p50 | p99 | most |\n|---|---|---|---|---|---|")
    for each in found:
        for kind, name in kinds.items():
            if kind in each:
                figures = " | ".join(str(value) for value in each[kind].values())
                print(f"| {each['verifiers']} | {name} | {figures} |")
    worst = max(each["delete"]["p99_ms"] for each in found)
    print(f"\nAim: p99 of a delete under {AIM_MS} ms with healthy nodes: {'held' if worst < AIM_MS else 'missed'}.")
    figures = {"lease_seconds": LEASE_SECONDS, "aim_p99_ms": AIM_MS, "results": found}
    write_results("revocation", figures, postgresql=version)


if __name__ == "__main__":
    main()
