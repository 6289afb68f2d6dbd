"""Settles unknown rows of Generor by checking what the account shows.

`rules.reconcile` judges. This module reads the account, and records the findings: for rows that stay unknown, why, and
when the next check may settle them. Luma lists no jobs, so its unknown rows are left to the user.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from generor_async.errors import (
    APIConnectionError,
    ClientClosedError,
    DeadlineExceededError,
    InternalServerError,
    RateLimitError,
    ResponseShapeError,
    StaleRowError,
)
from generor_async.reconciliation.account_view import AccountView, ReadBalance, read_account
from generor_async.reconciliation.clock import ServerClock
from generor_async.reconciliation.kept_calls import AccountClient, KeptCalls
from generor_async.reconciliation.unresolved import LAG, earliest_absence, note_unresolved
from generor_async.reconciliation.zone_evidence import zone_evidence
from generor_async.rules.creation_matching import (
    GENERATE_SECONDS,
    Absent,
    Finding,
    Found,
    PromptKey,
    StillUnknown,
    UnresolvedRow,
    make_prompt_key,
)
from generor_async.rules.reconcile import SNAPSHOT_INTERVAL, merge_findings, reconcile
from generor_async.rules.row_states import PAID_STATES, Accept, Release, to_api_id
from generor_async.rules.time_zones import ORDER_SLACK, possible_zones
from generor_async.rules.unexplained_spends import Charge
from generor_async.stores.records import CallRecord
from generor_async.values import JSON

__all__ = ["Reconciliation", "judge_unknown_rows"]

MARGIN_BEFORE: Final = 2 * ORDER_SLACK
"""Seconds to read back before the oldest unknown call: dates may be an hour off."""
VIEWS_KEPT: Final = 3
BALANCES_KEPT: Final = 10
"""How many balances are kept: transactions that are listed late add up to an earlier one."""
MAX_FAILED_CHECKS: Final = 5
"""Failed checks in a row, each after the client's retries, before giving up."""
_TRANSIENT: Final = (APIConnectionError, DeadlineExceededError, InternalServerError, RateLimitError, ResponseShapeError)
"""Errors after which another check may succeed; a list that doesn't end is one of them."""
GIVE_UP_AFTER: Final = 1_800.0
"""Seconds after which an account that still contradicts itself is not checked again."""
START_MARGIN: Final = 300.0
"""Seconds between the first read of the account and the recorded start of the batch, at most."""


class Reconciliation:
    """Checks the account, as often as needed, and settles unknown rows."""

    def __init__(
        self,
        client: AccountClient,
        journal: KeptCalls,
        clock: ServerClock,
        balance: ReadBalance,
        *,
        beside_calls: bool = False,
    ) -> None:
        self._client = client
        self._balance = balance
        self._journal = journal
        self._clock = clock
        self._beside_calls = beside_calls
        """Whether calls are under way meanwhile, whose creations may be taken for those of unknown ones."""
        self._balances: Sequence[tuple[float, float]] = ()
        """Pairs of time (by the server's clock) and balance."""
        self._first_check_at = math.inf
        """When the first check was made."""
        self._last_check_at = -math.inf
        """When the last check was made, failed or not."""
        self._failed_checks = 0
        """Failed checks in a row."""
        self._views: list[AccountView] = []
        self.next_check_at: float | None = None
        """When the next check may settle more, in Unix seconds; None if no check will."""

    async def check_account(self) -> Sequence[CallRecord]:
        """Check once; return the rows that are settled: accepted, or ready again."""
        self.next_check_at = None
        unknown = [
            row
            async for row in self._journal.scan("unknown")
            if row.submitted_at is not None and not row.remote_ids and row.parameters
        ]
        if not unknown:
            return ()
        if (earliest := self._last_check_at + SNAPSHOT_INTERVAL) > self._clock.time():
            # Of views taken closely one after the other, no two that are kept would be far enough apart to agree.
            self.next_check_at = earliest
            return ()
        known = await self._known_rows(unknown)
        try:
            view = await self._read_account(unknown, known)
        except ClientClosedError:
            raise
        except _TRANSIENT as error:
            if not await self._note_failed_check(unknown, error):
                raise
            return ()
        self._failed_checks = 0
        self._last_check_at = self._clock.time() if isinstance(view, str) else view.taken_at
        await self._clock.save(self._journal)
        if isinstance(view, str):
            await self._note_all(unknown, StillUnknown(reason=view))
            return ()
        rivals = list[CallRecord]()
        if self._beside_calls:
            rivals = [row async for row in self._journal.scan("submitting") if row.parameters]
            known = await self._known_rows(unknown)  # some of them have ended since
        return await self._record(unknown, await self._judge([*unknown, *rivals], known, view))

    async def _known_rows(self, unknown: Iterable[CallRecord]) -> Sequence[CallRecord]:
        """Return the rows sent at about the time of the unknown ones, or later, whose outcome is known."""
        earliest = _oldest_call(unknown) - 2 * MARGIN_BEFORE
        return [
            row
            async for row in self._journal.scan(*PAID_STATES, "done", "unknown")
            if (row.submitted_at or 0.0) >= earliest and (row.remote_ids or row.state != "unknown")
        ]

    async def _read_account(self, unknown: Iterable[CallRecord], known: Iterable[CallRecord]) -> AccountView | str:
        since = self._clock.server_time(_oldest_call(unknown)) - MARGIN_BEFORE
        return await read_account(
            self._client,
            self._journal,
            self._clock,
            self._balance,
            since=since,
            known_rows=known,
            earlier_balances=self._balances,
        )

    async def _note_failed_check(self, unknown: Sequence[CallRecord], error: Exception) -> bool:
        """Note that the account could not be read; return whether another check is worth it."""
        self._failed_checks += 1
        self._last_check_at = self._clock.time()
        if self._failed_checks < MAX_FAILED_CHECKS:
            self.next_check_at = self._last_check_at + SNAPSHOT_INTERVAL
        reason = f"the account could not be read ({error})"
        await self._note_all(unknown, StillUnknown(reason=reason, check_at=self.next_check_at))
        return self.next_check_at is not None

    async def _note_all(self, unknown: Sequence[CallRecord], finding: StillUnknown) -> None:
        await self._note_unresolved(unknown, {row.number: finding for row in unknown})

    async def _judge(
        self, unknown: Sequence[CallRecord], known: Sequence[CallRecord], view: AccountView
    ) -> Mapping[int, Finding]:
        """Judge the unknown rows by this view and those before it."""
        self._first_check_at = min(self._first_check_at, view.taken_at)
        self._balances = view.balances[-BALANCES_KEPT:]
        self._views = [*self._views[1 - VIEWS_KEPT :], view]
        began: Any = await self._journal.read_note("began")
        server = self._clock.server_time
        return judge_unknown_rows(unknown, known, self._views, began=server(began) - START_MARGIN, server=server)

    async def _record(self, unknown: Sequence[CallRecord], findings: Mapping[int, Finding]) -> list[CallRecord]:
        """Record the findings; return the rows that are settled."""
        settled: list[CallRecord] = []
        last = max(*map(earliest_absence, unknown), self._first_check_at) + GIVE_UP_AFTER
        for row in unknown:
            match findings[row.number]:
                case Found() | Absent() as finding:
                    with suppress(StaleRowError):  # another process has settled it
                        await self._settle(row, finding)
                        settled.append(row)
                case StillUnknown(check_at=again) if again is not None and again < last:
                    self.next_check_at = again if self.next_check_at is None else min(self.next_check_at, again)
                case _:
                    pass
        await self._note_unresolved([row for row in unknown if row.state == "unknown"], findings, last=last)
        return settled

    async def _settle(self, row: CallRecord, finding: Found | Absent) -> None:
        if isinstance(finding, Found):
            await self._journal.accept(row, Accept(remote_ids=tuple(map(str, finding.creation_ids))))
        else:
            message = "its call had no effect: the account shows neither creation nor spend"
            await self._journal.release(row, Release(at=self._clock.time(), problem={"message": message}))

    async def _note_unresolved(
        self, rows: Sequence[CallRecord], findings: Mapping[int, Finding], *, last: float = math.inf
    ) -> None:
        """Record why rows stay unknown, and until when; no check is made after `last`."""
        noted = [(row, finding) for row in rows if isinstance(finding := findings[row.number], StillUnknown)]
        await note_unresolved(
            self._journal,
            (
                (
                    row,
                    finding.reason,
                    None
                    if finding.check_at is None or finding.check_at >= last
                    else max(finding.check_at, earliest_absence(row)),
                )
                for row, finding in noted
            ),
        )


def judge_unknown_rows(
    unknown: Sequence[CallRecord],
    known: Sequence[CallRecord],
    views: Sequence[AccountView],
    *,
    began: float,
    server: Callable[[float], float],
) -> dict[int, Finding]:
    """Return a finding for each unknown row that holds in every possible time zone; the latest view comes last.

    `known` are rows whose creations are known. `began` is the batch's start by the server's clock; `server(moment)`
    converts a moment of our clock to the server's.
    """
    own = _own_username(views[-1], known)
    rows = [_unknown_call(row, own, server) for row in unknown]
    charges = [_charge(row, server) for row in known]
    taken = {to_api_id(id_): _likeness(row) for row in known for id_ in row.remote_ids}
    zones = possible_zones(zone_evidence(views[-1], known=known, rows=rows, began=began, server=server))
    readings = (
        reconcile(rows, looks=[view.in_zone(zone) for view in views], charges=charges, taken=taken, lag=LAG)
        for zone in zones
    )
    return merge_findings(readings, again=views[-1].taken_at + SNAPSHOT_INTERVAL)


def _unknown_call(row: CallRecord, own: Mapping[str, JSON], server: Callable[[float], float]) -> UnresolvedRow:
    parameters: Any = row.parameters
    traits = {**own, **{name: parameters[name] for name in ("privacy_mode",) if name in parameters}}
    sent = row.submitted_at or 0.0
    return UnresolvedRow(
        number=row.number,
        generator=parameters["slug"],
        prompt=parameters.get("prompt") or "",
        shape=json.dumps({**parameters, "prompt": ""}, sort_keys=True),
        sent_at=sent,
        submitted_at=server(sent),
        longest=row.longest,
        count=parameters.get("count", 1),
        traits=traits,
    )


def _likeness(row: CallRecord) -> PromptKey | None:
    """Return what a row asked for; None if a rebuilt journal doesn't know it."""
    parameters: Any = row.parameters
    return make_prompt_key(parameters["slug"], parameters.get("prompt") or "") if "slug" in parameters else None


def _charge(row: CallRecord, server: Callable[[float], float]) -> Charge:
    sent = row.submitted_at or 0.0
    # A row ends when it is stored: if it was found, or resumed after a restart, that is long after its call.
    ended = min(math.inf if row.ended_at is None else row.ended_at, sent + GENERATE_SECONDS + row.longest)
    ids = tuple(to_api_id(id_) for id_ in row.remote_ids)
    return Charge(began=server(sent), ended=server(ended), creation_ids=ids)


def _oldest_call(rows: Iterable[CallRecord]) -> float:
    return min(row.submitted_at or 0.0 for row in rows)


def _own_username(view: AccountView, known: Iterable[CallRecord]) -> Mapping[str, JSON]:
    """Return the username that most own creations show, as a trait to match unknown rows by."""
    own = {id_ for row in known for id_ in row.remote_ids}
    names = Counter(one.traits.get("username") for one in view.creations.listed if str(one.creation_id) in own)
    return {"username": name} if (name := max(names, key=names.__getitem__, default=None)) is not None else {}
