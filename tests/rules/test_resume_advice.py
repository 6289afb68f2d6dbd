"""What an error that stops a batch tells people: nothing is lost, and how to resume."""

from datetime import UTC, datetime

import pytest

from generor_async import (
    AuthenticationError,
    BudgetExhaustedError,
    DownloadError,
    InsufficientCreditsError,
    PermissionDeniedError,
)
from generor_async.api.luma.models import Generation
from generor_async.rules.resume_advice import resume_advice
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
        told = resume_advice(error, vendor)
        assert said in told
        assert told.startswith("Nothing is lost")
        assert "into the same folder" in told


def test_luma_users_are_told_to_keep_the_key_that_submitted_their_jobs() -> None:
    error = AuthenticationError("x", status_code=401)
    assert "keep to that key" in resume_advice(error, LUMA)
    assert "keep to that key" not in resume_advice(error, GENEROR)


def test_an_error_whose_text_says_how_to_resume_gets_no_advice() -> None:
    assert not resume_advice(DownloadError("x", url="", advice="Mend that"), LUMA)
