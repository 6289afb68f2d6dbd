"""The pytest plugin: fixtures of a simulator and of async and blocking clients, and a marker for simulator options.

pytest imports this module in every run where the package is installed. So it imports the rest of the package, with
aiohttp, only when a test uses one of the fixtures.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from generor_async import AsyncGeneror, AsyncLuma, Generor, Luma
    from generor_async.simulator import Simulator

__all__ = ["generor", "generor_sync", "luma", "luma_sync", "pytest_configure", "simulator"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "simulator(**options): options of the `simulator` fixture, those of generor_async.simulator.Simulator and "
        "faults=[...], each as `--fault` of `generor simulate` takes it or as the arguments of `simulator.faults.add`",
    )


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """A simulator of both APIs, in its own thread and on its own port, 60 times as fast as real time."""
    from generor_async.testing import fixtures  # noqa: PLC0415  # see above

    with fixtures.simulator(request.node.iter_markers("simulator")) as running:
        yield running


@pytest.fixture
def generor(simulator: "Simulator") -> "AsyncGeneror":
    """A Generor client of the simulator, for any event loop; closed when the loop ends."""
    from generor_async.testing import fixtures  # noqa: PLC0415  # see above

    return fixtures.generor(simulator)


@pytest.fixture
def luma(simulator: "Simulator") -> "AsyncLuma":
    """A Luma client of the simulator, for any event loop; closed when the loop ends."""
    from generor_async.testing import fixtures  # noqa: PLC0415  # see above

    return fixtures.luma(simulator)


@pytest.fixture
def generor_sync(simulator: "Simulator") -> "Iterator[Generor]":
    """A blocking Generor client of the simulator."""
    from generor_async.testing import fixtures  # noqa: PLC0415  # see above

    with fixtures.generor_sync(simulator) as client:
        yield client


@pytest.fixture
def luma_sync(simulator: "Simulator") -> "Iterator[Luma]":
    """A blocking Luma client of the simulator."""
    from generor_async.testing import fixtures  # noqa: PLC0415  # see above

    with fixtures.luma_sync(simulator) as client:
        yield client
