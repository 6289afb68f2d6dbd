"""Deletes what calls hold beside their money.

A call of a run stays known when its parameters are deleted: a hash of them tells whether a row that is read again is
the same, and another one whether a new row would buy the same content again. The server overwrites what was deleted
when it vacuums its tables; its log and backups are the administrator's.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from generor_async.rules.row_states import RowState
from generor_async.stores.content import DELETED_STATES, UNKNOWN_PARAMETERS, without_quotes
from generor_async.stores.ledger import NO_RUN, RequestRules
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.steps import dump_json
from generor_async.values import JSON, is_object

__all__ = ["delete_parameters", "leave_out_page", "leave_out_rejects", "prune_page", "restore_parameters"]

PAGE: Final = 1_000
"""Calls in one transaction."""
CHOSEN: Final = "run = %s AND number = ANY(%s::bigint[])"
TABLES: Final = ("calls", "attempts")
READ_PARAMETERS: Final = f"SELECT number, parameters FROM generor.inputs WHERE {CHOSEN} AND parameters <> %s"
HASH_CALLS: Final = """
    UPDATE generor.calls AS known SET digest = given.digest
    FROM unnest(%s::bigint[], %s::bigint[]) AS given (number, digest)
    WHERE known.run = %s AND known.number = given.number
"""
HASH_INPUTS: Final = """
    UPDATE generor.inputs AS known SET parameters = NULL, request_key = given.request_key
    FROM unnest(%s::bigint[], %s::bigint[]) AS given (number, request_key)
    WHERE known.run = %s AND known.number = given.number
"""
RESTORE_INPUTS: Final = """
    UPDATE generor.inputs AS known SET parameters = given.parameters, request_key = NULL
    FROM unnest(%s::bigint[], %s::text[]) AS given (number, parameters)
    WHERE known.run = %s AND known.number = given.number
"""
WITH_PARAMETERS: Final = f"""
    SELECT number FROM generor.calls
    WHERE run = %s AND number > %s AND state = ANY(%s::text[]) AND digest IS NULL
    ORDER BY number LIMIT {PAGE} FOR UPDATE
"""
READ_TEXTS: Final = f"""
    SELECT held.number, held.attempt, parameters, result, problem FROM generor.{{}} AS held
    JOIN generor.inputs USING (run, number) WHERE {CHOSEN} AND (result IS NOT NULL OR problem IS NOT NULL)
"""
REPLACE_TEXTS: Final = """
    UPDATE generor.{} AS held SET result = given.result, problem = given.problem
    FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[]) AS given (number, attempt, result, problem)
    WHERE held.run = %s AND held.number = given.number AND held.attempt = given.attempt
"""
ENDED_PAGE: Final = f"""
    SELECT number, coalesce(ended_at, submitted_at) < %s,
        parameters <> '{UNKNOWN_PARAMETERS}' OR columns IS NOT NULL OR result IS NOT NULL OR context IS NOT NULL,
        problem
    FROM generor.calls LEFT JOIN generor.inputs USING (run, number)
    WHERE run = %s AND state = %s AND number > %s ORDER BY number LIMIT {PAGE} FOR UPDATE OF calls
"""


async def delete_parameters(transaction: Transaction, run: int, numbers: Sequence[int], rules: RequestRules) -> None:
    """Replace the parameters of calls by two hashes of them."""
    if not numbers:
        return
    found = await transaction.fetch(READ_PARAMETERS, run, list(numbers), UNKNOWN_PARAMETERS)
    chosen, parameters = [number for number, _ in found], [json.loads(text) for _, text in found]
    await transaction.send(HASH_CALLS, chosen, [rules.digest(given) for given in parameters], run)
    await transaction.send(HASH_INPUTS, chosen, [rules.request_key(given) for given in parameters], run)


async def restore_parameters(transaction: Transaction, run: int, texts: Iterable[tuple[int, str]]) -> None:
    """Set the parameters of calls, by number, whose hashes are not needed then."""
    given = dict(texts)
    if given:
        await transaction.send(RESTORE_INPUTS, [*given], [*given.values()], run)
        await transaction.send(f"UPDATE generor.calls SET digest = NULL WHERE {CHOSEN}", run, [*given])


async def leave_out_page(transaction: Transaction, *, run: int, rules: RequestRules, after: int) -> int | None:
    """Leave out the parameters of the next ended calls after a number; return the last number, None if there is none.

    What their results and problems quote of the parameters goes as well.
    """
    found = await transaction.fetch(WITH_PARAMETERS, run, after, list(DELETED_STATES))
    numbers: list[int] = [number for (number,) in found]
    if not numbers:
        return None
    for table in TABLES:
        texts = await transaction.fetch(READ_TEXTS.format(table), run, numbers)
        kept = [
            (number, attempt, *(_without_quotes(rules, value, json.loads(text or "{}")) for value in values))
            for number, attempt, text, *values in texts
        ]
        if kept:
            await transaction.send(REPLACE_TEXTS.format(table), *map(list, zip(*kept, strict=True)), run)
    await delete_parameters(transaction, run, numbers, rules)
    return max(numbers)


async def leave_out_rejects(transaction: Transaction, run: int) -> None:
    """Leave out the text of rejects."""
    await transaction.send("UPDATE generor.skipped_inputs SET text = '' WHERE run = %s AND reason IS NOT NULL", run)


async def prune_page(
    transaction: Transaction, *, run: int, name: str, rules: RequestRules, state: RowState, after: int, before: str
) -> tuple[int, int | None]:
    """Prune the calls of one page in this state that ended before a moment; the page begins after a number.

    Return how many were pruned, and the page's last number; None if there are no more.
    """
    found = await transaction.fetch(ENDED_PAGE.replace("%s", before, 1), run, state, after)
    if not found:
        return 0, None
    old = [
        number
        for number, is_old, has_content, problem in found
        if is_old and (name == NO_RUN or has_content or _has_message(problem))
    ]
    if name == NO_RUN:
        await _delete_calls(transaction, run, old)
    else:
        await delete_parameters(transaction, run, old, rules)
        await _delete_content(transaction, run, old)
    return len(old), found[-1][0]


def _without_quotes(rules: RequestRules, text: str | None, parameters: Any) -> str | None:
    return text and dump_json(without_quotes(rules, json.loads(text), parameters))


def _has_message(problem: str | None) -> bool:
    found: JSON = json.loads(problem) if problem else None
    return is_object(found) and bool(found.get("message"))


async def _delete_content(transaction: Transaction, run: int, numbers: Sequence[int]) -> None:
    """Delete all but the money of calls whose parameters are deleted; of problems their type and code stay."""
    for table in TABLES:
        found = await transaction.fetch(
            f"SELECT number, attempt, problem FROM generor.{table} WHERE {CHOSEN} FOR UPDATE", run, list(numbers)
        )
        kept = [(number, attempt, None, _error_codes(problem)) for number, attempt, problem in found]
        if kept:
            await transaction.send(REPLACE_TEXTS.format(table), *map(list, zip(*kept, strict=True)), run)
        await transaction.send(f"UPDATE generor.{table} SET context = NULL WHERE {CHOSEN}", run, list(numbers))
    await transaction.send(f"UPDATE generor.inputs SET columns = NULL WHERE {CHOSEN}", run, list(numbers))


def _error_codes(problem: str | None) -> str | None:
    """Return a problem without its message: its type and code tell what is refunded."""
    found: JSON = json.loads(problem) if problem else None
    if not is_object(found):
        return None
    return dump_json({"message": "", **{name: found[name] for name in ("error", "code") if name in found}})


async def _delete_calls(transaction: Transaction, run: int, numbers: Sequence[int]) -> None:
    """Delete calls that belong to no run."""
    for table in ("skipped_inputs", "inputs", "attempts", "calls"):
        await transaction.send(f"DELETE FROM generor.{table} WHERE {CHOSEN}", run, list(numbers))
