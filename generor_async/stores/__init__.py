"""Keep what outlives a process: the limits of keys, and the ledger of paid calls."""
