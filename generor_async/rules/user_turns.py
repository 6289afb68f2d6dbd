"""Users take turns: a round robin over the waiting calls of one priority, by units.

Rounds are numbered. A user whose call of `n` units is admitted in one round has its next turn `n` rounds later, so that
each user gets one unit a round (deficit round robin with a quantum of one unit; a turn may be overdrawn, and is paid
for by those that follow). Whoever comes new joins the end of the next round, so that each user that was there before
has at most one call admitted first. A user that has left with units to pay for finds them when it comes back, as long
as others wait.

Calls that were admitted before, and then refused by the server, go before all others: they have had their turn. Calls
of one user are served in the order in which they came. Light requests may pass heavy ones that there is no room for,
so there is a first call for each type of request. Calls without a user are those of one user, `None`.
"""

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, Final, Generic, TypeAlias, TypeVar

from attrs import define, field

from generor_async.rules.weights import RequestType

__all__ = ["Taken", "UserTurns", "WaitingCall", "weight_of"]

SPARE: Final = 16
"""Outdated entries that are kept in any case."""

_position_of: Final = attrgetter("position")


def weight_of(request_type: RequestType) -> int:
    """Return the units of a request by the specification."""
    return request_type.weight


@define(eq=False)
class WaitingCall:
    """A call that waits for its turn."""

    request_type: RequestType
    user: str | None
    position: int = field(default=0, init=False)
    """The lowest goes first among the calls of a user."""
    owner: "_User[Any]" = field(init=False, repr=False)
    """Among whose calls it is."""


C = TypeVar("C", bound=WaitingCall)


@define(eq=False)
class _User(Generic[C]):
    """A user with waiting calls, or with units to pay for."""

    name: str | None
    turn: int
    """The round of its next turn."""
    place: int
    """Its place in that round; the lowest comes first."""
    lines: dict[RequestType, OrderedDict[int, C]] = field(factory=dict[RequestType, OrderedDict[int, C]])
    """Its waiting calls by type of request and position."""

    def __lt__(self, _: object) -> bool:
        return False  # asked about outdated turns alone: others differ in their places

    @property
    def count(self) -> int:
        """Number of its waiting calls."""
        return sum(map(len, self.lines.values()))

    def calls(self) -> Iterator[C]:
        """Return its calls in order."""
        lines = [line.values() for line in self.lines.values()]
        return iter(lines[0]) if len(lines) == 1 else heapq.merge(*lines, key=_position_of)


@define(eq=False)
class _TypeTurns(Generic[C]):
    """The users with waiting calls of one type of request."""

    request_type: RequestType
    users: int = 0
    """How many there are."""
    turns: list[tuple[int, int, _User[C]]] = field(factory=list[tuple[int, int, _User[C]]])
    """A heap of their turns and places, and of outdated ones."""

    def push(self, user: _User[C]) -> None:
        """Note the turn of a user."""
        heapq.heappush(self.turns, (user.turn, user.place, user))
        if len(self.turns) > 2 * self.users + SPARE:
            self.turns = list(dict.fromkeys(filter(self._is_current, self.turns)))
            heapq.heapify(self.turns)

    def first(self) -> OrderedDict[int, C]:
        """Return the calls of the user whose turn is next."""
        while not self._is_current(turn := self.turns[0]):
            heapq.heappop(self.turns)
        return turn[2].lines[self.request_type]

    def _is_current(self, turn: tuple[int, int, _User[C]]) -> bool:
        number, place, user = turn
        return user.place == place and user.turn == number and self.request_type in user.lines


Taken: TypeAlias = tuple[C, int, int, int]
"""A call that was admitted, and what to restore if it was not: its user's turn and place, and the round."""


@define(eq=False)
class UserTurns(Generic[C]):
    """The waiting calls of one priority."""

    weigh: Callable[[RequestType], int] = weight_of
    """Returns the units of a request of a type."""
    count: int = field(default=0, init=False)
    """Number of waiting calls."""
    only_line: OrderedDict[int, C] | None = field(default=None, init=False)
    """All calls, if they are of one user and one type, else None: then nothing has to be decided."""
    _users: dict[str | None, _User[C]] = field(factory=dict["str | None", _User[C]], init=False)
    """The users with waiting calls, and those with units to pay for."""
    _active: int = field(default=0, init=False)
    """How many users have waiting calls; what one is given while no other waits is not paid for."""
    _refused: _User[C] = field(factory=lambda: _User[Any](None, -1, 0), init=False)
    """The calls that go before all others."""
    _types: dict[RequestType, _TypeTurns[C]] = field(factory=dict[RequestType, _TypeTurns[C]], init=False)
    _lines: int = field(default=0, init=False)
    """How many lines of calls there are."""
    _round: int = field(default=0, init=False)
    """The highest round in which a call was admitted."""
    _last_place: int = field(default=0, init=False)
    _first_position: int = field(default=0, init=False)
    """The lowest position so far; refused calls get lower ones, new calls get higher ones than the last."""
    _last_position: int = field(default=0, init=False)
    _most_users: int = field(default=SPARE, init=False)
    """The number of users at which those are looked for that have paid and have no calls."""

    def __iter__(self) -> Iterator[C]:
        users = chain((self._refused,), self._users.values())
        return chain.from_iterable(line.values() for user in users for line in user.lines.values())

    def has(self, request_type: RequestType) -> bool:
        """Tell whether calls of a type wait."""
        return request_type in self._types

    def request_types(self) -> list[RequestType]:
        """Return the types of the requests that wait."""
        return list(self._types)

    def heads(self) -> list[C]:
        """Return the first call of each type of request, in order."""
        heads = [next(iter(turns.first().values())) for turns in self._types.values()]
        if len(heads) > 1:
            heads.sort(key=_order_of)
        return heads

    # --- who comes and goes ---------------------------------------------------------------------------------------

    def join(self, call: C, *, again: bool = False) -> None:
        """Add a call behind those of its user; before all calls if the server refused it after its turn (`again`)."""
        if again:
            call.position = self._first_position = self._first_position - 1
            self._add(call, self._refused, first=True)
            return
        call.position = self._last_position = self._last_position + 1
        user = self._users.get(call.user)
        if user is not None and (line := user.lines.get(call.request_type)) is not None:  # the usual case
            call.owner, line[call.position] = user, call
            self.count += 1
            return
        user = user or self._new_user(call.user)
        if not user.lines:
            self._place(user, max(user.turn, self._round + 1))
        self._add(call, user)

    def leave(self, call: C) -> bool:
        """Remove a call that waits no longer; return False if it had left already."""
        user = call.owner
        line = user.lines.get(call.request_type)
        if line is None or line.pop(call.position, None) is None:
            return False
        self._removed(call, user, line)
        if not user.lines:
            self._forget_if_paid(user)
        return True

    def take(self, call: C) -> Taken[C]:
        """Remove a call that is admitted; its user's next turn is as many rounds later as it has units."""
        user = call.owner
        taken = call, user.turn, user.place, self._round
        line = user.lines[call.request_type]
        del line[call.position]
        self._removed(call, user, line)
        if self._active > 1 or not user.lines:
            self._charge(user, call)
        return taken

    def put_back(self, taken: Taken[C]) -> None:
        """Undo a `take`; of several, the last comes first."""
        call, turn, place, self._round = taken
        user = call.owner
        if user is not self._refused:
            user = self._users.setdefault(call.user, user)
            if (user.turn, user.place) != (turn, place):
                self._place(user, turn, place)
        self._add(call, user, first=True)

    def _charge(self, user: _User[C], call: C) -> None:
        """Give a user its next turn, if others wait."""
        if user is self._refused:
            return
        if self._active > bool(user.lines):
            self._round = max(self._round, user.turn)
            self._place(user, self._round + self.weigh(call.request_type))
        if not user.lines:
            self._forget_if_paid(user)

    def _new_user(self, name: str | None) -> _User[C]:
        if len(self._users) > self._most_users:
            self._forget_paid()
        user = self._users[name] = _User[C](name, 0, 0)
        return user

    def _forget_paid(self) -> None:
        """Forget the users without calls that have nothing to pay for."""
        paid = self._round + 1
        self._users = {name: user for name, user in self._users.items() if user.lines or user.turn > paid}
        self._most_users = 2 * len(self._users) + SPARE

    def _forget_if_paid(self, user: _User[C]) -> None:
        """Forget a user without calls that has nothing to pay for."""
        if user is not self._refused and user.turn <= self._round + 1:
            self._users.pop(user.name, None)

    def _place(self, user: _User[C], turn: int, place: int | None = None) -> None:
        """Give a user a turn, at the end of its round unless it had another place there."""
        if place is None:
            place = self._last_place = self._last_place + 1
        user.turn, user.place = turn, place
        for request_type in user.lines:
            self._types[request_type].push(user)

    def _add(self, call: C, user: _User[C], *, first: bool = False) -> None:
        call.owner = user
        self.count += 1
        line = user.lines.get(call.request_type)
        if line is None:
            line = self._add_line(user, call.request_type)
        line[call.position] = call
        if first:
            line.move_to_end(call.position, last=False)

    def _add_line(self, user: _User[C], request_type: RequestType) -> OrderedDict[int, C]:
        if not user.lines and user is not self._refused:
            self._active += 1
        line = user.lines[request_type] = OrderedDict()
        turns = self._types.get(request_type)
        if turns is None:
            turns = self._types[request_type] = _TypeTurns(request_type)
        turns.users += 1
        turns.push(user)
        self._lines += 1
        self.only_line = line if self._lines == 1 else None
        return line

    def _removed(self, call: C, user: _User[C], line: OrderedDict[int, C]) -> None:
        self.count -= 1
        if not line:
            self._remove_line(user, self._types[call.request_type])

    def _remove_line(self, user: _User[C], turns: _TypeTurns[C]) -> None:
        del user.lines[turns.request_type]
        if not user.lines and user is not self._refused:
            self._active -= 1
        turns.users -= 1
        if not turns.users:
            del self._types[turns.request_type]
        self._lines -= 1
        if self._lines == 1:
            self.only_line = next(iter(self._types.values())).first()
        elif not self._lines:
            self.only_line = None
            self._users.clear()  # there is nobody to whom something is owed
            self._most_users = SPARE

    # --- the order that follows -----------------------------------------------------------------------------------

    def order(self, most: int | None = None) -> Iterator[C]:
        """Yield the calls as they are admitted if nobody comes, goes, or has to be passed; nothing is changed.

        `most` is how many are wanted: the calls of users who have no turn among so many are then not looked at.
        """
        return (call for _, call in self.order_with_turns(most))

    def order_with_turns(self, most: int | None = None) -> Iterator[tuple[int, C]]:
        """Yield the same, each with the round of its turn; those that go before all others have their turn in -1."""
        for call in self._refused.calls() if self._refused.lines else ():
            yield -1, call
        place, number = self._last_place, self._round
        users = [user for user in self._users.values() if user.lines]
        if most is not None and most < len(users):
            users = heapq.nsmallest(most, users, key=_turn_of)
        turns = [(user.turn, user.place, next(calls := user.calls()), calls) for user in users]
        heapq.heapify(turns)
        while turns:
            turn, _, call, calls = turns[0]
            yield turn, call
            if (following := next(calls, None)) is None:
                heapq.heappop(turns)
            else:
                number, place = max(number, turn), place + 1
                heapq.heapreplace(turns, (number + self.weigh(call.request_type), place, following, calls))

    def places_of(self, name: str | None) -> list[tuple[int, int, C]]:
        """Return the calls of a user: of each how many calls are before it in the order, its turn, and itself."""
        user = self._users.get(name)
        if user is None or not user.lines:
            refused = self._refused.calls() if self._refused.lines else ()
            return [(place, -1, call) for place, call in enumerate(refused) if call.user == name]
        steps = {each: self._step(each) for each in self._users.values() if each.lines}
        if self._refused.lines or any(not step or each.turn < self._round for each, step in steps.items()):
            return [(n, turn, call) for n, (turn, call) in enumerate(self.order_with_turns()) if call.user == name]
        turns = range(user.turn, user.turn + steps[user] * user.count, steps[user])
        return list(zip(_places(user, turns, steps), turns, user.calls(), strict=True))

    def _step(self, user: _User[C]) -> int:
        """Return after how many rounds a user has its next turn; 0 where that is not always the same."""
        steps = {self.weigh(request_type) for request_type in user.lines}
        return steps.pop() if len(steps) == 1 else 0

    def next_turn(self, name: str | None) -> int:
        """Return the round in which a call of a user has its turn that comes now."""
        user = self._users.get(name)
        if user is None:
            return self._round + 1
        return max(user.turn, self._round) + self._units(user) if user.lines else max(user.turn, self._round + 1)

    def ahead_of(self, name: str | None) -> int:
        """Return how many calls are before a new call of a user, of one unit each; otherwise it is about as many."""
        known = self._users.get(name)
        if known is None:
            known = _User[C](name, 0, 0)
        turn, place = (known.turn, known.place) if known.lines else (max(known.turn, self._round + 1), math.inf)
        last = turn + self._units(known)
        ahead = self._refused.count + known.count
        for user in self._users.values():
            if user.lines and user is not known:
                rounds = last - user.turn + (user.turn > turn or (user.turn == turn and user.place < place))
                if rounds > 0:
                    ahead += min(count := user.count, math.ceil(rounds * count / self._units(user)))
        return ahead

    def units(self) -> int:
        """Return the units of all calls."""
        return self._units(self._refused) + sum(map(self._units, self._users.values()))

    def _units(self, user: _User[C]) -> int:
        """Return the units of all calls of a user."""
        return sum(self.weigh(request_type) * len(line) for request_type, line in user.lines.items())


def _places(user: _User[C], turns: range, steps: Mapping[_User[C], int]) -> Iterator[int]:
    """Yield how many calls are before each of a user's, where each user has its turns at even steps.

    In a round, those come first who have their first turn in it, by their places. Of the others, those come first whose
    last turn was longer ago, and of these whoever came later: it had its first turn before their next ones.
    """
    begin, end = min(each.turn for each in steps), turns[-1] + 1
    rounds, sooner, first = [0] * (end - begin), [0] * (end - begin), 0
    rank = -turns.step, -user.turn, user.place
    for other, step in steps.items():
        if other is not user and other.turn < end:
            goes_first = (-step, -other.turn, other.place) < rank
            for at in range(other.turn - begin, min(other.turn - begin + step * other.count, len(rounds)), step):
                rounds[at] += 1
                sooner[at] += goes_first
            if not goes_first:
                sooner[other.turn - begin] += 1
            first += other.turn == user.turn and other.place < user.place
    before = list(accumulate(rounds, initial=0))
    for number, turn in enumerate(turns):
        yield number + before[turn - begin] + (sooner[turn - begin] if number else first)


def _turn_of(user: _User[Any]) -> tuple[int, int]:
    return user.turn, user.place


def _order_of(call: WaitingCall) -> tuple[int, int, int]:
    return call.owner.turn, call.owner.place, call.position
