"""Answers as the documents print them, changed at random: each is a result or a typed error, and what was paid for is
found in it.
"""

import copy
import json
from random import Random
from typing import Any

import pytest
from documents.corpus import GENEROR, LUMA, Example

from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import operations as luma_operations
from generor_async.errors import APIError, ResponseShapeError
from generor_async.rules import outcome, response_parsing
from generor_async.rules.http_types import Reply
from generor_async.values import Headers, Model, is_array, is_object

ENDPOINTS = {**generor_operations.ENDPOINTS, **luma_operations.ENDPOINTS}
EXAMPLES = [
    example
    for corpus in (GENEROR, LUMA)
    for example in corpus.examples
    if example.kind == "response" and example.operation is not None
]
PAID = frozenset({"generor.generators.generate", "luma.generations.create"})
TIMES = 1_500
"""How many changed answers each example makes."""
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 8.0, 1.5, 10**400, "", "x", "24", "true", "0000-00-00 00:00:00", "\ud800", "é"),
    *([], {}, [None], {"a": 1}, {"0": {}}, [[]], "[]", "{", "<html>", "x" * 300),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a JSON value: the object or array, and the key or index in it."""
    found: list[tuple[Any, Any]] = []
    pending: list[Any] = [value]
    while pending:
        around = pending.pop()
        keys: list[Any] = list(around) if is_object(around) else [*range(len(around))] if is_array(around) else []
        found += [(around, key) for key in keys]
        pending += [around[key] for key in keys]
    return found


def changed(body: Any, dice: Random) -> Any:
    """Return a body that differs in one to three places."""
    body = copy.deepcopy(body)
    for _ in range(dice.randint(1, 3)):
        around, key = dice.choice(places(body) or [({}, "x")])
        value = around[key] if around else None
        change = dice.randrange(6)
        if change == 0 and is_object(around):
            around.pop(key, None)
        elif change == 1:
            around[key] = str(value)
        elif change == 2:
            around[key] = [value]
        elif change == 3:
            around[key] = {"value": value}
        elif change == 4 and is_array(value):
            around[key] = {str(index): item for index, item in enumerate(value)}
        else:
            around[key] = copy.deepcopy(dice.choice(ODD))
    return body


def ids_of(name: str, body: dict[str, Any]) -> set[str]:
    """Return the ids of what was paid for that stand where the documents have them."""
    if name == "luma.generations.create":
        found = [body.get("id")]
    else:
        data = body.get("data")
        made = data.get("creations") if is_object(data) else None
        if is_object(made) and all(key.isdecimal() for key in made):
            made = list(made.values())
        found = [one.get("creation_id") for one in made if is_object(one)] if is_array(made) else []
    return {str(each) for each in found if type(each) in {int, str} and str(each).strip()}


def told(result: Any) -> set[str]:
    """Return the ids that a result names."""
    made = getattr(result, "creations", None)
    ids = [result.id] if made is None else [creation.creation_id for creation in made]
    return {str(each) for each in ids}


def read(example: Example, body: Any) -> Any:
    """Return what a changed answer comes to: a result, or an error of ours."""
    target = ENDPOINTS[str(example.operation)]
    path, given = target.template, [str(argument) for argument in example.arguments]
    while "{" in path:
        path = path[: path.index("{")] + given.pop(0) + path[path.index("}") + 1 :]
    reply = Reply(status=example.status or 200, headers=Headers(), body=json.dumps(body).encode())
    context = outcome.CallContext(target, "ours")
    try:
        return response_parsing.parse_response(target, context, reply, path=path, now=0.0, elapsed=0.1)
    except APIError as error:
        return error


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_answer_changed_at_random_is_a_result_or_a_typed_error(example: Example) -> None:
    dice = Random(example.name)
    for _ in range(TIMES):
        result = read(example, changed(example.json, dice))
        if isinstance(result, Model):
            assert all(problem.startswith("$") for problem in result.problems)


@pytest.mark.parametrize("example", [each for each in EXAMPLES if each.operation in PAID], ids=lambda each: each.name)
def test_what_was_paid_for_is_found_whatever_else_was_changed(example: Example) -> None:
    dice = Random(example.name)
    for _ in range(2 * TIMES):
        body = changed(example.json, dice)
        ids = ids_of(str(example.operation), body)
        result = read(example, body)
        if isinstance(result, Model):
            assert ids <= told(result), body
        elif body.get("success") is not False:
            assert isinstance(result, ResponseShapeError)
            assert (result.outcome, ids) == ("done", set()), body
            assert result.body is not None
