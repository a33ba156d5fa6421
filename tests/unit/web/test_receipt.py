"""What the pages say of a revocation."""

from __future__ import annotations

import pytest

from keywright.revocation import Receipt
from keywright.web.receipt import in_words


@pytest.mark.parametrize(
    ("receipt", "said"),
    [
        (Receipt(1, 0, 3.4), "It stopped working everywhere: every verifier confirmed, within 3 ms."),
        (Receipt(4, 0, 1234), "It stopped working everywhere: all 4 verifiers confirmed, within 1.2 s."),
        (Receipt(0, 0, 3.4), "It stopped working everywhere: no verifier runs."),
        (
            Receipt(0, 1, 2001),
            (
                "It stopped working everywhere: no verifier confirmed, but all leases ended, within 2.0 s."
                " 1 verifier was cut off, and uses nothing that it remembers until it is back."
            ),
        ),
        (
            Receipt(2, 3, 2001),
            (
                "It stopped working everywhere: 2 verifiers confirmed, within 2.0 s."
                " 3 verifiers were cut off, and use nothing that they remember until they are back."
            ),
        ),
    ],
)
def test_a_receipt_in_words(receipt: Receipt, said: str):
    assert in_words(receipt) == said
