# Generated from spec/ by `python -m generor_async.codegen`: do not edit.
"""What the APIs offer, a package each: Generor API, Luma Agents API."""
