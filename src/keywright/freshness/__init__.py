"""How a verifier on one of many nodes knows that what it cached is still true, and when a revocation is in force."""

from keywright.freshness.census import Census
from keywright.freshness.clock import boot_seconds
from keywright.freshness.keeper import Keeper
from keywright.freshness.protocol import Lease
from keywright.freshness.receipt import Receipts

__all__ = ["Census", "Keeper", "Lease", "Receipts", "boot_seconds"]
