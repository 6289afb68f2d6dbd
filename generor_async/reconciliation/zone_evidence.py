"""Evidence of the account's time zone: own creations, own spends, and what was spent since the batch began."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, inf

from generor_async.reconciliation.account_view import AccountView, ListedSpend
from generor_async.rules.creation_matching import ListedCreation, UnresolvedRow, last_moment
from generor_async.rules.time_zones import TimeEvidence
from generor_async.stores.records import CallRecord

__all__ = ["zone_evidence"]

ROWS_USED = 300
"""How many own rows are used, spread over the batch."""


def zone_evidence(
    view: AccountView,
    *,
    known: Sequence[CallRecord],
    rows: Sequence[UnresolvedRow],
    began: float,
    server: Callable[[float], float],
) -> Iterator[TimeEvidence]:
    """Yield times that the account shows, each with the span in which it must really have been.

    `known` are rows whose creations are known, `rows` the unknown ones. `began` is the batch's start by the server's
    clock; `server(moment)` converts a moment of our clock to the server's.
    """
    calls = dict(_call_times(known[:: ceil(len(known) / ROWS_USED) or 1], until=view.at, server=server))
    own_ids = {id_ for row in known for id_ in row.remote_ids}
    skipped = own_ids - calls.keys()
    for creation in view.creations.listed:
        if creation.creation_id not in view.creations.zoned and (call := calls.get(str(creation.creation_id))):
            yield TimeEvidence(creation.created_at, *call)
    spends = [spend for spend in view.spends if not spend.zoned and str(spend.creation_id) not in skipped]
    for spend in spends:
        yield TimeEvidence(spend.shown, *calls.get(str(spend.creation_id), (began, view.at)))
    unclaimed = [one for one in view.creations.listed if str(one.creation_id) not in own_ids]
    yield from _from_same_prompts(unclaimed, view, spends=spends, rows=rows)


def _call_times(
    known: Iterable[CallRecord], *, until: float, server: Callable[[float], float]
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield each creation's id with the start and end of its call, or with `until` if the call has not ended."""
    for row in known:
        ended = until if row.ended_at is None else server(row.ended_at)
        for id_ in row.remote_ids:
            yield id_, (server(row.submitted_at or 0.0), ended)


def _from_same_prompts(
    unclaimed: Iterable[ListedCreation],
    view: AccountView,
    *,
    spends: Sequence[ListedSpend],
    rows: Sequence[UnresolvedRow],
) -> list[TimeEvidence]:
    """Return evidence from creations with the prompts of unknown rows; none if they may be older than the batch.

    They are the batch's own if the spends since its start name each of them, or are as many.
    """
    calls: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows:
        first, last = calls.get((row.generator, row.prompt), (inf, -inf))
        calls[row.generator, row.prompt] = min(first, row.submitted_at), max(last, last_moment(row))
    named = {spend.creation_id for spend in spends} - {None}
    evidence = [
        TimeEvidence(one.created_at, *call)
        for one in unclaimed
        if one.creation_id not in view.creations.zoned
        and (call := calls.get((one.generator, one.prompt)))
        and (not named or one.creation_id in named)
    ]
    most = max((row.count for row in rows), default=0) * len(spends)
    return evidence if len(evidence) <= most else []
