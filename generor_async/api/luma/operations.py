# Generated from spec/luma.yaml by `python -m generor_async.codegen`: do not edit.
"""Every call of the Luma Agents API as a value: built and checked here, sent by a client's `send`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Unpack

from generor_async.api.luma import models
from generor_async.engine.convert import to_json
from generor_async.rules import arguments, checks, nested_objects, older_api
from generor_async.rules.body_decoders import (
    PageData,
    cursor_page_of,
    nothing,
    plain,
)
from generor_async.rules.http_types import Endpoint, Form, Operation, path_segment
from generor_async.rules.older_api import NoOthers, without_others
from generor_async.rules.vendors import LUMA
from generor_async.rules.weights import Weighing
from generor_async.values import UNSET, MediaRef, Unset

__all__ = [
    "BUILDERS",
    "DEFAULTS",
    "ENDPOINTS",
    "FILES_COMPLETE",
    "FILES_CREATE",
    "FILES_CREATE_INLINE",
    "FILES_DELETE",
    "FILES_GET",
    "FILES_LIST",
    "GENERATIONS_CREATE",
    "GENERATIONS_GET",
    "files_complete",
    "files_create",
    "files_create_inline",
    "files_delete",
    "files_get",
    "files_list",
    "generations_create",
    "generations_get",
]

GENERATIONS_CREATE: Final = Endpoint(
    name="luma.generations.create",
    vendor=LUMA,
    method="POST",
    template="/generations",
    retry_safety="bills",
    auth="required",
    scope="none",
    quota=("rpm", "jobs"),
    decode=plain(models.GENERATION),
    timeout=60.0,
    attempt_timeout=60.0,
    weighing=Weighing("uni-1", "image", {("uni-1-max", "image_edit"): 3}),
    takes_user=True,
)


@without_others
def generations_create(
    *,
    prompt: str,
    model: models.GenerationModel | Unset = UNSET,
    type: models.GenerationType | Unset = UNSET,
    aspect_ratio: models.GenerationAspectRatio | Unset | None = UNSET,
    style: models.GenerationStyle | Unset = UNSET,
    output_format: models.GenerationOutputFormat | Unset | None = UNSET,
    web_search: bool | Unset = UNSET,
    image_ref: Sequence[MediaRef | models.MediaRefDict] | Unset = UNSET,
    source: MediaRef | models.MediaRefDict | Unset | None = UNSET,
    layering: models.LayeringOptions | models.LayeringOptionsDict | Unset | None = UNSET,
    video: models.VideoOptions | models.VideoOptionsDict | Unset | None = UNSET,
    user_id: str | Unset | None = UNSET,
    **others: Unpack[NoOthers],
) -> Operation[models.Generation]:
    """Submit one generation and return it queued.

    The client's `generations.create` has the same arguments, and describes them.
    """
    if others:
        older_api.refuse_unknown_arguments(others, generations_create)
    body: dict[str, Any] = {"prompt": arguments.text(prompt, "prompt")}
    if model is not UNSET:
        body["model"] = arguments.text(model, "model")
    if type is not UNSET:
        body["type"] = arguments.text(type, "type")
    if aspect_ratio is not UNSET:
        body["aspect_ratio"] = None if aspect_ratio is None else arguments.text(aspect_ratio, "aspect_ratio")
    if style is not UNSET:
        body["style"] = arguments.text(style, "style")
    if output_format is not UNSET:
        body["output_format"] = None if output_format is None else arguments.text(output_format, "output_format")
    if web_search is not UNSET:
        body["web_search"] = arguments.boolean(web_search, "web_search")
    if image_ref is not UNSET:
        body["image_ref"] = to_json(arguments.media(image_ref, "image_ref"))
    if source is not UNSET:
        body["source"] = None if source is None else to_json(arguments.medium(source, "source"))
    if layering is not UNSET:
        body["layering"] = (
            None if layering is None else to_json(nested_objects.instance(layering, "layering", models.LayeringOptions))
        )
    if video is not UNSET:
        body["video"] = None if video is None else to_json(nested_objects.instance(video, "video", models.VideoOptions))
    if user_id is not UNSET:
        body["user_id"] = None if user_id is None else arguments.text(user_id, "user_id")
    checks.length(prompt, "prompt", at_least=1, at_most=6000, refusal="Prompt must be between 1 and 6000 characters")
    checks.items(image_ref, "image_ref", at_most=9, refusal="image_ref supports up to 9 reference images")
    checks.luma_generation(body)
    return Operation(GENERATIONS_CREATE, "/generations", body=body)


GENERATIONS_GET: Final = Endpoint(
    name="luma.generations.get",
    vendor=LUMA,
    method="GET",
    template="/generations/{generation_id}",
    retry_safety="read",
    auth="required",
    scope="none",
    quota=(),
    decode=plain(models.GENERATION),
    timeout=60.0,
    attempt_timeout=30.0,
    shows_job=True,
    names="id",
    weighing=Weighing("uni-1", "image", {("uni-1-max", "image_edit"): 3}),
)


def generations_get(generation_id: str) -> Operation[models.Generation]:
    """Return one generation as it is now.

    The client's `generations.get` has the same arguments, and describes them.
    """
    return Operation(GENERATIONS_GET, f"/generations/{path_segment(generation_id, 'generation_id')}")


FILES_LIST: Final = Endpoint(
    name="luma.files.list",
    vendor=LUMA,
    method="GET",
    template="/files",
    retry_safety="read",
    auth="required",
    scope="none",
    quota=(),
    decode=cursor_page_of(models.FILE),
    timeout=60.0,
    attempt_timeout=30.0,
)


def files_list(
    *,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,
    purpose: models.FilePurpose | Unset = UNSET,
    state: models.FileState | Unset = UNSET,
) -> Operation[PageData[models.File]]:
    """List the uploaded files, newest first.

    The client's `files.list` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if limit is not UNSET:
        query["limit"] = str(arguments.whole(limit, "limit"))
    if cursor is not UNSET:
        query["cursor"] = arguments.text(cursor, "cursor")
    if purpose is not UNSET:
        query["purpose"] = arguments.text(purpose, "purpose")
    if state is not UNSET:
        query["state"] = arguments.text(state, "state")
    return Operation(FILES_LIST, "/files", query=query)


FILES_CREATE: Final = Endpoint(
    name="luma.files.create",
    vendor=LUMA,
    method="POST",
    template="/files",
    retry_safety="plain",
    auth="required",
    scope="none",
    quota=(),
    decode=plain(models.CREATED_FILE),
    timeout=60.0,
    attempt_timeout=60.0,
    takes_user=True,
)


def files_create(
    *,
    mime_type: str,
    size_bytes: int,
    filename: str | Unset | None = UNSET,
    purpose: models.FilePurpose | Unset = UNSET,
    expires_at: datetime | Unset | None = UNSET,
    user_id: str | Unset | None = UNSET,
) -> Operation[models.CreatedFile]:
    """Ask for a presigned upload of one file.

    The client's `files.create` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {
        "mime_type": arguments.text(mime_type, "mime_type"),
        "size_bytes": arguments.whole(size_bytes, "size_bytes"),
    }
    if filename is not UNSET:
        body["filename"] = None if filename is None else arguments.text(filename, "filename")
    if purpose is not UNSET:
        body["purpose"] = arguments.text(purpose, "purpose")
    if expires_at is not UNSET:
        body["expires_at"] = None if expires_at is None else arguments.moment(expires_at, "expires_at").isoformat()
    if user_id is not UNSET:
        body["user_id"] = None if user_id is None else arguments.text(user_id, "user_id")
    return Operation(FILES_CREATE, "/files", body=body)


FILES_CREATE_INLINE: Final = Endpoint(
    name="luma.files.create_inline",
    vendor=LUMA,
    method="POST",
    template="/files",
    retry_safety="plain",
    auth="required",
    scope="none",
    quota=(),
    decode=plain(models.CREATED_FILE),
    timeout=60.0,
    attempt_timeout=60.0,
    takes_user=True,
)


def files_create_inline(
    content: bytes,
    *,
    filename: str,
    mime_type: str,
    purpose: models.FilePurpose | Unset = UNSET,
    expires_at: datetime | Unset = UNSET,
    user_id: str | Unset = UNSET,
) -> Operation[models.CreatedFile]:
    """Upload one small file in the request itself.

    The client's `files.create_inline` has the same arguments, and describes them.
    """
    fields: dict[str, str] = {}
    if purpose is not UNSET:
        fields["purpose"] = arguments.text(purpose, "purpose")
    if expires_at is not UNSET:
        fields["expires_at"] = arguments.moment(expires_at, "expires_at").isoformat()
    if user_id is not UNSET:
        fields["user_id"] = arguments.text(user_id, "user_id")
    body = Form(
        content=arguments.data(content, "content"),
        filename=arguments.file_name(filename, "filename"),
        media_type=arguments.media_type(mime_type, "mime_type"),
        fields=fields,
    )
    return Operation(FILES_CREATE_INLINE, "/files", body=body)


FILES_GET: Final = Endpoint(
    name="luma.files.get",
    vendor=LUMA,
    method="GET",
    template="/files/{file_id}",
    retry_safety="read",
    auth="required",
    scope="none",
    quota=(),
    decode=plain(models.FILE),
    timeout=60.0,
    attempt_timeout=30.0,
    names="id",
)


def files_get(file_id: str) -> Operation[models.File]:
    """Return what is known about one file.

    The client's `files.get` has the same arguments, and describes them.
    """
    return Operation(FILES_GET, f"/files/{path_segment(file_id, 'file_id')}")


FILES_DELETE: Final = Endpoint(
    name="luma.files.delete",
    vendor=LUMA,
    method="DELETE",
    template="/files/{file_id}",
    retry_safety="idempotent",
    auth="required",
    scope="none",
    quota=(),
    decode=nothing,
    timeout=60.0,
    attempt_timeout=30.0,
)


def files_delete(file_id: str) -> Operation[None]:
    """Delete one file.

    The client's `files.delete` has the same arguments, and describes them.
    """
    return Operation(FILES_DELETE, f"/files/{path_segment(file_id, 'file_id')}")


FILES_COMPLETE: Final = Endpoint(
    name="luma.files.complete",
    vendor=LUMA,
    method="POST",
    template="/files/{file_id}/complete",
    retry_safety="idempotent",
    auth="required",
    scope="none",
    quota=(),
    decode=plain(models.FILE),
    timeout=60.0,
    attempt_timeout=30.0,
    names="id",
)


def files_complete(file_id: str) -> Operation[models.File]:
    """Start the ingest of a file whose bytes were uploaded.

    The client's `files.complete` has the same arguments, and describes them.
    """
    return Operation(FILES_COMPLETE, f"/files/{path_segment(file_id, 'file_id')}/complete")


ENDPOINTS: Final[Mapping[str, Endpoint[Any]]] = MappingProxyType(
    {
        "luma.generations.create": GENERATIONS_CREATE,
        "luma.generations.get": GENERATIONS_GET,
        "luma.files.list": FILES_LIST,
        "luma.files.create": FILES_CREATE,
        "luma.files.create_inline": FILES_CREATE_INLINE,
        "luma.files.get": FILES_GET,
        "luma.files.delete": FILES_DELETE,
        "luma.files.complete": FILES_COMPLETE,
    }
)
"""Every endpoint by its operation's name."""

BUILDERS: Final[Mapping[str, Callable[..., Operation[Any]]]] = MappingProxyType(
    {
        "luma.generations.create": generations_create,
        "luma.generations.get": generations_get,
        "luma.files.list": files_list,
        "luma.files.create": files_create,
        "luma.files.create_inline": files_create_inline,
        "luma.files.get": files_get,
        "luma.files.delete": files_delete,
        "luma.files.complete": files_complete,
    }
)
"""The function that builds each operation, by the operation's name."""

DEFAULTS: Final[Mapping[str, Mapping[str, str | int]]] = MappingProxyType(
    {
        "luma.generations.create": {"model": "uni-1", "type": "image", "style": "auto"},
    }
)
"""What the server takes parameters for that are left out, for each operation that is paid for."""
