"""Clients that are killed in the midst of paid calls, with their state in PostgreSQL: as with a file."""

from collections.abc import Callable

import psycopg
import pytest
from state.test_killed import (
    test_no_paid_creation_is_missing_and_none_is_charged_twice,
    test_no_paid_job_is_missing_and_none_is_charged_twice,
)

__all__ = [
    "test_no_paid_creation_is_missing_and_none_is_charged_twice",
    "test_no_paid_job_is_missing_and_none_is_charged_twice",
]


USUAL, FEW = 8, 4


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    """How many processes are killed: fewer than of clients with a file, unless it is said."""
    given = int(str(pytestconfig.getoption("--kills")))
    return given if given > USUAL else FEW


@pytest.fixture
def place(postgres_url: str) -> str:
    """Where the state is."""
    return postgres_url


@pytest.fixture
def end_leases(postgres_url: str) -> Callable[[], None]:
    """Have the leases of processes that are gone end, without a wait of half a minute."""

    def end() -> None:
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE generor.owners SET lease_until = 0")

    return end
