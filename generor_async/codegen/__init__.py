"""Generates `api/` from `spec/`, and `sync/` from the async implementation; for development only, not in the wheel.

`python -m generor_async.codegen` regenerates everything. A spec is read into an intermediate representation (`ir`,
`ir_types`), from which templates are rendered. The async classes are read with `ast`, and `blocking` writes their
proxies. ruff formats both.
"""
