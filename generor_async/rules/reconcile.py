"""What became of calls whose outcome is unknown, told from what the account shows: its creations, spends and balance.

A row is found where creations that nobody else claims fit it, and it alone. It is surely absent where, after all the
time that its call can have taken, by the server's clock and by our own, two looks a minute apart show neither a
creation like it nor a spend that nothing else explains. Everything else stays unknown: a row that is held costs a look,
one that is wrongly let go costs money.

So what fits is judged twice. To be found, a creation must agree in all that both sides show. To stand in the way of
absence, it need only look alike. And a spend is explained only where every call known to have been charged has a spend
of its own, the sums agree with the balance, and none is left over that may be this row's.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Final

from attrs import frozen

from generor_async.rules.matching import (
    PATIENCE,
    Absent,
    Charge,
    Doubtful,
    Finding,
    Found,
    Held,
    Listed,
    alike,
    charges_of,
    components,
    last_moment,
    likeness,
    match,
)
from generor_async.rules.zones import HOUR, SLACK

__all__ = ["BETWEEN_LOOKS", "Look", "absent_after", "agreed", "reconcile"]

BETWEEN_LOOKS: Final = 60.0
"""Seconds between the two looks that must agree."""
IN_DISPUTE: Final = "its call's time can't be told: nothing says enough of the account's time zone"


@frozen(kw_only=True)
class Look:
    """What the account showed at one moment."""

    taken_at: float
    """By our own clock."""
    at: float
    """By the server's."""
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


def absent_after(sent_at: float, *, longest: float, lag: float) -> float:
    """Return from when on what a listing doesn't show isn't there.

    `longest` is how long the generation may take, and `lag` how late listings may be, in seconds.
    """
    return sent_at + PATIENCE + longest + lag


def reconcile(
    rows: Sequence[Doubtful], *, looks: Sequence[Look], charges: Sequence[Charge], taken: Collection[int], lag: float
) -> dict[int, Finding]:
    """Tell of every row, by its number, what the looks say; the latest look comes last.

    `charges` are the calls that were charged, or may be as they are under way; `taken` are the creations that are known
    to be another call's.
    """
    findings: dict[int, Finding] = {}
    known = list(charges)
    free = _free(looks[-1], taken)
    for group in alike(rows):
        for component in components(group, free.get(likeness(group[0]), [])):
            matched = match(*component)
            findings |= matched
            known += charges_of(*component, matched, seen_by=looks[-1].at - lag)
    named = set(taken)
    for finding in findings.values():
        named.update(finding.creation_ids if isinstance(finding, Found) else ())
    judged = [
        _Judged(look, _unexplained(look, _spends(look, rows, named), known, lag), _free(look, named)) for look in looks
    ]
    for row in rows:
        if row.number not in findings:
            findings[row.number] = _absence(row, judged, lag)
    return findings


def _free(look: Look, taken: Collection[int]) -> dict[tuple[str, str], list[Listed]]:
    """Return the creations that are not known to be another call's, by what they look like."""
    free: dict[tuple[str, str], list[Listed]] = {}
    for creation in look.creations:
        if creation.creation_id not in taken:
            free.setdefault(likeness(creation), []).append(creation)
    return free


def agreed(findings: Iterable[Mapping[int, Finding]], *, again: float) -> dict[int, Finding]:
    """Return what holds however the account's times are read; `again` is when another look may tell more."""
    told: dict[int, Finding] = {}
    for reading in findings:
        for number, finding in reading.items():
            told[number] = _both(told.get(number, finding), finding, again)
    return told


def _both(one: Finding, other: Finding, again: float) -> Finding:
    if isinstance(one, Held) and isinstance(other, Held):
        return max(one, other, key=lambda held: held.look_at or 0.0)
    return one if one == other else Held(why=IN_DISPUTE, look_at=again)


@frozen
class _Judged:
    """A look, and which of its spends may be a doubtful row's."""

    look: Look
    unexplained: Sequence[float] | None
    """None where nobody can say: a call is under way, or has no spend."""
    free: Mapping[tuple[str, str], Sequence[Listed]]
    """The creations that are not known to be another call's, by what they look like."""


def _absence(row: Doubtful, looks: Sequence[_Judged], lag: float) -> Finding:
    latest = looks[-1].look
    if any(_stands_for(row, creation) for judged in looks for creation in judged.free.get(likeness(row), ())):
        return Held(why="there is a creation like it that may be another call's")
    if (wait := _time_left(row, latest, lag)) > 0:
        return Held(why="its call may still be under way", look_at=latest.taken_at + wait)
    since: float | None = None
    for judged in looks:
        if _problem(row, judged) or _time_left(row, judged.look, lag) > 0:
            since = None
        elif since is None:
            since = judged.look.taken_at
    if since is None:
        return Held(why=_problem(row, looks[-1]), look_at=latest.taken_at + BETWEEN_LOOKS)
    if latest.taken_at < since + BETWEEN_LOOKS:
        return Held(why="it is not there, and another look must agree", look_at=since + BETWEEN_LOOKS)
    return Absent()


def _time_left(row: Doubtful, look: Look, lag: float) -> float:
    """Return for how many seconds after a look a call may yet be under way, or not be shown, by one of the clocks."""
    theirs = absent_after(row.submitted_at, longest=row.longest, lag=lag) - look.at
    ours = absent_after(row.sent_at, longest=row.longest, lag=lag) - look.taken_at
    return max(theirs, ours)


def _stands_for(row: Doubtful, creation: Listed) -> bool:
    """Tell whether what looks alike may be a row's; it is dated an hour wrong where a clock was changed since."""
    return creation.created_at >= row.submitted_at - SLACK - HOUR


def _problem(row: Doubtful, judged: _Judged) -> str:
    """Return why a look that shows no creation like the row's is no proof of its absence; empty where it is."""
    begin, end = row.submitted_at - SLACK, last_moment(row) + SLACK
    if judged.look.since > begin:
        return "the account was not looked at as far back as its call"
    if not judged.look.whole:
        return "the list of the account's creations ends short"
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
    ours = {likeness(row) for row in rows}
    others = {
        creation.creation_id
        for creation in look.creations
        if creation.creation_id not in taken and likeness(creation) not in ours
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
