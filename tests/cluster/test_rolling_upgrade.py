"""Nodes of this version run on while a newer one has migrated the database, as decision 0012 has it."""

from __future__ import annotations

import threading

from keywright.storage.postgresql import MIGRATION_LOCK
from support.nodes import Deployment
from support.server import run_cli, signed, wait_until

# What a next version might do: it only adds.
NEXT = """
BEGIN;
SELECT pg_advisory_xact_lock({lock});
ALTER TABLE accounts ADD COLUMN colour VARCHAR(20);
ALTER TABLE credentials ADD COLUMN region VARCHAR(20) NOT NULL DEFAULT 'eu';
ALTER TABLE audit_events ADD COLUMN place TEXT;
ALTER TABLE verifiers ADD COLUMN zone TEXT;
CREATE TABLE colours (id BIGINT PRIMARY KEY);
CREATE INDEX ix_accounts_colour ON accounts (colour);
UPDATE alembic_version SET version_num = '{revision}';
COMMIT;
"""


def test_nodes_run_on_while_a_newer_version_migrates(deployment: Deployment):
    control, gateway = deployment.node("control").start(), deployment.node("gateway").start()
    ours = deployment.sql("SELECT version_num FROM alembic_version")
    account, kept = control.account(), []
    end, rounds = threading.Event(), [0]
    faults: list[str] = []

    def work() -> None:
        while not end.is_set():
            try:
                key = control.key(account)
                assert gateway.verify(signed(key)).code == "accepted"
                assert control.delete_key(account, key.client_id).status == 200
                assert gateway.verify(signed(key)).code == "credential_unknown"
            except Exception as error:  # noqa: BLE001 - told by the test
                faults.append(repr(error))
                return
            rounds[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_until(lambda: rounds[0] >= 5 or faults)
        deployment.sql(NEXT.format(revision=f"9998_from_{ours[:4]}", lock=MIGRATION_LOCK))
        before = rounds[0]
        wait_until(lambda: rounds[0] >= before + 5 or faults)
    finally:
        end.set()
        thread.join(60)
    assert faults == []

    # One that restarts meanwhile, or is added, is of this version as well, and works; so do commands.
    assert control.stop() == 0
    control.start()
    kept.append(control.key(account))
    assert gateway.verify(signed(kept[0])).code == "accepted"
    assert run_cli("audit", "verify", data_dir=control.data_dir).returncode == 0
    done = run_cli("migrate", "--json", data_dir=control.data_dir)
    assert f'"after": "9998_from_{ours[:4]}"' in done.stdout

    # The version after that does away with something: what runs, runs; what starts anew is told.
    deployment.sql("UPDATE alembic_version SET version_num = '9999'")
    assert gateway.verify(signed(kept[0])).code == "accepted"
    assert control.stop() == 0
    refused = run_cli("serve", "--port", "0", "--gateway-port", "0", data_dir=control.data_dir)
    assert refused.returncode == 1
    assert f"newer Keywright (schema 9999), on which this version (schema {ours}) does not run" in refused.stderr
