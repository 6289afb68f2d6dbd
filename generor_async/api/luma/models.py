# Generated from spec/luma.yaml by `python -m generor_async.codegen`: do not edit.
"""What the Luma Agents API answers, and the objects that it takes."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Final, Literal, Required, TypeAlias, TypedDict

from attrs import define, field, frozen

from generor_async.values import JSON, UNSET, MediaRef, Unset
from generor_async.values import Model as BaseModel
from generor_async.values.decoding import UnexpectedShape, read_datetime, read_fields, read_list, read_map, read_str
from generor_async.values.shapes import Attribute, Shape, as_datetime, as_int, as_str, as_word, list_of, map_of

__all__ = [
    "CREATED_FILE",
    "FILE",
    "GENERATION",
    "LAYER",
    "OUTPUT",
    "PRESIGNED_UPLOAD",
    "CreatedFile",
    "DepthControl",
    "DepthControlDict",
    "EditControls",
    "EditControlsDict",
    "EditOptions",
    "EditOptionsDict",
    "EditStrength",
    "FaceControl",
    "FaceControlDict",
    "File",
    "FilePurpose",
    "FileState",
    "Generation",
    "GenerationAspectRatio",
    "GenerationFailureCode",
    "GenerationModel",
    "GenerationOutputFormat",
    "GenerationState",
    "GenerationStyle",
    "GenerationType",
    "Layer",
    "LayerAlphaHint",
    "LayeringOptions",
    "LayeringOptionsDict",
    "LayeringResolution",
    "MediaRefDict",
    "NormalsControl",
    "NormalsControlDict",
    "Output",
    "OutputType",
    "PoseControl",
    "PoseControlDict",
    "PoseControlStrength",
    "PresignedUpload",
    "PresignedUploadMethod",
    "SourcePosition",
    "SourcePositionDict",
    "TrajectoryControl",
    "TrajectoryControlDict",
    "VideoDuration",
    "VideoOptions",
    "VideoOptionsDict",
    "VideoResolution",
    "decode_created_file",
    "decode_file",
    "decode_generation",
    "decode_layer",
    "decode_output",
    "decode_presigned_upload",
]

EditStrength: TypeAlias = (
    Literal[
        "adhere_1", "adhere_2", "adhere_3", "flex_1", "flex_2", "flex_3", "reimagine_1", "reimagine_2", "reimagine_3"
    ]
    | str
)
"""How far the edit may go, from `adhere_1` (keeps most) to `reimagine_3` (keeps least) (client)."""

FilePurpose: TypeAlias = Literal["input", "reference"] | str
"""What the file is for, `input` for the subject of an edit or `reference` for guidance (client)."""

FileState: TypeAlias = Literal["pending", "ready", "failed", "deleted"] | str
"""The state of the file; only a `ready` one can be referred to (client)."""

GenerationAspectRatio: TypeAlias = (
    Literal["3:1", "2:1", "21:9", "16:9", "4:3", "3:2", "1:1", "3:4", "2:3", "9:16", "1:2", "1:3"] | str
)
"""Width to height, such as `16:9`; None lets the model choose. Which are valid depends on model and type, and the
server decides: `uni-1` takes all but `21:9`, `4:3` and `3:4`.
"""

GenerationFailureCode: TypeAlias = (
    Literal[
        "content_moderated",
        "generation_failed",
        "budget_exhausted",
        "output_not_found",
        "image_too_large",
        "unsupported_format",
        "corrupt_input",
        "invalid_request",
        "rate_limited",
    ]
    | str
)
"""Why the generation failed, as a code; None unless it did. The codes `generation_failed`, `output_not_found` and
`rate_limited` are worth another try. New codes may appear at any time.
"""

GenerationModel: TypeAlias = Literal["uni-1", "uni-1-max", "ray-3.2"] | str
"""The model that generates."""

GenerationOutputFormat: TypeAlias = Literal["png", "jpeg"] | str
"""The image format of the output; None lets the model choose."""

GenerationState: TypeAlias = Literal["queued", "processing", "completed", "failed"] | str
"""The state of the generation; `completed` and `failed` are final."""

GenerationStyle: TypeAlias = Literal["auto", "manga"] | str
"""A style preset; the server's default is `auto`."""

GenerationType: TypeAlias = Literal["image", "image_edit", "video", "video_edit", "video_reframe", "layering"] | str
"""The kind of generation."""

LayerAlphaHint: TypeAlias = Literal["soft", "hard", "none"] | str
"""The edges of its transparency, `soft` (hair, fur, glass), `hard` (solid) or `none` (the background) (client)."""

LayeringResolution: TypeAlias = Literal["1k", "2k"] | str
"""The resolution of every layer; `2k` renders each again and costs more a layer (client)."""

OutputType: TypeAlias = Literal["image", "video"] | str
"""The kind of media."""

PoseControlStrength: TypeAlias = Literal["precise", "coarse"] | str
"""How closely the pose is followed (client)."""

PresignedUploadMethod: TypeAlias = Literal["PUT"] | str
"""The HTTP method, always PUT (client)."""

VideoDuration: TypeAlias = Literal["5s", "10s"] | str
"""The video's length, in seconds with the letter s (client)."""

VideoResolution: TypeAlias = Literal["360p", "540p", "720p", "1080p"] | str
"""The output's height in pixels with the letter p; `360p` is the draft tier, without HDR for type `video` (client)."""


class MediaRefDict(TypedDict, total=False):
    """A mapping of the same keys as `MediaRef`."""

    url: str | None
    """A publicly accessible URL of an image, or of a video where `media_type` says so, as the source of `video_edit`
    and `video_reframe`.
    """
    data: str | None
    """The bytes in base64; needs `media_type`."""
    media_type: str | None
    """The MIME type, such as `image/jpeg`. Required with `data`, and as `video/*` with a `url` that is the source of
    `video_edit` or `video_reframe`.
    """
    generation_id: str | None
    """The UUID of an earlier generation of the same caller, whose output is meant (client)."""
    file_id: str | None
    """The UUID of an uploaded file of the same caller, in state `ready` (client)."""


@frozen(kw_only=True)
class LayeringOptions:
    """How an image is taken apart into layers (client)."""

    resolution: LayeringResolution | Unset = UNSET
    """The resolution of every layer; `2k` renders each again and costs more a layer."""


class LayeringOptionsDict(TypedDict, total=False):
    """A mapping of the same keys as `LayeringOptions`."""

    resolution: LayeringResolution
    """The resolution of every layer; `2k` renders each again and costs more a layer."""


@frozen(kw_only=True)
class SourcePosition:
    """The source's rectangle on the output canvas, as fractions of the canvas (client)."""

    x_norm: float
    """The left edge as a fraction of the canvas's width; negative where the source lies outside."""
    y_norm: float
    """The top edge as a fraction of the canvas's height; negative where the source lies outside."""
    w_norm: float
    """The width as a fraction of the canvas's width, up to 2."""
    h_norm: float
    """The height as a fraction of the canvas's height, up to 2."""


class SourcePositionDict(TypedDict, total=False):
    """A mapping of the same keys as `SourcePosition`."""

    x_norm: Required[float]
    """The left edge as a fraction of the canvas's width; negative where the source lies outside."""
    y_norm: Required[float]
    """The top edge as a fraction of the canvas's height; negative where the source lies outside."""
    w_norm: Required[float]
    """The width as a fraction of the canvas's width, up to 2."""
    h_norm: Required[float]
    """The height as a fraction of the canvas's height, up to 2."""


@frozen(kw_only=True)
class DepthControl:
    """Guidance of a video edit by the scene's depth (client)."""

    enabled: bool | Unset | None = UNSET
    """Whether the control is on; the model's default when left out."""
    blur: float | Unset | None = UNSET
    """The blur of the depth map, 0 to 1; more gives the geometry more freedom."""


class DepthControlDict(TypedDict, total=False):
    """A mapping of the same keys as `DepthControl`."""

    enabled: bool | None
    """Whether the control is on; the model's default when left out."""
    blur: float | None
    """The blur of the depth map, 0 to 1; more gives the geometry more freedom."""


@frozen(kw_only=True)
class FaceControl:
    """Guidance of a video edit by the identity of faces (client)."""

    enabled: bool | Unset | None = UNSET
    """Whether the control is on; the model's default when left out."""


class FaceControlDict(TypedDict, total=False):
    """A mapping of the same keys as `FaceControl`."""

    enabled: bool | None
    """Whether the control is on; the model's default when left out."""


@frozen(kw_only=True)
class NormalsControl:
    """Guidance of a video edit by the directions of surfaces (client)."""

    enabled: bool | Unset | None = UNSET
    """Whether the control is on; the model's default when left out."""
    augmentation: float | Unset | None = UNSET
    """How far surfaces may be reinterpreted, 0 to 1."""


class NormalsControlDict(TypedDict, total=False):
    """A mapping of the same keys as `NormalsControl`."""

    enabled: bool | None
    """Whether the control is on; the model's default when left out."""
    augmentation: float | None
    """How far surfaces may be reinterpreted, 0 to 1."""


@frozen(kw_only=True)
class PoseControl:
    """Guidance of a video edit by the pose of bodies (client)."""

    enabled: bool | Unset | None = UNSET
    """Whether the control is on; the model's default when left out."""
    strength: PoseControlStrength | Unset | None = UNSET
    """How closely the pose is followed."""


class PoseControlDict(TypedDict, total=False):
    """A mapping of the same keys as `PoseControl`."""

    enabled: bool | None
    """Whether the control is on; the model's default when left out."""
    strength: PoseControlStrength | None
    """How closely the pose is followed."""


@frozen(kw_only=True)
class TrajectoryControl:
    """Guidance of a video edit by the paths of moving points (client)."""

    enabled: bool | Unset | None = UNSET
    """Whether the control is on; the model's default when left out."""
    sparsity: float | Unset | None = UNSET
    """The sparsity of the points, 0 to 1; more means fewer anchors of motion."""


class TrajectoryControlDict(TypedDict, total=False):
    """A mapping of the same keys as `TrajectoryControl`."""

    enabled: bool | None
    """Whether the control is on; the model's default when left out."""
    sparsity: float | None
    """The sparsity of the points, 0 to 1; more means fewer anchors of motion."""


@frozen(kw_only=True)
class EditControls:
    """The signals of the source that guide a video edit (client)."""

    depth: DepthControl | DepthControlDict | Unset | None = UNSET
    """Guidance by the scene's depth."""
    face: FaceControl | FaceControlDict | Unset | None = UNSET
    """Guidance by the identity of faces."""
    normals: NormalsControl | NormalsControlDict | Unset | None = UNSET
    """Guidance by the directions of surfaces."""
    pose: PoseControl | PoseControlDict | Unset | None = UNSET
    """Guidance by the pose of bodies."""
    trajectory: TrajectoryControl | TrajectoryControlDict | Unset | None = UNSET
    """Guidance by the paths of moving points."""


class EditControlsDict(TypedDict, total=False):
    """A mapping of the same keys as `EditControls`."""

    depth: DepthControl | DepthControlDict | None
    """Guidance by the scene's depth."""
    face: FaceControl | FaceControlDict | None
    """Guidance by the identity of faces."""
    normals: NormalsControl | NormalsControlDict | None
    """Guidance by the directions of surfaces."""
    pose: PoseControl | PoseControlDict | None
    """Guidance by the pose of bodies."""
    trajectory: TrajectoryControl | TrajectoryControlDict | None
    """Guidance by the paths of moving points."""


@frozen(kw_only=True)
class EditOptions:
    """How a video is edited.

    The source lasts at most 18 seconds, and the output as long as the source (client).
    """

    auto_controls: bool | Unset | None = UNSET
    """Whether the model derives the controls from the source; `strength` or `controls` imply that it doesn't."""
    strength: EditStrength | Unset | None = UNSET
    """How far the edit may go, from `adhere_1` (keeps most) to `reimagine_3` (keeps least)."""
    keyframes: Sequence[MediaRef | MediaRefDict] | Unset | None = UNSET
    """Up to 64 guide frames, each anchored by the same position in `keyframe_indexes`; excludes the video's
    `start_frame`.
    """
    keyframe_indexes: Sequence[int] | Unset | None = UNSET
    """The source frame of each of `keyframes`, unique, non-negative and as many as `keyframes`."""
    controls: EditControls | EditControlsDict | Unset | None = UNSET
    """What of the source guides the edit, signal by signal."""


class EditOptionsDict(TypedDict, total=False):
    """A mapping of the same keys as `EditOptions`."""

    auto_controls: bool | None
    """Whether the model derives the controls from the source; `strength` or `controls` imply that it doesn't."""
    strength: EditStrength | None
    """How far the edit may go, from `adhere_1` (keeps most) to `reimagine_3` (keeps least)."""
    keyframes: Sequence[MediaRef | MediaRefDict] | None
    """Up to 64 guide frames, each anchored by the same position in `keyframe_indexes`; excludes the video's
    `start_frame`.
    """
    keyframe_indexes: Sequence[int] | None
    """The source frame of each of `keyframes`, unique, non-negative and as many as `keyframes`."""
    controls: EditControls | EditControlsDict | None
    """What of the source guides the edit, signal by signal."""


@frozen(kw_only=True)
class VideoOptions:
    """How a video is to be (client)."""

    duration: VideoDuration | Unset | None = UNSET
    """The video's length, in seconds with the letter s."""
    resolution: VideoResolution | Unset | None = UNSET
    """The output's height in pixels with the letter p; `360p` is the draft tier, without HDR for type `video`."""
    hdr: bool | Unset | None = UNSET
    """Whether to make HDR video, which the account must be allowed to; not for `video_reframe`."""
    exr_export: bool | Unset | None = UNSET
    """Whether to export EXR beside the MP4; needs `hdr`."""
    loop: bool | Unset | None = UNSET
    """Whether the video loops seamlessly; only for type `video`, not with `10s` or `hdr`."""
    start_frame: MediaRef | MediaRefDict | Unset | None = UNSET
    """The first frame, or the earlier video generation to extend."""
    end_frame: MediaRef | MediaRefDict | Unset | None = UNSET
    """The last frame, or the earlier video generation to lead to."""
    keyframes: Sequence[MediaRef | MediaRefDict] | Unset | None = UNSET
    """1 to 64 guide frames for type `video`, each anchored by the same position in `keyframe_indexes`; excludes
    `start_frame`, `end_frame` and `loop`.
    """
    keyframe_indexes: Sequence[int] | Unset | None = UNSET
    """The output frame of each of `keyframes`, at 24 frames a second (0 to 120 for `5s`, 0 to 240 for `10s`): unique,
    non-negative, as many as `keyframes`.
    """
    source_position: SourcePosition | SourcePositionDict | Unset | None = UNSET
    """Where the source lies on the canvas of a `video_reframe`; the model centres it when left out."""
    edit: EditOptions | EditOptionsDict | Unset | None = UNSET
    """How the source video is edited; for type `video_edit` only."""


class VideoOptionsDict(TypedDict, total=False):
    """A mapping of the same keys as `VideoOptions`."""

    duration: VideoDuration | None
    """The video's length, in seconds with the letter s."""
    resolution: VideoResolution | None
    """The output's height in pixels with the letter p; `360p` is the draft tier, without HDR for type `video`."""
    hdr: bool | None
    """Whether to make HDR video, which the account must be allowed to; not for `video_reframe`."""
    exr_export: bool | None
    """Whether to export EXR beside the MP4; needs `hdr`."""
    loop: bool | None
    """Whether the video loops seamlessly; only for type `video`, not with `10s` or `hdr`."""
    start_frame: MediaRef | MediaRefDict | None
    """The first frame, or the earlier video generation to extend."""
    end_frame: MediaRef | MediaRefDict | None
    """The last frame, or the earlier video generation to lead to."""
    keyframes: Sequence[MediaRef | MediaRefDict] | None
    """1 to 64 guide frames for type `video`, each anchored by the same position in `keyframe_indexes`; excludes
    `start_frame`, `end_frame` and `loop`.
    """
    keyframe_indexes: Sequence[int] | None
    """The output frame of each of `keyframes`, at 24 frames a second (0 to 120 for `5s`, 0 to 240 for `10s`): unique,
    non-negative, as many as `keyframes`.
    """
    source_position: SourcePosition | SourcePositionDict | None
    """Where the source lies on the canvas of a `video_reframe`; the model centres it when left out."""
    edit: EditOptions | EditOptionsDict | None
    """How the source video is edited; for type `video_edit` only."""


@define(kw_only=True)
class Layer(BaseModel):
    """What one layer of an image shows and where it lies (client)."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"index", "label", "description", "alpha_hint"})

    index: int
    """The layer's place from front to back; the last one is the background."""
    label: str
    """The layer's name, one or two words."""
    description: str
    """What the layer shows."""
    alpha_hint: LayerAlphaHint
    """The edges of its transparency, `soft` (hair, fur, glass), `hard` (solid) or `none` (the background)."""


@define(kw_only=True)
class Output(BaseModel):
    """One image, video or layer that a generation made."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"type", "url", "layer"})

    type: OutputType
    """The kind of media."""
    url: str = field(repr=False)
    """A presigned URL of the bytes, valid for one hour; `generations.get` returns a fresh one. It is fetched without an
    API key.
    """
    layer: Layer | None = None
    """Which layer this is; only on outputs of type `layering` (client)."""


@define(kw_only=True)
class Generation(BaseModel):
    """One generation, from its submission to its outputs or its failure."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"id", "type", "state", "model", "created_at", "output", "failure_reason", "failure_code"}
    )

    id: str
    """The generation's id, a UUID."""
    type: GenerationType
    """The kind of generation."""
    state: GenerationState
    """The state of the generation; `completed` and `failed` are final."""
    model: GenerationModel
    """The model that generates."""
    created_at: datetime
    """When the generation was submitted."""
    output: list[Output]
    """What was generated; empty until the state is `completed`, and when it is `failed`."""
    failure_reason: str | None = None
    """Why the generation failed, in words; None unless it did."""
    failure_code: GenerationFailureCode | None = None
    """Why the generation failed, as a code; None unless it did. The codes `generation_failed`, `output_not_found` and
    `rate_limited` are worth another try. New codes may appear at any time.
    """


@define(kw_only=True)
class File(BaseModel):
    """A file that was uploaded, or is about to be (client)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {
            "id",
            "created_at",
            "mime_type",
            "purpose",
            "size_bytes",
            "state",
            "deleted_at",
            "expires_at",
            "failure_reason",
            "filename",
            "user_id",
        }
    )

    id: str
    """The file's id, a UUID, to be given as a media reference's `file_id`."""
    created_at: datetime
    """When the file was recorded."""
    mime_type: str
    """The MIME type of the bytes, such as `image/jpeg`."""
    purpose: FilePurpose
    """What the file is for, `input` for the subject of an edit or `reference` for guidance."""
    size_bytes: int
    """The size in bytes."""
    state: FileState
    """The state of the file; only a `ready` one can be referred to."""
    deleted_at: datetime | None = None
    """When the file was deleted, if it was."""
    expires_at: datetime | None = None
    """After this time the server may delete the file."""
    failure_reason: str | None = None
    """Why the ingest failed, in words; None unless it did."""
    filename: str | None = None
    """The file's name, if one was given."""
    user_id: str | None = None
    """The tag of the caller's end user, if one was given."""


@define(kw_only=True)
class PresignedUpload(BaseModel):
    """Where and how to put the bytes of a file (client)."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"url", "method", "headers", "expires_at"})

    url: str = field(repr=False)
    """The presigned URL; it is used without an API key."""
    method: PresignedUploadMethod
    """The HTTP method, always PUT."""
    headers: dict[str, str] | None = field(default=None, repr=False)
    """The headers that must go with the bytes."""
    expires_at: datetime
    """When the URL stops working."""


@define(kw_only=True)
class CreatedFile(BaseModel):
    """A file just recorded, and where to put its bytes (client)."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"id", "state", "file", "upload"})

    id: str
    """The file's id, the same as `file.id`."""
    state: FileState
    """The state of the file, the same as `file.state`."""
    file: File
    """The file."""
    upload: PresignedUpload | None = None
    """Where to put the bytes; None for an inline upload."""


def decode_layer(source: JSON) -> Layer:
    """Read one `Layer`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    index = get("index")
    if type(index) is not int:
        raise UnexpectedShape
    label = get("label")
    if type(label) is not str:
        raise UnexpectedShape
    description = get("description")
    if type(description) is not str:
        raise UnexpectedShape
    alpha_hint = get("alpha_hint")
    if type(alpha_hint) is not str:
        raise UnexpectedShape
    return Layer(
        index=index,
        label=label,
        description=description,
        alpha_hint=alpha_hint,
        raw=source,
    )


LAYER: Final = Shape(
    strict=decode_layer,
    cls=Layer,
    attributes=(
        Attribute("index", "index", "an integer", as_int, promised=True),
        Attribute("label", "label", "a string", as_str, promised=True),
        Attribute("description", "description", "a string", as_str, promised=True),
        Attribute("alpha_hint", "alpha_hint", "a string", as_word, promised=True),
    ),
)


def decode_output(source: JSON) -> Output:
    """Read one `Output`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    type_ = get("type")
    if type(type_) is not str:
        raise UnexpectedShape
    url = get("url")
    if type(url) is not str:
        raise UnexpectedShape
    layer = get("layer")
    if layer is not None:
        layer = decode_layer(layer)
    return Output(
        type=type_,
        url=url,
        layer=layer,
        raw=source,
    )


OUTPUT: Final = Shape(
    strict=decode_output,
    cls=Output,
    attributes=(
        Attribute("type", "type", "a string", as_word, promised=True),
        Attribute("url", "url", "a string", as_str, promised=True),
        Attribute("layer", "layer", "an object", LAYER.lenient),
    ),
    item="url",
)


def decode_generation(source: JSON) -> Generation:
    """Read one `Generation`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    id_ = get("id")
    if type(id_) is not str or not id_:
        raise UnexpectedShape
    type_ = get("type")
    if type(type_) is not str:
        raise UnexpectedShape
    state = get("state")
    if type(state) is not str:
        raise UnexpectedShape
    model = get("model")
    if type(model) is not str:
        raise UnexpectedShape
    failure_reason = get("failure_reason")
    if failure_reason is not None and type(failure_reason) is not str:
        raise UnexpectedShape
    failure_code = get("failure_code")
    if failure_code is not None and type(failure_code) is not str:
        raise UnexpectedShape
    return Generation(
        id=id_,
        type=type_,
        state=state,
        model=model,
        created_at=read_datetime(get("created_at")),
        output=read_list(decode_output, get("output")),
        failure_reason=failure_reason,
        failure_code=failure_code,
        raw=source,
    )


GENERATION: Final = Shape(
    strict=decode_generation,
    cls=Generation,
    attributes=(
        Attribute("id", "id", "a string", as_str, promised=True),
        Attribute("type", "type", "a string", as_word, promised=True),
        Attribute("state", "state", "a string", as_word, promised=True),
        Attribute("model", "model", "a string", as_word, promised=True),
        Attribute("created_at", "created_at", "a date and time", as_datetime, promised=True),
        Attribute("output", "output", "an array", list_of(OUTPUT.lenient), promised=True),
        Attribute("failure_reason", "failure_reason", "a string", as_str),
        Attribute("failure_code", "failure_code", "a string", as_word),
    ),
    identity=("id",),
)


def decode_file(source: JSON) -> File:
    """Read one `File`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    id_ = get("id")
    if type(id_) is not str or not id_:
        raise UnexpectedShape
    mime_type = get("mime_type")
    if type(mime_type) is not str:
        raise UnexpectedShape
    purpose = get("purpose")
    if type(purpose) is not str:
        raise UnexpectedShape
    size_bytes = get("size_bytes")
    if type(size_bytes) is not int:
        raise UnexpectedShape
    state = get("state")
    if type(state) is not str:
        raise UnexpectedShape
    deleted_at = get("deleted_at")
    if deleted_at is not None:
        deleted_at = read_datetime(deleted_at)
    expires_at = get("expires_at")
    if expires_at is not None:
        expires_at = read_datetime(expires_at)
    failure_reason = get("failure_reason")
    if failure_reason is not None and type(failure_reason) is not str:
        raise UnexpectedShape
    filename = get("filename")
    if filename is not None and type(filename) is not str:
        raise UnexpectedShape
    user_id = get("user_id")
    if user_id is not None and type(user_id) is not str:
        raise UnexpectedShape
    return File(
        id=id_,
        created_at=read_datetime(get("created_at")),
        mime_type=mime_type,
        purpose=purpose,
        size_bytes=size_bytes,
        state=state,
        deleted_at=deleted_at,
        expires_at=expires_at,
        failure_reason=failure_reason,
        filename=filename,
        user_id=user_id,
        raw=source,
    )


FILE: Final = Shape(
    strict=decode_file,
    cls=File,
    attributes=(
        Attribute("id", "id", "a string", as_str, promised=True),
        Attribute("created_at", "created_at", "a date and time", as_datetime, promised=True),
        Attribute("mime_type", "mime_type", "a string", as_str, promised=True),
        Attribute("purpose", "purpose", "a string", as_word, promised=True),
        Attribute("size_bytes", "size_bytes", "an integer", as_int, promised=True),
        Attribute("state", "state", "a string", as_word, promised=True),
        Attribute("deleted_at", "deleted_at", "a date and time", as_datetime),
        Attribute("expires_at", "expires_at", "a date and time", as_datetime),
        Attribute("failure_reason", "failure_reason", "a string", as_str),
        Attribute("filename", "filename", "a string", as_str),
        Attribute("user_id", "user_id", "a string", as_str),
    ),
    identity=("id",),
)


def decode_presigned_upload(source: JSON) -> PresignedUpload:
    """Read one `PresignedUpload`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    url = get("url")
    if type(url) is not str:
        raise UnexpectedShape
    method = get("method")
    if type(method) is not str:
        raise UnexpectedShape
    headers = get("headers")
    if headers is not None:
        headers = read_map(read_str, headers)
    return PresignedUpload(
        url=url,
        method=method,
        headers=headers,
        expires_at=read_datetime(get("expires_at")),
        raw=source,
    )


PRESIGNED_UPLOAD: Final = Shape(
    strict=decode_presigned_upload,
    cls=PresignedUpload,
    attributes=(
        Attribute("url", "url", "a string", as_str, promised=True),
        Attribute("method", "method", "a string", as_word, promised=True),
        Attribute("headers", "headers", "an object", map_of(as_str)),
        Attribute("expires_at", "expires_at", "a date and time", as_datetime, promised=True),
    ),
)


def decode_created_file(source: JSON) -> CreatedFile:
    """Read one `CreatedFile`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    id_ = get("id")
    if type(id_) is not str or not id_:
        raise UnexpectedShape
    state = get("state")
    if type(state) is not str:
        raise UnexpectedShape
    upload = get("upload")
    if upload is not None:
        upload = decode_presigned_upload(upload)
    return CreatedFile(
        id=id_,
        state=state,
        file=decode_file(get("file")),
        upload=upload,
        raw=source,
    )


CREATED_FILE: Final = Shape(
    strict=decode_created_file,
    cls=CreatedFile,
    attributes=(
        Attribute("id", "id", "a string", as_str, promised=True),
        Attribute("state", "state", "a string", as_word, promised=True),
        Attribute("file", "file", "an object", FILE.lenient, promised=True),
        Attribute("upload", "upload", "an object", PRESIGNED_UPLOAD.lenient),
    ),
    identity=("id",),
)
