# Generated from spec/generor.yaml by `python -m generor_async.codegen`: do not edit.
"""The Generor API: its models, operations and resources."""
