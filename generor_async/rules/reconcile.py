"""What became of calls whose outcome is unknown, told from what the account shows: its creations, spends and balance.

A row is found where creations that nobody else claims fit it, and it alone. It is surely absent where, after all the
time that its call can have taken, by the server's clock and by our own, two looks a minute apart show neither a
creation like it nor a spend that nothing else explains. Everything else stays unknown: a row that is held costs a look,
one that is wrongly let go costs money.

So what fits is judged twice. To be found, a creation must agree in all that both sides show. To stand in the way of
absence, it need only look alike. And a spend is explained only where every call known to have been charged has a spend
of its own, the sums agree with the balance, and none is left over that may be this row's, whatever its date
(`generor_async.rules.unexplained_spends`): a creation may have been deleted, and a date be wrong besides.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from generor_async.rules.creation_matching import (
    GENERATE_SECONDS,
    Absent,
    Finding,
    Found,
    ListedCreation,
    PromptKey,
    StillUnknown,
    UnresolvedRow,
    charges_of_found,
    components,
    group_by_prompt,
    last_moment,
    match_component,
    prompt_key,
)
from generor_async.rules.time_zones import CLOCK_SLACK, ORDER_SLACK
from generor_async.rules.unexplained_spends import Charge, DatedSpend, UnexplainedSpend, unexplained_spends

__all__ = ["SNAPSHOT_INTERVAL", "Snapshot", "absent_after", "merge_findings", "reconcile"]

SNAPSHOT_INTERVAL: Final = 60.0
"""Seconds between the two looks that must agree."""
ZONE_UNKNOWN: Final = "its call's time can't be told: nothing says enough of the account's time zone"


@frozen(kw_only=True)
class Snapshot:
    """What the account showed at one moment."""

    taken_at: float
    """By our own clock."""
    at: float
    """By the server's."""
    since: float
    """How far back creations and transactions were read; best to before the batch began."""
    creations: Sequence[ListedCreation]
    whole: bool = True
    """Whether these are all of them: a list may end, and have shown less than it counts."""
    spends: Sequence[DatedSpend]
    """In the order of the transactions' ids."""
    whole_until: float
    """Until when, by the server's clock, the transactions are all there: they add up to what the balance was then."""


def absent_after(sent_at: float, *, longest: float, lag: float) -> float:
    """Return from when on what a listing doesn't show isn't there.

    `longest` is how long the generation may take, and `lag` how late listings may be, in seconds.
    """
    return sent_at + GENERATE_SECONDS + longest + lag


def reconcile(
    rows: Sequence[UnresolvedRow],
    *,
    looks: Sequence[Snapshot],
    charges: Sequence[Charge],
    taken: Mapping[int, PromptKey | None],
    lag: float,
) -> dict[int, Finding]:
    """Tell of every row, by its number, what the looks say; the latest look comes last.

    `charges` are the calls that were charged, or may be as they are under way; `taken` are the creations that are known
    to be another call's, each with what was asked for; None where nobody knows that any more.
    """
    findings: dict[int, Finding] = {}
    known = list(charges)
    free = _unclaimed(looks[-1], taken)
    for group in group_by_prompt(rows):
        for component in components(group, free.get(prompt_key(group[0]), [])):
            matched = match_component(*component)
            findings |= matched
            known += charges_of_found(*component, matched, seen_by=looks[-1].at - lag)
    asked = {row.number: prompt_key(row) for row in rows}
    told = dict(taken)
    for number, finding in findings.items():
        told |= dict.fromkeys(finding.creation_ids, asked[number]) if isinstance(finding, Found) else {}
    judged = [
        _Evidence(
            look,
            _unexplained(look, _other_creations(look, sorted(asked.values()), told), known, lag),
            _unclaimed(look, told),
        )
        for look in looks
    ]
    for group in group_by_prompt(rows):
        found = [row for row in group if row.number in findings]
        for row in group:
            if row.number not in findings:
                findings[row.number] = _judge_absence([row, *found], judged, lag)
    return findings


def _unclaimed(look: Snapshot, taken: Collection[int]) -> dict[PromptKey, list[ListedCreation]]:
    """Return the creations that are not known to be another call's, by what they look like."""
    free: dict[PromptKey, list[ListedCreation]] = {}
    for creation in look.creations:
        if creation.creation_id not in taken:
            free.setdefault(prompt_key(creation), []).append(creation)
    return free


def merge_findings(findings: Iterable[Mapping[int, Finding]], *, again: float) -> dict[int, Finding]:
    """Return what holds however the account's times are read; `again` is when another look may tell more."""
    told: dict[int, Finding] = {}
    for reading in findings:
        for number, finding in reading.items():
            told[number] = _merge(told.get(number, finding), finding, again)
    return told


def _merge(one: Finding, other: Finding, again: float) -> Finding:
    if isinstance(one, StillUnknown) and isinstance(other, StillUnknown):
        return max(one, other, key=lambda held: held.check_at or 0.0)
    return one if one == other else StillUnknown(reason=ZONE_UNKNOWN, check_at=again)


@frozen
class _Evidence:
    """A look, and which of its spends may be a doubtful row's."""

    look: Snapshot
    unexplained: Sequence[UnexplainedSpend] | None
    """None where nobody can say: a call is under way, or has no spend."""
    free: Mapping[PromptKey, Sequence[ListedCreation]]
    """The creations that are not known to be another call's, by what they look like."""


def _judge_absence(rows: Sequence[UnresolvedRow], looks: Sequence[_Evidence], lag: float) -> Finding:
    """Return what is told of a row that is not found, the first of these.

    The others are like it, and may have been given what it has made: so it is judged by the times of them all.
    """
    row, latest = rows[0], looks[-1].look
    if any(_may_be_of(row, creation) for judged in looks for creation in judged.free.get(prompt_key(row), ())):
        return StillUnknown(reason="there is a creation like it that may be another call's")
    if (wait := _time_left(rows, latest, lag)) > 0:
        return StillUnknown(reason="its call may still be under way", check_at=latest.taken_at + wait)
    since: float | None = None
    for judged in looks:
        if _reason_against_absence(rows, judged) or _time_left(rows, judged.look, lag) > 0:
            since = None
        elif since is None:
            since = judged.look.taken_at
    if since is None:
        return StillUnknown(
            reason=_reason_against_absence(rows, looks[-1]), check_at=latest.taken_at + SNAPSHOT_INTERVAL
        )
    if latest.taken_at < since + SNAPSHOT_INTERVAL:
        return StillUnknown(reason="it is not there, and another look must agree", check_at=since + SNAPSHOT_INTERVAL)
    return Absent()


def _time_left(rows: Sequence[UnresolvedRow], look: Snapshot, lag: float) -> float:
    """Return for how many seconds after a look a call may yet be under way, or not be shown, by one of the clocks."""
    theirs = max(absent_after(row.submitted_at, longest=row.longest, lag=lag) for row in rows) - look.at
    ours = max(absent_after(row.sent_at, longest=row.longest, lag=lag) for row in rows) - look.taken_at
    return max(theirs, ours)


def _may_be_of(row: UnresolvedRow, creation: ListedCreation) -> bool:
    """Tell whether what looks alike may be a row's; it is dated an hour wrong where a clock was changed since."""
    return creation.created_at >= row.submitted_at - CLOCK_SLACK - ORDER_SLACK


def _reason_against_absence(rows: Sequence[UnresolvedRow], judged: _Evidence) -> str:
    """Return why a look that shows no creation like a row's is no proof of its absence; empty where it is."""
    times = [(row.submitted_at - CLOCK_SLACK, last_moment(row) + CLOCK_SLACK) for row in rows]
    if judged.look.since > min(times)[0]:
        return "the account was not looked at as far back as its call"
    if not judged.look.whole:
        return "the list of the account's creations ends short"
    if judged.look.whole_until < max(map(last_moment, rows)):
        return "the transactions don't add up to the balance"
    if judged.unexplained is None:
        return "calls are under way, or their spends are not shown"
    if any(spend.may_be_within(*time) for spend in judged.unexplained for time in times):
        return "credits were spent that nothing else explains, and that may have been at its time"
    return ""


def _other_creations(look: Snapshot, asked: Sequence[PromptKey], taken: Mapping[int, PromptKey | None]) -> set[int]:
    """Return the creations that are surely none of those that rows `asked` for, which come in order.

    Those that are known to be another call's, and those that look otherwise, as long as the list shows what was asked
    for: a prompt that is cut short, or missing, may be any that begins so, and where it was seen to show another than
    was asked for, what looks otherwise may be a row's.
    """
    others = {*taken}
    shown = {creation.creation_id: prompt_key(creation) for creation in look.creations}
    changed = {
        shown[id_][0]
        for id_, wanted in taken.items()
        if wanted is not None and id_ in shown and not _is_prefix_of_any(shown[id_], [wanted])
    }
    others.update(id_ for id_, one in shown.items() if one[0] not in changed and not _is_prefix_of_any(one, asked))
    return others


def _is_prefix_of_any(shown: PromptKey, asked: Sequence[PromptKey]) -> bool:
    """Tell whether a prompt is what was asked for, or the beginning of it, for anything that was; it is in order."""
    (generator, prompt), place = shown, bisect_left(asked, shown)
    return place < len(asked) and asked[place][0] == generator and asked[place][1].startswith(prompt)


def _unexplained(
    look: Snapshot, others: Collection[int], charges: Iterable[Charge], lag: float
) -> list[UnexplainedSpend] | None:
    """Return the spends that may be a doubtful row's; None where a call is under way, or has none of its own."""
    begun = [charge for charge in charges if look.since <= charge.began - CLOCK_SLACK and charge.began <= look.at]
    return unexplained_spends(look.spends, begun, since=look.since, shown_until=look.at - lag, others=others)
