"""Slots against a brute-force model of the server, and each rule by itself."""

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.slot_worlds import Ceiling, JobServer, SlotWorld, bound

from generor_async.rules.concurrency_limit import PROBE_BELOW, PROBE_FIRST, PROBE_MOST, ConcurrencyLimit
from generor_async.rules.release_lag import ENDS_KEPT, ENOUGH_PROMPT, LAG_STEPS, ReleaseLag
from generor_async.rules.slot_usage import ENDED_SECONDS, UNSEEN_SECONDS, JobSlot
from generor_async.rules.slots import FIRST_UNITS, FIRST_VIDEO_UNITS, RETRY_AFTER, Slots
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType

IMAGE, VIDEO, EDIT = (
    RequestType("uni-1", "image"),
    RequestType("ray-3.2", "video"),
    RequestType("uni-1-max", "image_edit", 3),
)
seeds = st.integers(0, 2**32)
ceilings = st.integers(1, 40)


def grant(slots: Slots, now: float, kind: RequestType = DEFAULT_TYPE) -> JobSlot:
    lease = slots.reserve(now, kind)
    assert isinstance(lease, JobSlot), lease
    return lease


def full(slots: Slots, now: float, kind: RequestType = DEFAULT_TYPE) -> Wait:
    refusal = slots.reserve(now, kind)
    assert isinstance(refusal, Wait), refusal
    return refusal


def submit(slots: Slots, now: float, job_id: str) -> None:
    slots.accepted(grant(slots, now), job_id, now)


def refuse(slots: Slots, now: float, retry_after: float = RETRY_AFTER) -> None:
    slots.refused(grant(slots, now), now, retry_after)


def look(slots: Slots, now: float, *job_ids: str) -> None:
    for job_id in job_ids:
        slots.record_poll(job_id, now, asked=now, ended=False)


def end(slots: Slots, now: float, *job_ids: str) -> None:
    for job_id in job_ids:
        slots.record_poll(job_id, now, asked=now, ended=True)


def practised(now: float = 0.0) -> Slots:
    """Return slots of which many were free before, so that several submissions may be under way."""
    slots = Slots()
    for number in range(20):
        submit(slots, now - 100, f"earlier-{number}")
        end(slots, now - 100, f"earlier-{number}")
    return slots


def saturated(jobs: int, now: float = 0.0) -> Slots:
    """Return slots that have learned their ceiling: so many jobs run, called 0, 1, 2 and so on."""
    slots = practised(now)
    for number in range(jobs):
        submit(slots, now - 0.2, str(number))
    for lease in [grant(slots, now - 0.1) for _ in range(2)]:  # a second refusal confirms the first
        slots.refused(lease, now)
    look(slots, now, *map(str, range(jobs)))
    assert slots.ceiling == jobs
    return slots


def constant(ceiling: int) -> Ceiling:
    return lambda _now: ceiling


def lives_of(dice: Random, count: int) -> list[float]:
    return [dice.lognormvariate(math.log(40), 0.4) for _ in range(count)]


def world(slots: Slots, ceiling: Ceiling, seed: int, *, jobs: int, lag: float = 0.0, **known: Any) -> SlotWorld:
    dice = Random(seed)
    return SlotWorld(slots, JobServer(ceiling, lag), dice, lives_of(dice, jobs), **known)


# --- against a model of the server ------------------------------------------------------------------------------------


@given(ceilings, seeds, st.integers(1, 120), st.floats(0.5, 15))
@examples(30)
def test_a_configured_limit_is_reached_and_never_refused(ceiling: int, seed: int, jobs: int, spacing: float) -> None:
    life = world(Slots(ceiling), constant(ceiling), seed, jobs=jobs, spacing=spacing)
    life.run()
    assert not life.refused
    assert life.server.most == min(ceiling, jobs)
    turns = math.ceil(jobs / ceiling)
    assert life.last <= bound(constant(ceiling), [], life.lives) + turns * (spacing + 1) + 0.2 * jobs


@pytest.mark.parametrize("ceiling", [4, 10, 40])
@given(seeds)
@examples(5)
def test_an_unnamed_limit_costs_a_refusal_every_two_minutes_and_hardly_any_time(ceiling: int, seed: int) -> None:
    life = world(Slots(), constant(ceiling), seed, jobs=300)
    life.run()
    assert len(life.refused) <= 6 + life.now / PROBE_MOST
    assert life.last <= 1.06 * bound(constant(ceiling), [], life.lives)


@given(seeds, st.floats(0.5, 4))
@examples(15)
def test_a_server_that_frees_slots_late_is_learned(seed: int, lag: float) -> None:
    life = world(Slots(), constant(10), seed, jobs=150, lag=lag)
    life.run()
    assert len(life.refused) <= 60
    assert life.last <= 1.2 * bound(constant(10), [], life.lives)


@given(st.lists(st.tuples(st.floats(0, 300), st.integers(1, 20)), max_size=6), st.integers(1, 20), seeds)
@examples(20)
def test_however_the_ceiling_changes_every_job_gets_through(
    changes: list[tuple[float, int]], first: int, seed: int
) -> None:
    steps = sorted([(0.0, first), *changes])
    life = world(Slots(), lambda now: [ceiling for at, ceiling in steps if at <= now][-1], seed, jobs=80)
    life.run()
    assert life.ended == 80
    assert len(life.refused) <= 120


@given(st.integers(1, 12), seeds, st.sampled_from([None, 3, 12]))
@examples(30)
def test_jobs_that_nobody_waits_for_do_not_block_others(ceiling: int, seed: int, told: int | None) -> None:
    life = world(Slots(told), constant(ceiling), seed, jobs=40, unseen=1.0)
    life.run()
    assert life.accepted == 40


@given(ceilings, seeds)
@examples(30)
def test_submissions_of_unknown_outcome_hold_slots_no_longer_than_jobs_may(ceiling: int, seed: int) -> None:
    life = world(Slots(), constant(ceiling), seed, jobs=60, lose=0.2)
    life.run()
    assert life.accepted == 60
    assert life.rules.state(life.now + UNSEEN_SECONDS).used == 0


# --- the count against a naive list -----------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(["grant", "grant", "accept", "accept", "lose", "refuse", "run", "end", "pass"]),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.3, 7.0, 400.0]),
    ),
    max_size=80,
)


@given(steps, st.sampled_from([None, 1, 7]))
@examples(100)
def test_the_count_agrees_with_a_plain_list_however_submissions_end(
    history: list[tuple[str, int, float]], told: int | None
) -> None:
    slots, now = Slots(told), 0.0
    under_way: list[JobSlot] = []
    jobs: dict[str, float] = {}
    ended: dict[str, float] = {}
    for number, (what, which, later) in enumerate(history):
        now += later
        jobs = {job_id: seen for job_id, seen in jobs.items() if seen + UNSEEN_SECONDS > now}
        under_way = [lease for lease in under_way if lease.began + UNSEEN_SECONDS > now]
        job_id = f"foreign-{which}" if not jobs or which == 0 else sorted(jobs)[which % len(jobs)]
        match what:
            case "grant":
                lease = slots.reserve(now)
                if isinstance(lease, JobSlot):
                    under_way.append(lease)
                else:
                    assert lease.until > now
                    assert lease.scope == "jobs"
            case "accept" if under_way:
                slots.accepted(under_way.pop(which % len(under_way)), f"job-{number}", now)
                jobs[f"job-{number}"] = now
            case "lose" if under_way:
                slots.release(under_way.pop(which % len(under_way)))
            case "refuse" if under_way:
                slots.refused(under_way.pop(which % len(under_way)), now)
            case "run":
                slots.record_poll(job_id, now, asked=now, ended=False)
                if ended.get(job_id, -math.inf) + ENDED_SECONDS <= now:
                    jobs[job_id] = now
            case "end":
                slots.record_poll(job_id, now, asked=now, ended=True)
                jobs.pop(job_id, None)
                ended[job_id] = now
            case _:
                pass
        state = slots.state(now)
        assert state.used == len(under_way) + len(jobs)
        assert state.ceiling is None or 1 <= state.ceiling <= (told or 10**6)
        stale = slots.stale_jobs(now, 5.0)
        assert sorted(stale) == sorted(job_id for job_id, seen in jobs.items() if seen + 5 <= now)
        assert [jobs[job_id] for job_id in stale] == sorted(jobs[job_id] for job_id in stale)


# --- each rule alone --------------------------------------------------------------------------------------------------


def test_slots_of_a_configured_limit_are_granted_at_once() -> None:
    slots = Slots(3)
    for _ in range(3):
        grant(slots, 0.0)
    assert full(slots, 0.0) == Wait(UNSEEN_SECONDS, "jobs", sooner=True)
    assert (slots.state(0.0).ceiling, slots.state(0.0).used) == (3, 3)


def test_a_share_of_a_configured_limit_leaves_the_rest_to_others() -> None:
    slots = Slots(10, 0.35)
    for number in range(3):
        submit(slots, 0.0, str(number))
    full(slots, 0.0)


def test_however_small_the_share_one_job_may_run() -> None:
    grant(Slots(3, 0.01), 0.0)


def test_with_the_ceiling_unknown_submissions_begin_one_by_one_and_grow_as_they_are_accepted() -> None:
    slots = Slots()
    first = grant(slots, 0.0)
    full(slots, 0.0)
    slots.accepted(first, "first", 0.2)
    for number in range(4):
        submit(slots, 1.0, str(number))
    leases = [slots.reserve(2.0) for _ in range(20)]
    assert sum(isinstance(lease, JobSlot) for lease in leases) == 2
    grown = practised()
    leases = [grown.reserve(4.0) for _ in range(20)]
    assert 3 <= sum(isinstance(lease, JobSlot) for lease in leases) <= 5


@pytest.mark.parametrize(("kind", "units"), [(IMAGE, FIRST_UNITS), (VIDEO, FIRST_VIDEO_UNITS)])
def test_beyond_the_usual_ceiling_they_go_one_at_a_time(kind: RequestType, units: int) -> None:
    slots = Slots()
    for number in range(units):
        slots.accepted(grant(slots, 0.0, kind), str(number), 0.0)
    for number in range(3):
        lease = grant(slots, 1.0, kind)
        full(slots, 1.0, kind)
        slots.accepted(lease, f"more-{number}", 1.0)
    assert slots.ceiling is None


def test_the_first_refusal_sets_the_ceiling_to_our_own_jobs() -> None:
    slots = saturated(3)
    assert full(slots, 0.0) == Wait(PROBE_FIRST, "jobs", sooner=True)


def test_submissions_that_were_under_way_at_the_first_refusal_lower_the_ceiling_as_they_are_refused() -> None:
    slots = practised()
    for number in range(7):
        submit(slots, 0.0, str(number))
    one, two, three = (grant(slots, 1.0) for _ in range(3))
    slots.refused(two, 1.2)
    assert slots.ceiling == 9
    slots.refused(one, 1.2)
    slots.accepted(three, "three", 1.2)
    assert slots.ceiling == 8
    assert full(slots, 1.2).until == 1.2 + PROBE_FIRST, "two refusals need no third"


def test_a_job_that_ends_frees_its_slot_at_once() -> None:
    slots = saturated(2)
    end(slots, 5.0, "0")
    grant(slots, 5.0)
    full(slots, 5.0)


def test_the_end_of_a_job_counts_once() -> None:
    slots = saturated(3)
    end(slots, 5.0, "0")
    end(slots, 5.1, "0")
    assert slots.state(5.1).used == 2


def test_a_poll_that_is_answered_after_the_end_was_seen_restores_no_job() -> None:
    slots = saturated(2)
    end(slots, 5.0, "0")
    slots.record_poll("0", 6.0, asked=4.0, ended=False)
    assert slots.state(6.0).used == 1


def test_a_poll_that_was_sent_earlier_and_answered_later_makes_no_job_older() -> None:
    slots = Slots(1)
    submit(slots, 0.0, "a")
    slots.record_poll("a", 6.0, asked=5.9, ended=False)
    slots.record_poll("a", 7.0, asked=2.0, ended=False)
    assert slots.stale_jobs(10.8, 5.0) == []
    assert slots.stale_jobs(10.9, 5.0) == ["a"]


def test_a_job_of_another_process_is_counted_until_it_ends() -> None:
    slots = Slots(2)
    look(slots, 0.0, "earlier", "another")
    full(slots, 0.0)
    end(slots, 1.0, "earlier")
    grant(slots, 1.0)


def test_a_job_unseen_for_fifteen_minutes_lapses() -> None:
    slots = Slots(2)
    submit(slots, 0.0, "a")
    submit(slots, 10.0, "b")
    assert full(slots, 20.0).until == UNSEEN_SECONDS
    grant(slots, UNSEEN_SECONDS)
    full(slots, UNSEEN_SECONDS)


def test_a_submission_that_never_left_frees_its_slot() -> None:
    slots = Slots(1)
    slots.release(grant(slots, 0.0))
    grant(slots, 1.0)


def test_a_submission_of_unknown_outcome_holds_its_slot_for_a_few_lives_of_our_jobs() -> None:
    slots = Slots(2)
    submit(slots, 0.0, "a")
    end(slots, 20.0, "a")
    slots.keep_unresolved(grant(slots, 20.0), 30.0)
    submit(slots, 30.0, "b")
    assert full(slots, 31.0).until == 90.0
    grant(slots, 90.0)


def test_nothing_known_of_our_jobs_it_holds_its_slot_for_fifteen_minutes() -> None:
    slots = Slots(1)
    slots.keep_unresolved(grant(slots, 0.0), 30.0)
    assert full(slots, 31.0).until == 30.0 + UNSEEN_SECONDS


def test_stale_jobs_are_those_that_were_not_polled_for_longest() -> None:
    slots = Slots(3)
    for number in range(3):
        submit(slots, float(number), str(number))
    look(slots, 4.0, "0")
    assert slots.stale_jobs(7.0, 5.0) == ["1", "2"]


# refusals


@pytest.mark.parametrize("told", [None, 5])
def test_with_no_job_of_our_own_others_hold_the_slots_and_the_wait_is_the_servers(told: int | None) -> None:
    slots = Slots(told)
    refuse(slots, 0.0, 42.0)
    assert full(slots, 1.0).until == 42.0
    grant(slots, 42.0)
    full(slots, 42.0)


def test_after_that_wait_one_goes_ahead_however_many_did_before() -> None:
    slots = Slots()
    for number in range(20):
        submit(slots, 0.0, str(number))
    end(slots, 5.0, *map(str, range(20)))
    refuse(slots, 6.0, 42.0)
    grant(slots, 48.0)
    full(slots, 48.0)


def test_of_several_refused_at_once_with_no_job_of_our_own_all_wait() -> None:
    slots = Slots(4)
    leases = [grant(slots, 0.0) for _ in range(4)]
    for lease in leases:
        slots.refused(lease, 0.2, 42.0)
    assert full(slots, 1.0).until == 42.2


def test_late_release_of_our_only_slot_is_not_taken_for_others() -> None:
    slots = saturated(1)
    end(slots, 20.0, "0")
    refuse(slots, 20.0)
    assert full(slots, 20.0).until == 20.0 + LAG_STEPS[0]


def test_several_refused_at_once_after_jobs_have_ended_are_one_refusal() -> None:
    slots = saturated(6)
    end(slots, 20.0, "0", "1")
    one, two = grant(slots, 20.0), grant(slots, 20.0)
    slots.refused(one, 20.2)
    slots.refused(two, 20.2)
    assert full(slots, 20.2).until == 21.0
    assert slots.ceiling == 6


def test_a_refusal_that_surprises_lets_submissions_go_one_by_one_again() -> None:
    slots = saturated(6)
    end(slots, 20.0, "0", "1", "2")
    refuse(slots, 20.0)
    grant(slots, 21.0)
    full(slots, 21.0)


def test_a_job_that_ends_ends_that_wait() -> None:
    slots = Slots(5)
    refuse(slots, 0.0)
    look(slots, 1.0, "adopted")
    end(slots, 2.0, "adopted")
    grant(slots, 2.0)


def test_a_refusal_after_a_job_has_ended_is_tried_again_after_one_and_after_three_seconds() -> None:
    slots = saturated(4)
    end(slots, 20.0, "0")
    refuse(slots, 20.0)
    assert full(slots, 20.0).until == 20.0 + LAG_STEPS[0]
    refuse(slots, 21.0)
    assert full(slots, 21.0).until == 21.0 + LAG_STEPS[1]
    assert slots.ceiling == 4


def test_the_third_time_it_is_believed() -> None:
    slots = saturated(4)
    end(slots, 20.0, "0")
    for now in (20.0, 21.0, 24.0):
        refuse(slots, now)
    assert slots.ceiling == 3
    end(slots, 30.0, "1")
    grant(slots, 30.0)


def test_where_slots_used_to_be_free_at_once_it_is_believed_the_first_time() -> None:
    slots = saturated(ENOUGH_PROMPT + 1)
    for number in range(ENOUGH_PROMPT):
        end(slots, 10.0, str(number))
        submit(slots, 10.0, f"next-{number}")
    end(slots, 20.0, "next-0")
    refuse(slots, 20.0)
    assert slots.ceiling == ENOUGH_PROMPT
    end(slots, 25.0, "next-1")
    submit(slots, 25.0, "last")
    end(slots, 29.0, "next-2")
    refuse(slots, 29.0)
    assert slots.ceiling == ENOUGH_PROMPT, "one time doesn't show it any more"


def test_while_the_ceiling_falls_every_refusal_is_believed() -> None:
    slots = saturated(4)
    end(slots, 20.0, "0")
    for now in (20.0, 21.0, 24.0):
        refuse(slots, now)
    end(slots, 30.0, "1")
    refuse(slots, 30.0)
    assert slots.ceiling == 2


def test_a_refusal_long_after_the_last_end_is_believed_at_once() -> None:
    slots = Slots(5)
    submit(slots, 0.0, "a")
    refuse(slots, 1.0)
    assert slots.ceiling == 1


def learned_lag() -> Slots:
    """Return slots whose server, to all appearances, freed the first of four jobs' slots four seconds late."""
    slots = saturated(4)
    end(slots, 5.0, "0")
    refuse(slots, 5.0)
    refuse(slots, 6.0)
    submit(slots, 9.0, "4")
    end(slots, 10.0, "1")
    assert full(slots, 10.0).until == 14.0
    submit(slots, 14.0, "5")
    end(slots, 15.0, "2")
    return slots


def test_a_lag_that_was_learned_is_tested_at_once_and_then_ever_more_rarely() -> None:
    slots = learned_lag()
    refuse(slots, 15.0)
    assert full(slots, 15.0).until == 19.0
    assert slots.ceiling == 4
    submit(slots, 19.0, "6")
    end(slots, 20.0, "3")
    assert full(slots, 20.0).until == 24.0
    submit(slots, 24.0, "7")
    end(slots, 25.0, "4")
    assert full(slots, 25.0).until == 28.0, "three quarters of it are tried after two more"


def test_a_lag_that_was_none_is_forgotten_when_it_is_tested() -> None:
    slots = learned_lag()
    submit(slots, 15.0, "6")
    end(slots, 20.0, "3")
    submit(slots, 20.0, "7")


def test_a_lag_that_was_refuted_once_is_tested_soon_when_it_seems_to_return() -> None:
    slots = learned_lag()
    submit(slots, 15.0, "6")
    end(slots, 16.0, "3")
    refuse(slots, 16.0)
    submit(slots, 17.0, "7")
    end(slots, 18.0, "4")
    submit(slots, 19.0, "8")
    end(slots, 20.0, "5")
    submit(slots, 20.0, "9")


def test_slots_that_were_free_at_once_before_a_lag_was_learned_prove_nothing_after() -> None:
    slots = saturated(ENOUGH_PROMPT)
    for number in range(ENOUGH_PROMPT - 1):
        end(slots, 10.0, str(number))
        submit(slots, 10.0, f"next-{number}")
    end(slots, 12.0, "next-0")
    refuse(slots, 12.0)
    submit(slots, 13.0, "a")
    end(slots, 14.0, "next-1")
    submit(slots, 15.0, "b")
    end(slots, 16.0, "next-2")
    submit(slots, 16.0, "c")
    end(slots, 18.0, "next-3")
    refuse(slots, 18.0)
    assert slots.ceiling == ENOUGH_PROMPT


def test_of_very_many_ends_the_late_ones_are_kept() -> None:
    lag = ReleaseLag()
    for second in range(10_000):
        lag.job_ended(float(second))
    assert lag.units_held(10_000.0, ENDS_KEPT - 0.5) == ENDS_KEPT - 1
    dumped: Any = lag.dump()
    assert len(dumped[0]) <= 2 * ENDS_KEPT + 1


# one more than the ceiling


def test_one_more_is_tried_now_and_then_and_ever_more_rarely() -> None:
    slots, now = saturated(2), 0.0
    gaps: list[float] = []
    for _ in range(5):
        gaps.append(full(slots, now).until - now)
        now += gaps[-1]
        look(slots, now, "0", "1")
        refuse(slots, now)
    assert gaps == [30.0, 60.0, 120.0, 120.0, 120.0]
    assert slots.ceiling == 2


def test_a_try_goes_alone() -> None:
    slots = saturated(2)
    grant(slots, PROBE_FIRST)
    wait = full(slots, PROBE_FIRST)
    assert full(slots, wait.until).until == UNSEEN_SECONDS, "until one of the jobs is no longer believed in"


def test_where_the_ceiling_was_higher_before_one_more_is_tried_more_often() -> None:
    slots = saturated(4)
    refuse(slots, PROBE_FIRST)
    end(slots, 50.0, "0")
    for now in (50.0, 51.0, 54.0):
        refuse(slots, now)
    assert full(slots, 54.0).until == 54.0 + PROBE_BELOW
    refuse(slots, 54.0 + PROBE_BELOW)
    assert full(slots, 54.0 + PROBE_BELOW).until < 54.0 + PROBE_BELOW * 2.2


def test_a_ceiling_that_falls_while_more_are_tried_ends_that() -> None:
    slots = saturated(3)
    submit(slots, PROBE_FIRST, "3")
    end(slots, 31.0, "0", "1")
    for now in (31.0, 32.0, 35.0):
        refuse(slots, now)
    assert slots.ceiling == 2
    refuse(slots, 35.0 + PROBE_BELOW)
    assert full(slots, 36.0 + PROBE_BELOW).until > 35.0 + 2 * PROBE_BELOW


def test_after_a_try_that_is_accepted_others_follow_until_one_is_refused() -> None:
    slots = saturated(2)
    for number in range(2, 7):
        submit(slots, PROBE_FIRST, str(number))
    refuse(slots, PROBE_FIRST)
    assert slots.ceiling == 7
    look(slots, PROBE_FIRST + 1, *map(str, range(7)))
    end(slots, PROBE_FIRST + 4, "0")
    assert slots.ceiling == 7
    grant(slots, PROBE_FIRST + 4)


def test_when_the_ceiling_has_risen_the_next_try_comes_soon() -> None:
    slots = saturated(2)
    submit(slots, PROBE_FIRST, "2")
    refuse(slots, PROBE_FIRST)
    look(slots, PROBE_FIRST + 1, "0", "1", "2")
    full(slots, PROBE_FIRST + PROBE_BELOW)
    refuse(slots, 2 * PROBE_FIRST)
    assert full(slots, 2 * PROBE_FIRST).until == 4 * PROBE_FIRST


def test_a_try_counts_only_if_no_job_had_ended_meanwhile() -> None:
    slots = saturated(2)
    look(slots, PROBE_FIRST - 1, "0", "1")
    submit(slots, PROBE_FIRST, "2")
    refuse(slots, PROBE_FIRST)
    assert slots.ceiling == 3
    end(slots, PROBE_FIRST + 2, "0")
    assert slots.ceiling == 2
    full(slots, PROBE_FIRST + 2)


def test_no_probe_exceeds_the_configured_limit() -> None:
    slots = Slots(2)
    submit(slots, 0.0, "0")
    refuse(slots, 1.0)
    assert slots.ceiling == 1
    submit(slots, full(slots, 1.0).until, "1")
    assert slots.ceiling == 2
    assert full(slots, 100.0).until == UNSEEN_SECONDS


# --- clients that are given different numbers -------------------------------------------------------------------------

numbers = st.tuples(st.none() | ceilings, st.sampled_from([0.25, 0.5, 1.0]))


@given(st.lists(numbers, min_size=1, max_size=4), st.integers(0, 5))
def test_of_the_numbers_that_several_are_given_the_smallest_hold_in_whatever_order(
    many: list[tuple[int | None, float]], running: int
) -> None:
    slots = Slots(*many[0])
    for number in range(running):
        if isinstance(lease := slots.reserve(0.0), JobSlot):
            slots.accepted(lease, f"job {number}", 0.0)
    for told, share in many[1:]:
        slots.restrict(told, share)
    told = min((told for told, _ in many if told is not None), default=None)
    share = min(share for _, share in many)
    assert slots.ceiling == (None if told is None else max(1, math.floor(told * share)))
    if slots.ceiling is not None and slots.used >= slots.ceiling:
        assert isinstance(slots.reserve(1.0), Wait)


def test_a_limit_that_is_configured_later_lets_as_many_start_at_once() -> None:
    slots = Slots(None)
    grant(slots, 0.0)
    full(slots, 0.0)
    slots.restrict(4, 1.0)
    for _ in range(3):
        grant(slots, 0.0)
    full(slots, 0.0)


def test_a_later_share_applies_to_a_limit_that_was_named_before() -> None:
    ceiling = ConcurrencyLimit(None)
    ceiling.report(10, 0.0)
    ceiling.reach_upper_bound(0.0)
    for _ in range(2):
        ceiling.restrict(None, 0.5)
        assert (ceiling.value, ceiling.upper_bound, ceiling.next_probe) == (5, 5, math.inf)


def test_a_process_applies_its_own_share_to_a_limit_that_another_was_named() -> None:
    ceiling, half, same = ConcurrencyLimit(None), ConcurrencyLimit(None, 0.5), ConcurrencyLimit(None)
    ceiling.report(10, 0.0)
    ceiling.reach_upper_bound(0.0)
    half.load(ceiling.dump(), 1.0)
    assert half.value == 5
    half.reach_upper_bound(1.0)
    same.load(half.dump(), 2.0)
    assert same.upper_bound == 10


@pytest.mark.parametrize("configured", [None, 3, 20])
def test_a_number_of_jobs_that_another_process_was_given_ends_with_it(configured: int | None) -> None:
    earlier, slots = Slots(10), Slots(configured)
    submit(earlier, 0.0, "0")
    slots.load(earlier.dump(), 1.0)
    assert slots.ceiling == configured
