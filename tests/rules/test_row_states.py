"""The states of rows, against a table of what may never happen and brute force."""

from itertools import product
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from generor_async.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BudgetExhaustedError,
    ClientClosedError,
    ConcurrentJobsError,
    ContentModeratedError,
    DeadlineExceededError,
    DownloadError,
    GenerationFailedError,
    InsufficientCreditsError,
    InvalidRequestError,
    MissingAPIKeyError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ResponseShapeError,
    ServiceUnavailableError,
)
from generor_async.rules.row_states import (
    END_STATES,
    MOST_ATTEMPTS,
    PAID_STATES,
    ROW_STATES,
    STATE_AFTER,
    STATE_AFTER_CRASH,
    TRANSITIONS,
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowState,
    RowStep,
    RowVerdict,
    Submit,
    is_legal,
    verdict_for,
)
from generor_async.rules.vendors import GENEROR, LUMA

JOB = "d290f1ee-6c54-4b01-90e6-d701748f0851"
STEPS: dict[type[RowStep], RowStep] = {
    Submit: Submit(at=0.0, request_id="r", model="m", estimated=1.0, reserved=1.0),
    Defer: Defer(),
    Accept: Accept(remote_ids=(JOB,)),
    Download: Download(),
    Finish: Finish(at=0.0, result={}),
    Fail: Fail(at=0.0, problem={}),
    MarkUnknown: MarkUnknown(at=0.0, problem={}),
    Release: Release(at=0.0, problem={}),
}


@frozen
class Failed:
    """A job that failed, as far as an error needs it."""

    id: str = JOB
    state: str = "failed"
    failure_code: str | None = "generation_failed"
    failure_reason: str | None = "no"


def test_every_state_is_reached_from_ready_and_every_one_has_its_row() -> None:
    reached: set[RowState] = {"ready"}
    for _ in ROW_STATES:
        reached |= {after for state in reached for after in TRANSITIONS[state]}
    assert reached == set(ROW_STATES) == set(TRANSITIONS)
    assert set(STATE_AFTER) == set(STEPS)


@given(st.lists(st.sampled_from(sorted(ROW_STATES)), max_size=12))
def test_every_submission_follows_a_claim_or_a_refusal(wished: list[RowState]) -> None:
    """Brute force: whatever path the table allows, each submission follows a claim, or a refusal of the one before."""
    state: RowState = "ready"
    history: list[RowState] = [state]
    for wish in wished:
        if wish in TRANSITIONS[state]:
            state = wish
            history.append(state)
    for index, entered in enumerate(history):
        if entered == "submitting":
            assert history[index - 2 : index] in (["ready", "leased"], ["submitting", "leased"])
        if entered == "done":
            assert "downloading" in history[:index]
            assert index == len(history) - 1, "nothing comes after done"


@pytest.mark.parametrize("state", ROW_STATES)
def test_a_restart_never_makes_ready_what_may_have_been_charged(state: RowState) -> None:
    after = STATE_AFTER_CRASH.get(state, state)
    assert (after == "ready") == (state in {"ready", "leased"})
    assert (after == "unknown") == (state in {"submitting", "unknown"})
    assert after == state or state in {"leased", "submitting"}


def test_every_row_can_be_continued_after_a_restart() -> None:
    left = {STATE_AFTER_CRASH.get(state, state) for state in ROW_STATES}
    assert left == {"ready", *PAID_STATES, *END_STATES}


def test_a_step_is_legal_where_the_table_has_it() -> None:
    legal = {(state, kind.__name__) for state, kind in product(ROW_STATES, STEPS) if is_legal(state, STEPS[kind])}
    assert legal == {
        ("leased", "Submit"),
        ("leased", "Release"),
        ("leased", "Fail"),
        ("submitting", "Defer"),
        ("submitting", "Accept"),
        ("submitting", "Release"),
        ("submitting", "Fail"),
        ("submitting", "MarkUnknown"),
        ("accepted", "Download"),
        ("accepted", "Finish"),
        ("accepted", "Release"),
        ("accepted", "Fail"),
        ("accepted", "MarkUnknown"),
        ("downloading", "Finish"),
        ("downloading", "MarkUnknown"),
        ("failed", "Release"),
        ("unknown", "Accept"),
        ("unknown", "Release"),
    }


def status(cls: type[APIStatusError], code: int, **known: Any) -> APIStatusError:
    return cls("no", status_code=code, outcome="refused", **known)


READY = RowVerdict(to="ready", charged=False)
STOPS = RowVerdict(to="ready", charged=False, stops=True)
FAILED = RowVerdict(to="failed", charged=False)
UNKNOWN = RowVerdict(to="unknown", charged=None)

SUBMITTING: dict[str, tuple[Exception, RowVerdict]] = {
    "no connection": (APIConnectionError("", outcome="not_sent"), READY),
    "no connection in time": (APITimeoutError("", outcome="not_sent"), READY),
    "a bad certificate": (APIConnectionError("", outcome="not_sent", retryable=False), STOPS),
    "no turn in time": (DeadlineExceededError("", waited_for="pace"), READY),
    "refused here": (InvalidRequestError("prompt", "too long"), FAILED),
    "no key": (MissingAPIKeyError("no key"), STOPS),
    "401": (status(AuthenticationError, 401), STOPS),
    "402": (status(InsufficientCreditsError, 402), STOPS),
    "403": (status(PermissionDeniedError, 403), STOPS),
    "400": (status(APIStatusError, 400), FAILED),
    "404": (status(NotFoundError, 404), FAILED),
    "413": (status(APIStatusError, 413), FAILED),
    "422": (status(APIStatusError, 422), FAILED),
    "429": (status(RateLimitError, 429, retryable=True), READY),
    "429 that names a time": (
        status(RateLimitError, 429, retryable=True, retry_after=77.0),
        RowVerdict(to="ready", charged=False, wait=77.0),
    ),
    "429 for jobs": (status(ConcurrentJobsError, 429, retryable=True), READY),
    "Luma's 503": (status(ServiceUnavailableError, 503, retryable=True), READY),
    "a reset": (OutcomeUnknownError("", outcome="unknown"), UNKNOWN),
    "half an answer": (OutcomeUnknownError("", outcome="unknown", ids=("d290f1ee",)), UNKNOWN),
    "an answer with two ids": (OutcomeUnknownError("", outcome="unknown", ids=(JOB, JOB.upper())), UNKNOWN),
    "an answer with its id": (
        OutcomeUnknownError("", outcome="unknown", ids=(JOB,)),
        RowVerdict(to="accepted", charged=True, remote_ids=(JOB,)),
    ),
    "another shape with an id": (
        ResponseShapeError("", outcome="done", body={"id": JOB, "state": 7}),
        RowVerdict(to="accepted", charged=True, remote_ids=(JOB,)),
    ),
    "another shape with the job's address": (
        ResponseShapeError("", outcome="done", body={"message": "Accepted"}, ids=(JOB,)),
        RowVerdict(to="accepted", charged=True, remote_ids=(JOB,)),
    ),
    "another shape with the address of another job": (
        ResponseShapeError("", outcome="done", body={"id": JOB}, ids=(JOB, "another")),
        RowVerdict(to="unknown", charged=True),
    ),
    "another shape": (ResponseShapeError("", outcome="done", body=[]), RowVerdict(to="unknown", charged=True)),
}


@pytest.mark.parametrize("case", SUBMITTING)
def test_what_a_calls_error_means_for_its_row(case: str) -> None:
    error, verdict = SUBMITTING[case]
    assert verdict_for(error, vendor=LUMA, state="submitting", attempt=1) == verdict


def test_the_numbers_in_half_an_answer_of_generor_may_be_cut_short() -> None:
    error = OutcomeUnknownError("", outcome="unknown", ids=("614",))
    assert verdict_for(error, vendor=GENEROR, state="submitting", attempt=1) == UNKNOWN


def test_all_creations_of_an_answer_of_another_shape_are_the_rows() -> None:
    body = {"data": {"creations": [{"creation_id": 7}, {"creation_id": 8}], "credit_cost": "?"}}
    verdict = verdict_for(
        ResponseShapeError("", outcome="done", body=body), vendor=GENEROR, state="submitting", attempt=1
    )
    assert verdict == RowVerdict(to="accepted", charged=True, remote_ids=("7", "8"))


def failed(cls: type[GenerationFailedError]) -> GenerationFailedError:
    return cls("failed", generation=Failed())


STAYS = RowVerdict(to=None, charged=None)
BEHIND: dict[str, tuple[Exception, RowVerdict]] = {
    "failed": (failed(GenerationFailedError), RowVerdict(to="failed", charged=None)),
    "moderated": (failed(ContentModeratedError), RowVerdict(to="failed", charged=None)),
    "out of credits": (failed(BudgetExhaustedError), RowVerdict(to="ready", charged=None, stops=True)),
    "gone": (status(NotFoundError, 404), RowVerdict(to="unknown", charged=True)),
    "an output gone": (DownloadError("", url="", retryable=False), RowVerdict(to="unknown", charged=True)),
    "an output not to be had now": (DownloadError("", url=""), STAYS),
    "a key revoked": (status(AuthenticationError, 401), RowVerdict(to=None, charged=None, stops=True)),
    "a client closed": (ClientClosedError("closed"), RowVerdict(to=None, charged=None, stops=True)),
    "a poll's reset": (APIConnectionError("", outcome="unknown"), STAYS),
    "a poll's 429": (status(RateLimitError, 429), STAYS),
    "no more time": (DeadlineExceededError("", waited_for="poll"), STAYS),
}


@pytest.mark.parametrize("state", PAID_STATES)
@pytest.mark.parametrize("case", BEHIND)
def test_what_an_error_means_for_a_row_that_was_accepted(case: str, state: RowState) -> None:
    error, verdict = BEHIND[case]
    assert verdict_for(error, vendor=LUMA, state=state, attempt=1) == verdict


@pytest.mark.parametrize("case", SUBMITTING)
def test_a_row_that_may_have_been_charged_never_goes_back_by_itself(case: str) -> None:
    error, verdict = SUBMITTING[case]
    if getattr(error, "outcome", "not_sent") in {"unknown", "done"}:
        assert verdict.to not in {"ready", "failed"}


def test_rows_that_come_back_again_and_again_stop_the_run() -> None:
    error = APIConnectionError("", outcome="not_sent")
    stops = [verdict_for(error, vendor=LUMA, state="submitting", attempt=n).stops for n in range(1, MOST_ATTEMPTS + 1)]
    assert stops == [False] * (MOST_ATTEMPTS - 1) + [True]


def test_errors_other_than_the_apis_are_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        verdict_for(ZeroDivisionError(), vendor=LUMA, state="submitting", attempt=1)


def test_whatever_a_verdict_says_the_table_allows() -> None:
    for error, verdict in SUBMITTING.values():
        assert verdict.to in TRANSITIONS["submitting"], error
    for error, verdict in BEHIND.values():
        assert verdict.to is None or verdict.to in TRANSITIONS["accepted"], error
