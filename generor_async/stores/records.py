"""What a ledger holds and returns: calls, accounts, and the rows of an input."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from attrs import Factory, define, field, frozen

from generor_async.rules.charges import CostSource
from generor_async.rules.row_states import RowState
from generor_async.values import JSON

__all__ = [
    "COST_SOURCES",
    "Account",
    "AccountKey",
    "AddResult",
    "CallRecord",
    "Duplicate",
    "Failure",
    "FoundCall",
    "LiveOwner",
    "NewCall",
    "NewRow",
    "Reject",
    "RunInUse",
    "StoredFiles",
    "StoredRun",
    "TakenOver",
    "canonical_json",
]

COST_SOURCES: Final[tuple[CostSource, ...]] = ("overlapped", "alone", "listed")
"""The column `cost_source` of a store is an index of this."""
canonical_json: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
"""Encode a row's parameters: equal ones give equal texts."""


# --- rows of an input -------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class NewRow:
    """A row that was read and checked, and becomes a call."""

    id: str
    parameters: Mapping[str, JSON] = field(repr=False)
    """The operation's parameters, as JSON; a file is `{"path", "sha256"}`."""
    place: str
    """Where it was read, such as `prompts.jsonl:17`."""
    text: str = field(default=Factory(lambda self: canonical_json(self.parameters), takes_self=True), repr=False)
    """The parameters as canonical JSON."""
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """The values of columns that are no parameters."""
    has_own_id: bool = True
    """Whether the input gives the id; otherwise the id is the fingerprint of the request."""


@frozen(kw_only=True)
class Duplicate:
    """A row that repeats another one of its reading, and isn't run."""

    place: str
    """Where it was read."""
    number: int
    """The number of the call that it repeats."""
    first: str
    """Where that row was read."""
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """The values of its own columns that are no parameters."""


@frozen(kw_only=True)
class Reject:
    """A line of the input that can't be run."""

    place: str
    text: str = field(repr=False)
    """The line as it was read."""
    reason: str
    """What is wrong, and how to correct it."""


# --- accounts ---------------------------------------------------------------------------------------------------------


AccountKey: TypeAlias = tuple[str, str]
"""What an account is for (`scope`), and the period that it holds for; empty if it holds for ever."""


@frozen
class Account:
    """Money that calls may spend together, in credits."""

    scope: str
    period: str = ""
    cap: float | None = None
    """The most that `reserved` and `spent` may be together; None if there is no cap."""
    reserved: float = 0.0
    """The sum of what calls count whose price is not final: under way, or of unknown outcome."""
    spent: float = 0.0
    """The sum of what the other calls count."""

    @property
    def key(self) -> AccountKey:
        """The account's key."""
        return self.scope, self.period


# --- calls ------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class NewCall:
    """A call that is no row of an input, and is made at once."""

    id: str
    """Its idempotency key, or an id of its own."""
    operation: str
    parameters: Mapping[str, JSON] = field(repr=False)
    """What has to be known of the request, as JSON: see `RequestRules`."""
    place: str = ""
    """Where it goes: the API's address."""
    user: str | None = None
    context: JSON = field(default=None, repr=False)
    """What the caller has attached."""


@define(eq=False)
class CallRecord:
    """A call of the ledger. Steps change it in place once they are committed."""

    number: int
    """Its position in the input, from 1."""
    id: str
    parameters: Mapping[str, JSON] = field(repr=False)
    place: str
    state: RowState
    attempt: int
    """How often it was claimed. The fields below are those of the latest attempt."""
    owner: int | None = None
    """The opening of the ledger that has claimed it; None if it isn't claimed."""
    request_id: str | None = None
    submitted_at: float | None = None
    """When the intent to call was written, in seconds since the epoch."""
    longest: float = 0.0
    """Estimated upper bound of its duration, in seconds."""
    model: str | None = None
    estimated: float = 0.0
    """Estimated price, in credits."""
    counted: float = 0.0
    """What this attempt counts against the cap, in credits: the reservation, and later the cost."""
    charged_before: float = 0.0
    """What earlier attempts count against the cap, in credits."""
    unresolved_before: float = 0.0
    """The part of `charged_before` that may not have been charged."""
    accounts: tuple[AccountKey, ...] = ()
    """The accounts that its attempt counts against, in sorted order."""
    cost: float | None = None
    """What it cost, in credits, by `cost_source`; None if that isn't known."""
    cost_source: CostSource = "overlapped"
    remote_ids: tuple[str, ...] = ()
    ended_at: float | None = None
    result: JSON = None
    problem: JSON = None
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """The values of columns that are no parameters."""
    text: str = field(default="", repr=False)
    """The parameters as canonical JSON; empty if they were deleted, of which two hashes stay."""
    digest: int | None = None
    """`RequestRules.digest` of parameters that were deleted; else None."""
    request_key: int | None = None
    """`RequestRules.request_key` of parameters that were deleted; else None."""
    operation: str | None = None
    """The operation of a call that is no row; that of a row is its run's."""
    user: str | None = None
    context: JSON = field(default=None, repr=False)
    """What the caller has attached to a call that is no row."""


@frozen
class FoundCall:
    """A call that was found by its id."""

    number: int
    state: RowState
    parameters: Mapping[str, JSON] = field(repr=False)
    digest: int | None = None
    """`RequestRules.digest` of parameters that were deleted; else None."""


@frozen
class StoredFiles:
    """The output files of some calls that are done."""

    numbers: Sequence[int]
    files: Sequence[Sequence[str]]
    """The paths of each call's outputs, relative to the folder."""


@frozen(kw_only=True)
class AddResult:
    """What `add` has done with each row."""

    new: int
    known: int
    """Rows whose id an earlier reading added, with parameters of the same meaning."""
    rejects: Sequence[Reject] = ()
    """Rows whose id belongs to other parameters."""
    duplicates: Sequence[Duplicate] = ()
    """Rows that repeat one of this reading."""
    withheld: Sequence[NewRow] = ()
    """Rows that were not added: they request what an earlier reading added under another id."""


@frozen(kw_only=True)
class Failure:
    """A group of calls that failed with the same error type and failure code."""

    error: str
    """The name of the error type."""
    code: str
    """The API's failure code; empty if it gave none."""
    message: str
    """The message of the first call's error."""
    rows: int


@frozen
class TakenOver:
    """How many calls of owners that have ended were taken over."""

    ready: int = 0
    """Calls that were not sent, and are ready again."""
    unknown: int = 0
    """Calls that may have been sent, and are unknown."""
    resumed: int = 0
    """Calls that were accepted, and belong to the new owner."""


# --- the runs of a database -------------------------------------------------------------------------------------------


@frozen
class StoredRun:
    """A run in a database."""

    name: str
    has_open_calls: bool
    """Whether any of its calls has not ended."""
    has_sent_calls: bool
    """Whether any of these may have been sent: it is paid for, or may be."""
    notes: Mapping[str, JSON]


@frozen
class LiveOwner:
    """An owner whose lease lasts."""

    process: str
    """Its machine and process."""
    seconds_left: float
    """For how long its lease lasts if it is not renewed."""


@frozen
class RunInUse:
    """Why a run is not deleted."""

    owners: Sequence[LiveOwner]
    """Who is at work on it."""
    paid: int
    """Calls that are paid for and have no result yet."""
    unknown: int
    """Calls that may have been paid for."""
