"""A network of machines for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from support.machines import Network, network

LONG: Final = frozenset({"test_failover.py", "test_long_cuts.py", "test_throughput.py"})


@pytest.fixture
def net() -> Iterator[Network]:
    """A network without machines."""
    with network() as joined:
        yield joined


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what takes long where each fault is to happen once, and the file of prompts that nobody named."""
    if collection_path.name in LONG and config.getoption("--faults") != "all":
        return True
    return True if collection_path.name == "test_prompts.py" and config.getoption("--prompts") is None else None
