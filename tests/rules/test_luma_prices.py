"""Luma's price lists, row by row."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async import AsyncLuma, MediaRef
from generor_async.rules.luma_prices import Price, price
from generor_async.simulator import Simulator
from generor_async.values import JSON

RESOLUTIONS = ("360p", "540p", "720p", "1080p")
LIST: Mapping[tuple[str, str, bool, bool], tuple[float | None, ...]] = {
    ("video", "5s", False, False): (0.06, 0.15, 0.30, 1.20),
    ("video", "10s", False, False): (0.18, 0.45, 0.90, 3.60),
    ("video", "5s", True, False): (None, None, 0.60, 2.40),
    ("video", "5s", True, True): (None, None, 0.90, 3.60),
    ("extend", "5s", False, False): (None, 0.15, 0.30, 1.20),
    ("video_edit", "5s", False, False): (0.54, 0.72, 1.08, 2.16),
    ("video_edit", "10s", False, False): (1.08, 1.44, 2.16, 4.32),
    ("video_reframe", "5s", False, False): (None, 0.30, 0.60, 1.80),
    ("video_reframe", "10s", False, False): (None, 0.60, 1.20, 3.60),
}
"""The vendor's list, by type, duration, hdr and exr: dollars by resolution."""
EVERY = list(
    itertools.product(("video", "extend", "video_edit", "video_reframe"), ("5s", "10s"), (False, True), (False, True))
)


def asked(kind: str, **video: JSON) -> Price | None:
    if kind == "extend":
        kind, video["start_frame"] = "video", {"generation_id": "g"}
    return price({"prompt": "x", "model": "ray-3.2", "type": kind, "video": video})


@pytest.mark.parametrize(("kind", "duration", "hdr", "exr"), EVERY)
def test_a_video_costs_what_the_list_says_and_what_it_leaves_out_has_no_price(
    kind: str, duration: str, hdr: bool, exr: bool
) -> None:
    listed = LIST.get((kind, duration, hdr, exr), (None,) * 4)
    for resolution, dollars in zip(RESOLUTIONS, listed, strict=True):
        found = asked(kind, duration=duration, resolution=resolution, hdr=hdr, exr_export=exr)
        assert (None if found is None else found.dollars) == (None if dollars is None else pytest.approx(dollars))
        assert found is None or (found.source, found.as_of) == ("page", "late 2026")


def test_what_a_request_leaves_out_is_the_pages_default() -> None:
    assert price({"model": "ray-3.2", "type": "video"}) == asked("video", duration="5s", resolution="720p")
    assert asked("video", hdr=None, duration=None, resolution=None) == asked("video")


@pytest.mark.parametrize("kind", ["video_edit", "video_reframe"])
def test_what_is_as_long_as_its_source_has_a_price_only_where_the_caller_says_how_long(kind: str) -> None:
    assert asked(kind) is None
    assert asked(kind, duration="5s") is not None


@pytest.mark.parametrize("frame", [MediaRef.generation("g"), {"generation_id": "g"}])
def test_an_earlier_generation_as_a_frame_may_be_a_video_that_is_extended(frame: JSON) -> None:
    def at(resolution: str, frame: JSON) -> Price | None:
        return asked("video", resolution=resolution, end_frame=frame)

    assert at("360p", frame) is None
    assert at("540p", frame) == at("540p", {"url": "https://x.example/a.png"})
    assert at("360p", MediaRef.file("a.png")) is not None


def test_images_have_the_documented_prices() -> None:
    assert price({"prompt": "x", "model": None, "type": None}) == Price(0.0404, "mid-2026", "documented")
    assert price({"type": "layering", "source": {"url": "u"}}) is None
    assert price({"model": "uni-1", "type": "video"}) is None
    assert price({"model": "ray-3.2", "type": "image"}) is None


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(RESOLUTIONS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "model": st.sampled_from(["uni-1", "ray-3.2"]) | ANYTHING,
            "type": st.sampled_from(["image", "video", "video_edit"]) | ANYTHING,
            "image_ref": ANYTHING,
            "source": ANYTHING,
            "video": ANYTHING
            | st.fixed_dictionaries(
                {}, optional=dict.fromkeys(("duration", "resolution", "hdr", "start_frame"), ANYTHING)
            ),
        },
    )
)
def test_nothing_that_a_row_may_hold_is_more_than_without_a_price(parameters: dict[str, Any]) -> None:
    found = price(parameters)
    assert found is None or found.dollars > 0


async def test_the_simulator_charges_what_the_list_says() -> None:
    source = {"url": "https://example.com/a.mp4", "media_type": "video/mp4"}
    async with (
        Simulator(luma_rpm=1_000, luma_jobs=100) as simulator,
        AsyncLuma(**simulator.luma_options) as luma,
    ):
        expected = list[float]()
        for kind, duration, resolution in itertools.product(
            ("video", "video_edit", "video_reframe"), ("5s", "10s"), RESOLUTIONS
        ):
            found = asked(kind, duration=duration, resolution=resolution)
            if found is not None:
                options: dict[str, Any] = {} if kind == "video" else {"source": source}
                await luma.generations.create(
                    prompt="a heron",
                    model="ray-3.2",
                    type=kind,
                    video={"duration": duration, "resolution": resolution},
                    **options,
                )
                expected.append(found.dollars)
        assert [entry.charged for entry in simulator.ledger.charges] == pytest.approx(expected)


@pytest.mark.parametrize(
    "odd",
    [
        {"video": '{"duration": "10s"}'},
        {"video": []},
        {"video": "10s"},
        {"video": {"hdr": "false"}},
        {"video": {"hdr": "true"}},
        {"video": {"hdr": 0}},
        {"video": {"hdr": True, "exr_export": "false"}},
        {"video": {"resolution": ""}},
        {"video": {"resolution": ["720p"]}},
        {"video": {"duration": ""}},
        {"video": {"duration": 10}},
        {"type": ""},
    ],
)
def test_what_no_request_should_hold_has_no_price_of_a_video(odd: dict[str, Any]) -> None:
    assert price({"prompt": "x", "model": "ray-3.2", "type": "video", **odd}) is None


@pytest.mark.parametrize(
    "odd",
    [{"image_ref": "[1, 2]"}, {"image_ref": {"url": "https://x.example/a.png"}}, {"model": ""}, {"type": ""}],
)
def test_what_no_request_should_hold_has_no_price_of_a_picture(odd: dict[str, Any]) -> None:
    assert price({"prompt": "x", **odd}) is None
