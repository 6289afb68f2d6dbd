"""Clients of the blocking half, each test's at a simulator of its own."""

from collections.abc import Iterator

import pytest

from generor_async import Luma
from generor_async.simulator import Simulator


@pytest.fixture
def luma(simulator: Simulator) -> Iterator[Luma]:
    """A blocking client with the real clock, which is closed in the end."""
    with Luma(simulator.luma_key, base_url=simulator.luma_url) as client:
        yield client
