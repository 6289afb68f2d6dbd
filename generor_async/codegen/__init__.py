"""Writes `api/` from `spec/`, and `sync/` from the async half: for development only, and not in the wheel.

`python -m generor_async.codegen` regenerates everything. A spec is read into plain values (`ir`), which the
templates turn into text. The async half is read with `ast`, and written anew line for line (`blocking`). ruff formats
both.
"""
