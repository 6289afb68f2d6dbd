"""The rules between the video options; each is refused by a 400 of its own."""

from typing import Any

import pytest
from support.luma_service import Service, refused

FRAME = {"url": "https://example.com/frame.jpg"}
SOURCE = {"url": "https://example.com/clip.mp4", "media_type": "video/mp4"}
POSITION = {"x_norm": -0.5, "y_norm": 0, "w_norm": 2.0, "h_norm": 0.5}


def submit(kind: str, options: dict[str, Any]) -> Any:
    source: dict[str, Any] = {} if kind == "video" else {"source": SOURCE}
    return Service().create(model="ray-3.2", type=kind, video=options, **source)


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"duration": "7s"}, "Invalid video.duration '7s'. Valid: 10s, 5s"),
        ({"resolution": "4k"}, "Invalid video.resolution '4k'. Valid: 1080p, 360p, 540p, 720p"),
        ({"hdr": "yes"}, "video.hdr must be a boolean"),
        ({"hdr": True, "resolution": "360p"}, "video.hdr is not supported with resolution '360p'"),
        ({"exr_export": True}, "video.exr_export requires 'hdr'"),
        ({"loop": True, "duration": "10s"}, "video.loop is not supported with duration '10s'"),
        ({"loop": True, "hdr": True}, "video.loop is not supported with 'hdr'"),
        (
            {"start_frame": {}},
            "video.start_frame: provide exactly one of 'url', 'data', 'generation_id' or 'file_id'",
        ),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [0], "start_frame": FRAME},
            "video.keyframes can't be combined with 'start_frame'",
        ),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [0], "end_frame": FRAME},
            "video.keyframes can't be combined with 'end_frame'",
        ),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [0], "loop": True},
            "video.keyframes can't be combined with 'loop'",
        ),
        ({"keyframes": [FRAME]}, "video.keyframe_indexes must be a list"),
        ({"keyframe_indexes": [1]}, "video.keyframes must be a list"),
        ({"keyframes": [], "keyframe_indexes": []}, "video.keyframes must have between 1 and 64 entries"),
        (
            {"keyframes": [FRAME] * 65, "keyframe_indexes": list(range(65))},
            "video.keyframes must have between 1 and 64 entries",
        ),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [0, 1]},
            "video.keyframe_indexes must be as long as video.keyframes",
        ),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [-1]},
            "video.keyframe_indexes must be non-negative integers",
        ),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [True]},
            "video.keyframe_indexes must be non-negative integers",
        ),
        (
            {"keyframes": [FRAME] * 2, "keyframe_indexes": [3, 3]},
            "video.keyframe_indexes must be unique",
        ),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [121]},
            "video.keyframe_indexes must be at most 120 for this duration",
        ),
        ({"source_position": POSITION}, "video.source_position is only valid for type 'video_reframe'"),
        ({"edit": {}}, "video.edit is only valid for type 'video_edit'"),
        ({"edit": []}, "video.edit must be an object"),
    ],
)
def test_a_video_with_options_that_do_not_go_together_is_refused(options: dict[str, Any], detail: str) -> None:
    assert refused(submit("video", options)) == (400, detail)


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"loop": True}, "video.loop is only valid for type 'video'"),
        ({"end_frame": FRAME}, "video.end_frame is not valid for type 'video_edit'"),
        (
            {"keyframes": [FRAME], "keyframe_indexes": [0]},
            "video.keyframes is only valid for type 'video'",
        ),
        (
            {"edit": {"strength": "adhere_4"}},
            (
                "Invalid video.edit.strength 'adhere_4'. Valid: adhere_1, adhere_2, adhere_3, "
                "flex_1, flex_2, flex_3, reimagine_1, reimagine_2, reimagine_3"
            ),
        ),
        ({"edit": {"auto_controls": 1}}, "video.edit.auto_controls must be a boolean"),
        (
            {"edit": {"controls": {"depth": {"blur": 1.1}}}},
            "video.edit.controls.depth.blur must be between 0 and 1",
        ),
        (
            {"edit": {"controls": {"normals": {"augmentation": -1}}}},
            "video.edit.controls.normals.augmentation must be between 0 and 1",
        ),
        (
            {"edit": {"controls": {"trajectory": {"sparsity": "much"}}}},
            "video.edit.controls.trajectory.sparsity must be a number",
        ),
        (
            {"edit": {"controls": {"pose": {"strength": "rough"}}}},
            "Invalid video.edit.controls.pose.strength 'rough'. Valid: coarse, precise",
        ),
        (
            {"edit": {"controls": {"face": {"enabled": 1}}}},
            "video.edit.controls.face.enabled must be a boolean",
        ),
        (
            {"start_frame": FRAME, "edit": {"keyframes": [FRAME], "keyframe_indexes": [0]}},
            "video.edit.keyframes can't be combined with 'start_frame'",
        ),
        (
            {"edit": {"keyframes": [FRAME], "keyframe_indexes": []}},
            "video.edit.keyframe_indexes must be as long as video.edit.keyframes",
        ),
    ],
)
def test_a_video_edit_with_options_that_do_not_go_together_is_refused(options: dict[str, Any], detail: str) -> None:
    assert refused(submit("video_edit", options)) == (400, detail)


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"hdr": True}, "video.hdr is not supported for type 'video_reframe'"),
        ({"start_frame": FRAME}, "video.start_frame is not valid for type 'video_reframe'"),
        (
            {"source_position": {**POSITION, "h_norm": None}},
            "video.source_position.h_norm is required",
        ),
        (
            {"source_position": {**POSITION, "x_norm": "left"}},
            "video.source_position.x_norm must be a number",
        ),
        (
            {"source_position": {**POSITION, "w_norm": 2.1}},
            "video.source_position.w_norm must be greater than 0 and at most 2",
        ),
    ],
)
def test_a_reframe_with_options_that_do_not_go_together_is_refused(options: dict[str, Any], detail: str) -> None:
    assert refused(submit("video_reframe", options)) == (400, detail)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("video", {}),
        ("video", {"loop": True, "duration": "5s", "resolution": "360p"}),
        ("video", {"hdr": True, "exr_export": True, "duration": "10s", "resolution": "1080p"}),
        ("video", {"start_frame": FRAME, "end_frame": FRAME}),
        ("video", {"keyframes": [FRAME] * 64, "keyframe_indexes": list(range(64)), "loop": False}),
        ("video", {"keyframes": [FRAME], "keyframe_indexes": [240], "duration": "10s"}),
        ("video_edit", {"start_frame": FRAME, "edit": {"strength": "flex_2", "auto_controls": True}}),
        (
            "video_edit",
            {
                "edit": {
                    "controls": {
                        "depth": {"enabled": True, "blur": 0.5},
                        "face": {"enabled": False},
                        "normals": {"augmentation": 0},
                        "pose": {"strength": "coarse"},
                        "trajectory": {"sparsity": 1},
                    },
                    "keyframes": [FRAME],
                    "keyframe_indexes": [999],
                }
            },
        ),
        ("video_reframe", {"source_position": POSITION}),
    ],
)
def test_valid_video_options_are_accepted(kind: str, options: dict[str, Any]) -> None:
    assert submit(kind, options).status == 201
