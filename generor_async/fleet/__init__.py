"""Runs batches on several machines: workers wait for runs in a PostgreSQL database, and take a share in each.

The queue is procrastinate's. One of its jobs is a shift: what one worker does for one run, never a row. Rows and money
are the ledger's alone, and nothing about them relies on the queue: a shift that is lost, or given out twice, costs
time.
"""
