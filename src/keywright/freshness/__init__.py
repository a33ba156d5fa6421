"""How a verifier on one of many nodes knows that what it cached is still true, and when a revocation is in force.

`keeper.py` is not handed out here: it needs PostgreSQL's driver, which only verifiers beside PostgreSQL load.
"""

from keywright.freshness.census import Census
from keywright.freshness.clock import boot_seconds
from keywright.freshness.nodes import Node, Nodes, list_nodes
from keywright.freshness.protocol import Lease
from keywright.freshness.receipt import Receipts

__all__ = ["Census", "Lease", "Node", "Nodes", "Receipts", "boot_seconds", "list_nodes"]
