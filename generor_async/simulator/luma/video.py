"""The video options of a Luma request and their rules.

The rules are `client`: they stand in the official client's types. That each is a 400, and its wording, is
`assumed`.
"""

from typing import Any

from attrs import frozen

from generor_async.simulator.luma.answers import LumaRefusal, as_list, as_object, check_choice
from generor_async.simulator.luma.media import MediaKind, MediaReference, read_ref
from generor_async.simulator.luma.models import FRAMES, RESOLUTIONS

__all__ = ["NO_VIDEO_OPTIONS", "VideoSettings", "read_video"]

MAX_KEYFRAMES = 64
STRENGTHS = tuple(f"{word}_{level}" for word in ("adhere", "flex", "reimagine") for level in (1, 2, 3))
CONTROLS = {"depth": "blur", "normals": "augmentation", "trajectory": "sparsity"}
"""Controls with a setting between 0 and 1, and that setting's name."""


@frozen(kw_only=True)
class VideoSettings:
    """The video options of a request that have an effect."""

    duration: str = "5s"
    resolution: str = "720p"
    hdr: bool = False
    exr: bool = False
    refs: tuple[MediaReference, ...] = ()


NO_VIDEO_OPTIONS = VideoSettings()


def read_video(options: dict[str, Any], kind: str) -> VideoSettings:
    """Read and check the `video` object of a request of type `kind`."""
    duration = check_choice(options.get("duration"), "video.duration", tuple(FRAMES)) or "5s"
    resolution = check_choice(options.get("resolution"), "video.resolution", RESOLUTIONS) or "720p"
    hdr = _flag(options, "video.hdr")
    if hdr and kind == "video_reframe":
        raise LumaRefusal(400, "video.hdr is not supported for type 'video_reframe'")
    if hdr and kind == "video" and resolution == "360p":
        raise LumaRefusal(400, "video.hdr is not supported with resolution '360p'")
    exr = _flag(options, "video.exr_export")
    if exr and not hdr:
        raise LumaRefusal(400, "video.exr_export requires 'hdr'")
    _check_loop(options, kind, duration=duration, hdr=hdr)
    _check_source_position(options, kind)
    refs = (*_frames(options, kind), *_keyframes(options, kind, last_frame=FRAMES[duration]))
    refs += _edit(options, kind)
    return VideoSettings(duration=duration, resolution=resolution, hdr=hdr, exr=exr, refs=refs)


def _flag(options: dict[str, Any], path: str) -> bool:
    value = options.get(path.rpartition(".")[2])
    if not isinstance(value, bool | None):
        raise LumaRefusal(400, f"{path} must be a boolean")
    return bool(value)


def _object(options: dict[str, Any], path: str) -> dict[str, Any] | None:
    value = options.get(path.rpartition(".")[2])
    return None if value is None else as_object(value, path)


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LumaRefusal(400, f"{path} must be a number")
    return value


def _check_loop(options: dict[str, Any], kind: str, *, duration: str, hdr: bool) -> None:
    if not _flag(options, "video.loop"):
        return
    if kind != "video":
        raise LumaRefusal(400, "video.loop is only valid for type 'video'")
    if duration == "10s":
        raise LumaRefusal(400, "video.loop is not supported with duration '10s'")
    if hdr:
        raise LumaRefusal(400, "video.loop is not supported with 'hdr'")


def _check_source_position(options: dict[str, Any], kind: str) -> None:
    position = _object(options, "video.source_position")
    if position is None:
        return
    if kind != "video_reframe":
        raise LumaRefusal(400, "video.source_position is only valid for type 'video_reframe'")
    for name in ("x_norm", "y_norm", "w_norm", "h_norm"):
        path = f"video.source_position.{name}"
        if position.get(name) is None:
            raise LumaRefusal(400, f"{path} is required")
        value = _number(position[name], path)
        if name in {"w_norm", "h_norm"} and not 0 < value <= 2:
            raise LumaRefusal(400, f"{path} must be greater than 0 and at most 2")


def _frames(options: dict[str, Any], kind: str) -> tuple[MediaReference, ...]:
    """Read start_frame (new videos and edits) and end_frame (new videos only)."""
    refs: list[MediaReference] = []
    both: tuple[MediaKind, ...] = ("image", "video")
    for name, types in (("start_frame", ("video", "video_edit")), ("end_frame", ("video",))):
        if options.get(name) is None:
            continue
        if kind not in types:
            raise LumaRefusal(400, f"video.{name} is not valid for type '{kind}'")
        # A generation here is a video to go on from; anything else is a picture.
        wants = both if read_ref(options[name], f"video.{name}").kind == "generation_id" else ("image",)
        refs.append(read_ref(options[name], f"video.{name}", wants=wants))
    return tuple(refs)


def _keyframes(options: dict[str, Any], kind: str, *, last_frame: int) -> tuple[MediaReference, ...]:
    refs = _anchors(options, "video", last_frame=last_frame)
    if not refs:
        return ()
    if kind != "video":
        raise LumaRefusal(400, "video.keyframes is only valid for type 'video'")
    for name in ("start_frame", "end_frame", "loop"):
        if options.get(name):
            raise LumaRefusal(400, f"video.keyframes can't be combined with '{name}'")
    return refs


def _anchors(options: dict[str, Any], path: str, *, last_frame: int | None) -> tuple[MediaReference, ...]:
    """Read keyframes and the parallel list of their positions."""
    if options.get("keyframes") is None and options.get("keyframe_indexes") is None:
        return ()
    keyframes = as_list(options.get("keyframes"), f"{path}.keyframes")
    positions = as_list(options.get("keyframe_indexes"), f"{path}.keyframe_indexes")
    if not 1 <= len(keyframes) <= MAX_KEYFRAMES:
        raise LumaRefusal(400, f"{path}.keyframes must have between 1 and {MAX_KEYFRAMES} entries")
    if len(positions) != len(keyframes):
        raise LumaRefusal(400, f"{path}.keyframe_indexes must be as long as {path}.keyframes")
    if not all(type(position) is int and position >= 0 for position in positions):
        raise LumaRefusal(400, f"{path}.keyframe_indexes must be non-negative integers")
    if len(set(positions)) != len(positions):
        raise LumaRefusal(400, f"{path}.keyframe_indexes must be unique")
    if last_frame is not None and max(positions) > last_frame:
        raise LumaRefusal(400, f"{path}.keyframe_indexes must be at most {last_frame} for this duration")
    return tuple(read_ref(entry, f"{path}.keyframes[{index}]") for index, entry in enumerate(keyframes))


def _edit(options: dict[str, Any], kind: str) -> tuple[MediaReference, ...]:
    edit = _object(options, "video.edit")
    if edit is None:
        return ()
    if kind != "video_edit":
        raise LumaRefusal(400, "video.edit is only valid for type 'video_edit'")
    _flag(edit, "video.edit.auto_controls")
    check_choice(edit.get("strength"), "video.edit.strength", STRENGTHS)
    _check_controls(_object(edit, "video.edit.controls") or {})
    refs = _anchors(edit, "video.edit", last_frame=None)
    if refs and options.get("start_frame"):
        raise LumaRefusal(400, "video.edit.keyframes can't be combined with 'start_frame'")
    return refs


def _check_controls(controls: dict[str, Any]) -> None:
    for name in (*CONTROLS, "face", "pose"):
        path = f"video.edit.controls.{name}"
        control = _object(controls, path)
        if control is None:
            continue
        _flag(control, f"{path}.enabled")
        setting = CONTROLS.get(name)
        if setting is not None and control.get(setting) is not None:
            value = _number(control[setting], f"{path}.{setting}")
            if not 0 <= value <= 1:
                raise LumaRefusal(400, f"{path}.{setting} must be between 0 and 1")
        if name == "pose":
            check_choice(control.get("strength"), f"{path}.strength", ("precise", "coarse"))
