"""What is said when a batch stops: nothing is lost, and how to go on."""

from datetime import UTC, datetime

import pytest

from generor_async import AuthenticationError, BudgetExhaustedError, InsufficientCreditsError, PermissionDeniedError
from generor_async.api.luma.models import Generation
from generor_async.rules.stops import how_to_go_on
from generor_async.rules.vendors import GENEROR, LUMA

JOB = Generation(
    id="1",
    type="image",
    state="failed",
    model="uni-1",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    output=[],
    failure_code="budget_exhausted",
)
OUT = BudgetExhaustedError("x", generation=JOB)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InsufficientCreditsError("x", status_code=402), "Add credits"),
        (AuthenticationError("x", status_code=401), "Mend the key"),
        (PermissionDeniedError("x", status_code=403), "Mend the key"),
        (OUT, "Whether those jobs are charged is not documented"),
        (OSError("the disk is full"), "When this is mended"),
    ],
)
def test_every_stop_says_that_nothing_is_lost_and_how_to_go_on(error: Exception, said: str) -> None:
    for vendor in (GENEROR, LUMA):
        told = how_to_go_on(error, vendor)
        assert said in told
        assert told.startswith("Nothing is lost")
        assert "into the same folder" in told


def test_lumas_jobs_are_the_keys_that_submitted_them() -> None:
    error = AuthenticationError("x", status_code=401)
    assert "keep to that key" in how_to_go_on(error, LUMA)
    assert "keep to that key" not in how_to_go_on(error, GENEROR)
