# Generated from spec/luma.yaml by `python -m generor_async.codegen`: do not edit.
"""The Luma Agents API: its models, operations and resources."""
