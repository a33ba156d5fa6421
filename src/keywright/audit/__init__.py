"""One event per change, in the same transaction, hash-chained per account."""

from keywright.audit.event import PLATFORM_CHAIN, AuditEvent, event_hash, genesis_hash
from keywright.audit.filter import EventFilter
from keywright.audit.record import record
from keywright.audit.store import events_newest_first, events_oldest_first
from keywright.audit.verify import BrokenChain, ChainChecker, CheckedChain, check_stored_chain, check_stored_chains

__all__ = [
    "PLATFORM_CHAIN",
    "AuditEvent",
    "BrokenChain",
    "ChainChecker",
    "CheckedChain",
    "EventFilter",
    "check_stored_chain",
    "check_stored_chains",
    "event_hash",
    "events_newest_first",
    "events_oldest_first",
    "genesis_hash",
    "record",
]
