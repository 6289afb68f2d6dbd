"""What people hand in becomes JSON."""

from typing import Any

import pytest
from attrs import define

from generor_async.engine.convert import to_json
from generor_async.values import UNSET, MediaRef, Model, Unset


@define(kw_only=True)
class Options:
    ratio: str | Unset = UNSET
    seconds: int | Unset | None = UNSET
    frame: MediaRef | Unset = UNSET
    more: Any = UNSET


@define(kw_only=True)
class Answer(Model):
    id: int


CASES: list[tuple[Any, Any]] = [
    (Options(), {}),
    (Options(ratio="16:9", seconds=None), {"ratio": "16:9", "seconds": None}),
    (Options(frame=MediaRef.generation("g")), {"frame": {"generation_id": "g"}}),
    (Options(more=[Options(seconds=1), {"a": Options()}]), {"more": [{"seconds": 1}, {"a": {}}]}),
    (MediaRef.url("https://x"), {"url": "https://x"}),
    ([MediaRef.uploaded("f"), {"url": "https://x"}], [{"file_id": "f"}, {"url": "https://x"}]),
    ({"a": {"b": [1, None, True, 1.5, "x"]}}, {"a": {"b": [1, None, True, 1.5, "x"]}}),
    (Answer(id=1, raw={"id": 1, "new": 2}), {"id": 1, "new": 2}),
    ("16:9", "16:9"),
    (None, None),
    (2**70, 2**70),
]


@pytest.mark.parametrize(("value", "json"), CASES)
def test_a_parameter_becomes_the_json_that_is_sent(value: Any, json: Any) -> None:
    assert to_json(value) == json


def test_a_file_stays_itself() -> None:
    reference = MediaRef.file("a.png")
    assert to_json(reference) is reference
    assert to_json([{"x": reference}]) == [{"x": reference}]
    assert to_json(Options(frame=reference)) == {"frame": reference}
