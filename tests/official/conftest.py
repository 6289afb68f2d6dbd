"""The official client, unmodified, in all its forms, each test at a simulator of its own in another thread."""

from collections.abc import Iterator
from typing import cast

import httpx
import pytest
from official.clients import FORMS, Client, Form, Official, opened

from generor_async.simulator import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture(scope="session", params=FORMS)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with opened(cast("Form", request.param)) as client:
        yield client


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """What fetches outputs and puts files, which the official client doesn't do."""
    with httpx.Client() as http:
        yield http


@pytest.fixture
def official(client: Client, simulator: Simulator) -> Official:
    return client.at(simulator)
