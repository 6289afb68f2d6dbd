"""The generated builders: what goes out, and what is refused before it does."""

from collections.abc import Callable
from datetime import UTC, datetime
from inspect import Parameter, signature
from typing import Any

import pytest
from support.spec import operations

from generor_async.api.generor import operations as generor
from generor_async.api.luma import models
from generor_async.api.luma import operations as luma
from generor_async.errors import InvalidRequestError
from generor_async.rules.http_types import Form, Operation
from generor_async.values import UNSET, MediaRef

FIELDS = """
prompt model_id privacy_mode team_id count language temperature preference preference_two aspect_ratio image_url
seconds generate_audio ending_frame_url reference_images reference_videos reference_audio video_url parameters
user_text user_text_two avoid_duplicates thinking_mode story_context character_context character_name character_id
support_for mode model_speech item_index total_count translation_of source_language
"""
IMAGE: models.MediaRefDict = {"url": "https://example.com/a.jpg"}


@pytest.mark.parametrize(("module", "api"), [(generor, "generor"), (luma, "luma")])
def test_every_operation_is_listed_with_its_builder(module: Any, api: str) -> None:
    assert list(module.ENDPOINTS) == list(module.BUILDERS)
    assert sorted(module.ENDPOINTS) == sorted(operations(api))
    for name, endpoint in module.ENDPOINTS.items():
        assert endpoint.name == name
        assert module.BUILDERS[name].__name__ == name.partition(".")[2].replace(".", "_")


@pytest.mark.parametrize("build", [generor.generators_estimate, generor.generators_generate])
def test_generate_and_estimate_take_every_field_of_the_request(build: Callable[..., Any]) -> None:
    slug, *keywords = signature(build).parameters.values()
    assert (slug.name, slug.kind) == ("slug", Parameter.POSITIONAL_OR_KEYWORD)
    assert sorted(each.name for each in keywords) == sorted(FIELDS.split())
    assert all(each.kind is Parameter.KEYWORD_ONLY for each in keywords)
    assert [each.name for each in keywords if each.default is Parameter.empty] == ["model_id"]


def test_what_is_left_out_is_not_sent() -> None:
    assert generor.generators_generate("joke", model_id=37).body == {"model_id": 37}
    assert generor.feed_list().query == {}
    assert generor.comments_create(1, text="Nice", parent_id=UNSET).body == {"text": "Nice"}


def test_none_sends_null_where_the_api_takes_it() -> None:
    assert generor.comments_create(1, text="Nice", parent_id=None).body == {"text": "Nice", "parent_id": None}


def test_a_path_segment_stays_one() -> None:
    assert generor.users_get("../credits").path == "/users/..%2Fcredits"
    assert generor.teams_remove_member(7, 42).path == "/teams/7/members/42"


def test_a_query_is_text() -> None:
    operation = generor.creations_search("sunset mountain", page=2, per_page=100, sort="oldest")
    assert operation.query == {"q": "sunset mountain", "page": "2", "per_page": "100", "sort": "oldest"}


def test_inputs_become_json() -> None:
    options = models.VideoOptions(duration="5s", start_frame=MediaRef.url("https://example.com/a.jpg"))
    body = luma.generations_create(prompt="a wave", type="video", video=options).body
    assert body == {"prompt": "a wave", "type": "video", "video": {"duration": "5s", "start_frame": IMAGE}}


def test_a_mapping_is_taken_for_an_input() -> None:
    body = luma.generations_create(prompt="a wave", type="image_edit", source=IMAGE, image_ref=[IMAGE]).body
    assert body == {"prompt": "a wave", "type": "image_edit", "source": IMAGE, "image_ref": [IMAGE]}


def test_a_tuple_is_as_good_as_a_list() -> None:
    assert generor.api_keys_create(name="My App", scopes=("read",)).body == {"name": "My App", "scopes": ["read"]}


def test_times_are_sent_as_the_wire_has_them() -> None:
    moment = datetime(2026, 4, 8, 12, tzinfo=UTC)
    operation = luma.files_create(mime_type="image/png", size_bytes=1, expires_at=moment)
    known = {"mime_type": "image/png", "size_bytes": 1}
    assert operation.body == {**known, "expires_at": "2026-04-08T12:00:00+00:00"}
    endless = luma.files_create(mime_type="image/png", size_bytes=1, expires_at=None)
    assert endless.body == {**known, "expires_at": None}


def test_an_inline_file_is_a_form() -> None:
    operation = luma.files_create_inline(b"\x89PNG", filename="a.png", mime_type="image/png", purpose="input")
    assert operation.body == Form(
        content=b"\x89PNG", filename="a.png", media_type="image/png", fields={"purpose": "input"}
    )


REFUSED: list[tuple[str, str, Callable[[], Operation[Any]]]] = [
    ("prompt", "Prompt must be between 1 and 6000 characters", lambda: luma.generations_create(prompt="")),
    ("prompt", "Prompt must be between 1 and 6000", lambda: luma.generations_create(prompt="x" * 6001)),
    ("image_ref", "reference images", lambda: luma.generations_create(prompt="x", image_ref=[IMAGE] * 10)),
    ("source", "source is required", lambda: luma.generations_create(prompt="x", type="image_edit")),
    ("source", "source is only valid", lambda: luma.generations_create(prompt="x", source=IMAGE)),
    ("generation_id", "must not be", lambda: luma.generations_get("..")),
    ("username", r"users\.me\(\)", lambda: generor.users_get("me")),
    ("per_page", "100", lambda: generor.creations_list(per_page=101)),
    ("score", "between 1 and 5", lambda: generor.ratings_rate(1, score=6)),
    ("count", "between 1 and 10", lambda: generor.generators_generate("joke", model_id=1, count=11)),
    ("temperature", "2.0", lambda: generor.generators_estimate("joke", model_id=1, temperature=2.1)),
    ("prompt", "10,000", lambda: generor.generators_generate("joke", model_id=1, prompt="x" * 10_001)),
    (
        "reference_images",
        "at most 9",
        lambda: generor.generators_generate("video", model_id=1, reference_images=["https://u.example"] * 10),
    ),
    (
        "reference_videos",
        "at most 3",
        lambda: generor.generators_generate("video", model_id=1, reference_videos=["https://u.example"] * 4),
    ),
]


@pytest.mark.parametrize(("field", "words", "build"), REFUSED)
def test_what_can_never_be_right_is_refused(field: str, words: str, build: Callable[[], Operation[Any]]) -> None:
    with pytest.raises(InvalidRequestError, match=words) as refused:
        build()
    assert refused.value.field == field


def test_a_malformed_uuid_is_left_to_the_server() -> None:
    assert luma.generations_get("nonsense").path == "/generations/nonsense"
