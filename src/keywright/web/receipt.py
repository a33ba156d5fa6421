"""A revocation's receipt in plain words."""

from __future__ import annotations

from keywright.revocation import Receipt


def in_words(receipt: Receipt, what: str = "It") -> str:
    """Say what became of a revocation.

    Args:
        receipt: of the revocation.
        what: what stopped, as a sentence begins with it.

    Returns:
        Two sentences for the person who asked for it.
    """
    took = f"{receipt.took_ms:.0f} ms" if receipt.took_ms < 1000 else f"{receipt.took_ms / 1000:.1f} s"
    verifiers = "every verifier" if receipt.confirmed == 1 else f"all {receipt.confirmed} verifiers"
    said = f"{verifiers} confirmed, within {took}"
    if receipt.confirmed == 0:
        said = f"none can accept anything after {took}" if receipt.expired else "no verifier runs"
    told = f"{what} stopped working everywhere: {said}."
    if receipt.expired:
        were = "1 verifier was" if receipt.expired == 1 else f"{receipt.expired} verifiers were"
        told += f" {were} cut off, and accept nothing until they are back."
    return told
