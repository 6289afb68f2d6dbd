"""The Generor API as a stateful service."""
