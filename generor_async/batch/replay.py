"""Replays lines of calls.jsonl and results.jsonl on calls, to rebuild a journal that was lost.

calls.jsonl tells of each paid call, and what came of it unless it is done; results.jsonl tells what is done.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from generor_async.errors import OutcomeUnknownError
from generor_async.stores.records import AccountKey, CallRecord
from generor_async.values import JSON

__all__ = ["CallReplay", "is_result", "replay_result"]

LOST_PROBLEM: Final[JSON] = {
    "message": "the journal was lost, and nothing that is left says what came of its call",
    "error": OutcomeUnknownError.__name__,
}
RECOVERED: Final = "recovered"
"""The model of a row of which only the result is left."""
IN_RESULTS: Final = frozenset({"id", "place", "remote_ids", "credits", "files"})
"""The keys that every line of results.jsonl has."""
NOT_IN_RESULT: Final = frozenset({"id", "place", "remote_ids", "credits", "dollars", "columns"})
"""The keys of a line of results.jsonl that are no part of the row's result."""


@define
class CallReplay:
    """Calls, by number, after some lines of calls.jsonl."""

    account: AccountKey
    """The account that all calls count against."""
    calls: dict[int, CallRecord]
    """At first, those calls of these lines that earlier lines have told of."""
    attempts: list[CallRecord] = field(init=False, factory=list[CallRecord])
    """Attempts that these lines show to be earlier ones."""

    def replay(self, line: Mapping[str, Any]) -> None:
        """Change a call by a line."""
        if "request_id" in line:
            self._submit(line)
        elif (call := self.calls.get(line["number"])) is not None:
            _write_outcome(call, line)

    def _submit(self, line: Mapping[str, Any]) -> None:
        """Begin another attempt, of which nothing is known yet."""
        number: int = line["number"]
        call = self.calls.get(number)
        if call is not None and call.request_id is not None:
            self.attempts.append(call)
        self.calls[number] = CallRecord(
            number=number,
            id=line["id"] if call is None else call.id,
            parameters=line.get("parameters", {}),
            digest=line.get("digest"),
            request_key=line.get("request_key"),
            place=line["place"],
            state="unknown",
            attempt=1 if call is None else call.attempt + 1,
            request_id=line["request_id"],
            submitted_at=line["at"],
            longest=line["longest"],
            model=line["model"],
            estimated=line["estimated"],
            counted=line["counted"],
            accounts=(self.account,),
            problem=LOST_PROBLEM,
            columns=line.get("columns") or ({} if call is None else call.columns),
        )


def _write_outcome(call: CallRecord, line: Mapping[str, Any]) -> None:
    """Change a call by what a line says of its latest attempt; a line that only corrects the cost has no `to`."""
    if "to" in line:
        call.state, call.problem = line["to"], line.get("problem")
    if line.get("cost") is not None:
        call.cost = line["cost"]
    if line.get("counted") is not None:
        call.counted = line["counted"]
    call.cost_source = line.get("cost_source", call.cost_source)
    call.remote_ids = tuple(line.get("remote_ids", call.remote_ids))


def is_result(line: Mapping[str, Any]) -> bool:
    """Tell whether a line of results.jsonl has all that a result has."""
    return line.keys() >= IN_RESULTS


def replay_result(line: Mapping[str, Any], call: CallRecord | None, *, number: int, account: AccountKey) -> CallRecord:
    """Change a call by its result, and return it; if nothing else tells of the call, it is a new one of this number."""
    if call is None:
        call = CallRecord(
            number=number, id=line["id"], parameters={}, place=line["place"], state="done", attempt=1, model=RECOVERED
        )
    if call.request_id is None:
        call.cost, call.cost_source = line["credits"], "alone"
    call.state, call.problem = "done", None
    call.accounts, call.counted = (account,), line["credits"]
    call.remote_ids = tuple(line["remote_ids"])
    call.result = {name: value for name, value in line.items() if name not in NOT_IN_RESULT}
    return call
