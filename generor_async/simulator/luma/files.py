"""The Files API of the simulated Luma Agents API: uploads, ingest, listing, soft delete.

What is `client`: the names, the two ways of uploading, 5 GiB, the states, pages newest first by an opaque
cursor, 204 for a deletion. The client states no error at all, so each one here is `assumed`, and so are
these: an ingest takes about two seconds; the size is checked by the ingest, which ends in `failed`; inline
files have 32 MiB at most; a deleted file can still be read but not be deleted again, and is only listed
with `state=deleted`; a file is deleted the moment its `expires_at` has passed; the default purpose is `input`.

In a file name, `[[moderate]]` and `[[fail:CODE]]` make the ingest fail.
"""

import base64
import binascii
import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from attrs import define, field, frozen

from generor_async.simulator.luma.answers import LumaRefusal, check_choice, iso, json_object
from generor_async.simulator.luma.clients import ApiClient, Key
from generor_async.simulator.luma.jobs import FAILURE_REASONS, failure_marker
from generor_async.simulator.luma.media import MediaKind
from generor_async.simulator.luma.multipart import read_parts
from generor_async.simulator.messages import Answer, IncomingCall
from generor_async.simulator.storage import Bucket

__all__ = ["FileEndpoints", "StoredFile"]

MAX_BYTES = 5 * 1024**3
MAX_INLINE_BYTES = 32 * 1024**2
INGEST_SECONDS = (1.0, 3.0)
PURPOSES = ("input", "reference")
STATES = ("pending", "ready", "failed", "deleted")


@frozen(kw_only=True)
class _UploadRequest:
    """The description of a file to be uploaded."""

    mime_type: str
    size_bytes: int
    filename: str | None
    purpose: str
    user_id: str | None
    expires_at: float | None


@define(kw_only=True, eq=False)
class StoredFile:
    """A file that was or will be uploaded."""

    id: str
    number: int
    owner: ApiClient
    wanted: _UploadRequest
    created_at: float
    ingest_seconds: float
    ready_at: float | None = None
    """Time at which the ingest ends; None before it begins."""
    failure_reason: str | None = field(default=None)
    deleted_at: float | None = None

    @property
    def path(self) -> str:
        """Path of its content in the bucket."""
        return f"uploads/{self.id}"

    @property
    def media(self) -> MediaKind:
        """The kind of media it holds."""
        return "video" if self.wanted.mime_type.startswith("video/") else "image"

    @property
    def size_bytes(self) -> int:
        """Its size, as announced."""
        return self.wanted.size_bytes

    def owned_by(self, key: Key) -> bool:
        """Whether a key's client may see it."""
        return self.owner is key.client

    def deletion_time(self, now: float) -> float | None:
        """Return when it was deleted or expired; None if it wasn't."""
        expires_at = self.wanted.expires_at
        if self.deleted_at is None and expires_at is not None and expires_at <= now:
            return expires_at
        return self.deleted_at

    def state(self, now: float) -> str:
        """Return the state at a time: one of the vendor's four."""
        if self.deletion_time(now) is not None:
            return "deleted"
        if self.ready_at is None or now < self.ready_at:
            return "pending"
        return "ready" if self.failure_reason is None else "failed"

    def ingest(self, content: bytes, now: float) -> None:
        """Begin the ingest. Its result is decided here, and shown when it ends."""
        self.ready_at = now + self.ingest_seconds
        code = failure_marker(self.wanted.filename or "")
        if code is not None:
            self.failure_reason = FAILURE_REASONS.get(code, "File could not be processed")
        elif len(content) != self.wanted.size_bytes:
            self.failure_reason = "Uploaded size does not match size_bytes"

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the API's JSON."""
        state, gone, wanted = self.state(now), self.deletion_time(now), self.wanted
        return {
            "id": self.id,
            "created_at": iso(self.created_at),
            "mime_type": wanted.mime_type,
            "purpose": wanted.purpose,
            "size_bytes": wanted.size_bytes,
            "state": state,
            "deleted_at": None if gone is None else iso(gone),
            "expires_at": None if wanted.expires_at is None else iso(wanted.expires_at),
            "failure_reason": self.failure_reason if state == "failed" else None,
            "filename": wanted.filename,
            "user_id": wanted.user_id,
        }


class FileEndpoints:
    """The six file operations."""

    def __init__(self, *, seed: int, storage: Bucket) -> None:
        self.files: dict[str, StoredFile] = {}
        """All files by id, oldest first."""
        self._seed = seed
        self._storage = storage

    def create(self, key: Key, call: IncomingCall) -> Answer:
        """Store a small file from the body, or return a URL for the upload of a large one."""
        content_type = call.headers.get("Content-Type", "")
        if content_type.lower().startswith("multipart/form-data"):
            return self._create_inline(key, call, content_type)
        file = self._add(_read_upload_request(json_object(call)), key, call.now)
        mime_type = file.wanted.mime_type
        self._storage.allow_upload(file.path, mime_type)
        upload = {
            "url": self._storage.presign(file.path, now=call.now, origin=call.origin, method="PUT"),
            "method": "PUT",
            "headers": {"Content-Type": mime_type},
            "expires_at": iso(call.now + self._storage.lifetime),
        }
        return _created(file, upload, call.now)

    def complete(self, key: Key, call: IncomingCall) -> Answer:
        """Begin the ingest of an uploaded file; called again, show the file."""
        file = self._find(key, call)
        if file.deletion_time(call.now) is not None:
            raise LumaRefusal(404, "File not found")
        if file.ready_at is None:
            content = self._storage.uploaded(file.path)
            if content is None:
                raise LumaRefusal(400, "File has not been uploaded")
            file.ingest(content, call.now)
        return Answer(status=200, json=file.to_json(call.now))

    def get(self, key: Key, call: IncomingCall) -> Answer:
        """Show one file."""
        return Answer(status=200, json=self._find(key, call).to_json(call.now))

    def delete(self, key: Key, call: IncomingCall) -> Answer:
        """Mark a file as deleted."""
        file = self._find(key, call)
        if file.deletion_time(call.now) is not None:
            raise LumaRefusal(404, "File not found")
        file.deleted_at = call.now
        return Answer(status=204)

    def list(self, key: Key, call: IncomingCall) -> Answer:
        """Show a page of files, newest first."""
        limit = _limit(call.query.get("limit", "25"))
        purpose = check_choice(call.query.get("purpose"), "purpose", PURPOSES)
        state = check_choice(call.query.get("state"), "state", STATES)
        below = _read_cursor(call.query.get("cursor"))
        found = [
            file
            for file in reversed(self.files.values())
            if file.owned_by(key)
            and file.created_at + call.lag <= call.now
            and (below is None or file.number < below)
            and purpose in {None, file.wanted.purpose}
            and (file.state(call.now) == state if state else file.state(call.now) != "deleted")
        ]
        page, has_more = found[:limit], len(found) > limit
        return Answer(
            status=200,
            json={
                "data": [file.to_json(call.now) for file in page],
                "has_more": has_more,
                "next_cursor": _cursor(page[-1].number) if has_more else None,
            },
        )

    def _create_inline(self, key: Key, call: IncomingCall, content_type: str) -> Answer:
        try:
            parts = read_parts(content_type, call.body)
        except ValueError as error:
            raise LumaRefusal(400, f"Invalid multipart body: {error}") from None
        part = parts.pop("file", None)
        if part is None:
            raise LumaRefusal(400, "file is required")
        if len(part.content) > MAX_INLINE_BYTES:
            raise LumaRefusal(413, "File exceeds 32 MB inline size limit")
        fields: dict[str, Any] = {name: given.content.decode("utf-8", "replace") for name, given in parts.items()}
        fields.setdefault("mime_type", part.content_type)
        fields.setdefault("filename", part.filename)
        file = self._add(_read_upload_request({**fields, "size_bytes": len(part.content)}), key, call.now)
        file.ingest(part.content, call.now)
        return _created(file, None, call.now)

    def _add(self, wanted: _UploadRequest, key: Key, now: float) -> StoredFile:
        number = len(self.files) + 1
        rng = random.Random(f"luma files {self._seed} {number}")  # noqa: S311  # a seeded simulation
        file = StoredFile(
            id=str(UUID(int=rng.getrandbits(128), version=4)),
            number=number,
            owner=key.client,
            wanted=wanted,
            created_at=now,
            ingest_seconds=rng.uniform(*INGEST_SECONDS),
        )
        self.files[file.id] = file
        return file

    def _find(self, key: Key, call: IncomingCall) -> StoredFile:
        file = self.files.get(call.params["file_id"])
        if file is None or not file.owned_by(key):
            raise LumaRefusal(404, "File not found")
        return file


def _created(file: StoredFile, upload: dict[str, Any] | None, now: float) -> Answer:
    shown = file.to_json(now)
    return Answer(status=201, json={"id": file.id, "state": shown["state"], "file": shown, "upload": upload})


def _read_upload_request(fields: dict[str, Any]) -> _UploadRequest:
    """Read and check the description of a file."""
    for name in ("mime_type", "filename", "user_id"):
        if not isinstance(fields.get(name), str | None):
            raise LumaRefusal(400, f"{name} must be a string")
    mime_type, size = fields.get("mime_type"), fields.get("size_bytes")
    if mime_type is None:
        raise LumaRefusal(400, "mime_type is required")
    if not mime_type.startswith(("image/", "video/")):
        raise LumaRefusal(400, f"Unsupported mime_type '{mime_type}'")
    if type(size) is not int or not 1 <= size <= MAX_BYTES:
        raise LumaRefusal(400, f"size_bytes must be between 1 and {MAX_BYTES}")
    return _UploadRequest(
        mime_type=mime_type,
        size_bytes=size,
        filename=fields.get("filename"),
        purpose=check_choice(fields.get("purpose"), "purpose", PURPOSES) or "input",
        user_id=fields.get("user_id"),
        expires_at=_read_date(fields.get("expires_at")),
    )


def _read_date(value: Any) -> float | None:
    """Read an ISO date as Unix seconds; one without a zone is taken as UTC."""
    if value is None:
        return None
    try:
        date = datetime.fromisoformat(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise LumaRefusal(400, "expires_at must be an ISO 8601 date") from None


def _limit(given: str) -> int:
    if not given.isdecimal() or len(given) > 3 or not 1 <= int(given) <= 100:
        raise LumaRefusal(400, "limit must be between 1 and 100")
    return int(given)


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"file:{number}".encode()).decode()


def _read_cursor(given: str | None) -> int | None:
    if given is None:
        return None
    try:
        word, _, number = base64.urlsafe_b64decode(given).decode().partition(":")
        if word == "file":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise LumaRefusal(400, "Invalid cursor")
