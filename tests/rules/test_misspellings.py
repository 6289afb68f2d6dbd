"""Which names may be misspelt parameters."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.api.luma import models
from generor_async.api.luma.operations import generations_create
from generor_async.errors import InvalidRequestError
from generor_async.rules.misspellings import closest_name, refuse_misspelt

NAMES = ("id", "prompt", "model", "type", "style", "aspect_ratio", "source", "user_id")


@cache
def apart(one: str, other: str) -> int:
    """Count the letters to add, leave out, change or exchange with their neighbours, as the definition has it."""
    if not one or not other:
        return len(one) + len(other)
    edits = [apart(one[1:], other) + 1, apart(one, other[1:]) + 1, apart(one[1:], other[1:]) + (one[0] != other[0])]
    if one[:2] == other[1::-1] and len(one) > 1 < len(other):
        edits.append(apart(one[2:], other[2:]) + 1)
    return min(edits)


@given(st.text("abct", max_size=8), st.text("abct", min_size=1, max_size=8))
def test_two_letters_apart_and_no_more_and_one_for_short_names(name: str, known: str) -> None:
    most = 2 if min(len(name), len(known)) > 5 else 1
    assert (closest_name(name, [known]) == known) is (apart(name, known) <= most)


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("promt", "prompt"),
        ("Prompt", "prompt"),
        ("prompts", "prompt"),
        ("aspect ratio", "aspect_ratio"),
        ("Aspect-Ratio", "aspect_ratio"),
        ("modle", "model"),
        ("ID", "id"),
        ("ids", "id"),
        ("no", None),
        ("note", None),
        ("category", None),
        ("", None),
        ("image_prompt", None),
    ],
)
def test_a_misspelt_name_is_told_from_somebodys_own(name: str, stands_for: str | None) -> None:
    assert closest_name(name, NAMES) == stands_for


def test_the_nearest_one_is_named() -> None:
    assert closest_name("typed", ["style", "type"]) == "type"


VIDEO = tuple(models.VideoOptionsDict.__annotations__)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("durration", "duration"),
        ("duratoin", "duration"),
        ("startFrame", "start_frame"),
        ("start_frames", "start_frame"),
        ("keyframe_indices", "keyframe_indexes"),
        ("hrd", "hdr"),
        ("hdr10", None),
        ("crop", None),
        ("fps", None),
        ("seed", None),
        ("camera_motion", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_a_misspelt_key_is_told_from_a_new_one(key: str, meant: str | None) -> None:
    assert closest_name(key, VIDEO) == meant


def test_no_two_keys_of_one_object_are_taken_for_each_other() -> None:
    for cls in (models.VideoOptionsDict, models.EditOptionsDict, models.SourcePositionDict, models.MediaRefDict):
        refuse_misspelt(list(cls.__annotations__), tuple(cls.__annotations__), "video")
    refuse_misspelt(["start_frame", "start_frames"], VIDEO, "video")


def test_what_is_refused_names_both_keys_and_the_way_around() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        refuse_misspelt(["loop", "durration"], VIDEO, "video")
    assert refused.value.field == "video.durration"
    assert str(refused.value) == (
        "video.durration: video has no key 'durration'. Did you mean 'duration'? A key that is new to the API goes"
        " through with_options(extra_body={'video': ...})."
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"video": {"durration": "5s"}}, "video.durration"),
        ({"video": {"edit": {"controls": {"dept": {}}}}}, "video.edit.controls.dept"),
        ({"video": {"keyframes": [{"ulr": "https://x.example/a.png"}]}}, "video.keyframes[0].ulr"),
        ({"image_ref": [{"url": "https://x.example/a.png", "mediaType": "image/png"}]}, "image_ref[0].mediaType"),
        ({"source": {"uri": "https://x.example/a.png"}}, "source.uri"),
        ({"layering": {"resolutoin": "1k"}}, "layering.resolutoin"),
    ],
)
def test_a_misspelt_key_is_refused_wherever_it_is_nested(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        generations_create(prompt="a heron", **given)
    assert refused.value.field == field


def test_a_misspelt_argument_is_a_type_error_that_names_the_right_one() -> None:
    wrong: Any = {"prompt": "a heron", "aspect_ration": "1:1"}
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'aspect_ration'. Did you mean 'aspect_ratio'\?"):
        generations_create(**wrong)
