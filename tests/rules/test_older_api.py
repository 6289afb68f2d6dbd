"""Advice for fields, responses and keys of Luma's older API."""

from typing import Any

import pytest

from generor_async.api.luma.models import File, Generation, VideoOptions
from generor_async.api.luma.operations import generations_create
from generor_async.errors import InvalidRequestError
from generor_async.rules import older_api

FIELDS = {
    "callback_url": r"generations\.run waits",
    "character_ref": "image_ref",
    "concepts": "prompt",
    "duration": "into video",
    "first_frame": "start_frame",
    "format": "output_format",
    "generation_type": "it is type",
    "grid_position_x": "source_position",
    "grid_position_y": "source_position",
    "keyframes": "start_frame and end_frame",
    "loop": "into video",
    "media": "it is source",
    "mode": "strength",
    "modify_image_ref": "source",
    "negative_prompt": "prompt",
    "resized_height": "source_position",
    "resized_width": "source_position",
    "resolution": "into video",
    "style_ref": "image_ref",
    "sync": r"generations\.run waits",
    "sync_timeout": r"generations\.run waits",
    "x_end": "source_position",
    "x_start": "source_position",
    "y_end": "source_position",
    "y_start": "source_position",
}
"""Each field of a request that its official client has and ours hasn't, with what is to be written instead."""


@pytest.mark.parametrize(("name", "instead"), FIELDS.items())
def test_a_field_of_the_older_api_is_refused_and_says_what_to_write(name: str, instead: str) -> None:
    given: dict[str, Any] = {"prompt": "a heron", name: None}
    with pytest.raises(InvalidRequestError, match=f"Dream Machine, the vendor's older API: here .*{instead}") as caught:
        generations_create(**given)
    assert caught.value.field == name
    assert str(caught.value).count(". ") == 0, "it is one sentence"
    assert name not in {"prompt", "model", "aspect_ratio", "image_ref"}, "those both have"


def test_any_other_argument_is_refused_as_python_does() -> None:
    given: dict[str, Any] = {"prompt": "a heron", "promt": "a heron"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'promt'"):
        generations_create(**given)


def test_type_checkers_refuse_what_the_call_tells_apart() -> None:
    with pytest.raises(InvalidRequestError, match="Dream Machine"):
        generations_create(prompt="a heron", keyframes={"frame0": {}})  # type: ignore[call-arg] # on purpose


def test_an_earlier_generation_is_named_otherwise_there() -> None:
    frame: Any = {"type": "generation", "id": "5f0e8b1c-0000-4c57-9f60-000000000000"}
    with pytest.raises(InvalidRequestError, match=r"older API: here .* MediaRef\.generation") as caught:
        generations_create(prompt="a heron", type="video", video=VideoOptions(start_frame=frame))
    assert caught.value.field == "video.start_frame"


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ({"state": "dreaming", "assets": None}, "$.state"),
        ({"state": "completed", "assets": {"video": "https://cdn.example/a.mp4"}}, "$.assets"),
        ({"state": "processing", "output": []}, ""),
        ({"state": "dreamy"}, ""),
        ([{"state": "dreaming"}], ""),
        ("dreaming", ""),
        (None, ""),
    ],
)
def test_an_answer_of_the_older_api_is_told_by_its_state_or_its_assets(answer: Any, place: str) -> None:
    found = older_api.older_api_problems(answer)
    assert [each.path for each in found] == ([place] if place else [])
    assert all("https://agents.lumalabs.ai/v1" in each.problem for each in found)


@pytest.mark.parametrize(
    ("name", "here"), [("assets", r"output\[0\]\.url"), ("generation_type", "type"), ("request", "what you asked for")]
)
def test_an_attribute_of_the_older_api_says_what_it_is_here(name: str, here: str) -> None:
    made = [object.__new__(each) for each in (Generation, File)]
    with pytest.raises(AttributeError, match=f"'{name}': that is a field of Dream Machine, .*here it is {here}"):
        getattr(made[0], name)
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'$"):
        getattr(made[1], name)
