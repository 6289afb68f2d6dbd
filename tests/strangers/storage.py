"""Presigned URLs for results and uploads, and the small pictures behind them."""

import hashlib
import hmac
import struct
import zlib
from itertools import count
from urllib.parse import urlencode

from strangers.records import Answer, Arrival, Clock

DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{text}</Message></Error>'
MP4 = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp42") + struct.pack(">I4s", 8, b"mdat")


def make_png(name: str, side: int = 16) -> bytes:
    """Return a real PNG of one colour, which follows from the name."""
    line = b"\0" + hashlib.sha256(name.encode()).digest()[:3] * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(line * side)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(data)) + kind + data + _crc(kind + data) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _crc(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


class Storage:
    """Objects under /storage/, reached by signed URLs alone; each signing gives another URL (documented)."""

    def __init__(self, clock: Clock) -> None:
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.base = ""
        self._clock = clock
        self._numbers = count(1)

    def sign(self, name: str, now: float, seconds: int, method: str = "GET") -> str:
        """Return a URL that is good for a while, and for one method."""
        query = {
            "X-Amz-Date": self._clock.stamp(now, "%Y%m%dT%H%M%SZ"),
            "X-Amz-Expires": str(seconds),
            "X-Amz-Security-Token": f"look-{next(self._numbers)}",
            "until": f"{now + seconds:.3f}",
        }
        query["X-Amz-Signature"] = self._signature(method, name, query)
        return f"{self.base}/storage/{name}?{urlencode(query)}"

    def _signature(self, method: str, name: str, query: dict[str, str]) -> str:
        text = "\n".join((method, name, *(f"{key}={query[key]}" for key in sorted(query))))
        return hmac.new(b"storage", text.encode(), hashlib.sha256).hexdigest()

    def handle(self, seen: Arrival) -> Answer:
        """Give or take an object. 403 after expiry is documented; the rest is how S3 does it (assumed)."""
        name = seen.path.removeprefix("/storage/")
        query = dict(seen.query)
        signature = query.pop("X-Amz-Signature", "")
        method = "GET" if seen.method == "HEAD" else seen.method
        if seen.headers.get("Authorization"):
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        if signature != self._signature(method, name, query):
            return _refusal(403, "SignatureDoesNotMatch", "The request signature does not match.")
        if float(query["until"]) <= seen.at:
            return _refusal(403, "AccessDenied", "Request has expired")
        if method == "PUT":
            self.objects[name] = (seen.headers.get("Content-Type", ""), seen.body)
            return Answer()
        if name not in self.objects:
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        media_type, content = self.objects[name]
        return Answer(body=content, headers={"Content-Type": media_type})


def _refusal(status: int, code: str, text: str) -> Answer:
    return Answer(status=status, body=DENIED.format(code=code, text=text), headers={"Content-Type": "application/xml"})
