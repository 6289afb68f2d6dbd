"""Reconciles calls of unknown outcome with what the account shows: its creations, spends and balance.

A row is found if creations that no other call claims fit it, and fit no other row. It is absent if, after the longest
time that its call can have taken (by the server's clock and by ours), two snapshots a minute apart show neither a
similar creation nor an unexplained spend. Every other row stays unknown: one row too many that stays unknown costs
another snapshot; one that is wrongly called absent is charged twice.

So there are two criteria. A creation that is found must agree in every trait that both sides show; a creation that
speaks against absence need only look alike. A spend is explained only if every charged call has a spend of its own, the
sums agree with the balance, and none is left over that may be this row's, whatever its date
(`rules.unexplained_spends`): its creation may have been deleted, and dates may be wrong.
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
"""Seconds between two snapshots that must agree."""
ZONE_UNKNOWN: Final = "its call's time can't be told: nothing says enough of the account's time zone"


@frozen(kw_only=True)
class Snapshot:
    """The state of the account at one moment."""

    taken_at: float
    """By our own clock."""
    at: float
    """By the server's."""
    since: float
    """Creations and transactions were read back to this moment; best to before the batch began."""
    creations: Sequence[ListedCreation]
    whole: bool = True
    """Whether the list is complete: it may end with fewer items than it counts."""
    spends: Sequence[DatedSpend]
    """In the order of the transactions' ids."""
    whole_until: float
    """Up to this moment, by the server's clock, the transactions are complete: they add up to the balance."""


def absent_after(sent_at: float, *, longest: float, lag: float) -> float:
    """Return the moment after which a creation that isn't listed doesn't exist.

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
    """Return the finding for every row, by its number; `looks` are snapshots, the latest one last.

    `charges` are calls that were charged, or may be while they are under way. `taken` are the creations of other calls,
    each with its prompt; None where that is unknown.
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
    """Return the creations that no other call is known to own, by prompt."""
    free: dict[PromptKey, list[ListedCreation]] = {}
    for creation in look.creations:
        if creation.creation_id not in taken:
            free.setdefault(prompt_key(creation), []).append(creation)
    return free


def merge_findings(findings: Iterable[Mapping[int, Finding]], *, again: float) -> dict[int, Finding]:
    """Merge the findings of several time zones: they must agree; `again` is when another snapshot may help."""
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
    """A snapshot, and its evidence against absence."""

    look: Snapshot
    unexplained: Sequence[UnexplainedSpend] | None
    """None while they can't be determined: a call is under way, or has no spend."""
    free: Mapping[PromptKey, Sequence[ListedCreation]]
    """The creations that no other call is known to own, by prompt."""


def _judge_absence(rows: Sequence[UnresolvedRow], looks: Sequence[_Evidence], lag: float) -> Finding:
    """Return the finding for the first of these rows, which was not found.

    The others are like it and may have been matched with its creation, so the times of all of them count.
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
    """Return how long after a snapshot a call may still be under way or unlisted, in seconds, by either clock."""
    theirs = max(absent_after(row.submitted_at, longest=row.longest, lag=lag) for row in rows) - look.at
    ours = max(absent_after(row.sent_at, longest=row.longest, lag=lag) for row in rows) - look.taken_at
    return max(theirs, ours)


def _may_be_of(row: UnresolvedRow, creation: ListedCreation) -> bool:
    """Tell whether a similar creation may be a row's; its date is off by an hour if a clock was changed since."""
    return creation.created_at >= row.submitted_at - CLOCK_SLACK - ORDER_SLACK


def _reason_against_absence(rows: Sequence[UnresolvedRow], judged: _Evidence) -> str:
    """Return why a snapshot without a similar creation doesn't prove absence; empty where it does."""
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
    """Return the creations that can't be those of the rows, whose prompts `asked` has in order.

    They are those of other calls, and those with another prompt, as long as the list shows prompts unchanged. A prompt
    that is cut off, or missing, may be any that begins so; and where the API was seen to change prompts, or where the
    prompt of another call isn't kept, so that nobody can see it, a creation with another prompt may be a row's as well.
    """
    others = {*taken}
    shown = {creation.creation_id: prompt_key(creation) for creation in look.creations}
    changed = {
        shown[id_][0]
        for id_, wanted in taken.items()
        if id_ in shown and (wanted is None or not _is_prefix_of_any(shown[id_], [wanted]))
    }
    others.update(id_ for id_, one in shown.items() if one[0] not in changed and not _is_prefix_of_any(one, asked))
    return others


def _is_prefix_of_any(shown: PromptKey, asked: Sequence[PromptKey]) -> bool:
    """Tell whether a prompt is the beginning of any of the prompts in `asked`, which are in order."""
    (generator, prompt), place = shown, bisect_left(asked, shown)
    return place < len(asked) and asked[place][0] == generator and asked[place][1].startswith(prompt)


def _unexplained(
    look: Snapshot, others: Collection[int], charges: Iterable[Charge], lag: float
) -> list[UnexplainedSpend] | None:
    """Return the spends that may be those of unresolved rows; None while a call is under way, or has no spend."""
    begun = [charge for charge in charges if look.since <= charge.began - CLOCK_SLACK and charge.began <= look.at]
    return unexplained_spends(look.spends, begun, since=look.since, shown_until=look.at - lag, others=others)
