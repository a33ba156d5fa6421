"""How a verifier on one of many nodes knows that what it cached is still true, and when a revocation is in force."""
