"""What waits: the only ring that knows an event loop, a socket or the time."""
