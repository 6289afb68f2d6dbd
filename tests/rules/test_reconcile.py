"""Reconciliation against worlds in which the truth is known."""

from collections import Counter
from collections.abc import Sequence
from math import inf

import pytest
from attrs import evolve, field, frozen
from hypothesis import example, given
from hypothesis import strategies as st

from generor_async.rules.creation_matching import (
    GENERATE_SECONDS,
    Absent,
    Finding,
    Found,
    ListedCreation,
    StillUnknown,
    UnresolvedRow,
    make_prompt_key,
)
from generor_async.rules.reconcile import SNAPSHOT_INTERVAL, Snapshot, absent_after, merge_findings, reconcile
from generor_async.rules.time_zones import CLOCK_SLACK
from generor_async.rules.unexplained_spends import Charge, DatedSpend

LONGEST, LAG, SINCE = 60.0, 30.0, -10_000.0


@frozen(kw_only=True)
class Call:
    """What really happened with a call."""

    prompt: str
    shape: str = "x"
    submitted: int
    takes: int
    charged: bool = True
    listed: bool = True
    """Whether its creation shows, once it is there."""
    billed: bool = True
    """Whether its spend shows."""
    own: bool = True
    """Whether the batch made it, or somebody else with the same account."""

    @property
    def ends(self) -> float:
        return float(self.submitted + self.takes)


@frozen
class World:
    """An account: unknown calls, and calls that are known to have been charged."""

    unknown: Sequence[Call]
    known: Sequence[Call] = ()
    lag: float = 0.0
    names: bool = False
    """Whether a transaction names the creation that it paid for."""
    calls: Sequence[Call] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "calls", [*self.unknown, *self.known])

    @property
    def rows(self) -> list[UnresolvedRow]:
        return [
            UnresolvedRow(
                number=number,
                generator="image",
                prompt=call.prompt,
                shape=call.shape,
                sent_at=float(call.submitted),
                submitted_at=float(call.submitted),
                longest=LONGEST,
            )
            for number, call in enumerate(self.unknown)
            if call.own
        ]

    @property
    def answered(self) -> list[tuple[int, Call]]:
        """The batch's calls that are known, each with its creation's id."""
        return [(number, call) for number, call in enumerate(self.calls) if number >= len(self.unknown) and call.own]

    def look(self, at: float) -> Snapshot:
        there = [
            (number, call) for number, call in enumerate(self.calls) if call.charged and call.ends + self.lag <= at
        ]
        spent = [call for call in self.calls if call.charged and call.ends <= at]
        billed = [(number, call) for number, call in there if call.billed]
        return Snapshot(
            taken_at=at,
            at=at,
            since=SINCE,
            creations=[
                ListedCreation(
                    creation_id=number, generator="image", prompt=call.prompt, created_at=float(call.submitted)
                )
                for number, call in there
                if call.listed
            ],
            spends=[
                DatedSpend(when=call.ends, creation_id=number if self.names else None)
                for number, call in sorted(billed, key=lambda one: one[1].ends)
            ],
            whole_until=at if len(billed) == len(spent) else -inf,
        )

    def told(self, *moments: float) -> dict[int, Finding]:
        return reconcile(
            self.rows,
            looks=[self.look(at) for at in moments],
            charges=[
                Charge(began=float(call.submitted), ended=call.ends, creation_ids=(number,))
                for number, call in self.answered
            ],
            taken={number: make_prompt_key("image", call.prompt) for number, call in self.answered},
            lag=LAG,
        )


END = 5_000.0
"""When every call of these worlds is over, and every listing shows it."""
call_takes = st.integers(0, int(GENERATE_SECONDS + LONGEST))


def calls(**given: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    known: dict[str, st.SearchStrategy[object]] = {"submitted": st.integers(0, 3_000), "takes": call_takes, **given}
    return st.builds(Call, **known)


unknown_calls = calls(prompt=st.sampled_from("abc"), shape=st.sampled_from("xy"), charged=st.booleans())
careless_calls = calls(
    prompt=st.sampled_from("abc"),
    shape=st.sampled_from("xy"),
    charged=st.booleans(),
    listed=st.booleans(),
    billed=st.sampled_from([True, True, False]),
)
known_calls = calls(prompt=st.sampled_from("abcd"), takes=st.integers(0, 120))
foreign_calls = calls(prompt=st.sampled_from("abcd"), own=st.just(False))
moments = st.lists(st.integers(0, int(END)), min_size=1, max_size=5).map(sorted)


def never_let_go_wrongly(world: World, findings: dict[int, Finding]) -> None:
    """Of the rows that ask for the same, no more are let go than were not charged."""
    asked = [(call.prompt, call.shape) for call in world.unknown]
    let_go = Counter(asked[number] for number, finding in findings.items() if isinstance(finding, Absent))
    free = Counter(asked[number] for number, call in enumerate(world.unknown) if not call.charged)
    assert let_go <= free


@given(st.lists(careless_calls, max_size=6), st.lists(known_calls, max_size=6), st.floats(0, LAG), moments)
def test_with_a_lossy_and_lagging_listing_nothing_that_was_charged_is_let_go(
    unknown: list[Call], known: list[Call], lag: float, at: list[int]
) -> None:
    world = World(unknown, known, lag)
    for count in range(1, len(at) + 1):
        never_let_go_wrongly(world, world.told(*map(float, at[:count])))
    never_let_go_wrongly(world, world.told(*map(float, at), END, END + SNAPSHOT_INTERVAL))


@given(
    st.lists(careless_calls, max_size=5),
    st.lists(known_calls, max_size=5),
    st.lists(foreign_calls, min_size=1, max_size=3),
    moments,
    st.booleans(),
)
def test_with_others_on_the_same_account_nothing_that_was_charged_is_let_go_but_by_their_likes(
    unknown: list[Call], known: list[Call], foreign: list[Call], at: list[int], names: bool
) -> None:
    """Somebody else's creation may be taken for a row's; what it can't do is to hide a charge."""
    world = World(unknown, [*known, *foreign], names=names)
    findings = world.told(*map(float, at), END, END + SNAPSHOT_INTERVAL)
    mistaken = Counter[tuple[str, str]]()
    for number, finding in findings.items():
        if isinstance(finding, Found) and any(not world.calls[id_].own for id_ in finding.creation_ids):
            mistaken[world.unknown[number].prompt, world.unknown[number].shape] += 1
    if not mistaken:
        never_let_go_wrongly(world, findings)


@given(st.lists(unknown_calls, max_size=6), st.lists(known_calls, max_size=6), st.floats(0, LAG), moments)
@example([Call(prompt="a", shape=shape, submitted=0, takes=1) for shape in "xy"], [], 0.0, [10])
def test_a_found_creation_belongs_to_the_row_or_to_one_that_asks_for_the_same(
    unknown: list[Call], known: list[Call], lag: float, at: list[int]
) -> None:
    world = World(unknown, known, lag)
    found = {
        number: finding.creation_ids
        for number, finding in world.told(*map(float, at)).items()
        if isinstance(finding, Found)
    }
    given_away = [id_ for ids in found.values() for id_ in ids]
    assert len(given_away) == len(set(given_away)), "one to one"
    for number, (id_,) in found.items():
        row, made_by = world.unknown[number], world.calls[id_]
        assert (row.prompt, row.shape) == (made_by.prompt, made_by.shape)


@given(st.lists(unknown_calls, max_size=6, unique_by=lambda call: call.prompt), st.lists(known_calls, max_size=6))
def test_with_a_truthful_listing_every_row_of_its_own_prompt_is_settled_after_the_wait(
    unknown: list[Call], known: list[Call]
) -> None:
    world = World(unknown, known, lag=LAG)
    findings = world.told(END, END + SNAPSHOT_INTERVAL)
    for number, call in enumerate(unknown):
        assert findings[number] == (Found((number,)) if call.charged else Absent())


@given(st.lists(calls(prompt=st.just("a"), charged=st.booleans()), max_size=6), st.lists(known_calls, max_size=6))
def test_rows_that_ask_for_the_same_are_all_settled_one_creation_each(unknown: list[Call], known: list[Call]) -> None:
    findings = World(unknown, known).told(END, END + SNAPSHOT_INTERVAL)
    assert sum(isinstance(finding, Found) for finding in findings.values()) <= sum(call.charged for call in unknown)
    never_let_go_wrongly(World(unknown, known), findings)


ONE = Call(prompt="a", submitted=0, takes=20)
NOTHING = evolve(ONE, charged=False)
DUE = GENERATE_SECONDS + LONGEST + LAG


def test_a_row_is_absent_after_the_wait_and_two_snapshots_a_minute_apart() -> None:
    world = World([NOTHING])
    assert absent_after(world.rows[0].sent_at, longest=LONGEST, lag=LAG) == DUE
    assert world.told(DUE - 1) == {0: StillUnknown(reason="its call may still be under way", check_at=DUE)}
    once = StillUnknown(reason="it is not there, and another look must agree", check_at=DUE + SNAPSHOT_INTERVAL)
    assert world.told(DUE) == {0: once}
    assert world.told(DUE, DUE + SNAPSHOT_INTERVAL - 1) == {0: once}
    assert world.told(DUE, DUE + SNAPSHOT_INTERVAL) == {0: Absent()}
    assert world.told(DUE - 1, DUE + SNAPSHOT_INTERVAL) != {0: Absent()}, "the first look came too early to count"


@given(ahead=st.floats(-10_000, 10_000), apart=st.floats(0, 3_600))
def test_no_row_is_let_go_before_the_wait_is_over_by_either_clock(ahead: float, apart: float) -> None:
    """Whatever an answer is dated, and however far our own clock was set."""
    row = evolve(World([NOTHING]).rows[0], submitted_at=ahead)
    looks = [
        Snapshot(taken_at=at, at=at + apart, since=-20_000, creations=[], spends=[], whole_until=inf)
        for at in (DUE - 1, DUE - 1 + SNAPSHOT_INTERVAL, DUE + 2 * SNAPSHOT_INTERVAL)
    ]
    for count in range(1, 4):
        finding = reconcile([row], looks=looks[:count], charges=[], taken={}, lag=LAG)[0]
        waited = [look for look in looks[:count] if min(look.taken_at, look.at - ahead) >= DUE]
        over = bool(waited) and waited[-1].taken_at - waited[0].taken_at >= SNAPSHOT_INTERVAL
        assert isinstance(finding, Absent) is over
        if isinstance(finding, StillUnknown):
            assert finding.check_at is not None
            assert finding.check_at > looks[count - 1].taken_at


def test_a_call_that_ends_ten_minutes_after_the_reset_is_found_then() -> None:
    world = World([evolve(ONE, takes=600)])
    assert isinstance(world.told(500.0)[0], StillUnknown)
    assert world.told(500.0, 700.0) == {0: Found((0,))}


def test_an_unexplained_spend_keeps_a_row_unknown() -> None:
    findings = World([evolve(ONE, listed=False)]).told(DUE, DUE + SNAPSHOT_INTERVAL)
    assert findings == {0: StillUnknown(reason=SPENT, check_at=DUE + 2 * SNAPSHOT_INTERVAL)}


def test_a_spend_that_names_somebody_elses_creation_does_not_hold_a_row() -> None:
    others = [evolve(ONE, prompt="d", own=False), evolve(ONE, prompt="d", own=False, takes=60)]
    assert isinstance(World([NOTHING], others).told(DUE, DUE + SNAPSHOT_INTERVAL)[0], StillUnknown)
    assert World([NOTHING], others, names=True).told(DUE, DUE + SNAPSHOT_INTERVAL) == {0: Absent()}
    unlisted = [*others, evolve(ONE, prompt="d", own=False, listed=False)]
    assert isinstance(World([NOTHING], unlisted, names=True).told(DUE, DUE + SNAPSHOT_INTERVAL)[0], StillUnknown)


def test_a_spend_that_names_a_creation_like_a_rows_holds_it() -> None:
    hidden = evolve(ONE, listed=False)
    for other in (evolve(ONE, own=False, prompt="A"), evolve(ONE, own=False, prompt="d")):
        assert isinstance(World([hidden], [other], names=True).told(DUE, DUE + SNAPSHOT_INTERVAL)[0], StillUnknown)


def test_a_spend_far_from_a_rows_time_holds_it_unless_known_calls_tell_that_it_was_no_other_time() -> None:
    """Its date may be wrong; its place among the others isn't."""
    late = evolve(ONE, submitted=3_000, listed=False)
    before = evolve(ONE, prompt="d", submitted=2_000)
    assert isinstance(World([NOTHING, late], [before]).told(END, END + SNAPSHOT_INTERVAL)[0], StillUnknown)
    assert World([NOTHING, late], [before], names=True).told(END, END + SNAPSHOT_INTERVAL)[0] == Absent()
    after = evolve(ONE, prompt="d", submitted=4_000)
    assert isinstance(World([evolve(NOTHING, submitted=4_500), late], [after]).told(END, END + 60)[0], StillUnknown)
    findings = World([evolve(NOTHING, submitted=4_500), late], [after], names=True).told(END + 600, END + 660)
    assert findings[0] == Absent()


@pytest.mark.parametrize("shown", ["a heron in the", "", "A heron  in the rain."])
def test_a_creation_whose_prompt_is_shown_cut_short_explains_no_spend(shown: str) -> None:
    row = evolve(World([NOTHING]).rows[0], prompt="a heron in the rain, at dusk")
    listed = ListedCreation(creation_id=1, generator="image", prompt=shown, created_at=5.0)
    others = [evolve(listed, creation_id=2, prompt="z"), evolve(listed, creation_id=3, prompt="z")]

    def told(taken: dict[int, str]) -> Finding:
        looks = [
            Snapshot(
                taken_at=at,
                at=at,
                since=SINCE,
                creations=[listed, *others],
                spends=[DatedSpend(when=6.0, creation_id=id_) for id_ in (1, 2, 3)],
                whole_until=inf,
            )
            for at in (DUE, DUE + 60)
        ]
        charges = [Charge(began=0.0, ended=9.0, creation_ids=(id_,)) for id_ in taken]
        asked = {id_: make_prompt_key("image", prompt) for id_, prompt in taken.items()}
        return reconcile([row], looks=looks, charges=charges, taken=asked, lag=LAG)[0]

    rewritten = "." in shown
    assert isinstance(told({2: "z"}), Absent if rewritten else StillUnknown)
    assert isinstance(told({2: "y"}), StillUnknown), "here a prompt is shown that isn't the one that was asked for"


def test_a_spend_that_may_be_that_of_another_charge_still_keeps_a_row_unknown() -> None:
    """Of two spends and one charge either may be left over, so the one at the row's time may be the row's."""
    hidden = evolve(ONE, takes=950, listed=False)
    beside = evolve(ONE, prompt="d", submitted=1_050, takes=100)
    assert isinstance(World([hidden], [beside]).told(END, END + SNAPSHOT_INTERVAL)[0], StillUnknown)
    assert World([NOTHING], [beside]).told(END, END + SNAPSHOT_INTERVAL)[0] == Absent()


def test_transactions_that_do_not_add_up_hold_every_row() -> None:
    world = World([NOTHING], [evolve(ONE, prompt="d", billed=False)])
    finding = world.told(DUE, DUE + SNAPSHOT_INTERVAL)[0]
    assert isinstance(finding, StillUnknown)
    assert finding.reason == "the transactions don't add up to the balance"


def test_an_incomplete_listing_proves_no_absence_but_its_creations_count() -> None:
    world = World([evolve(NOTHING, prompt="another"), ONE], [])
    looks = [evolve(world.look(at), whole=False) for at in (END, END + SNAPSHOT_INTERVAL)]
    findings = reconcile(world.rows, looks=looks, charges=(), taken={}, lag=LAG)
    assert isinstance(findings[0], StillUnknown)
    assert findings[0].reason == "the list of the account's creations ends short"
    assert findings[1] == Found((1,))


@pytest.mark.parametrize("spends", [[], [1_500.0], [-400.0]])
def test_a_charge_without_a_spend_of_its_own_holds_every_row(spends: list[float]) -> None:
    looks = [
        Snapshot(
            taken_at=at,
            at=at,
            since=SINCE,
            creations=[],
            spends=[DatedSpend(when=when) for when in spends],
            whole_until=inf,
        )
        for at in (END, END + 60)
    ]
    charge = Charge(began=500.0, ended=520.0)
    finding = reconcile(World([NOTHING]).rows, looks=looks, charges=[charge], taken={}, lag=LAG)[0]
    assert isinstance(finding, StillUnknown)
    assert finding.reason == "calls are under way, or their spends are not shown"


def test_of_rows_that_ask_for_the_same_the_oldest_gets_the_only_creation() -> None:
    world = World([evolve(NOTHING, submitted=10), ONE, evolve(NOTHING, submitted=5)])
    findings = world.told(END, END + SNAPSHOT_INTERVAL)
    assert findings == {0: Absent(), 1: Found((1,)), 2: Absent()}


def test_what_is_found_explains_no_spend_that_another_row_like_it_leaves_to_be_explained() -> None:
    """The oldest gets the creation of the last one, and was not charged: the spend at its time is somebody else's."""
    alike = [evolve(NOTHING, prompt="a", submitted=0), Call(prompt="a", submitted=121, takes=960)]
    hidden = Call(prompt="b", submitted=0, takes=0, listed=False)
    findings = World([alike[0], hidden, alike[1]]).told(END, END + SNAPSHOT_INTERVAL)
    assert findings[0] == Found((2,))
    assert isinstance(findings[1], StillUnknown)


def test_while_calls_are_under_way_nothing_is_let_go() -> None:
    world = World([NOTHING], [evolve(ONE, prompt="d", submitted=1_000, takes=900)])
    assert isinstance(world.told(DUE + 30, DUE + 90)[0], StillUnknown)
    assert world.told(1_930.0, 1_990.0) == {0: Absent()}


def test_a_listing_that_was_not_read_back_far_enough_proves_nothing() -> None:
    world = World([NOTHING])
    looks = [evolve(world.look(at), since=-CLOCK_SLACK + 1) for at in (DUE, DUE + SNAPSHOT_INTERVAL)]
    finding = reconcile(world.rows, looks=looks, charges=[], taken={}, lag=LAG)[0]
    assert isinstance(finding, StillUnknown)
    assert "as far back" in finding.reason


def test_a_similar_creation_is_not_the_rows_and_keeps_it_unknown() -> None:
    row = evolve(World([NOTHING]).rows[0], prompt="A  Cat ", traits={"privacy_mode": 1})
    for prompt, privacy in (("a cat", 1), ("A  Cat ", 0)):
        listed = ListedCreation(
            creation_id=1, generator="image", prompt=prompt, created_at=5.0, traits={"privacy_mode": privacy}
        )
        looks = [
            Snapshot(taken_at=at, at=at, since=SINCE, creations=[listed], spends=[], whole_until=inf)
            for at in (DUE, DUE + 60)
        ]
        finding = reconcile([row], looks=looks, charges=[], taken={}, lag=LAG)[0]
        assert finding == StillUnknown(reason="there is a creation like it that may be another call's")


def test_more_creations_than_calls_leave_the_row_unknown() -> None:
    world = World([ONE], [evolve(ONE, own=False)])
    finding = world.told(DUE, DUE + SNAPSHOT_INTERVAL)[0]
    assert isinstance(finding, StillUnknown)
    assert "more creations" in finding.reason


def test_two_rows_of_one_prompt_and_different_shapes_are_told_apart_by_time_or_not_at_all() -> None:
    far = World([ONE, evolve(ONE, shape="y", submitted=2_000)])
    assert far.told(END) == {0: Found((0,)), 1: Found((1,))}
    near = World([ONE, evolve(ONE, shape="y", submitted=10)])
    assert all(isinstance(finding, StillUnknown) for finding in near.told(END).values())


def test_a_call_of_several_creations_is_found_when_all_of_them_are() -> None:
    row = evolve(World([ONE]).rows[0], count=3)
    creations = [ListedCreation(creation_id=id_, generator="image", prompt="a", created_at=3.0) for id_ in (9, 8, 7)]
    look = Snapshot(
        taken_at=DUE, at=DUE, since=SINCE, creations=creations, spends=[DatedSpend(when=20.0)], whole_until=inf
    )
    assert reconcile([row], looks=[look], charges=[], taken={}, lag=LAG) == {0: Found((7, 8, 9))}
    few = evolve(look, creations=creations[:2])
    assert isinstance(reconcile([row], looks=[few], charges=[], taken={}, lag=LAG)[0], StillUnknown)


SPENT = "credits were spent that nothing else explains, and that may have been at its time"
HELD = StillUnknown(reason="its call may still be under way", check_at=5.0)


def test_a_finding_holds_only_if_all_time_zones_agree() -> None:
    readings: list[dict[int, Finding]] = [
        {0: Found((1,)), 1: Absent(), 2: Found((2,)), 3: HELD, 4: HELD, 5: Absent()},
        {
            0: Found((1,)),
            1: Absent(),
            2: Absent(),
            3: evolve(HELD, check_at=9.0),
            4: StillUnknown(reason="no"),
            5: HELD,
        },
    ]
    told = merge_findings(readings, again=7.0)
    assert (told[0], told[1]) == (Found((1,)), Absent())
    assert (told[3], told[4]) == (evolve(HELD, check_at=9.0), HELD)
    for number in (2, 5):
        finding = told[number]
        assert isinstance(finding, StillUnknown)
        assert "time zone" in finding.reason
        assert finding.check_at == 7.0
    assert merge_findings([*readings, readings[1]], again=7.0) == told
