"""Slots in units, limits that refusals name, and state that other processes restore."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.slot_worlds import JobServer, SlotWorld

from generor_async.rules.concurrency_limit import CONFIRM_SECONDS, PROBE_BELOW, REPORTED_SECONDS, ConcurrencyLimit
from generor_async.rules.slot_usage import COUNTED_SECONDS, SUBMISSION_SECONDS, UNSEEN_SECONDS, JobSlot
from generor_async.rules.slots import FIRST_UNITS, RETRY_AFTER, Slots
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, LearnedWeights, RefusalNumbers, RequestType

IMAGE, EDIT = RequestType("uni-1", "image"), RequestType("uni-1-max", "image_edit", 3)
seeds = st.integers(0, 2**32)


def grant(slots: Slots, now: float, kind: RequestType = DEFAULT_TYPE) -> JobSlot:
    lease = slots.reserve(now, kind)
    assert isinstance(lease, JobSlot), lease
    return lease


def full(slots: Slots, now: float, kind: RequestType = DEFAULT_TYPE) -> Wait:
    refusal = slots.reserve(now, kind)
    assert isinstance(refusal, Wait), refusal
    return refusal


def running(slots: Slots, *kinds: RequestType, now: float = 0.0) -> Slots:
    """Submit jobs, called 0, 1, 2 and so on."""
    for number, kind in enumerate(kinds):
        slots.accepted(grant(slots, now, kind), str(number), now)
    return slots


def refuse(slots: Slots, now: float, named: RefusalNumbers, kind: RequestType = DEFAULT_TYPE) -> None:
    slots.refused(grant(slots, now, kind), now, RETRY_AFTER, named)


def weigh(kind: RequestType) -> int:
    return 3 if kind == EDIT else 1


# --- against a model of the server ------------------------------------------------------------------------------------


@given(seeds)
@examples(10)
def test_a_ceiling_that_a_refusal_names_costs_that_one(seed: int) -> None:
    life = SlotWorld(Slots(), JobServer(lambda _: 10, names=10), Random(seed), [30.0] * 40, spacing=2.0)
    life.run()
    assert len(life.refused) == 1
    assert life.last <= 1.06 * 120


@pytest.mark.parametrize(("names", "told"), [(4, None), (None, None), (None, 4)])
@given(seed=seeds)
@examples(10)
def test_others_who_leave_are_noticed(names: int | None, told: int | None, seed: int) -> None:
    server = JobServer(lambda now: 2 if now < 300 else 4, names=names)
    life = SlotWorld(Slots(told), server, Random(seed), [30.0] * 60, spacing=2.0)
    life.run()
    assert len(life.refused) <= 30
    named = names is not None or told is not None
    assert life.last <= (1.10 if named else 1.20) * 600  # what nobody names is tried every two minutes


@pytest.mark.parametrize("kinds", [[EDIT] * 7 + [IMAGE] * 7, [IMAGE] * 7 + [EDIT] * 7, [EDIT, IMAGE] * 7])
@pytest.mark.parametrize(("told", "table"), [(None, 3), (10, 3), (None, 1)])
@given(seed=seeds)
@examples(5)
def test_heavy_and_light_jobs_share_the_units(
    kinds: list[RequestType], told: int | None, table: int, seed: int
) -> None:
    of_table = [RequestType(kind.model, kind.type, table if kind == EDIT else 1) for kind in kinds]
    server = JobServer(lambda _: 10, names=10, weigh=weigh)
    life = SlotWorld(Slots(told), server, Random(seed), [20.0] * 14, spacing=1.5, kinds=of_table)
    life.run()
    assert life.accepted == 14
    assert len(life.refused) <= 2
    assert life.last <= 1.10 * 60


@given(seeds)
@examples(5)
def test_one_accidental_refusal_of_two_hundred_delays_nobody_for_long(seed: int) -> None:
    dice = Random(seed)
    life = SlotWorld(Slots(), JobServer(lambda _: 10**6), dice, [30.0] * 200, spacing=2.0)
    life.at(dice.uniform(0.0, 6.0), lambda: setattr(life.server, "stray", 1))
    life.run()
    assert life.last <= 35 + 2 * CONFIRM_SECONDS + 7
    assert len(life.refused) <= 1


@given(seeds, st.integers(1, 12), st.lists(st.sampled_from([IMAGE, EDIT]), min_size=1, max_size=40), st.booleans())
@examples(20)
def test_whatever_runs_at_once_every_job_gets_through(
    seed: int, ceiling: int, kinds: Sequence[RequestType], named: bool
) -> None:
    dice, most = Random(seed), max(3, ceiling)
    server = JobServer(lambda _: most, names=most if named else None, weigh=weigh)
    life = SlotWorld(Slots(), server, dice, [dice.uniform(5, 60) for _ in kinds], kinds=kinds)
    life.run()
    assert life.ended == len(kinds)
    assert server.most <= most


# --- units ------------------------------------------------------------------------------------------------------------


def test_a_slot_is_as_large_as_its_job() -> None:
    slots = running(Slots(), EDIT, EDIT, IMAGE)
    assert slots.state(0.0).used == 7


def test_a_learned_weight_applies_to_running_jobs() -> None:
    weights = LearnedWeights()
    slots = running(Slots(weights=weights), IMAGE, IMAGE, EDIT)
    weights.believe_refusal(IMAGE, 2)
    assert slots.state(0.0).used == 7


def test_a_configured_limit_counts_jobs_until_a_weight_was_seen() -> None:
    weights = LearnedWeights()
    slots = running(Slots(4, weights=weights), EDIT, EDIT, EDIT)
    assert (slots.state(0.0).ceiling, slots.state(0.0).used) == (4, 3)
    weights.believe_refusal(EDIT, 3)
    assert slots.state(0.0).used == 9
    full(slots, 0.0)


def test_until_then_a_heavy_job_is_submitted_alone() -> None:
    slots = Slots(4)
    lease = grant(slots, 0.0, EDIT)
    full(slots, 0.0, EDIT)
    grant(slots, 0.0, IMAGE)
    full(slots, 0.0, EDIT)
    slots.accepted(lease, "0", 0.2)


def test_a_job_heavier_than_the_ceiling_is_let_go_when_nothing_else_runs() -> None:
    slots = running(Slots(), IMAGE)
    refuse(slots, 0.0, RefusalNumbers(2, in_units=True), EDIT)
    full(slots, 0.0, EDIT)
    slots.record_poll("0", 5.0, asked=5.0, ended=True)
    grant(slots, 5.0, EDIT)


def test_a_light_job_finds_room_where_a_heavy_one_does_not() -> None:
    slots = running(Slots(), EDIT, EDIT, EDIT)
    refuse(slots, 0.0, RefusalNumbers(10, 3, in_units=True), EDIT)
    assert slots.ceiling == 10
    full(slots, 0.0, EDIT)
    grant(slots, 0.0, IMAGE)
    full(slots, 0.0, IMAGE)


# --- named ceilings ---------------------------------------------------------------------------------------------------


def test_a_named_limit_is_never_probed() -> None:
    slots = running(Slots(), *[IMAGE] * 10)
    refuse(slots, 0.0, RefusalNumbers(10))
    for second in range(0, 800, 10):
        full(slots, float(second))


def test_below_a_named_limit_probes_go_on_at_least_every_minute() -> None:
    slots, now = running(Slots(), IMAGE, IMAGE), 0.0
    refuse(slots, now, RefusalNumbers(4))
    assert slots.ceiling == 2
    for _ in range(80):
        due = full(slots, now).until
        assert due - now <= 60
        now = due
        for job_id in "01":
            slots.record_poll(job_id, now, asked=now, ended=False)
        refuse(slots, now, RefusalNumbers(4))
    assert now > 1_500


def test_when_others_have_left_all_of_a_named_limit_is_used_at_once() -> None:
    slots = running(Slots(), IMAGE, IMAGE)
    refuse(slots, 0.0, RefusalNumbers(4))
    now = full(slots, 0.0).until
    for job_id in ("2", "3"):
        slots.accepted(grant(slots, now), job_id, now)
    full(slots, now)
    assert slots.ceiling == 4


def test_a_share_of_a_named_limit_leaves_the_rest_to_others() -> None:
    slots = running(Slots(share=0.5), *[IMAGE] * 5)
    refuse(slots, 0.0, RefusalNumbers(10))
    assert slots.ceiling == 5


def test_the_configured_limit_is_not_exceeded_whatever_a_refusal_names() -> None:
    slots = running(Slots(3), IMAGE)
    refuse(slots, 0.0, RefusalNumbers(10))
    now = 0.0
    for job_id in ("1", "2"):
        now = full(slots, now).until if job_id == "1" else now
        slots.accepted(grant(slots, now), job_id, now)
    full(slots, now + 100)
    assert slots.ceiling == 3


def test_a_named_limit_below_the_configured_one_is_believed() -> None:
    slots = running(Slots(10), *[IMAGE] * 4)
    refuse(slots, 0.0, RefusalNumbers(4))
    assert slots.ceiling == 4


# --- single refusals --------------------------------------------------------------------------------------------------


def test_a_single_refusal_that_names_nothing_is_confirmed_soon() -> None:
    slots = running(Slots(), IMAGE, IMAGE, IMAGE)
    refuse(slots, 0.0, RefusalNumbers())
    assert full(slots, 0.0).until == CONFIRM_SECONDS


def test_a_refusal_far_below_the_recent_use_is_no_limit() -> None:
    slots = running(Slots(), *[IMAGE] * 50)
    for number in range(30):
        slots.record_poll(str(number), 20.0, asked=20.0, ended=True)
    refuse(slots, 21.0, RefusalNumbers())
    assert slots.ceiling == 50
    grant(slots, full(slots, 21.0).until)


def test_a_stray_refusal_of_a_large_account_is_forgotten() -> None:
    slots = running(Slots(), *[IMAGE] * (2 * FIRST_UNITS + 5))
    refuse(slots, 0.0, RefusalNumbers())
    slots.accepted(grant(slots, CONFIRM_SECONDS), "more", CONFIRM_SECONDS)
    assert slots.ceiling is None


def test_where_others_took_slots_of_a_named_limit_probes_come_soon_then_ever_later() -> None:
    slots = running(Slots(), IMAGE, IMAGE)
    refuse(slots, 0.0, RefusalNumbers(4))
    refuse(slots, CONFIRM_SECONDS, RefusalNumbers(4))
    assert PROBE_BELOW <= full(slots, CONFIRM_SECONDS).until - CONFIRM_SECONDS < 1.1 * PROBE_BELOW


# --- leases that lapse ------------------------------------------------------------------------------------------------


def test_a_submission_whose_process_died_expires() -> None:
    process = Slots(1)
    dead = grant(process, 0.0)
    slots = copied(process)
    assert full(slots, 1.0).until == SUBMISSION_SECONDS
    grant(slots, SUBMISSION_SECONDS)
    slots.release(dead)
    assert slots.state(SUBMISSION_SECONDS).used == 1, "the other is still there"


def test_a_submission_that_its_process_confirms_keeps_its_slot() -> None:
    process, other = Slots(1), Slots(1)
    slow = grant(process, 0.0)
    for now in range(0, 100, 10):
        process.renew(float(now))
        other.load(json.loads(json.dumps(process.dump())), float(now))
        assert full(other, float(now)).until == now + SUBMISSION_SECONDS
        process.load(json.loads(json.dumps(other.dump())), float(now))
    process.release(slow)
    assert process.state(100.0).used == 0, "it is still this process's own"


def test_an_own_submission_keeps_its_slot_for_the_longest_time_that_one_may_take() -> None:
    slots = Slots(1)
    slow = grant(slots, 0.0)
    assert full(slots, 10 * SUBMISSION_SECONDS).until == UNSEEN_SECONDS
    slots.release(slow)
    grant(slots, 10 * SUBMISSION_SECONDS)


def test_a_submission_of_an_event_loop_that_is_gone_lapses() -> None:
    slots = Slots(1)
    grant(slots, 0.0)
    full(slots, UNSEEN_SECONDS - 1)
    grant(slots, UNSEEN_SECONDS)


def test_a_share_of_a_named_limit_is_not_probed() -> None:
    slots = running(Slots(share=0.5), *[IMAGE] * 10)
    refuse(slots, 0.0, RefusalNumbers(10))
    assert slots.ceiling == 5
    later = 2 * REPORTED_SECONDS
    running(slots, *[IMAGE] * 5, now=later)  # the others are no longer believed in
    assert isinstance(slots.reserve(later, IMAGE), Wait)


def test_a_slot_from_before_the_store_ends_no_other() -> None:
    alone, process = Slots(2), Slots(2)
    mine = grant(alone, 0.0)
    grant(process, 1.0)
    alone.load(json.loads(json.dumps(process.dump())), 1.0)
    alone.release(mine)
    assert alone.state(2.0).used == 1, "that of the other process is still under way"


def test_a_job_that_is_too_heavy_for_the_moment_holds_up_no_lighter_one() -> None:
    slots = Slots()
    slots.refused(grant(slots, 0.0, EDIT), 0.0, 60.0, RefusalNumbers(10, needs=3, in_units=True))
    assert full(slots, 1.0, EDIT).until == 60.0
    grant(slots, 1.0, IMAGE)


def test_a_named_limit_is_probed_again_after_half_an_hour() -> None:
    slots = running(Slots(), IMAGE, IMAGE)
    refuse(slots, 0.0, RefusalNumbers(2))
    before = REPORTED_SECONDS - 1.0
    running(slots, IMAGE, IMAGE, now=before)  # the first two are no longer believed in
    assert full(slots, before).until == REPORTED_SECONDS
    slots.accepted(grant(slots, REPORTED_SECONDS), "one more", REPORTED_SECONDS)
    assert slots.ceiling == 3


def test_a_submission_that_is_answered_after_it_has_lapsed_is_a_job_all_the_same() -> None:
    slots = Slots(2)
    late = grant(slots, 0.0)
    grant(slots, SUBMISSION_SECONDS)
    slots.accepted(late, "late", SUBMISSION_SECONDS)
    assert slots.state(SUBMISSION_SECONDS).used == 2


def test_a_job_that_runs_for_an_hour_is_dropped_from_the_count_and_stays_so() -> None:
    slots = running(Slots(1), IMAGE)
    now = 0.0
    while now + 600 < COUNTED_SECONDS:
        now += 600
        slots.record_poll("0", now, asked=now, ended=False)
        full(slots, now)
    assert full(slots, full(slots, now).until).until == COUNTED_SECONDS
    grant(slots, COUNTED_SECONDS)
    slots.record_poll("0", COUNTED_SECONDS + 1, asked=COUNTED_SECONDS + 1, ended=False)
    assert slots.state(COUNTED_SECONDS + 1).used == 1
    slots.record_poll("0", COUNTED_SECONDS + 2, asked=COUNTED_SECONDS + 2, ended=True)
    assert slots.state(COUNTED_SECONDS + 2).used == 1


# --- from process to process ------------------------------------------------------------------------------------------

moves = st.lists(
    st.tuples(
        st.sampled_from(["grant", "grant", "grant", "accept", "accept", "lose", "unknown", "refuse", "run", "end"]),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.3, 1.0, 7.0, 61.0, 400.0, 1_000.0]),
        st.sampled_from([IMAGE, EDIT]),
        st.sampled_from([RefusalNumbers(), RefusalNumbers(4), RefusalNumbers(10, 3, in_units=True)]),
        st.booleans(),
    ),
    max_size=60,
)


def copied(slots: Slots, now: float = 0.0) -> Slots:
    """Return slots of another process that goes on with the state of these."""
    weights = LearnedWeights()
    weights.load(json.loads(json.dumps(slots.weights.dump(), allow_nan=False)))
    other = Slots(slots.configured_limit, slots.share, weights)
    other.load(json.loads(json.dumps(slots.dump(), allow_nan=False)), now)
    return other


def play(
    slots: Slots, what: str, which: int, now: float, kind: RequestType, named: RefusalNumbers, leases: list[JobSlot]
) -> Any:
    """Make one move; return what can be seen of it."""
    lease = leases[which % len(leases)] if leases else None
    match what:
        case "grant":
            return slots.reserve(now, kind)
        case "accept" if lease:
            slots.accepted(lease, f"job-{lease.number}", now)
        case "lose" if lease:
            slots.release(lease)
        case "unknown" if lease:
            slots.keep_unresolved(lease, now)
        case "refuse" if lease:
            slots.refused(lease, now, 42.0, named)
        case "run" | "end":
            slots.record_poll(f"job-{which}", now, asked=now - 0.1, ended=what == "end", request_type=kind)
        case _:
            pass
    return slots.stale_jobs(now, 5.0)


def decided(found: Any, now: float) -> Any:
    """Return what was decided; of a wait not until when, which is a bound: what has gone may still be counted with."""
    if not isinstance(found, Wait):
        return found
    assert found.until > now
    return found.scope, found.sooner


@given(moves, st.sampled_from([None, 1, 7]), st.sampled_from([0.5, 1.0]))
@examples(100)
def test_another_process_goes_on_where_one_was(moves: Any, told: int | None, share: float) -> None:
    one, other, now = Slots(told, share), Slots(told, share), 0.0
    leases: list[JobSlot] = []
    for what, which, later, kind, named, dumped in moves:
        now += later
        found = play(one, what, which, now, kind, named, leases)
        assert decided(play(other, what, which, now, kind, named, leases), now) == decided(found, now)
        assert other.state(now) == one.state(now)
        if isinstance(found, JobSlot):
            leases.append(found)
        elif leases and what in {"accept", "lose", "unknown", "refuse"}:
            del leases[which % len(leases)]
        if dumped:  # others may have changed it in between: what this process has under way stays its own
            other.load(json.loads(json.dumps(copied(other, now).dump(), allow_nan=False)), now)
            assert other.dump() == one.dump()


def test_submissions_of_a_killed_process_use_slots_and_block_nobody() -> None:
    one = Slots()
    grant(one, 0.0)
    full(one, 0.0)  # the first submission leads
    other = copied(one)
    grant(other, 1.0)
    assert other.state(1.0).used == 2
    assert other.state(SUBMISSION_SECONDS + 0.5).used == 1


def test_a_limit_that_was_lowered_below_the_configured_one_stays_so_in_another_process() -> None:
    lowered, other = ConcurrencyLimit(3), ConcurrencyLimit(3)
    lowered.lower_to(2)
    other.load(json.loads(json.dumps(lowered.dump())), 0.0)
    assert other.value == 2


def test_a_limit_that_was_only_configured_is_not_shared() -> None:
    other = ConcurrencyLimit(5)
    other.load(json.loads(json.dumps(ConcurrencyLimit(3).dump())), 0.0)
    assert other.value == 5


def test_the_configured_limit_of_this_process_holds_whatever_another_one_stored() -> None:
    slots = Slots(3)
    slots.load(running(Slots(), *[IMAGE] * 5).dump(), 0.0)
    assert (slots.state(0.0).ceiling, slots.state(0.0).used) == (3, 5)


def test_jobs_of_another_process_hold_their_slots_and_free_them() -> None:
    slots = copied(running(Slots(2), IMAGE, IMAGE))
    assert full(slots, 1.0).until == UNSEEN_SECONDS
    slots.record_poll("1", 2.0, asked=2.0, ended=True)
    grant(slots, 2.0)


def broken(data: Any, at: str, value: Any) -> Any:
    return {**data, at: value}


@pytest.mark.parametrize(
    "data",
    [
        {},
        broken(Slots().dump(), "usage", {}),
        broken(Slots().dump(), "marks", []),
        broken(Slots().dump(), "lag", [3, *Slots().dump()["lag"][1:]]),
        broken(Slots().dump(), "ceiling", ["four", *Slots().dump()["ceiling"][1:]]),
        broken(Slots().dump(), "usage", {**Slots().dump()["usage"], "jobs": [["a", 1]]}),
    ],
)
def test_invalid_stored_slots_are_refused_and_change_nothing(data: Any) -> None:
    slots = running(Slots(), IMAGE)
    with pytest.raises(ValueError):
        slots.load(data, 0.0)
    assert slots.state(0.0).used == 1
