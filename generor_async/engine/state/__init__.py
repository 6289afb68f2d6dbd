"""Keeps a client's paid calls in a ledger: what was paid for is known after a crash, and never bought twice."""
