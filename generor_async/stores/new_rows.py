"""Decides what becomes of the rows of an input: which are new, and which a run has already.

One reading of an input sees each of its rows. From that follows which rows repeat another one, which waiting rows are
no longer in the input, and which new rows would buy again what the run has under another id.
"""

import json
from collections.abc import Mapping, Sequence

from attrs import define, evolve, field, frozen

from generor_async.rules.row_numbers import RowNumbers
from generor_async.rules.row_states import RowState
from generor_async.stores.content import DELETED_STATES, UNKNOWN_PARAMETERS
from generor_async.stores.ledger import RequestRules
from generor_async.stores.records import AddResult, Duplicate, NewRow, Reject
from generor_async.values import JSON

__all__ = ["KnownCall", "MatchedRows", "Reading", "dump_columns", "match_rows"]


@frozen
class KnownCall:
    """A call that an earlier row of this reading, or an earlier reading, has added."""

    number: int
    text: str | None
    """Its parameters as canonical JSON; None if they were deleted."""
    place: str
    state: RowState
    digest: int | None
    """The digest of parameters that were deleted."""

    @property
    def needs_parameters(self) -> bool:
        """Whether its parameters are not known and may still be of use."""
        return self.text == UNKNOWN_PARAMETERS or (self.text is None and self.state not in DELETED_STATES)


@define
class Reading:
    """One reading of the whole input into a run."""

    rules: RequestRules
    last_before: int = 0
    """The last call's number when it began."""
    seen: RowNumbers = field(init=False, factory=RowNumbers)
    added: RowNumbers = field(init=False, factory=RowNumbers)
    is_complete: bool = field(init=False, default=False)
    """Whether it has seen every row that may still be bought."""
    keeps_parameters: bool = field(init=False, default=True)
    """Whether parameters of ended calls are kept."""

    def note(self, matched: "MatchedRows") -> None:
        """Note that rows were added or seen."""
        for number in matched.numbers:
            self.added.add(number)
        for number in matched.seen:
            self.seen.add(number)


@define
class MatchedRows:
    """What is to be written for some rows, by the numbers of their calls."""

    withheld: Sequence[NewRow] = ()
    new: list[NewRow] = field(init=False, factory=list[NewRow])
    numbers: range = field(init=False, default=range(0))
    """The numbers of the new rows."""
    seen: list[int] = field(init=False, factory=list[int])
    parameters: dict[int, str] = field(init=False, factory=dict[int, str])
    """The parameters of known calls that they don't have yet, or no longer."""
    places: dict[int, str] = field(init=False, factory=dict[int, str])
    columns: dict[int, str] = field(init=False, factory=dict[int, str])
    """Columns that are no parameters, as JSON."""
    left_out: list[int] = field(init=False, factory=list[int])
    """Calls whose parameters are written, to be hashed, and then deleted."""
    rejects: list[Reject] = field(init=False, factory=list[Reject])
    duplicates: list[Duplicate] = field(init=False, factory=list[Duplicate])

    @property
    def result(self) -> AddResult:
        """What `add` returns."""
        return AddResult(
            new=len(self.new),
            known=len(self.seen) - len(self.new),
            rejects=tuple(self.rejects),
            duplicates=tuple(self.duplicates),
            withheld=tuple(self.withheld),
        )


def match_rows(
    rows: Sequence[NewRow],
    known: dict[str, KnownCall],
    reading: Reading,
    last: int,
    withheld: Sequence[NewRow] = (),
) -> MatchedRows:
    """Decide what is written for rows; those that are not `known`, by id, are numbered from after `last`.

    Of the `withheld` ones nothing is written.
    """
    matched = MatchedRows(withheld)
    if withheld:
        ids = {row.id for row in withheld}
        rows = [row for row in rows if row.id not in ids]
    for row in rows:
        if row.id not in known:
            matched.new.append(row)
            known[row.id] = KnownCall(last + len(matched.new), row.text, row.place, "ready", None)
    matched.numbers = range(last + 1, last + 1 + len(matched.new))
    if len(matched.new) == len(rows):
        matched.seen.extend(matched.numbers)
    else:
        _match_known(rows, known, reading, matched)
    return matched


def _match_known(rows: Sequence[NewRow], known: dict[str, KnownCall], reading: Reading, matched: MatchedRows) -> None:
    """Update the calls that this reading sees first; the other rows are rejects or duplicates."""
    seen = set[int]()
    for row in rows:
        call = known[row.id]
        number, place, is_seen = call.number, call.place, call.number in seen or call.number in reading.seen
        if not _is_same_request(row, call, reading.rules):
            if is_seen or call.state != "ready":
                matched.rejects.append(_id_conflict(row, place))
                continue
            matched.parameters[number], matched.places[number] = row.text, row.place
            known[row.id] = evolve(call, text=row.text, place=row.place)
        elif call.needs_parameters:
            matched.parameters[number] = row.text
            known[row.id] = evolve(call, text=row.text)
            if not reading.keeps_parameters and call.state in DELETED_STATES:
                matched.left_out.append(number)
        if is_seen:
            duplicate = Duplicate(place=row.place, number=number, first=place, columns=row.columns)
            matched.duplicates.append(duplicate)
            continue
        seen.add(number)
        matched.seen.append(number)
        if row.columns and number not in matched.numbers:
            matched.columns[number] = json.dumps(dict(row.columns))


def _is_same_request(row: NewRow, call: KnownCall, rules: RequestRules) -> bool:
    """Tell whether a row means the same request as the call with its id."""
    if call.text is None:
        return rules.digest(row.parameters) == call.digest
    if call.text in {row.text, UNKNOWN_PARAMETERS}:
        return True
    return rules.digest(json.loads(call.text)) == rules.digest(row.parameters)


def _id_conflict(row: NewRow, place: str) -> Reject:
    owner = "what this row was before" if row.place == place else f"another row, at {place}"
    reason = f"the id {row.id!r} belongs to {owner}: give each row an id of its own, or none"
    return Reject(place=row.place, text=row.text, reason=reason)


def dump_columns(columns: Mapping[str, JSON]) -> str | None:
    """Return columns that are no parameters as a store has them."""
    return json.dumps(dict(columns)) if columns else None
