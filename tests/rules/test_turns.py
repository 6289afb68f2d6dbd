"""Processes with waiting calls take turns."""

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules.turns import (
    CONFIRM_SECONDS,
    LONGEST_RECHECK,
    MOST_PASSED_BY,
    TURN_SECONDS,
    YIELD_SECONDS,
    Turns,
)

PROCESSES = st.sampled_from(["a", "b", "c", "d"])


def test_whoever_was_served_goes_to_the_end() -> None:
    turns = Turns()
    assert [turns.wait(each, 0.0, served=False) for each in "abc"] == [0, 1, 2]
    assert turns.wait("a", 1.0, served=True) == 2
    assert [turns.wait(each, 1.0, served=False) for each in "bca"] == [0, 1, 2]
    turns.leave("b")
    turns.leave("b")
    assert [turns.wait(each, 1.0, served=False) for each in "ca"] == [0, 1]
    assert len(turns) == 2


def test_no_place_is_left_while_there_is_one_for_each_process() -> None:
    turns = Turns()
    for each in "abc":
        turns.wait(each, 0.0, served=False)
    assert turns.yield_until("c", 1.0, free=2) is None
    assert turns.yield_until("c", 1.0, free=1) == 1.0 + YIELD_SECONDS
    assert turns.yield_until("a", 1.0, free=0) is None


def test_a_process_that_does_not_ask_any_more_is_forgotten() -> None:
    turns = Turns()
    for each in "ab":
        turns.wait(each, 0.0, served=False)
    now = 0.0
    while now < TURN_SECONDS:
        assert turns.wait("b", now, served=False) == 1
        now += LONGEST_RECHECK
    assert turns.wait("b", now, served=False) == 0


def test_nothing_changes_while_nothing_is_to_be_said() -> None:
    turns = Turns()
    for each in "ab":
        turns.wait(each, 0.0, served=False)
    before = turns.dump()
    turns.wait("a", CONFIRM_SECONDS - 0.1, served=False)
    assert turns.dump() == before, "each change would be written"
    turns.wait("a", CONFIRM_SECONDS, served=False)
    assert turns.dump() != before


def test_a_free_place_is_left_to_the_process_whose_turn_it_is() -> None:
    turns = Turns()
    for each in "ab":
        turns.wait(each, 0.0, served=False)
    assert turns.yield_until("b", 1.0) == 1.0 + YIELD_SECONDS
    assert turns.yield_until("c", 1.5) == 1.0 + YIELD_SECONDS, "one that comes later has to wait as well"
    assert turns.yield_until("a", 2.0) is None
    turns.serve("a")
    assert turns.yield_until("a", 2.0) == 2.0 + YIELD_SECONDS
    assert turns.yield_until("b", 2.0) is None


def test_a_process_that_does_not_ask_for_its_place_misses_its_turn() -> None:
    turns = Turns()
    for each in ["dead", "stopped", "here"]:
        turns.wait(each, 0.0, served=False)
    now, missed = 1.0, 0
    while (until := turns.yield_until("here", now)) is not None:
        again = Turns()
        again.load(turns.dump(), now)
        assert again == turns
        assert until == now + YIELD_SECONDS
        now, missed = until, missed + 1
    assert missed == 2


def test_a_process_that_is_alone_leaves_its_place_to_nobody() -> None:
    turns = Turns()
    assert turns.yield_until("alone", 0.0) is None
    turns.serve("alone")
    assert turns.yield_until("alone", 0.0) is None


@given(st.lists(st.tuples(PROCESSES, st.booleans(), st.sampled_from([0.0, 0.5, LONGEST_RECHECK])), max_size=60))
def test_every_process_that_goes_on_asking_comes_to_the_front(history: list[tuple[str, bool, float]]) -> None:
    turns, now = Turns(), 0.0
    turns.wait("mine", now, served=False)
    before = turns.wait("mine", now, served=False)
    for process, served, later in history:
        now += later
        turns.wait(process, now, served=served)
        place = turns.wait("mine", now, served=False)
        assert place <= before, "nobody goes before it who came later"
        before = place
        again = Turns()
        again.load(turns.dump(), now)
        assert again == turns


# --- interactive calls and bulk ones ----------------------------------------------------------------------------------


def test_a_process_whose_first_call_is_interactive_comes_first() -> None:
    turns = Turns()
    for each in "ab":
        turns.wait(each, 0.0, served=False)
    assert turns.wait("web", 1.0, served=False, urgent=True) == 0
    assert turns.wait("a", 1.0, served=False) == 1
    assert turns.yield_until("a", 1.0) == 1.0 + YIELD_SECONDS
    assert turns.yield_until("web", 1.0) is None
    turns.serve("web")
    assert turns.wait("web", 1.0, served=True) == 2, "its next call is not"


def test_a_bulk_request_leaves_as_much_room_as_interactive_calls_take() -> None:
    turns = Turns()
    turns.wait("bulk", 0.0, served=False)
    turns.wait("web", 0.0, served=False, urgent=True, units=3)
    turns.wait("normal", 0.0, served=False)
    assert turns.leave_room("bulk", 1.0, left=3) is None
    assert turns.leave_room("bulk", 1.0, left=2) == 1.0 + YIELD_SECONDS
    assert turns.leave_room("web", 1.0, left=0) is None, "it is its own"
    turns.leave("web")
    assert turns.leave_room("bulk", 1.5, left=0) is None


def test_an_interactive_call_that_does_not_ask_misses_its_turn_and_bulk_never_starves() -> None:
    turns = Turns()
    for name, urgent in (("bulk", False), ("dead", True)):
        turns.wait(name, 0.0, served=False, urgent=urgent)
    assert turns.leave_room("bulk", 1.0, left=0) == 1.0 + YIELD_SECONDS
    assert turns.leave_room("bulk", 1.0 + YIELD_SECONDS, left=0) is None
    turns.wait("web", 4.0, served=False, urgent=True)
    passed = 0
    while turns.leave_room("bulk", 4.0, left=0) is not None:
        turns.granted("web", bulk=False)
        turns.wait("web", 4.0, served=True, urgent=True)
        passed += 1
    assert passed == MOST_PASSED_BY
    turns.granted("bulk", bulk=True)
    assert turns.leave_room("bulk", 4.0, left=0) is not None


@define
class PlainRoom:
    """What a bulk request leaves, from a plain list of all that happened."""

    heads: dict[str, tuple[bool, int]] = field(factory=dict[str, tuple[bool, int]])
    passed: int = 0
    yielded: float | None = None

    def may_go(self, now: float, left: int) -> bool:
        urgent = [name for name, (interactive, _) in self.heads.items() if interactive and name != "bulk"]
        if sum(self.heads[name][1] for name in urgent) <= left or self.passed >= MOST_PASSED_BY:
            return True
        self.yielded = now if self.yielded is None else self.yielded
        if now < self.yielded + YIELD_SECONDS:
            return False
        for name in urgent:
            self.heads[name] = False, self.heads[name][1]
        self.yielded = None
        return True


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["waits", "waits", "goes", "bulk", "bulk", "leaves"]),
            PROCESSES,
            st.booleans(),
            st.integers(1, 3),
            st.integers(0, 4),
            st.sampled_from([0.0, 0.5, YIELD_SECONDS]),
        ),
        max_size=60,
    )
)
@examples(150)
def test_bulk_requests_yield_as_a_plain_list_says(history: list[tuple[str, str, bool, int, int, float]]) -> None:
    turns, plain, now = Turns(), PlainRoom(), 0.0
    for what, process, urgent, units, left, later in history:
        now += later
        for name in ["bulk", *plain.heads]:  # all go on asking
            urgent_one, of_one = plain.heads.get(name, (False, 1))
            turns.wait(name, now, served=False, urgent=urgent_one, units=of_one)
        if what == "waits":
            turns.wait(process, now, served=False, urgent=urgent, units=units)
            plain.heads[process] = urgent, units
        elif what == "goes":
            turns.granted(process, bulk=False)
            plain.passed, plain.yielded = plain.passed + 1, None
        elif what == "leaves":
            turns.leave(process)
            plain.heads.pop(process, None)
        else:
            may_go = plain.may_go(now, left)
            assert (turns.leave_room("bulk", now, left) is None) == may_go
            if may_go:
                turns.granted("bulk", bulk=True)
                plain.passed, plain.yielded = 0, None
        again = Turns()
        again.load(turns.dump(), now)
        assert again == turns
