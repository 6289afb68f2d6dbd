"""States of jobs and creations, and the errors of failed jobs."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import Generation

from generor_async import errors
from generor_async.errors import GenerationFailedError
from generor_async.rules.job_errors import job_failure, resubmit_delay
from generor_async.rules.lifecycle import CREATION, LUMA_JOB, Lifecycle

CODES: dict[str | None, tuple[type[GenerationFailedError], bool]] = {
    "content_moderated": (errors.ContentModeratedError, False),
    "generation_failed": (GenerationFailedError, True),
    "budget_exhausted": (errors.BudgetExhaustedError, False),
    "output_not_found": (errors.OutputNotFoundError, True),
    "rate_limited": (GenerationFailedError, True),
    "image_too_large": (errors.InputRejectedError, False),
    "unsupported_format": (errors.InputRejectedError, False),
    "corrupt_input": (errors.InputRejectedError, False),
    "invalid_request": (errors.InputRejectedError, False),
    "brand_new_code": (GenerationFailedError, False),
    None: (GenerationFailedError, False),
}


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_class_and_says_whether_another_try_may_help(code: str | None) -> None:
    generation = Generation(failure_code=code)
    error = job_failure(generation)
    assert (type(error), error.retryable) == CODES[code]
    assert (error.generation, error.code, error.reason) == (generation, code, "the model gave up")
    assert "gen-1" in str(error)
    assert "the model gave up" in str(error)
    assert error.advice


LIVES = {"job": LUMA_JOB, "creation": CREATION}
STATES = ["queued", "processing", "pending", "generating", "completed", "failed", "cancelled", "dreaming", "polishing"]


@pytest.mark.parametrize(
    ("life", "ends"),
    [(LUMA_JOB, {"completed", "failed"}), (CREATION, {"completed", "failed", "cancelled"})],
    ids=list(LIVES),
)
def test_every_state_of_a_table_leads_to_an_end(life: Lifecycle, ends: set[str]) -> None:
    assert {state for state in life.table if life.is_terminal(state)} == ends
    for state, after in life.table.items():
        assert state in ends or ends <= after
        assert after <= life.table.keys()


@pytest.mark.parametrize("state", ["dreaming", "Completed", "", None])
def test_an_unknown_state_ends_a_creation_and_no_job(state: str | None) -> None:
    assert CREATION.is_terminal(state)
    assert not LUMA_JOB.is_terminal(state)


@pytest.mark.parametrize("life", LIVES.values(), ids=list(LIVES))
@given(answers=st.lists(st.sampled_from(STATES)))
def test_whatever_the_answers_say_each_known_state_is_told_once_and_in_order(
    life: Lifecycle, answers: list[str]
) -> None:
    told: list[str] = []
    for answer in answers:
        if told and life.is_terminal(told[-1]):
            break
        if life.is_news(told[-1] if told else None, answer):
            told.append(answer)
    assert all(one != other for one, other in pairwise(told))
    for one, other in pairwise(told):
        if one in life.table and other in life.table:
            assert other in life.table[one]


def test_the_first_state_is_news_whatever_it_is() -> None:
    assert all(LUMA_JOB.is_news(None, state) for state in STATES)


def test_what_is_behind_the_times_is_no_news() -> None:
    assert not LUMA_JOB.is_news("processing", "queued")
    assert not LUMA_JOB.is_news("completed", "processing")
    assert LUMA_JOB.is_news("queued", "completed")
    assert LUMA_JOB.is_news("dreaming", "queued")


def test_only_what_may_pass_is_worth_another_charge() -> None:
    delays = {code: resubmit_delay(job_failure(Generation(failure_code=code)), 0) for code in CODES}
    assert {code for code, delay in delays.items() if delay is not None} == {
        code for code, (_, retryable) in CODES.items() if retryable
    }
    assert delays["generation_failed"] == 0


def test_an_api_that_is_too_busy_is_left_alone_for_longer_each_time() -> None:
    busy = job_failure(Generation(failure_code="rate_limited"))
    assert [resubmit_delay(busy, times) for times in range(3)] == [30, 60, 120]
