"""The official client, `luma-agents` from PyPI, makes generations of every type at the simulator."""

import base64
import io
import time
from collections.abc import Callable, Mapping
from typing import Any, get_args

import httpx
import luma_agents
import pytest
from attrs import frozen
from luma_agents.types import Generation, GenerationCreateParams, GenerationFailureCode, ImageRefParam
from official.clients import Client, Official
from PIL import Image

from generor_async.simulator import Simulator

PICTURE: ImageRefParam = {"url": "https://example.com/heron.jpg"}
PICTURE_DATA: ImageRefParam = {"data": base64.b64encode(b"a heron").decode(), "media_type": "image/png"}
CLIP: ImageRefParam = {"url": "https://example.com/heron.mp4", "media_type": "video/mp4"}
CLIP_DATA: ImageRefParam = {"data": base64.b64encode(b"a heron").decode(), "media_type": "video/mp4"}
PATIENCE = 5.0
"""Real seconds after which a job should long have ended."""
FAST = 500.0


@frozen
class Case:
    """A generation to be submitted, and what it costs in US dollars."""

    params: GenerationCreateParams
    price: float


CASES: Mapping[str, Case] = {
    "image": Case({"prompt": "A heron"}, 0.0404),
    "image, every option": Case(
        {
            "prompt": "A heron",
            "model": "uni-1-max",
            "type": "image",
            "aspect_ratio": "16:9",
            "style": "manga",
            "output_format": "jpeg",
            "web_search": True,
            "user_id": "somebody",
            "image_ref": [PICTURE] * 9,
        },
        0.1270,
    ),
    "image, options null": Case(
        {"prompt": "A heron", "aspect_ratio": None, "output_format": None, "source": None, "video": None}, 0.0404
    ),
    "image_edit, 8 references": Case(
        {"prompt": "At night", "type": "image_edit", "source": PICTURE, "image_ref": [PICTURE_DATA] * 8}, 0.0674
    ),
    "video": Case({"prompt": "A heron", "model": "ray-3.2", "type": "video"}, 0.30),
    "video, HDR": Case(
        {
            "prompt": "A heron",
            "model": "ray-3.2",
            "type": "video",
            "aspect_ratio": "21:9",
            "video": {"duration": "10s", "resolution": "1080p", "hdr": True, "exr_export": True},
        },
        10.80,
    ),
    "video, loop": Case(
        {
            "prompt": "A heron",
            "model": "ray-3.2",
            "type": "video",
            "video": {"duration": "5s", "resolution": "540p", "loop": True},
        },
        0.15,
    ),
    "video, first and last frame": Case(
        {
            "prompt": "A heron",
            "model": "ray-3.2",
            "type": "video",
            "video": {"start_frame": PICTURE, "end_frame": PICTURE_DATA, "resolution": "360p"},
        },
        0.06,
    ),
    "video, keyframes": Case(
        {
            "prompt": "A heron",
            "model": "ray-3.2",
            "type": "video",
            "video": {
                "duration": "10s",
                "keyframes": [PICTURE, PICTURE_DATA, PICTURE],
                "keyframe_indexes": [0, 120, 240],
            },
        },
        0.90,
    ),
    "video_edit, every control": Case(
        {
            "prompt": "At night",
            "model": "ray-3.2",
            "type": "video_edit",
            "source": CLIP,
            "video": {
                "hdr": True,
                "edit": {
                    "auto_controls": False,
                    "strength": "flex_2",
                    "keyframes": [PICTURE, PICTURE_DATA],
                    "keyframe_indexes": [3, 30],
                    "controls": {
                        "depth": {"enabled": True, "blur": 0.5},
                        "face": {"enabled": True},
                        "normals": {"enabled": True, "augmentation": 0.0},
                        "pose": {"enabled": True, "strength": "coarse"},
                        "trajectory": {"enabled": False, "sparsity": 1.0},
                    },
                },
            },
        },
        2.16,
    ),
    "video_edit, first frame": Case(
        {
            "prompt": "At night",
            "model": "ray-3.2",
            "type": "video_edit",
            "source": CLIP,
            "video": {"start_frame": PICTURE, "edit": {"auto_controls": True}},
        },
        1.08,
    ),
    "video_reframe, position": Case(
        {
            "prompt": "Wider",
            "model": "ray-3.2",
            "type": "video_reframe",
            "source": CLIP_DATA,
            "aspect_ratio": "9:16",
            "video": {
                "resolution": "360p",
                "source_position": {"x_norm": -0.5, "y_norm": 0.1, "w_norm": 2.0, "h_norm": 0.8},
            },
        },
        0.15,
    ),
}
SOURCES: Mapping[str, Callable[[Official], ImageRefParam]] = {
    "image by url": lambda official: PICTURE,
    "image by data": lambda official: PICTURE_DATA,
    "image by generation_id": lambda official: {"generation_id": made_picture(official).id},
    "image by an output's url": lambda official: {"url": urls(made_picture(official))[0]},
    "image by file_id": lambda official: {"file_id": uploaded(official, "image/png")},
    "video by url": lambda official: CLIP,
    "video by data": lambda official: CLIP_DATA,
    "video by generation_id": lambda official: {"generation_id": made_clip(official).id},
    "video by file_id": lambda official: {"file_id": uploaded(official, "video/mp4")},
}


def made_picture(official: Official) -> Generation:
    return official.ended(official.create(prompt="A heron", aspect_ratio="2:1"))


def made_clip(official: Official) -> Generation:
    return official.ended(official.create(prompt="A heron", model="ray-3.2", type="video", aspect_ratio="16:9"))


def uploaded(official: Official, mime_type: str) -> str:
    file = official.upload(b"a heron", mime_type, filename="heron")
    official.simulator.advance(60)
    return file.id


def urls(generation: Generation) -> list[str]:
    return [output.url for output in generation.output or []]


def sourced(kind: str) -> list[str]:
    return [name for name in SOURCES if name.startswith(kind)]


@pytest.mark.parametrize("name", CASES)
def test_a_generation_is_accepted_with_its_options_charged_and_completed(official: Official, name: str) -> None:
    params, price = CASES[name].params, CASES[name].price
    created = official.create(**params)
    assert (created.state, created.output, created.failure_code) == ("queued", [], None)
    assert (created.type, created.model) == (params.get("type", "image"), params.get("model", "uni-1"))
    (charge,) = official.simulator.ledger.charges
    assert charge.charged == pytest.approx(price)
    done = official.ended(created)
    assert (done.id, done.state, done.failure_code, done.failure_reason) == (created.id, "completed", None, None)
    assert [output.type for output in done.output or []] == ["video" if "video" in created.type else "image"]


@pytest.mark.parametrize("name", sourced("image"))
def test_an_image_is_edited_from_any_kind_of_source(official: Official, name: str) -> None:
    source = SOURCES[name](official)
    done = official.ended(official.create(prompt="At night", type="image_edit", source=source, image_ref=[source]))
    assert (done.state, done.type, len(urls(done))) == ("completed", "image_edit", 1)


@pytest.mark.parametrize("name", sourced("image"))
@pytest.mark.parametrize("resolution", ["1k", "2k"])
def test_layers_come_from_any_kind_of_source(official: Official, name: str, resolution: Any) -> None:
    created = official.create(
        prompt="", type="layering", source=SOURCES[name](official), layering={"resolution": resolution}
    )
    done = official.ended(created)
    layers = [output.layer for output in done.output or []]
    assert [layer.index for layer in layers if layer is not None] == list(range(len(layers)))
    assert {layer.alpha_hint for layer in layers if layer is not None} <= {"soft", "hard", "none"}
    assert layers[-1] is not None
    assert (layers[-1].label, layers[-1].alpha_hint) == ("Background", "none")
    charge = official.simulator.ledger.charges[-1].charged
    assert charge == pytest.approx(0.0434 * len(layers) * (2 if resolution == "2k" else 1))


@pytest.mark.parametrize("name", sourced("video"))
def test_a_video_is_edited_and_reframed_from_any_kind_of_source(official: Official, name: str) -> None:
    source = SOURCES[name](official)
    edited = official.create(prompt="At night", model="ray-3.2", type="video_edit", source=source)
    reframed = official.create(prompt="Wider", model="ray-3.2", type="video_reframe", source=source)
    assert [official.ended(edited).state, official.ended(reframed).state] == ["completed", "completed"]


@pytest.mark.parametrize("name", [*sourced("image"), "video by generation_id"])
def test_a_video_begins_and_ends_with_any_kind_of_picture_or_an_earlier_video(official: Official, name: str) -> None:
    frame = SOURCES[name](official)
    created = official.create(
        prompt="A heron", model="ray-3.2", type="video", video={"start_frame": frame, "end_frame": frame}
    )
    assert official.ended(created).state == "completed"


@pytest.mark.parametrize(
    ("params", "content_type"),
    [
        ({"prompt": "A heron", "aspect_ratio": "16:9"}, "image/png"),
        ({"prompt": "A heron", "aspect_ratio": "16:9", "output_format": "jpeg"}, "image/jpeg"),
        ({"prompt": "", "aspect_ratio": "16:9", "type": "layering", "source": PICTURE}, "image/png"),
        ({"prompt": "A heron", "aspect_ratio": "16:9", "model": "ray-3.2", "type": "video"}, "video/mp4"),
    ],
    ids=["png", "jpeg", "layers", "video"],
)
def test_every_output_is_downloaded_by_its_url_for_an_hour(
    official: Official, http: httpx.Client, params: GenerationCreateParams, content_type: str
) -> None:
    done = official.ended(official.create(**params))
    for url in urls(done):
        answer = http.get(url)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
        assert_medium(answer.content, content_type)
    official.simulator.advance(3_601)
    assert {http.get(url).status_code for url in urls(done)} == {403}
    assert {http.get(url).status_code for url in urls(official.ended(done))} == {200}


def assert_medium(content: bytes, content_type: str) -> None:
    if content_type == "video/mp4":
        assert content[4:8] == b"ftyp"
        return
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        assert picture.get_format_mimetype() == content_type
        assert picture.width * 9 == picture.height * 16


def test_the_vendors_own_loop_of_sleeping_and_looking_ends(client: Client) -> None:
    with Simulator(speed=FAST) as simulator:
        official = client.at(simulator)
        generation = official.create(prompt="A heron")
        deadline = time.monotonic() + PATIENCE
        while generation.state not in {"completed", "failed"}:
            assert time.monotonic() < deadline
            time.sleep(0.001)
            generation = official.wait(official.luma.generations.get(generation.id))
    assert generation.state == "completed"


def test_a_generation_is_queued_and_then_processing(official: Official) -> None:
    created, simulator = official.create(prompt="A heron"), official.simulator
    job = simulator.luma.generations[created.id]
    simulator.advance(job.starts_at - simulator.clock.time())
    assert official.wait(official.luma.generations.get(created.id)).state == "processing"


DOCUMENTED_REASONS = {
    "content_moderated": "Generation output was flagged by our content moderation system.",
    "generation_failed": "Generation failed",
    "budget_exhausted": "Insufficient credits to complete this generation.",
    "output_not_found": "Output artifacts not found",
}


@pytest.mark.parametrize("code", [*get_args(GenerationFailureCode), "a_code_of_tomorrow"])
def test_a_failed_generation_says_why_by_every_code_known_and_unknown(official: Official, code: str) -> None:
    done = official.ended(official.create(prompt=f"[[fail:{code}]] A heron"))
    assert (done.state, done.output, done.failure_code) == ("failed", [], code)
    assert done.failure_reason
    assert done.failure_reason == DOCUMENTED_REASONS.get(code, done.failure_reason)


def test_a_prompt_is_moderated(official: Official) -> None:
    done = official.ended(official.create(prompt="[[moderate]] A heron"))
    assert (done.state, done.failure_code) == ("failed", "content_moderated")


def test_a_raw_answer_has_the_headers_and_the_callers_request_id(official: Official) -> None:
    # Any: the two kinds of client have two classes of raw answers, without one that is common to both.
    created: Any = official.luma.generations.with_raw_response.create(
        prompt="A heron", extra_headers={"X-Request-Id": "the caller's own"}
    )
    raw = official.wait(created)
    assert raw.status_code == 201
    assert raw.headers["X-Request-Id"] == "the caller's own"
    assert (raw.headers["X-API-Version"], raw.headers["X-RateLimit-Limit"]) == ("2026-04-01", "30")
    assert raw.headers["X-RateLimit-Remaining"] == "29"
    assert official.wait(raw.parse()).state == "queued"
    assert official.simulator.ledger.requests[-1].request_id == "the caller's own"


def test_there_is_no_blocking_client_on_aiohttp(simulator: Simulator) -> None:
    http: Any = luma_agents.DefaultAioHttpClient()
    with pytest.raises(TypeError, match=r"Expected an instance of `httpx\.Client`"):
        luma_agents.Luma(auth_token=simulator.luma_key, base_url=simulator.luma_url, http_client=http)
