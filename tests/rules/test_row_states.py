"""The life of a row, against a table of what may never happen and against brute force."""

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
    ENDED,
    LEADS_TO,
    LIFE,
    MOST_ATTEMPTS,
    ON_RESTART,
    OPEN,
    STATES,
    Accept,
    Defer,
    Doubt,
    Download,
    Fail,
    Finish,
    Release,
    State,
    Step,
    Submit,
    Verdict,
    is_legal,
    judge,
)
from generor_async.rules.vendors import GENEROR, LUMA

JOB = "d290f1ee-6c54-4b01-90e6-d701748f0851"
STEPS: dict[type[Step], Step] = {
    Submit: Submit(at=0.0, call_id="r", model="m", estimated=1.0, reserved=1.0),
    Defer: Defer(),
    Accept: Accept(remote_ids=(JOB,)),
    Download: Download(),
    Finish: Finish(at=0.0, result={}),
    Fail: Fail(at=0.0, problem={}),
    Doubt: Doubt(at=0.0, problem={}),
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
    reached: set[State] = {"ready"}
    for _ in STATES:
        reached |= {after for state in reached for after in LIFE[state]}
    assert reached == set(STATES) == set(LIFE)
    assert set(LEADS_TO) == set(STEPS)


@given(st.lists(st.sampled_from(sorted(STATES)), max_size=12))
def test_nothing_is_submitted_twice_but_by_way_of_leased(wished: list[State]) -> None:
    """Brute force: whatever path the table allows, each submission follows a claim, or a refusal of the one before."""
    state: State = "ready"
    history: list[State] = [state]
    for wish in wished:
        if wish in LIFE[state]:
            state = wish
            history.append(state)
    for index, entered in enumerate(history):
        if entered == "submitting":
            assert history[index - 2 : index] in (["ready", "leased"], ["submitting", "leased"])
        if entered == "done":
            assert "downloading" in history[:index]
            assert index == len(history) - 1, "nothing comes after done"


@pytest.mark.parametrize("state", STATES)
def test_a_restart_never_makes_ready_what_may_have_been_charged(state: State) -> None:
    after = ON_RESTART.get(state, state)
    assert (after == "ready") == (state in {"ready", "leased"})
    assert (after == "unknown") == (state in {"submitting", "unknown"})
    assert after == state or state in {"leased", "submitting"}


def test_a_restart_leaves_no_row_that_nobody_can_go_on_with() -> None:
    left = {ON_RESTART.get(state, state) for state in STATES}
    assert left == {"ready", *OPEN, *ENDED}


def test_a_step_is_legal_where_the_table_has_it() -> None:
    legal = {(state, kind.__name__) for state, kind in product(STATES, STEPS) if is_legal(state, STEPS[kind])}
    assert legal == {
        ("leased", "Submit"),
        ("leased", "Release"),
        ("leased", "Fail"),
        ("submitting", "Defer"),
        ("submitting", "Accept"),
        ("submitting", "Release"),
        ("submitting", "Fail"),
        ("submitting", "Doubt"),
        ("accepted", "Download"),
        ("accepted", "Release"),
        ("accepted", "Fail"),
        ("accepted", "Doubt"),
        ("downloading", "Finish"),
        ("downloading", "Doubt"),
        ("failed", "Release"),
        ("unknown", "Accept"),
        ("unknown", "Release"),
    }


def status(cls: type[APIStatusError], code: int, **known: Any) -> APIStatusError:
    return cls("no", status_code=code, outcome="refused", **known)


READY = Verdict(to="ready", charged=False)
STOPS = Verdict(to="ready", charged=False, stops=True)
FAILED = Verdict(to="failed", charged=False)
UNKNOWN = Verdict(to="unknown", charged=None)

SUBMITTING: dict[str, tuple[Exception, Verdict]] = {
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
        Verdict(to="ready", charged=False, wait=77.0),
    ),
    "429 for jobs": (status(ConcurrentJobsError, 429, retryable=True), READY),
    "Luma's 503": (status(ServiceUnavailableError, 503, retryable=True), READY),
    "a reset": (OutcomeUnknownError("", outcome="unknown"), UNKNOWN),
    "half an answer": (OutcomeUnknownError("", outcome="unknown", ids=("d290f1ee",)), UNKNOWN),
    "an answer with two ids": (OutcomeUnknownError("", outcome="unknown", ids=(JOB, JOB.upper())), UNKNOWN),
    "an answer with its id": (
        OutcomeUnknownError("", outcome="unknown", ids=(JOB,)),
        Verdict(to="accepted", charged=True, remote_ids=(JOB,)),
    ),
    "another shape with an id": (
        ResponseShapeError("", outcome="done", body={"id": JOB, "state": 7}),
        Verdict(to="accepted", charged=True, remote_ids=(JOB,)),
    ),
    "another shape with the job's address": (
        ResponseShapeError("", outcome="done", body={"message": "Accepted"}, ids=(JOB,)),
        Verdict(to="accepted", charged=True, remote_ids=(JOB,)),
    ),
    "another shape with the address of another job": (
        ResponseShapeError("", outcome="done", body={"id": JOB}, ids=(JOB, "another")),
        Verdict(to="unknown", charged=True),
    ),
    "another shape": (ResponseShapeError("", outcome="done", body=[]), Verdict(to="unknown", charged=True)),
}


@pytest.mark.parametrize("case", SUBMITTING)
def test_what_a_calls_error_means_for_its_row(case: str) -> None:
    error, verdict = SUBMITTING[case]
    assert judge(error, vendor=LUMA, state="submitting", attempt=1) == verdict


def test_the_numbers_in_half_an_answer_of_generor_may_be_cut_short() -> None:
    error = OutcomeUnknownError("", outcome="unknown", ids=("614",))
    assert judge(error, vendor=GENEROR, state="submitting", attempt=1) == UNKNOWN


def test_all_creations_of_an_answer_of_another_shape_are_the_rows() -> None:
    body = {"data": {"creations": [{"creation_id": 7}, {"creation_id": 8}], "credit_cost": "?"}}
    verdict = judge(ResponseShapeError("", outcome="done", body=body), vendor=GENEROR, state="submitting", attempt=1)
    assert verdict == Verdict(to="accepted", charged=True, remote_ids=("7", "8"))


def failed(cls: type[GenerationFailedError]) -> GenerationFailedError:
    return cls("failed", generation=Failed())


STAYS = Verdict(to=None, charged=None)
BEHIND: dict[str, tuple[Exception, Verdict]] = {
    "failed": (failed(GenerationFailedError), Verdict(to="failed", charged=None)),
    "moderated": (failed(ContentModeratedError), Verdict(to="failed", charged=None)),
    "out of credits": (failed(BudgetExhaustedError), Verdict(to="ready", charged=None, stops=True)),
    "gone": (status(NotFoundError, 404), Verdict(to="unknown", charged=True)),
    "an output gone": (DownloadError("", url="", retryable=False), Verdict(to="unknown", charged=True)),
    "an output not to be had now": (DownloadError("", url=""), STAYS),
    "a key revoked": (status(AuthenticationError, 401), Verdict(to=None, charged=None, stops=True)),
    "a client closed": (ClientClosedError("closed"), Verdict(to=None, charged=None, stops=True)),
    "a poll's reset": (APIConnectionError("", outcome="unknown"), STAYS),
    "a poll's 429": (status(RateLimitError, 429), STAYS),
    "no more time": (DeadlineExceededError("", waited_for="poll"), STAYS),
}


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("case", BEHIND)
def test_what_an_error_means_for_a_row_that_was_accepted(case: str, state: State) -> None:
    error, verdict = BEHIND[case]
    assert judge(error, vendor=LUMA, state=state, attempt=1) == verdict


@pytest.mark.parametrize("case", SUBMITTING)
def test_a_row_that_may_have_been_charged_never_goes_back_by_itself(case: str) -> None:
    error, verdict = SUBMITTING[case]
    if getattr(error, "outcome", "not_sent") in {"unknown", "done"}:
        assert verdict.to not in {"ready", "failed"}


def test_rows_that_come_back_again_and_again_stop_the_run() -> None:
    error = APIConnectionError("", outcome="not_sent")
    stops = [judge(error, vendor=LUMA, state="submitting", attempt=n).stops for n in range(1, MOST_ATTEMPTS + 1)]
    assert stops == [False] * (MOST_ATTEMPTS - 1) + [True]


def test_an_error_that_is_not_the_apis_is_nobodys_to_judge() -> None:
    with pytest.raises(ZeroDivisionError):
        judge(ZeroDivisionError(), vendor=LUMA, state="submitting", attempt=1)


def test_whatever_a_verdict_says_the_table_allows() -> None:
    for error, verdict in SUBMITTING.values():
        assert verdict.to in LIFE["submitting"], error
    for error, verdict in BEHIND.values():
        assert verdict.to is None or verdict.to in LIFE["accepted"], error
