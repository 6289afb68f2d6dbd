"""Answers to a look at a job that say nothing of it, though the request was right: what stands between does so."""

import json
from collections.abc import Callable

from strangers.records import Answer, Json

__all__ = ["ODD"]

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
