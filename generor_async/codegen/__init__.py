"""Writes `api/` from `spec/`: for development only, and not in the wheel.

`python -m generor_async.codegen` regenerates everything. A spec is read into plain values (`ir`), which the
templates turn into text; ruff formats it.
"""
