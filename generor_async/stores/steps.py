"""What each step writes of a call, in any store."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from generor_async.rules.row_states import (
    END_STATES,
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowStep,
    Submit,
)
from generor_async.stores.records import COST_SOURCES, CallRecord
from generor_async.values import JSON

__all__ = ["STEP_COLUMNS", "UNOWNED", "dump_credits", "dump_json", "step_values", "update_call"]

UNOWNED: Final = frozenset({*END_STATES, "ready"})
"""States in which a call has no owner."""
STEP_COLUMNS: Final[Mapping[type[RowStep], tuple[str, ...]]] = {
    Submit: ("request_id", "submitted_at", "longest", "model", "estimated", "counted", "accounts"),
    Defer: ("counted",),
    Accept: ("cost_source", "remote_ids", "cost", "counted"),
    Download: (),
    Finish: ("ended_at", "result"),
    Fail: ("ended_at", "problem", "cost", "counted"),
    MarkUnknown: ("ended_at", "problem"),
    Release: ("ended_at", "problem", "cost", "counted"),
}
"""The columns that each step changes beside state and owner; without the last two if the step has no cost."""


def step_values(step: RowStep) -> tuple[Any, ...]:
    """Return the values that a step writes, in the order of its columns."""
    match step:
        case Submit():
            return step.request_id, step.at, step.longest, step.model, step.estimated, step.reserved
        case Accept():
            ids = f"[{','.join([_encode_text(id_) for id_ in step.remote_ids])}]"  # a third of the time of a list
            alone = int(step.alone)  # for a bool, or a None, sqlite3 looks for an adapter each time
            if step.cost is None:
                return alone, ids
            return alone, ids, step.cost, step.cost if step.likely is None else step.likely
        case Defer():
            return (0.0,)
        case Download():
            return ()
        case Finish():
            return step.at, dump_json(step.result)
        case MarkUnknown():
            return step.at, dump_json(step.problem)
        case Fail() | Release():
            return step.at, dump_json(step.problem), *_costs(step.cost)


def _costs(cost: float | None) -> tuple[float, ...]:
    return () if cost is None else (cost, cost)


def update_call(call: CallRecord, step: RowStep) -> None:
    """Set the fields of a call that its step has written, beside state and owner."""
    match step:
        case Submit():
            call.request_id, call.submitted_at, call.longest = step.request_id, step.at, step.longest
            call.model, call.estimated, call.counted = step.model, step.estimated, step.reserved
            return
        case Accept():
            call.cost_source, call.remote_ids = COST_SOURCES[step.alone], step.remote_ids
            if step.cost is not None:
                call.cost, call.counted = step.cost, step.cost if step.likely is None else step.likely
            return
        case Defer():
            call.counted = 0.0
            return
        case Download():
            return
        case Finish():
            call.ended_at, call.result = step.at, step.result
            return
        case MarkUnknown():
            call.ended_at, call.problem = step.at, step.problem
            return
        case Fail() | Release():
            call.ended_at, call.problem = step.at, step.problem
    if step.cost is not None:
        call.cost = call.counted = step.cost


_encode_text: Final = json.encoder.encode_basestring_ascii
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def dump_json(value: JSON) -> str:
    """Encode JSON; equal values give equal texts."""
    text = _encode(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as in the name of a file that isn't UTF-8
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text


@lru_cache(maxsize=1024)
def dump_credits(value: float | None) -> str:
    """Encode an amount as JSON; most calls have one of few amounts, and to write a float takes long."""
    return "null" if value is None else float.__repr__(float(value))
