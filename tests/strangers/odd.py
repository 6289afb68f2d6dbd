"""Answers to a look at a job that say nothing of it, though the request was right: what stands between does so."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from strangers.records import Answer, Json

__all__ = ["ODD", "ODD_JOBS", "ODD_RESULTS"]

PAGE = "<html><head><title>Just a moment</title></head><body>Checking your browser</body></html>"


def _without_state(shown: Json) -> Answer:
    return Answer(body={name: value for name, value in shown.items() if name != "state"})


ODD: dict[str, Callable[[Json], Answer]] = {
    "404": lambda _: Answer(status=404, body={"detail": "Generation not found"}),
    "401": lambda _: Answer(status=401, body=PAGE),
    "403": lambda _: Answer(status=403, body=PAGE),
    "302": lambda _: Answer(status=302, headers={"Location": "https://sso.example/login"}),
    "400": lambda _: Answer(status=400, body={"detail": "Bad Request"}),
    "408": lambda _: Answer(status=408, body=PAGE),
    "page": lambda _: Answer(body=PAGE),
    "empty": lambda _: Answer(),
    "cut": lambda shown: Answer(body=json.dumps(shown)[:-30].encode(), headers={"Content-Type": "application/json"}),
    "null": lambda shown: Answer(body={**shown, "state": None}),
    "stateless": _without_state,
    "list": lambda shown: Answer(body=[shown]),
    "megabytes": lambda shown: Answer(body={**shown, "padding": "x" * 10_000_000}),
    "another": lambda shown: Answer(body={**shown, "id": "550e8400-e29b-41d4-a716-446655440000"}),
}
"""Made from what would have been shown."""


def _changed(**fields: Any) -> Callable[[Json], Any]:
    return lambda shown: {**shown, **fields}


def _without(*names: str) -> Callable[[Json], Any]:
    return lambda shown: {name: value for name, value in shown.items() if name not in names}


def _ids_as_text(shown: Json) -> Any:
    made: Any = shown["creations"]
    return {**shown, "creations": [{**one, "creation_id": str(one["creation_id"])} for one in made]}


def _counted(shown: Json) -> Any:
    made: Any = shown["creations"]
    return {**shown, "creations": {str(number): one for number, one in enumerate(made)}}


def _alone(shown: Json) -> Any:
    made: Any = shown["creations"]
    return {**shown, "creations": made[0]}


def _among_others(shown: Json) -> Any:
    made: Any = shown["creations"]
    return {**shown, "creations": [None, *made, 7]}


ODD_JOBS: Mapping[str, Callable[[Json], Any]] = {
    "no output": _without("output"),
    "null output": _changed(output=None),
    "no created_at": _without("created_at"),
    "an odd created_at": _changed(created_at="soon"),
    "a number for created_at": _changed(created_at=1775649600),
    "no model": _without("model"),
    "no type": _without("type"),
    "null state": _changed(state=None),
    "an odd failure_code": _changed(failure_code=[]),
    "the id alone": lambda shown: {"id": shown["id"]},
    "wrapped": lambda shown: {"data": shown},
    "named": lambda shown: {"generation": shown},
}
"""What else a 201 may say of a job, made from what would have been shown."""

ODD_RESULTS: Mapping[str, Callable[[Json], Any]] = {
    "no time": _without("time_taken_seconds"),
    "cost in a string": lambda shown: {**shown, "credit_cost": str(shown["credit_cost"])},
    "no cost": _without("credit_cost"),
    "an odd cost": _changed(credit_cost={}),
    "an endless cost": _changed(credit_cost=10**400),
    "null model_name": _changed(model_name=None),
    "null credits_remaining": _changed(credits_remaining=None),
    "empty adjustments": _changed(adjustments=[]),
    "ids as text": _ids_as_text,
    "counted creations": _counted,
    "one creation by itself": _alone,
    "odd ones among them": _among_others,
    "the creations alone": lambda shown: {"creations": shown["creations"]},
    "wrapped once more": lambda shown: {"result": shown},
}
"""The same for what a generate made."""
