"""The bucket of both APIs: presigned URLs for outputs and uploads, which behave like those of Amazon S3.

`documented`: output URLs are presigned, valid for one hour, and answer 403 afterwards, while the data stays. `client`:
uploads are a PUT without an Authorization header. The rest is how S3 behaves: error bodies in XML, a signature bound
to the method, one `Range` at a time, `If-Range` on the ETag. The signature is a private HMAC, as nobody else computes
it.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl as parse_query
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape

from attrs import field, frozen

from generor_async.simulator.messages import Answer, IncomingCall, Route

__all__ = ["Bucket", "UrlStatus"]

PREFIX = "/storage/"
TIMESTAMP = "%Y%m%dT%H%M%SZ"
OBJECTS_CACHED = 64
SECRET = b"the simulated bucket's signing key"

Method = Literal["GET", "PUT"]


@frozen
class UrlStatus:
    """The result of fetching a URL: a status and, if that is 200, a content type."""

    status: int
    content_type: str = ""


@frozen
class _S3Error(Exception):  # S3 calls what it answers with a fault
    """An S3 error, which becomes an XML answer."""

    status: int
    code: str
    message: str
    details: Mapping[str, str] = field(factory=dict[str, str])
    headers: Mapping[str, str] = field(factory=dict[str, str])

    def answer(self, call: IncomingCall) -> Answer:
        """Return the XML answer; a HEAD only gets the status."""
        parts = {"Code": self.code, "Message": self.message, **self.details, "RequestId": call.request_id}
        inner = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in parts.items())
        xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
        return Answer(
            status=self.status,
            body=b"" if call.method == "HEAD" else xml.encode(),
            headers={"Content-Type": "application/xml", **self.headers},
        )


@frozen
class _StoredObject:
    """One file in the bucket."""

    content_type: str
    make: Callable[[], bytes] = field(repr=False)


class Bucket:
    """A bucket that creates presigned URLs, and answers requests for them."""

    def __init__(self, *, lifetime: float = 3600.0) -> None:
        self.lifetime = lifetime
        """Seconds for which a presigned URL is valid."""
        self._stored: dict[str, _StoredObject] = {}
        self._recent: dict[str, bytes] = {}
        """Recently fetched contents, latest last, so that files fetched in parts or again aren't made again."""
        self._expected: dict[str, str] = {}
        self.routes = [
            Route("storage.get", "GET", PREFIX + "{path...}", self._get),
            Route("storage.head", "HEAD", PREFIX + "{path...}", self._get),
            Route("storage.put", "PUT", PREFIX + "{path...}", self._put),
        ]

    def put(self, path: str, content_type: str, make: Callable[[], bytes]) -> None:
        """Store a file whose content is made when it is fetched.

        `make` must return the same bytes each time: only the latest contents are kept in memory.
        """
        self._stored[path] = _StoredObject(content_type, make)
        self._recent.pop(path, None)

    def allow_upload(self, path: str, content_type: str) -> None:
        """Allow one upload to `path`, with exactly this content type."""
        self._expected[path] = content_type

    def uploaded(self, path: str) -> bytes | None:
        """Return what was uploaded to `path`; None if nothing was."""
        return self._content(path) if path in self._stored else None

    def presign(self, path: str, *, now: float, origin: str, method: Method = "GET") -> str:
        """Return an absolute URL that is valid for one method and for the bucket's lifetime."""
        date = _format_timestamp(int(now))
        expires = str(int(self.lifetime))
        # Written out, and already encoded: every look at a finished generation signs anew.
        return (
            f"{origin}{PREFIX}{quote(path)}?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential=simulator%2F{date[:8]}%2Fus-west-2%2Fs3%2Faws4_request"
            f"&X-Amz-Date={date}&X-Amz-Expires={expires}"
            f"&X-Amz-SignedHeaders={'host' if method == 'GET' else 'content-type%3Bhost'}"
            f"&X-Amz-Signature={_signature(method, path, date, expires)}"
        )

    def url_status(self, url: str, *, now: float) -> UrlStatus:
        """Return what fetching one of the bucket's URLs would give, without making the file."""
        parts = urlsplit(url)
        path = unquote(parts.path.removeprefix(PREFIX))
        try:
            stored = self._find("GET", path, dict(parse_query(parts.query)), now)
        except _S3Error as fault:
            return UrlStatus(fault.status)
        return UrlStatus(200, stored.content_type)

    def _get(self, call: IncomingCall) -> Answer:
        try:
            _refuse_second_auth(call)
            path = call.params["path"]
            stored = self._find(call.method, path, call.query, call.now)
            return _content_answer(self._content(path), stored.content_type, call.headers)
        except _S3Error as fault:
            return fault.answer(call)

    def _put(self, call: IncomingCall) -> Answer:
        path, content = call.params["path"], call.body
        content_type = call.headers.get("Content-Type", "")
        try:
            _refuse_second_auth(call)
            _verify("PUT", path, call.query, call.now)
            # The content type is one of the signed headers: another one is another signature.
            if content_type != self._expected.get(path):
                raise _mismatch()
        except _S3Error as fault:
            return fault.answer(call)
        self.put(path, content_type, lambda: content)
        return Answer(status=200, body=b"", headers={"ETag": _etag(content)})

    def _content(self, path: str) -> bytes:
        content = self._recent.pop(path, None)
        if content is None:
            content = self._stored[path].make()
        self._recent[path] = content
        if len(self._recent) > OBJECTS_CACHED:
            del self._recent[next(iter(self._recent))]
        return content

    def _find(self, method: str, path: str, query: Mapping[str, str], now: float) -> _StoredObject:
        _verify(method, path, query, now)
        stored = self._stored.get(path)
        if stored is None:
            raise _S3Error(404, "NoSuchKey", "The specified key does not exist.", {"Key": path})
        return stored


@lru_cache
def _format_timestamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime(TIMESTAMP)


def _signature(method: str, path: str, date: str, expires: str) -> str:
    signed = "\n".join((method, path, date, expires))
    return hmac.digest(SECRET, signed.encode("utf-8", "surrogateescape"), "sha256").hex()


def _mismatch() -> _S3Error:
    return _S3Error(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    )


def _verify(method: str, path: str, query: Mapping[str, str], now: float) -> None:
    """Raise a 403 for a missing, wrong or expired signature."""
    given = query.get("X-Amz-Signature")
    if given is None:
        raise _S3Error(403, "AccessDenied", "Access Denied")
    date, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    if not hmac.compare_digest(given.encode(), _signature(method, path, date, expires).encode()):
        raise _mismatch()
    ends = datetime.strptime(date, TIMESTAMP).replace(tzinfo=UTC) + timedelta(seconds=int(expires))
    if now >= ends.timestamp():
        server_time = datetime.fromtimestamp(int(now), UTC)
        details = {
            "X-Amz-Expires": expires,
            "Expires": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
            "ServerTime": f"{server_time:%Y-%m-%dT%H:%M:%SZ}",
        }
        raise _S3Error(403, "AccessDenied", "Request has expired", details)


def _refuse_second_auth(call: IncomingCall) -> None:
    if "Authorization" in call.headers:
        raise _S3Error(
            400,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
            "Signature query string parameter or the Authorization header should be specified",
            {"ArgumentName": "Authorization"},
        )


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _content_answer(content: bytes, content_type: str, asked: Mapping[str, str]) -> Answer:
    headers = {"Content-Type": content_type, "ETag": _etag(content), "Accept-Ranges": "bytes"}
    # A part is only sent of the file the caller has begun with: after If-Range anything else means the whole.
    unchanged = asked.get("If-Range", headers["ETag"]) == headers["ETag"]
    span = _parse_range(asked.get("Range", ""), len(content)) if unchanged else None
    if span is None:
        return Answer(status=200, body=content, headers=headers)
    first, last = span
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Answer(status=206, body=content[first : last + 1], headers=headers)


def _parse_range(asked: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte of a Range header; None if it is absent or malformed."""
    match = re.fullmatch(r"bytes=(\d{0,19})-(\d{0,19})", asked.strip(), re.ASCII)
    if match is None or match[0] == "bytes=-":
        return None
    begin, end = match[1], match[2]
    first = int(begin) if begin else max(0, size - int(end))
    last = min(int(end), size - 1) if begin and end else size - 1
    if begin and end and int(end) < int(begin):
        return None
    if first >= size:
        raise _S3Error(
            416,
            "InvalidRange",
            "The requested range is not satisfiable",
            {"ActualObjectSize": str(size)},
            {"Content-Range": f"bytes */{size}"},
        )
    return first, last
