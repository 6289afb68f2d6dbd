"""Which worker begins a shift of which run."""

from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.shift_plan import REGISTER, SHIFT, QueuedJob, plan_shifts

QUEUES = ("w1", "w2", "w3")
RUNS = ("herons", "storks")


def registered(queue: str, *, is_lost: bool = False, is_begun: bool = True) -> QueuedJob:
    return QueuedJob(id=0, task=REGISTER, queue=queue, is_begun=is_begun, is_lost=is_lost)


def shift(queue: str, run: str, *, is_begun: bool = True, is_lost: bool = False) -> QueuedJob:
    return QueuedJob(id=1, task=SHIFT, queue=queue, run=run, is_begun=is_begun, is_lost=is_lost)


def test_each_living_worker_gets_a_shift_of_each_run() -> None:
    plan = plan_shifts(["herons", "storks"], [registered("w1"), registered("w2"), shift("w1", "herons")])
    assert plan.begin == [("w1", "storks"), ("w2", "herons"), ("w2", "storks")]
    assert not plan.drop


def test_a_shift_that_waits_is_not_deferred_again() -> None:
    assert not plan_shifts(["herons"], [registered("w1"), shift("w1", "herons", is_begun=False)]).begin


def test_what_a_dead_worker_had_is_dropped_and_others_go_on() -> None:
    dead = [registered("w1", is_lost=True), shift("w1", "herons", is_lost=True), shift("w1", "storks", is_begun=False)]
    plan = plan_shifts(["herons"], [*dead, registered("w2")])
    assert plan.begin == [("w2", "herons")]
    assert plan.drop == dead


def test_a_worker_that_connected_again_goes_on_in_its_queue() -> None:
    lost = [registered("w1", is_lost=True), shift("w1", "herons", is_lost=True)]
    plan = plan_shifts(["herons"], [*lost, registered("w1")])
    assert plan.begin == [("w1", "herons")]
    assert plan.drop == lost


def test_a_worker_that_is_about_to_register_is_left_alone() -> None:
    plan = plan_shifts(["herons"], [registered("w1", is_begun=False)])
    assert not plan.begin
    assert not plan.drop


def test_other_jobs_are_left_alone() -> None:
    other = QueuedJob(id=2, task="assign", queue="all", is_begun=True, is_lost=True)
    assert not plan_shifts(["herons"], [other]).drop


JOBS = st.builds(
    QueuedJob,
    id=st.integers(0, 9),
    task=st.sampled_from([REGISTER, SHIFT, "assign"]),
    queue=st.sampled_from(QUEUES),
    run=st.sampled_from(RUNS),
    is_begun=st.just(True),
    is_lost=st.booleans(),
) | st.builds(
    QueuedJob,
    id=st.integers(0, 9),
    task=st.sampled_from([REGISTER, SHIFT, "assign"]),
    queue=st.sampled_from(QUEUES),
    run=st.sampled_from(RUNS),
    is_begun=st.just(False),
)


@given(st.sets(st.sampled_from(RUNS)), st.lists(JOBS, max_size=8))
def test_once_it_is_done_nothing_is_left_to_do(runs: set[str], jobs: list[QueuedJob]) -> None:
    plan = plan_shifts(runs, jobs)
    left = [job for job in jobs if job not in plan.drop]
    after = [*left, *(shift(queue, run, is_begun=False) for queue, run in plan.begin)]
    again = plan_shifts(runs, after)
    assert not again.begin
    assert not again.drop
    living = {job.queue for job in left if job.task == REGISTER and job.is_begun}
    assert {(job.queue, job.run) for job in after if job.task == SHIFT} >= {(q, r) for q in living for r in runs}
