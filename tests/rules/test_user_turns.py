"""Users take turns, by units: against brute-force models, and what is promised to each user."""

import sys
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeAlias

from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules.user_turns import UserTurns, WaitingCall
from generor_async.rules.weights import RequestType

TYPES = [RequestType("light", "t"), RequestType("heavy", "t", 3), RequestType("huge", "t", 7)]
LIGHT, HEAVY, HUGE = TYPES
USERS = st.sampled_from(["ada", "ben", "cyd", "dan", None])

Turns: TypeAlias = UserTurns[WaitingCall]


@frozen
class Come:
    """A call comes."""

    user: str | None
    request_type: RequestType = LIGHT
    again: bool = False


@frozen
class Go:
    """One of the calls goes."""

    which: int


@frozen
class Admit:
    """One of the first calls is admitted."""

    which: float = 0.0


Step: TypeAlias = Come | Go | Admit
STEPS = st.lists(
    st.one_of(
        st.builds(Come, USERS, st.sampled_from(TYPES), st.booleans() | st.just(False)),
        st.builds(Go, st.integers(0, 99)),
        st.builds(Admit, st.floats(0, 1, exclude_max=True)),
    ),
    max_size=60,
)
LIGHT_STEPS = st.lists(st.one_of(st.builds(Come, USERS), st.builds(Go, st.integers(0, 99)), st.just(Admit())))


def join(turns: Turns, user: str | None, request_type: RequestType = LIGHT, *, again: bool = False) -> WaitingCall:
    """Add a call."""
    call = WaitingCall(request_type, user)
    turns.join(call, again=again)
    return call


def admit(turns: Turns) -> WaitingCall:
    """Admit the first call."""
    return turns.take(turns.heads()[0])[0]


def drain(turns: Turns) -> list[str | None]:
    """Admit all calls; return their users."""
    return [admit(turns).user for _ in range(turns.count)]


# --- against models -----------------------------------------------------------------------------------------------


@define
class Ring:
    """The textbook's round robin, for calls of one unit: whoever was served goes to the end of the ring."""

    users: deque[str | None] = field(factory=deque["str | None"])
    calls: dict[str | None, list[int]] = field(factory=dict["str | None", list[int]])

    def join(self, user: str | None, call: int) -> None:
        if user not in self.calls:
            self.users.append(user)
        self.calls.setdefault(user, []).append(call)

    def leave(self, user: str | None, call: int) -> None:
        self.calls[user].remove(call)
        if not self.calls[user]:
            del self.calls[user]
            self.users.remove(user)

    def admit(self) -> int:
        user = self.users[0]
        call = self.calls[user][0]
        self.users.rotate(-1)
        self.leave(user, call)
        return call


@given(LIGHT_STEPS)
@examples(500)
def test_calls_of_one_unit_are_admitted_as_by_a_ring_of_users(steps: list[Step]) -> None:
    turns, ring, calls = Turns(), Ring(), dict[int, WaitingCall]()
    for number, step in enumerate(steps):
        if isinstance(step, Come):
            calls[number] = join(turns, step.user)
            ring.join(step.user, number)
        elif calls and isinstance(step, Admit):
            call = calls.pop(ring.admit())
            assert turns.heads() == [call]
            if turns.only_line is not None:
                assert next(iter(turns.only_line.values())) is call
            turns.take(call)
            assert not turns.leave(call), "it has left"
        elif calls and isinstance(step, Go):
            left = list(calls)[step.which % len(calls)]
            call = calls.pop(left)
            ring.leave(call.user, left)
            assert turns.leave(call)
    assert turns.count == len(calls)
    assert [call.user for call in turns.order()] == [calls[ring.admit()].user for _ in range(len(calls))]


@define
class Table:
    """Turns by units, with a list of everything, in which is looked for the least."""

    calls: list[WaitingCall] = field(factory=list[WaitingCall])
    turn: dict[str | None, tuple[int, int]] = field(factory=dict["str | None", tuple[int, int]])
    round: int = 0
    places: int = 0
    refused: list[WaitingCall] = field(factory=list[WaitingCall])

    def place(self, user: str | None, number: int) -> None:
        self.places += 1
        self.turn[user] = number, self.places

    def join(self, call: WaitingCall, *, again: bool) -> None:
        if again:
            self.refused.insert(0, call)
            return
        if not any(each.user == call.user for each in self.calls):
            owed, _ = self.turn.get(call.user, (0, 0))
            self.place(call.user, max(owed, self.round + 1))
        self.calls.append(call)

    def ranked(self) -> list[WaitingCall]:
        return self.refused + sorted(self.calls, key=lambda call: self.turn[call.user])

    def heads(self) -> list[WaitingCall]:
        firsts = dict[RequestType, WaitingCall]()
        for call in self.ranked():
            firsts.setdefault(call.request_type, call)
        return list(firsts.values())

    def remove(self, call: WaitingCall) -> None:
        self.refused = [each for each in self.refused if each is not call]
        self.calls = [each for each in self.calls if each is not call]
        if not self.calls and not self.refused:
            self.turn.clear()

    def admit(self, call: WaitingCall) -> None:
        refused = any(each is call for each in self.refused)
        self.remove(call)
        if not refused and {each.user for each in self.calls} - {call.user}:
            self.round = max(self.round, self.turn[call.user][0])
            self.place(call.user, self.round + call.request_type.weight)


@given(STEPS)
@examples(1_000)
def test_heads_are_those_of_a_table_of_all_calls(steps: list[Step]) -> None:
    turns, table = Turns(), Table()
    for step in steps:
        waiting = table.ranked()
        if isinstance(step, Come):
            table.join(join(turns, step.user, step.request_type, again=step.again), again=step.again)
        elif waiting and isinstance(step, Go):
            left = waiting[step.which % len(waiting)]
            assert turns.leave(left)
            table.remove(left)
        elif waiting and isinstance(step, Admit):
            heads = table.heads()
            admitted = heads[int(step.which * len(heads))]
            turns.take(admitted)
            table.admit(admitted)
        assert turns.heads() == table.heads()
        assert set(turns) == set(table.ranked())
        assert turns.count == len(table.ranked())
        assert {each for each in TYPES if turns.has(each)} == {each.request_type for each in table.ranked()}


@given(STEPS)
@examples(500)
def test_the_order_is_that_in_which_the_first_calls_are_admitted(steps: list[Step]) -> None:
    turns = play(steps)
    order = list(turns.order())
    assert order == list(turns.order()), "nothing has changed"
    assert order == [admit(turns) for _ in range(turns.count)]


@given(STEPS, st.integers(0, 20), STEPS)
@examples(500)
def test_what_was_taken_can_be_put_back(steps: list[Step], most: int, meanwhile: list[Step]) -> None:
    turns = play(steps)
    before = [(call.user, call.request_type, call.position) for call in turns.order()]
    taken = [turns.take(turns.heads()[-1]) for _ in range(min(most, turns.count))]
    come = [join(turns, step.user, step.request_type) for step in meanwhile if isinstance(step, Come)]
    for each in reversed(taken):
        turns.put_back(each)
    for call in come:
        assert turns.leave(call)
    assert [(call.user, call.request_type, call.position) for call in turns.order()] == before
    drain(turns)
    assert not list(turns)


def play(steps: list[Step]) -> Turns:
    """Return what has come of steps."""
    turns = Turns()
    for step in steps:
        if isinstance(step, Come):
            join(turns, step.user, step.request_type, again=step.again)
        elif turns.count and isinstance(step, Admit):
            admit(turns)
        elif turns.count and isinstance(step, Go):
            turns.leave(list(turns)[step.which % turns.count])
    return turns


# --- what is promised ---------------------------------------------------------------------------------------------


@given(STEPS, USERS, st.data())
@examples(500)
def test_whoever_comes_new_waits_for_one_call_of_each_user_that_was_there(
    steps: list[Step], user: str | None, data: st.DataObject
) -> None:
    turns = play([step for step in steps if not (isinstance(step, Come) and step.again)])
    for call in [call for call in turns if call.user == user]:
        turns.leave(call)
    active = {call.user for call in turns}
    newcomer = join(turns, "eve", data.draw(st.sampled_from(TYPES)))
    before = Counter[str | None]()
    while (call := admit(turns)) is not newcomer:
        before[call.user] += 1
        join(turns, data.draw(USERS), data.draw(st.sampled_from(TYPES)))
    assert set(before) <= active
    assert set(before.values()) <= {1}


@given(st.lists(st.tuples(st.sampled_from(TYPES), st.integers(1, 30)), min_size=2, max_size=6), st.integers(1, 400))
@examples(200)
def test_users_with_calls_all_the_time_get_the_same_units(kinds: list[tuple[RequestType, int]], most: int) -> None:
    turns = Turns()
    for user, (request_type, _) in enumerate(kinds):
        for _ in range(most):
            join(turns, str(user), request_type)
    units = Counter[str | None]()
    for _ in range(most):
        call = admit(turns)
        units[call.user] += call.request_type.weight
    got = [units[str(user)] for user in range(len(kinds))]
    assert max(got) - min(got) <= 2 * max(request_type.weight for request_type, _ in kinds)


def test_a_user_that_comes_with_one_heavy_call_after_another_pays_for_each() -> None:
    turns = Turns()
    for _ in range(60):
        join(turns, "ada")
    units = Counter[str | None]()
    join(turns, "ben", HEAVY)
    for _ in range(40):
        call = admit(turns)
        units[call.user] += call.request_type.weight
        if call.user == "ben":
            join(turns, "ben", HEAVY)
    assert abs(units["ada"] - units["ben"]) <= 2 * HEAVY.weight


def test_a_call_that_was_refused_goes_first_and_is_not_paid_for_again() -> None:
    turns = Turns()
    for user in ("ada", "ben", "ada", "ben", "ada", "ben"):
        join(turns, user)
    assert admit(turns).user == "ada"
    join(turns, "ada", again=True)
    assert drain(turns) == ["ada", "ben", "ada", "ben", "ada", "ben"]


def test_a_user_alone_is_first_come_first_served() -> None:
    turns = Turns()
    calls = [join(turns, "ada", TYPES[number % 3]) for number in range(9)]
    assert list(turns.order()) == calls
    assert [admit(turns) for _ in calls] == calls


def test_two_hundred_calls_of_one_user_hold_up_another_by_one() -> None:
    turns = Turns()
    for _ in range(200):
        join(turns, "ada")
    join(turns, "ben")
    assert drain(turns)[:2] == ["ada", "ben"]


@given(st.lists(USERS, max_size=40), st.integers(0, 20), USERS)
@examples(500)
def test_the_calls_ahead_of_a_new_one_are_counted(users: list[str | None], admitted: int, user: str | None) -> None:
    turns = Turns()
    for each in users:
        join(turns, each)
    join(turns, "eve", again=True)
    for _ in range(min(admitted, turns.count)):
        admit(turns)
    for each in users[::3]:
        join(turns, each)
    ahead = turns.ahead_of(user)
    newcomer = join(turns, user)
    assert list(turns.order()).index(newcomer) == ahead


@given(STEPS, st.integers(0, 12))
@examples(500)
def test_the_places_of_the_calls_of_a_user_are_those_in_the_order(steps: list[Step], most: int) -> None:
    turns = play(steps)
    check_places(turns)
    assert list(turns.order(most))[:most] == list(turns.order())[:most]


@given(st.lists(st.tuples(USERS, st.integers(1, 5)), max_size=12), st.lists(st.integers(0, 5), max_size=30))
@examples(500)
def test_so_they_are_where_each_user_has_calls_of_one_type(come: list[tuple[str | None, int]], go: list[int]) -> None:
    turns, kinds = Turns(), dict[str | None, RequestType]()
    for user, calls in come:
        for _ in range(calls):
            join(turns, user, kinds.setdefault(user, TYPES[len(kinds) % len(TYPES)]))
        for _ in range(min(go.pop() if go else 0, turns.count)):
            admit(turns)
        check_places(turns)


def check_places(turns: Turns) -> None:
    order = list(turns.order_with_turns())
    for user in {call.user for _, call in order}:
        mine = [(place, turn, call) for place, (turn, call) in enumerate(order) if call.user == user]
        assert turns.places_of(user) == mine
        assert turns.next_turn(user) > max(turn for _, turn, _ in mine)


# --- what it costs ------------------------------------------------------------------------------------------------


def users_known(turns: Turns) -> int:
    return len(turns._users)  # pyright: ignore[reportPrivateUsage] # what is kept is not to be seen from outside


def test_nothing_is_left_of_users_that_have_gone() -> None:
    turns = Turns()
    for _ in range(20):
        join(turns, "ada", HUGE)  # somebody waits all the time
    for number in range(100_000):
        call = join(turns, f"user {number}", TYPES[number % 3])
        if number % 2:
            turns.leave(call)
        while turns.count > 40:
            if admit(turns).user == "ada":
                join(turns, "ada", HUGE)
        assert users_known(turns) < 1_000
    entries = sum(len(each.turns) for each in turns._types.values())  # pyright: ignore[reportPrivateUsage] # the same
    assert entries < 1_000
    drain(turns)
    assert users_known(turns) == 0


def calls_made(function: Callable[[], object]) -> int:
    """Count the functions that are called."""
    made = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal made
        made += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return made


def most_calls_made(users: int) -> int:
    """Return the most functions that are called to admit one of ten calls of each user."""
    turns = Turns()
    for number in range(10 * users):
        join(turns, f"user {number % users}", TYPES[number % 2])
    return max(calls_made(lambda: admit(turns)) for _ in range(users))


def test_an_admission_among_a_thousand_users_costs_what_it_costs_among_ten() -> None:
    assert most_calls_made(1_000) <= most_calls_made(10) + 5
