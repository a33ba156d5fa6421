"""Change on many nodes: threads that make and delete keys, and switch API access off and on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import keywright
from support.cluster import Cluster, Node
from support.ledger import Ledger
from support.load import Keys, Line


class Churn(threading.Thread):
    """Makes and deletes keys of accounts at random, through one control node, until told to end.

    Args:
        cluster: where.
        node: the control node.
        accounts: whose keys; others may churn the same.
        keys: told what is there and what is gone.
        ledger: told of deletes that have returned.
        seed: of its choices.
        may_fail: whether calls may have no answer, or 503, as while something is down.
    """

    def __init__(
        self,
        cluster: Cluster,
        node: Node,
        accounts: list[str],
        keys: Keys,
        ledger: Ledger,
        *,
        seed: int = 0,
        may_fail: bool = False,
    ) -> None:
        super().__init__(daemon=True, name=f"churns {accounts} by {node}")
        self._accounts, self._keys, self._ledger, self._dice = accounts, keys, ledger, random.Random(seed)
        self._line = Line(node, cluster.control.platform.headers)
        self._gateways = [Line(gateway) for gateway in cluster.gateways]
        self._may_fail = may_fail
        self.created = self.deleted = self.refused_at_limit = self.most_listed = self.failed = 0
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.is_set():
            account = self._dice.choice(self._accounts)
            turn: Callable[[str], None] = self._dice.choices(
                [self._make_key, self._delete_key, self._list_keys], [6, 4, 1]
            )[0]
            turn(account)
        for line in (self._line, *self._gateways):
            line.close()

    def _make_key(self, account: str) -> None:
        algorithm = self._dice.choice(["ed25519", "hmac-sha256"])
        body = {"email": "integration@example.com", "algorithm": algorithm}
        status, made = self._line.ask("POST", f"/v1/accounts/{account}/credentials", body)
        if status == 201:
            self.created += 1
            key = keywright.Credential(made["clientId"], made["clientSecret"], algorithm=algorithm)
            self._ledger.account_of[key.client_id] = account
            self._keys.add(key, self._token(made) if self._dice.random() < 0.5 else None)
        elif status == 409:
            self.refused_at_limit += 1
        else:
            self._note("create", status, made)

    def _token(self, made: dict[str, str]) -> str | None:
        credentials = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
        status, document = self._dice.choice([self._line, *self._gateways]).ask("POST", "/auth/token", credentials)
        # The key may have been deleted by another thread meanwhile.
        if status not in {200, 401, 403}:
            self._note("token", status, document)
        return document["access_token"] if status == 200 else None

    def _delete_key(self, account: str) -> None:
        client_ids = [each for each in list(self._keys.live) if self._ledger.account_of[each] == account]
        if not client_ids:
            return
        client_id = self._dice.choice(client_ids)
        status, document = self._line.ask("DELETE", f"/v1/accounts/{account}/credentials/{client_id}")
        if status == 200:
            self._ledger.deleted_at[client_id] = self._line.ended_at
            self._ledger.receipts.append(document["receipt"])
            self._keys.remove(client_id)
            self.deleted += 1
        elif status == 404:  # another thread was quicker, and its delete may not have returned yet
            self._keys.remove(client_id)
        else:
            self._note("delete", status, document)

    def _list_keys(self, account: str) -> None:
        status, document = self._line.ask("GET", f"/v1/accounts/{account}/credentials")
        if status == 200:
            self.most_listed = max(self.most_listed, len(document["credentials"]))
        else:
            self._note("list", status, document)

    def _note(self, what: str, status: int, document: Any) -> None:
        self.failed += 1
        if not (self._may_fail and status in {0, 503}):
            self._ledger.unexpected.append(f"{what} by {self.name}: {status} {document}")


class Switch(threading.Thread):
    """Switches an account's API access off and on again, until told to end.

    Args:
        cluster: where.
        node: the control node.
        account: whose access.
        ledger: told of the times in which it was off.
    """

    def __init__(self, cluster: Cluster, node: Node, account: str, ledger: Ledger) -> None:
        super().__init__(daemon=True, name=f"switches {account} by {node}")
        self._line = Line(node, cluster.control.operator.headers)
        self._account, self._ledger = account, ledger
        self.times = 0
        self.end = threading.Event()

    def run(self) -> None:
        path = f"/v1/accounts/{self._account}/api-access"
        while not self.end.wait(0.2):
            off, document = self._line.ask("PUT", path, {"enabled": False})
            since = self._line.ended_at
            time.sleep(0.3)
            until = time.monotonic()
            on, more = self._line.ask("PUT", path, {"enabled": True})
            if (off, on) != (200, 200):
                self._ledger.unexpected.append(f"{self.name}: {off} {document} {on} {more}")
            else:
                self._ledger.off.append((self._account, since, until))
                self._ledger.receipts.append(document["receipt"])
                self.times += 1
        self._line.close()
