"""Writes `api/` from `spec/`, and `sync/` from the async implementation: for development only, and not in the wheel.

`python -m generor_async.codegen` regenerates everything. A spec is read into plain values (`ir`), which the
templates turn into text. The async classes are read with `ast`, and `blocking` writes their proxies. ruff formats
both.
"""
