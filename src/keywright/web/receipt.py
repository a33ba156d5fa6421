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
    if receipt.confirmed:
        verifiers = "every verifier" if receipt.confirmed == 1 else f"all {receipt.confirmed} verifiers"
        if receipt.expired:
            verifiers = "1 verifier" if receipt.confirmed == 1 else f"{receipt.confirmed} verifiers"
        said = f"{verifiers} confirmed, within {took}"
    else:
        said = f"no verifier confirmed, but all leases ended, within {took}" if receipt.expired else "no verifier runs"
    told = f"{what} stopped working everywhere: {said}."
    if receipt.expired == 1:
        told += " 1 verifier was cut off, and uses nothing that it remembers until it is back."
    elif receipt.expired:
        told += f" {receipt.expired} verifiers were cut off, and use nothing that they remember until they are back."
    return told
