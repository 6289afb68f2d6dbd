"""Parameters against a generator's schema: only what it says is refused."""

from collections.abc import Sequence
from typing import Any

import pytest

from generor_async.api.generor.models import GeneratorParameter
from generor_async.errors import InvalidRequestError
from generor_async.rules.parameter_schemas import check_parameters

LENGTH = GeneratorParameter(id="length", type="enum", options=["short", "long"])
RATIO = GeneratorParameter(id="image-aspect-ratio", type="enum", options=["1", 2, 3.0])
SWITCH = GeneratorParameter(id="loud", type="enum", options=[True, False])
NAMED = GeneratorParameter(id="mood", type="enum", options=[{"value": "calm", "label": "Calm"}, {"id": 7}])
ODD = GeneratorParameter(id="odd", type="enum", options=["a", {"label": "B"}])
COUNT = GeneratorParameter(id="count", type="number", min=1, max=10)
LEAST = GeneratorParameter(id="least", type="number", min=0.5)
FREE = GeneratorParameter(id="free", type="number")
NEW = GeneratorParameter(id="new", type="date")
SCHEMA = (LENGTH, RATIO, SWITCH, NAMED, ODD, COUNT, LEAST, FREE, NEW)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"length": "short"},
        {"image-aspect-ratio": "2"},
        {"image-aspect-ratio": 1},
        {"image-aspect-ratio": 3},
        {"image-aspect-ratio": 2.0},
        {"loud": "true"},
        {"loud": False},
        {"mood": "calm"},
        {"mood": 7},
        {"odd": "what nobody knows"},
        {"count": 10},
        {"count": "7"},
        {"least": 10**9},
        {"free": -5.5},
        {"new": {"anything": "goes"}},
    ],
)
def test_what_the_schema_takes_or_says_nothing_of_is_sent(given: dict[str, Any]) -> None:
    check_parameters(given, SCHEMA, "joke")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"lenght": "short"},
            "the generator joke has no parameter 'lenght', and would drop it. Did you mean 'length'?",
        ),
        ({"colour": "red"}, "It has length, image-aspect-ratio, loud,"),
        ({"length": "Short"}, "is 'Short', which is none of its options. Write one of short, long."),
        ({"length": None}, "length must be a text or a number, not None"),
        ({"length": ["short"]}, "length must be a text or a number, not list"),
        ({"loud": "True"}, "none of its options"),
        ({"count": 11}, "count must be at least 1, and at most 10. It is 11."),
        ({"count": "0"}, "count must be at least 1"),
        ({"count": "many"}, "count must be a number, not str. Write one that is at least 1, and at most 10"),
        ({"count": True}, "count must be a number, not bool"),
        ({"count": float("nan")}, "count must be a number"),
        ({"least": 0.4}, "least must be at least 0.5. It is 0.4"),
        ({"free": None}, "free must be a number, not None"),
        ({"free": 10**400}, "free must be a number"),
    ],
)
def test_what_it_does_not_take_is_refused_with_what_to_write_instead(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        check_parameters(given, SCHEMA, "joke")
    assert refused.value.field == f"parameters.{next(iter(given))}"
    assert said in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("schema", [[], [LENGTH, GeneratorParameter(type="enum")]])
def test_a_schema_with_a_field_that_cannot_be_read_says_nothing_of_other_names(
    schema: Sequence[GeneratorParameter],
) -> None:
    if schema:
        check_parameters({"anything": 1}, schema, "joke")
        with pytest.raises(InvalidRequestError):
            check_parameters({"length": "none"}, schema, "joke")
    else:
        with pytest.raises(InvalidRequestError, match="It has none"):
            check_parameters({"anything": 1}, schema, "joke")
