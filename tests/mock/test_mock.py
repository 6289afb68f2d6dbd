"""An independent mock, made from the spec alone, accepts what the client sends: every operation, every argument.

The mock refuses with a 4xx whatever the spec doesn't allow, so that a 2xx says that client and spec agree.
"""

import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import field, frozen

from generor_async import (
    APIStatusError,
    AsyncGeneror,
    AsyncLuma,
    AttemptEnded,
    Event,
    Limits,
    MediaRef,
    Page,
    response_of,
)
from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import models as luma
from generor_async.api.luma import operations as luma_operations
from generor_async.values import Model

ENDPOINTS = {**generor_operations.ENDPOINTS, **luma_operations.ENDPOINTS}
VIOLATIONS = "sl-violations"
GENERATION = "d290f1ee-6c54-4b01-90e6-d701748f0851"
FILE = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
"""The one that the spec shows: the mock answers with it, and an answer about another would not be believed."""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_200_000)
"""More than a mebibyte, from which on a body is sent piece by piece."""


@frozen
class Case:
    """One call with its arguments; `variant` tells those of the same operation apart."""

    operation: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(factory=dict[str, Any])
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.operation}-{self.variant}" if self.variant else self.operation


def case(operation: str, *args: Any, variant: str = "", **kwargs: Any) -> Case:
    return Case(operation, args, kwargs, variant)


def paged(operation: str, *args: Any, **kwargs: Any) -> Case:
    return case(operation, *args, page=2, per_page=50, sort="oldest", max_items=7, **kwargs)


ORDER: dict[str, Any] = {
    "prompt": "The character from [Image1] walks through the forest from [Image2]",
    "model_id": 20061,
    "privacy_mode": 1,
    "team_id": 7,
    "count": 2,
    "language": "nb-NO",
    "temperature": 0.7,
    "preference": "detailed",
    "preference_two": 3,
    "aspect_ratio": "16:9",
    "image_url": "https://example.com/photo.jpg",
    "seconds": 6,
    "generate_audio": True,
    "ending_frame_url": "https://example.com/end.jpg",
    "reference_images": ["https://example.com/character.jpg", "https://example.com/forest.jpg"],
    "reference_videos": ["https://example.com/motion.mp4"],
    "reference_audio": "https://example.com/voice.mp3",
    "video_url": "https://example.com/source.mp4",
    "parameters": {"zodiac-sign": "aries", "image-aspect-ratio": "4"},
    "user_text": "A text to summarise",
    "user_text_two": "Another one",
    "avoid_duplicates": True,
    "thinking_mode": "high",
    "story_context": "Once upon a time",
    "character_context": "A heron who paints",
    "character_name": "Ardea",
    "character_id": 12,
    "support_for": 6144,
    "mode": "opening",
    "model_speech": 30001,
    "item_index": 1,
    "total_count": 4,
    "translation_of": 6147,
    "source_language": "en-US",
}
"""Every field of the two request tables."""
OTHER_TYPES = {
    "model_id": 10003,
    "preference": 2,
    "preference_two": "dry",
    "aspect_ratio": 1,
    "character_id": "ardea",
}
"""Those fields that take a second type, with it."""

GENEROR_CASES = (
    case("generor.generators.list", status="active"),
    case("generor.generators.get", "joke"),
    paged("generor.generators.list_creations", "joke"),
    case("generor.generators.estimate", "video", **ORDER),
    case("generor.generators.estimate", "image", variant="other-types", **ORDER | OTHER_TYPES),
    case("generor.generators.generate", "video", **ORDER),
    case("generor.generators.generate", "image", variant="other-types", **ORDER | OTHER_TYPES),
    case("generor.generators.generate", "joke", variant="least", model_id=37),
    paged("generor.creations.list", generator="image"),
    paged("generor.creations.list_public", generator="image"),
    paged("generor.creations.search", "sunset & mountain, 100 %"),
    case("generor.creations.get", 12345),
    case("generor.creations.status", 12345),
    case("generor.creations.update", 12345, privacy_mode=1, license=2),
    case("generor.creations.delete", 12345),
    case("generor.models.list"),
    case("generor.models.list_by_type", "image"),
    case("generor.models.get", "video", 20061),
    case("generor.users.me"),
    case("generor.users.update_me", bio="Updated bio", website="https://example.com"),
    case("generor.users.get", "john doe/ö"),
    paged("generor.users.list_creations", "johndoe"),
    paged("generor.users.list_followers", "johndoe"),
    paged("generor.users.list_following", "johndoe"),
    case("generor.users.follow", "johndoe"),
    case("generor.users.unfollow", "johndoe"),
    case("generor.users.is_following", "johndoe"),
    case("generor.teams.list"),
    case("generor.teams.create", name="My Creative Team"),
    case("generor.teams.get", 7),
    case("generor.teams.leave", 7),
    case("generor.teams.add_member", 7, username="janedoe"),
    case("generor.teams.remove_member", 7, 43),
    case("generor.teams.join", "a1b2c3d4"),
    case("generor.teams.regenerate_invite", 7),
    paged("generor.teams.list_creations", 7),
    paged("generor.comments.list", 12345),
    case("generor.comments.create", 12345, text="Great creation!", parent_id=9),
    case("generor.comments.create", 12345, variant="null-parent", text="Great creation!", parent_id=None),
    case("generor.comments.delete", 9),
    case("generor.comments.vote", 9, vote="up"),
    case("generor.comments.vote", 9, variant="down", vote="down"),
    case("generor.ratings.get", 12345),
    case("generor.ratings.rate", 12345, score=5),
    case("generor.credits.balance"),
    paged("generor.credits.list_transactions", type="spend"),
    paged("generor.feed.list", generator="image"),
    case("generor.api_keys.list"),
    case("generor.api_keys.create", name="My App", scopes=["read", "generate"]),
    case("generor.api_keys.revoke", 1),
)

REFERENCES: list[MediaRef | luma.MediaRefDict] = [
    MediaRef.url("https://example.com/photo.jpg"),
    MediaRef.bytes(PNG[:64], "image/png"),
    MediaRef.generation(GENERATION),
    MediaRef.uploaded(FILE),
    {"url": "https://example.com/plain-mapping.jpg"},
]
CONTROLS = luma.EditControls(
    depth=luma.DepthControl(enabled=True, blur=0.5),
    face=luma.FaceControl(enabled=True),
    normals=luma.NormalsControl(enabled=False, augmentation=0.25),
    pose=luma.PoseControl(enabled=True, strength="precise"),
    trajectory={"enabled": True, "sparsity": 1},
)
VIDEO = luma.VideoOptions(
    duration="5s",
    resolution="1080p",
    hdr=True,
    exr_export=True,
    loop=False,
    start_frame=MediaRef.url("https://example.com/first.jpg"),
    end_frame=MediaRef.url("https://example.com/last.jpg"),
)
EXTENDED = luma.VideoOptions(duration="5s", resolution="540p", start_frame=MediaRef.generation(GENERATION))
KEYFRAMES = luma.VideoOptions(keyframes=REFERENCES[:2], keyframe_indexes=[0, 119])
EDIT = luma.VideoOptions(
    edit=luma.EditOptions(
        auto_controls=False,
        strength="flex_2",
        keyframes=[MediaRef.uploaded(FILE)],
        keyframe_indexes=[24],
        controls=CONTROLS,
    )
)
REFRAME = luma.VideoOptions(
    source_position=luma.SourcePosition(x_norm=-0.25, y_norm=0, w_norm=1.5, h_norm=1), resolution="720p"
)
CLIP = MediaRef.url("https://example.com/source.mp4", media_type="video/mp4")
EXPIRY = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def create(variant: str, **kwargs: Any) -> Case:
    return case("luma.generations.create", variant=variant, prompt="A heron at dawn", **kwargs)


LUMA_CASES = (
    create("least"),
    create(
        "image",
        model="uni-1-max",
        type="image",
        aspect_ratio="1:3",
        style="manga",
        output_format="jpeg",
        web_search=True,
        image_ref=REFERENCES,
        user_id="user-4711",
    ),
    create("nulls", aspect_ratio=None, output_format=None, source=None, layering=None, video=None, user_id=None),
    create("edit", type="image_edit", source=MediaRef.url("https://example.com/a.jpg"), image_ref=REFERENCES),
    create("layering", type="layering", source=MediaRef.uploaded(FILE), layering=luma.LayeringOptions(resolution="2k")),
    create("video", model="ray-3.2", type="video", aspect_ratio="21:9", video=VIDEO),
    create("extended", model="ray-3.2", type="video", video=EXTENDED),
    create("keyframes", model="ray-3.2", type="video", video=KEYFRAMES),
    create("video-edit", model="ray-3.2", type="video_edit", source=CLIP, video=EDIT),
    create("video-reframe", model="ray-3.2", type="video_reframe", source=CLIP, video=REFRAME, aspect_ratio="9:16"),
    create("video-mapping", model="ray-3.2", type="video", video={"duration": "5s", "loop": True}),
    case("luma.generations.get", GENERATION),
    case(
        "luma.files.create",
        mime_type="image/png",
        size_bytes=5 * 1024**3,
        filename="heron.png",
        purpose="reference",
        expires_at=EXPIRY,
        user_id="user-4711",
    ),
    case(
        "luma.files.create",
        variant="nulls",
        mime_type="video/mp4",
        size_bytes=1,
        filename=None,
        purpose="input",
        expires_at=None,
        user_id=None,
    ),
    case(
        "luma.files.create_inline",
        PNG,
        filename="heron.png",
        mime_type="image/png",
        purpose="input",
        expires_at=EXPIRY,
        user_id="user-4711",
    ),
    case("luma.files.complete", FILE),
    case("luma.files.get", FILE),
    case("luma.files.list", limit=100, cursor="b3BhcXVl", purpose="input", state="ready", max_items=3),
    case("luma.files.delete", FILE),
)

CASES = GENEROR_CASES + LUMA_CASES


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
async def clients(mocks: dict[str, str], events: list[Event]) -> AsyncIterator[dict[str, AsyncGeneror | AsyncLuma]]:
    """Clients with limits of their own: the mock knows none, and shared ones would have the later calls wait."""
    options: dict[str, Any] = {"max_retries": 0, "on_event": events.append}
    async with (
        AsyncGeneror("gnr_live_mock", base_url=mocks["generor"], limits=Limits(), **options) as generor,
        AsyncLuma("luma-api-mock", base_url=mocks["luma"], limits=Limits(), **options) as luma_client,
    ):
        yield {"generor": generor, "luma": luma_client}


def method_of(client: AsyncGeneror | AsyncLuma, operation: str) -> Any:
    _, resource, method = operation.split(".")
    return getattr(getattr(client, resource), method)


@pytest.mark.parametrize("called", CASES, ids=str)
async def test_the_mock_accepts_the_call(
    called: Case, clients: dict[str, AsyncGeneror | AsyncLuma], events: list[Event]
) -> None:
    method = method_of(clients[called.operation.split(".")[0]], called.operation)
    try:
        result: Any = await method(*called.args, **called.kwargs)  # of pages, the first
    except APIStatusError as error:
        pytest.fail(f"{error.status_code}: {error.headers.get(VIOLATIONS, error.body)}")
    ends = [event for event in events if isinstance(event, AttemptEnded)]
    assert [(end.operation, end.outcome) for end in ends] == [(called.operation, "done")]
    assert ends[0].status in {200, 201, 204}
    if isinstance(result, Model | Page):
        assert VIOLATIONS not in response_of(result).headers
    else:
        assert isinstance(result, list | dict | None)


def test_every_operation_is_called() -> None:
    assert {called.operation for called in CASES} == set(ENDPOINTS)


@pytest.mark.parametrize("operation", sorted(ENDPOINTS))
def test_every_argument_is_given(operation: str) -> None:
    client = AsyncLuma("luma-api-mock") if operation.startswith("luma.") else AsyncGeneror("gnr_live_mock")
    signature = inspect.signature(method_of(client, operation))
    given = [
        set(signature.bind(*called.args, **called.kwargs).arguments)
        for called in CASES
        if called.operation == operation
    ]
    assert set[str]().union(*given) == set(signature.parameters)


@pytest.mark.parametrize("method", ["estimate", "generate"])
def test_both_request_tables_have_34_fields(method: str) -> None:
    parameters = inspect.signature(getattr(AsyncGeneror("gnr_live_mock").generators, method)).parameters
    assert set(ORDER) == set(parameters) - {"slug"}
    assert len(ORDER) == 34


async def test_the_mock_refuses_what_the_spec_does_not_allow(clients: dict[str, AsyncGeneror | AsyncLuma]) -> None:
    for api, path, body in (
        ("luma", "/generations", {"prompt": "A heron", "web_search": "perhaps"}),
        ("generor", "/generators/joke/generate", {"prompt": "A joke", "model_id": "thirty-seven"}),
    ):
        with pytest.raises(APIStatusError) as caught:
            await clients[api].request("POST", path, json=body)
        assert caught.value.status_code in {400, 422}
        assert VIOLATIONS in caught.value.headers
