"""What calls hold beside their money, and may be deleted."""

import json
from collections.abc import Mapping
from typing import Final

from attrs import evolve

from generor_async.rules.row_states import Fail, Finish, MarkUnknown, RowState
from generor_async.stores.ledger import RequestRules
from generor_async.stores.records import CallRecord, Reject
from generor_async.values import JSON, is_object

__all__ = ["DELETED_STATES", "UNKNOWN_PARAMETERS", "step_without_quotes", "without_quotes", "without_text"]

DELETED_STATES: Final[tuple[RowState, ...]] = ("done", "failed")
"""States of calls whose parameters may be deleted. Others may have to be made, or be found by their prompt."""
UNKNOWN_PARAMETERS: Final = "{}"
"""The parameters of a call that was rebuilt from its result alone; the next reading replaces them."""
EXACT: Final = frozenset({"files", "error", "code"})
"""Members of results and problems that quote nothing."""


def without_quotes(rules: RequestRules, value: JSON, parameters: Mapping[str, JSON]) -> JSON:
    """Return a result or problem without what it quotes of the parameters; the names of files stay."""
    if not is_object(value):
        return value
    kept = {name: member for name, member in value.items() if name in EXACT}
    others = {name: member for name, member in value.items() if name not in EXACT}
    quoteless = rules.without_quotes(others, parameters)
    assert is_object(quoteless)
    return {**quoteless, **kept}


def step_without_quotes(
    rules: RequestRules, call: CallRecord, step: Finish | Fail | MarkUnknown
) -> Finish | Fail | MarkUnknown:
    """Return a step without what it quotes of the call's parameters."""
    if isinstance(step, Finish):
        return evolve(step, result=without_quotes(rules, step.result, call.parameters))
    return evolve(step, problem=without_quotes(rules, step.problem, call.parameters))


def without_text(rules: RequestRules, reject: Reject) -> str:
    """Return the reason of a reject without what it quotes of the line."""
    try:
        found = json.loads(reject.text)
    except ValueError:
        found = reject.text
    return str(rules.without_quotes(reject.reason, found if is_object(found) else {"line": found}))
