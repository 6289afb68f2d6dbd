"""The files calls of the Luma Agents API (client), as far as an upload in two steps needs them."""

import attrs

from strangers.odd_pages import ENDLESS_FILES, FILES
from strangers.records import Answer, Arrival, Books, Json, whole
from strangers.storage import Storage
from strangers.worlds import LumaWorld


@attrs.define(kw_only=True)
class File:
    """A file; it is ready some seconds after its upload was completed."""

    about: Json
    ready_at: float | None = None
    failed: str | None = None
    deleted_at: str | None = None

    def state(self, now: float) -> str:
        """Return pending, ready, failed or deleted."""
        if self.deleted_at:
            return "deleted"
        if self.failed:
            return "failed"
        return "ready" if self.ready_at is not None and now >= self.ready_at else "pending"

    def show(self, now: float) -> Json:
        """Return the file object."""
        return {
            **self.about,
            "state": self.state(now),
            "deleted_at": self.deleted_at,
            "failure_reason": self.failed,
        }


class Files:
    """All files, oldest first."""

    def __init__(self, world: LumaWorld, books: Books, storage: Storage) -> None:
        self._world = world
        self._books = books
        self._clock = books.clock
        self._storage = storage
        self._files: dict[str, File] = {}

    def ready(self, now: float) -> list[str]:
        """Return the ids that a reference may name."""
        return [name for name, file in self._files.items() if file.state(now) == "ready"]

    def handle(self, seen: Arrival, rest: list[str]) -> Answer:
        """Answer a call under /v1/files."""
        if not rest:
            return {"POST": self._create, "GET": self._list}.get(seen.method, _not_allowed)(seen)
        file = self._files.get(rest[0])
        if file is None:
            return Answer(status=404, body={"detail": "File not found"})
        match (seen.method, rest[1:]):
            case ("GET", []):
                return Answer(body=file.show(seen.at))
            case ("DELETE", []):
                file.deleted_at = self._clock.stamp(seen.at)
                return Answer(status=204)
            case ("POST", ["complete"]):
                self._complete(rest[0], file, seen.at)
                return Answer(body=file.show(seen.at))
            case _:
                return _not_allowed(seen)

    def _create(self, seen: Arrival) -> Answer:
        """Give a presigned upload; an upload inside the call itself (multipart) isn't served."""
        body = seen.json()
        if body is None or not body.get("mime_type") or not body.get("size_bytes"):
            return Answer(status=400, body={"detail": "mime_type and size_bytes are required"})
        name = self._books.new_id()
        about: Json = {"id": name, "created_at": self._clock.stamp(seen.at)}
        for field in ("mime_type", "size_bytes", "filename", "purpose", "expires_at", "user_id"):
            about[field] = body.get(field)
        file = self._files[name] = File(about=about)
        upload: Json = {
            "url": self._storage.sign(f"uploads/{name}", seen.at, self._world.url_seconds, "PUT"),
            "method": "PUT",
            "headers": {"Content-Type": body["mime_type"]},
            "expires_at": self._clock.stamp(seen.at + self._world.url_seconds),
        }
        shown: Json = {"id": name, "state": "pending", "file": file.show(seen.at), "upload": upload}
        return Answer(status=201, body=shown)

    def _complete(self, name: str, file: File, now: float) -> None:
        """Start the ingest; it fails where the bytes aren't those that were announced (assumed)."""
        media_type, content = self._storage.objects.get(f"uploads/{name}", ("", b""))
        if len(content) != file.about["size_bytes"] or media_type != file.about["mime_type"]:
            file.failed = "uploaded bytes do not match"
        elif file.ready_at is None:
            file.ready_at = now + self._world.ingest_seconds

    def _list(self, seen: Arrival) -> Answer:
        """List newest first; the cursor is the id of the last one shown (assumed)."""
        shown = [file.show(seen.at) for file in reversed(self._files.values())]
        for field in ("purpose", "state"):
            if field in seen.query:
                shown = [one for one in shown if one[field] == seen.query[field]]
        names = [one["id"] for one in shown]
        first = names.index(seen.query["cursor"]) + 1 if seen.query.get("cursor") in names else 0
        limit = min(100, max(1, whole(seen.query.get("limit", "25"), 25)))
        page, more = shown[first : first + limit], len(shown) > first + limit
        body: Json = {"data": page, "has_more": more, "next_cursor": page[-1]["id"] if more else None}
        odd = self._world.odd_pages
        return Answer(body=(FILES | ENDLESS_FILES)[odd](body) if odd else body)


def _not_allowed(_seen: Arrival) -> Answer:
    return Answer(status=405, body={"detail": "Method Not Allowed"})
