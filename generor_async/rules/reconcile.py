"""What became of calls whose outcome is unknown, told from what the account shows: its creations, spends and balance.

A row is found where creations that nobody else claims fit it, and it alone. It is surely absent where, after all the
time that its call can have taken, two looks a minute apart show neither a creation like it nor a spend that nothing
else explains. Everything else stays unknown: a row that is held costs a look, one that is wrongly let go costs money.

So what fits is judged twice. To be found, a creation must agree in generator, prompt, time, and every trait that both
sides show. To stand in the way of absence, a creation need only look alike. And a spend is explained only where every
call known to have been charged has a spend of its own, the sums agree with the balance, and none is left over that may
be this row's.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Final, TypeAlias

from attrs import field, frozen

from generor_async.values import JSON

__all__ = [
    "BETWEEN_LOOKS",
    "PATIENCE",
    "Absent",
    "Charge",
    "Doubtful",
    "Finding",
    "Found",
    "Held",
    "Listed",
    "Look",
    "absent_after",
    "learned_offset",
    "reconcile",
]

PATIENCE: Final = 900.0
"""Seconds after its intent for which a call may be under way: what `generate` is given."""
BETWEEN_LOOKS: Final = 60.0
"""Seconds between the two looks that must agree."""
SLACK: Final = 120.0
"""Seconds by which clocks may differ, and times be rounded."""
QUARTER_HOUR: Final = 900.0
"""What time zones differ by."""


@frozen(kw_only=True)
class Doubtful:
    """A row whose call may have been charged."""

    number: int
    generator: str
    prompt: str
    shape: str
    """Equal for rows that ask for the same: whose result is whose makes no difference between them."""
    submitted_at: float
    longest: float
    """Seconds that its generation may take, as estimated."""
    count: int = 1
    """How many creations it makes."""
    traits: Mapping[str, JSON] = field(factory=dict[str, JSON])
    """What else of it a listing may show, such as `privacy_mode`."""


@frozen(kw_only=True)
class Listed:
    """A creation in a listing of one's own."""

    creation_id: int
    generator: str
    prompt: str
    created_at: float
    """Seconds since the epoch, its zone taken into account."""
    traits: Mapping[str, JSON] = field(factory=dict[str, JSON])


@frozen(kw_only=True)
class Charge:
    """A call that is known to have been charged."""

    began: float
    ended: float
    """Infinity while it is under way."""


@frozen(kw_only=True)
class Look:
    """What the account showed at one moment."""

    at: float
    since: float
    """How far back creations and transactions were read; best to before the batch began."""
    creations: Sequence[Listed]
    whole: bool = True
    """Whether these are all of them: a list may end, and have shown less than it counts."""
    spends: Sequence[float]
    """When credits were spent, where the transaction doesn't say on what."""
    named: Sequence[tuple[int, float]] = ()
    """When credits were spent on which creation, where it does."""
    balanced: bool
    """Whether the transactions add up to the balance: only then are they all there."""


@frozen
class Found:
    """These are the row's creations."""

    creation_ids: tuple[int, ...]


@frozen
class Absent:
    """The call had no effect: the row may be run."""


@frozen(kw_only=True)
class Held:
    """Nobody can say."""

    why: str
    look_at: float | None = None
    """When another look may tell; None where none will."""


Finding: TypeAlias = Found | Absent | Held


def learned_offset(samples: Iterable[tuple[float, float]]) -> float | None:
    """Return by how many seconds the server's times without a zone are ahead of UTC; None where that isn't known.

    Each sample is an own creation's time, read as if it were UTC, and when it was really made.
    """
    offsets = {round((shown - made) / QUARTER_HOUR) * QUARTER_HOUR for shown, made in samples}
    return offsets.pop() if len(offsets) == 1 else None


def absent_after(row: Doubtful, *, lag: float) -> float:
    """Return from when on what a listing doesn't show isn't there; `lag` is how late listings may be, in seconds."""
    return row.submitted_at + PATIENCE + row.longest + lag


def reconcile(
    rows: Sequence[Doubtful], *, looks: Sequence[Look], charges: Sequence[Charge], taken: Collection[int], lag: float
) -> dict[int, Finding]:
    """Tell of every row, by its number, what the looks say; the latest look comes last.

    `charges` are the calls that were charged, or may be as they are under way; `taken` are the creations that are known
    to be another call's.
    """
    findings: dict[int, Finding] = {}
    known = list(charges)
    free = [creation for creation in looks[-1].creations if creation.creation_id not in taken]
    for group in _alike(rows):
        for component in _components(group, [creation for creation in free if _looks_like(group[0], creation)]):
            matched = _matched(*component)
            findings |= matched
            known += _charges(*component, matched, seen_by=looks[-1].at - lag)
    named = set(taken)
    for finding in findings.values():
        named.update(finding.creation_ids if isinstance(finding, Found) else ())
    judged = [_Judged(look, _unexplained(look, _spends(look, rows, named), known, lag)) for look in looks]
    for row in rows:
        if row.number not in findings:
            findings[row.number] = _absence(row, judged, named, lag)
    return findings


# --- found ------------------------------------------------------------------------------------------------------------


def _alike(rows: Sequence[Doubtful]) -> list[list[Doubtful]]:
    """Group the rows that may be taken for one another, each group from the oldest on."""
    groups: dict[tuple[str, str], list[Doubtful]] = {}
    for row in sorted(rows, key=lambda row: row.submitted_at):
        groups.setdefault((row.generator, _plain(row.prompt)), []).append(row)
    return list(groups.values())


def _plain(prompt: str) -> str:
    return " ".join(prompt.split()).casefold()


def _looks_like(row: Doubtful, creation: Listed) -> bool:
    return row.generator == creation.generator and _plain(row.prompt) == _plain(creation.prompt)


def _last_moment(row: Doubtful) -> float:
    return row.submitted_at + PATIENCE + row.longest


def _fits(row: Doubtful, creation: Listed) -> bool:
    return (
        row.submitted_at - SLACK <= creation.created_at <= _last_moment(row) + SLACK
        and row.prompt == creation.prompt
        and all(row.traits[name] == creation.traits[name] for name in row.traits.keys() & creation.traits.keys())
    )


_Component: TypeAlias = tuple[list[Doubtful], list[Listed]]


def _components(rows: Sequence[Doubtful], creations: Sequence[Listed]) -> list[_Component]:
    """Part rows and creations into those that have to do with each other; what fits nothing is left out."""
    parts: list[_Component] = []
    for creation in creations:
        fitting = [row for row in rows if _fits(row, creation)]
        if not fitting:
            continue
        joined = [part for part in parts if any(row in part[0] for row in fitting)]
        members = [row for row in rows if row in fitting or any(row in part[0] for part in joined)]
        others = [one for part in joined for one in part[1]]
        parts = [part for part in parts if part not in joined] + [(members, [*others, creation])]
    return parts


def _matched(rows: list[Doubtful], creations: list[Listed]) -> dict[int, Finding]:
    """Match each row with as many creations as it makes; where another match is as good, nobody can say.

    Rows of one shape may swap their creations; where there are too few for all of them, the oldest get theirs.
    """
    slots = [row for row in rows for _ in range(row.count)]
    match = _largest_match(slots, creations)
    if len(creations) > len(match):
        held = Held(why="there are more creations like it than calls that can have made them")
        return {row.number: held for row in rows}
    if len({row.shape for row in rows}) > 1 and (len(match) < len(slots) or _is_ambiguous(slots, creations, match)):
        held = Held(why="its creation could be that of another row with the same prompt")
        return {row.number: held for row in rows}
    mine: dict[int, list[int]] = {row.number: [] for row in rows}
    for slot, index in match.items():
        mine[slots[slot].number].append(creations[index].creation_id)
    whole = [row for row in rows if len(mine[row.number]) == row.count]
    return {row.number: Found(tuple(sorted(mine[row.number]))) for row in whole}


def _charges(
    rows: Sequence[Doubtful], creations: Sequence[Listed], matched: Mapping[int, Finding], *, seen_by: float
) -> list[Charge]:
    """Return the charges of the rows that were found.

    Where rows like them were not, each charge may just as well be that of any other row that the creations fit.
    """
    charges: list[Charge] = []
    for row in rows:
        if isinstance(finding := matched.get(row.number), Found):
            made = [creation for creation in creations if creation.creation_id in finding.creation_ids]
            able = [other for other in rows if any(_fits(other, creation) for creation in made)]
            payers = [row] if len(matched) == len(rows) else able
            ended = max(_last_moment(payer) for payer in payers)
            charges.append(Charge(began=min(payer.submitted_at for payer in payers), ended=min(ended, seen_by)))
    return charges


def _largest_match(slots: Sequence[Doubtful], creations: Sequence[Listed]) -> dict[int, int]:
    """Match slots with creations, by their indices; a slot that comes first goes without only if it fits nothing."""
    holder: dict[int, int] = {}

    def give(slot: int, tried: set[int]) -> bool:
        for index, creation in enumerate(creations):
            if index not in tried and _fits(slots[slot], creation):
                tried.add(index)
                if index not in holder or give(holder[index], tried):
                    holder[index] = slot
                    return True
        return False

    for slot in range(len(slots)):
        give(slot, set())
    return {slot: index for index, slot in holder.items()}


def _is_ambiguous(slots: Sequence[Doubtful], creations: Sequence[Listed], match: Mapping[int, int]) -> bool:
    """Tell whether slots of different shapes could swap what they were matched with, in a circle of any length."""
    could_take = [[other for other, index in match.items() if _fits(slot, creations[index])] for slot in slots]
    reach = [_reached(could_take, slot) for slot in range(len(slots))]
    return any(
        slots[other].shape != slots[slot].shape and slot in reach[other]
        for slot in range(len(slots))
        for other in reach[slot]
    )


def _reached(edges: Sequence[Sequence[int]], start: int) -> set[int]:
    reached, pending = {start}, [start]
    while pending:
        fresh = set(edges[pending.pop()]) - reached
        reached |= fresh
        pending += fresh
    return reached


# --- absent -----------------------------------------------------------------------------------------------------------


@frozen
class _Judged:
    """A look, and which of its spends may be a doubtful row's."""

    look: Look
    unexplained: Sequence[float] | None
    """None where nobody can say: a call is under way, or has no spend."""


def _absence(row: Doubtful, looks: Sequence[_Judged], taken: Collection[int], lag: float) -> Finding:
    due = absent_after(row, lag=lag)
    latest = looks[-1].look.at
    if any(_stands_for(row, creation, taken) for judged in looks for creation in judged.look.creations):
        return Held(why="there is a creation like it that may be another call's")
    if latest < due:
        return Held(why="its call may still be under way", look_at=due)
    since: float | None = None
    for judged in looks:
        problem = _problem(row, judged)
        if problem or judged.look.at < due:
            since = None
        elif since is None:
            since = judged.look.at
    if since is None:
        return Held(why=_problem(row, looks[-1]), look_at=latest + BETWEEN_LOOKS)
    if latest < since + BETWEEN_LOOKS:
        return Held(why="it is not there, and another look must agree", look_at=since + BETWEEN_LOOKS)
    return Absent()


def _stands_for(row: Doubtful, creation: Listed, taken: Collection[int]) -> bool:
    late_enough = creation.created_at >= row.submitted_at - SLACK
    return late_enough and creation.creation_id not in taken and _looks_like(row, creation)


def _problem(row: Doubtful, judged: _Judged) -> str:
    """Return why a look that shows no creation like the row's is no proof of its absence; empty where it is."""
    begin, end = row.submitted_at - SLACK, _last_moment(row) + SLACK
    if judged.look.since > begin:
        return "the account was not looked at as far back as its call"
    if not judged.look.whole:
        return "the account shows fewer creations than it counts"
    if not judged.look.balanced:
        return "the transactions don't add up to the balance"
    if judged.unexplained is None:
        return "calls are under way, or their spends are not shown"
    if any(begin <= spend <= end for spend in judged.unexplained):
        return "credits were spent at its time that nothing else explains"
    return ""


def _spends(look: Look, rows: Sequence[Doubtful], taken: Collection[int]) -> list[float]:
    """Return when credits were spent, but for what surely paid for somebody else's creation: it is there, and names it.

    A creation that looks like a row's could be that row's.
    """
    ours = {(row.generator, _plain(row.prompt)) for row in rows}
    others = {
        creation.creation_id
        for creation in look.creations
        if creation.creation_id not in taken and (creation.generator, _plain(creation.prompt)) not in ours
    }
    return sorted([*look.spends, *(moment for creation_id, moment in look.named if creation_id not in others)])


def _unexplained(look: Look, spends: Sequence[float], charges: Sequence[Charge], lag: float) -> list[float] | None:
    """Return the spends, sorted, that may be left over when each charge has its own; None where one has none.

    Which spends are left over depends on who gets which. So those count too whose charge could have another's.
    """
    begun = [charge for charge in charges if look.since <= charge.began - SLACK and charge.began <= look.at]
    if any(charge.ended + lag > look.at for charge in begun):
        return None
    intervals = sorted((charge.began - SLACK, charge.ended + SLACK) for charge in begun)
    spend_of = _one_each(intervals, spends)
    if spend_of is None:
        return None
    left_over = set(range(len(spends))) - set(spend_of.values())
    pending = list(left_over)
    while pending:
        moment = spends[pending.pop()]
        able = [interval for interval in spend_of if intervals[interval][0] <= moment <= intervals[interval][1]]
        freed = {spend_of.pop(interval) for interval in able}
        pending += freed
        left_over |= freed
    return [spends[spend] for spend in sorted(left_over)]


def _one_each(intervals: Sequence[tuple[float, float]], spends: Sequence[float]) -> dict[int, int] | None:
    """Give each interval a spend within it, by their indices; None where that can't be.

    Intervals come by their begin, spends by their moment. Of the intervals that a spend is within, the one that ends
    first gets it: whatever another choice could satisfy, this one does.
    """
    given: dict[int, int] = {}
    waiting: list[tuple[float, int]] = []
    coming = 0
    for spend, moment in enumerate(spends):
        while coming < len(intervals) and intervals[coming][0] <= moment:
            heappush(waiting, (intervals[coming][1], coming))
            coming += 1
        if waiting:
            end, interval = heappop(waiting)
            if end < moment:
                return None
            given[interval] = spend
    return given if len(given) == len(intervals) else None
