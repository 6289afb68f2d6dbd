"""The Luma Agents API as a stateful service."""
