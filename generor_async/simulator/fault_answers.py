"""Faults whose answer is valid HTTP: they replace or change the operation's answer.

`documented`: Generor's 429 and 500, Luma's 502 and 503; Luma's 429 use the API's own messages. `assumed`: the message
of every other status, and all answers of a gateway, which have neither the API's headers nor its shape.
"""

import json
import math
import zlib
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from random import Random
from xml.sax.saxutils import escape

from attrs import evolve

from generor_async.simulator.faults import Fault
from generor_async.simulator.luma.answers import COMMON_HEADERS
from generor_async.simulator.messages import Answer, IncomingCall
from generor_async.simulator.routing import Mount

__all__ = ["TRUE_ANSWER", "altered_call", "faulty_answer"]

TRUE_ANSWER = frozenset({"drip", "expired_url", "limits_down", "lossy_listing", "skewed_clock", "stale_listing"})
"""Faults under which the caller gets the operation's own answer."""
LONGEST_LIFETIME = 7 * 86_400.0
"""The longest lifetime of an S3 URL, in seconds."""
RPM_WAIT, JOBS_WAIT = 12, 60
"""Seconds of Retry-After in the documents' examples, for Luma's two limits."""
LONGEST_WAIT = 86_400
"""X-RateLimit-Reset agrees with Retry-After up to this many seconds."""
MEGABYTE = 1_000_000
LUMA_MESSAGES = {
    403: "API client is suspended",
    500: "Internal server error",
    502: "Upstream service unavailable",
    503: "Image URL ingestion unavailable",
    504: "Upstream service timed out",
}
GENEROR_MESSAGES = {
    403: "Insufficient permissions",
    500: "Internal server error",
    502: "Upstream service unavailable",
    503: "Service temporarily unavailable",
    504: "Upstream service timed out",
}
GENEROR_CODES = {403: "FORBIDDEN", 429: "RATE_LIMIT_EXCEEDED"}
S3_CODES = {
    403: "AccessDenied",
    429: "TooManyRequests",
    500: "InternalError",
    502: "BadGateway",
    503: "SlowDown",
    504: "GatewayTimeout",
}


def altered_call(fault: Fault, call: IncomingCall) -> IncomingCall:
    """Return the request as the operation sees it under a fault: with a stale listing, or after the URL has expired."""
    if fault.fault == "stale_listing":
        return evolve(call, lag=fault.details["seconds"])
    if fault.fault == "expired_url":
        return evolve(call, now=call.now + LONGEST_LIFETIME)
    if fault.fault == "limits_down":
        return evolve(call, limits_down=True)
    return call


def faulty_answer(fault: Fault, call: IncomingCall, answer: Answer | None, mount: Mount) -> Answer:
    """Return the answer under a fault; `answer` is the operation's own, None if the operation wasn't run."""
    if fault.fault in STATUSES:
        return _status_answer(fault, call, STATUSES[fault.fault], mount)
    if fault.fault in BODIES:
        return BODIES[fault.fault](fault, answer)
    if answer is None:
        return _gateway_page(502)
    if fault.fault == "lossy_listing":
        return _drop_items(answer, fault, call.operation)
    if fault.fault == "skewed_clock":
        return _skew_clock(answer, call.now, fault.details["seconds"])
    if fault.fault in TRUE_ANSWER or answer.payload():
        return answer
    return evolve(answer, status=200, json={})  # there must be something to break


def _status_answer(fault: Fault, call: IncomingCall, status: int, mount: Mount) -> Answer:
    """Return an error status, in the API's shape or as from a gateway."""
    limit_headers = mount.limit_headers(call)
    if fault.details["shape"] == "gateway":
        answer = _gateway_page(status)
    elif status == 429:
        answer = _limit_refusal(fault, call, mount)
    else:
        answer = _error_answer(call, status, limit_headers)
    retry_after = fault.details["retry_after"]
    if retry_after is None:
        return answer
    if retry_after == "usual":
        retry_after = JOBS_WAIT if fault.details["limit"] == "jobs" else RPM_WAIT
    told = retry_after if isinstance(retry_after, str) else f"{retry_after:g}"
    return evolve(answer, headers={**answer.headers, "Retry-After": told})


def _limit_refusal(fault: Fault, call: IncomingCall, mount: Mount) -> Answer:
    """Return a 429. Luma's limits of jobs and abuse have no headers about the minute."""
    limit, limit_headers = fault.details["limit"], mount.limit_headers(call)
    if limit != "rpm":
        return Answer(status=429, json={"detail": mount.limit_message(limit)}, headers=COMMON_HEADERS)
    answer = _error_answer(call, 429, limit_headers)
    if not limit_headers:
        return answer
    wait = fault.details["retry_after"]
    seconds = wait if isinstance(wait, int | float) and 0 <= wait <= LONGEST_WAIT else RPM_WAIT
    reset = str(math.ceil(call.now + seconds))
    told = {**limit_headers, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    return evolve(answer, headers={**answer.headers, **told})


def _error_answer(call: IncomingCall, status: int, limit_headers: Mapping[str, str]) -> Answer:
    """Return an error status in the shape of the operation's API."""
    api = call.operation.partition(".")[0]
    if api == "luma":
        detail = LUMA_MESSAGES.get(status, "Rate limit exceeded")
        return Answer(status=status, json={"detail": detail}, headers=COMMON_HEADERS)
    if api == "generor":
        code = GENEROR_CODES.get(status, "SERVER_ERROR")
        message = GENEROR_MESSAGES.get(status, "Rate limit exceeded")
        error = {"code": code, "message": message, "status": status}
        return Answer(status=status, json={"success": False, "error": error}, headers=limit_headers)
    parts = {"Code": S3_CODES[status], "Message": HTTPStatus(status).phrase, "RequestId": call.request_id}
    inner = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in parts.items())
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Answer(status=status, body=xml.encode(), headers={"Content-Type": "application/xml"})


def _gateway_page(status: int) -> Answer:
    """Return a gateway's HTML page."""
    title = f"{status} {HTTPStatus(status).phrase}"
    html = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status=status, body=html.encode(), headers={"Content-Type": "text/html"}, by_gateway=True)


def _skew_clock(answer: Answer, now: float, seconds: float) -> Answer:
    """Shift all times in the headers of an answer."""
    headers = {**answer.headers, "Date": formatdate(max(0, int(now + seconds)), usegmt=True)}
    reset = headers.get("X-RateLimit-Reset")
    if reset is not None:
        headers["X-RateLimit-Reset"] = str(max(0, int(reset) + round(seconds)))
    return evolve(answer, headers=headers)


def _drop_items(answer: Answer, fault: Fault, operation: str) -> Answer:
    """Drop a share of the items in a list; an item's id, its first field, decides."""
    if answer.status != 200:
        return answer

    share: float = fault.details["share"]

    def kept(item: Mapping[str, object]) -> bool:
        rng = Random(f"{fault.seed} {operation} {next(iter(item.values()))}")  # noqa: S311  # a simulation
        return rng.random() >= share

    return evolve(answer, json={**answer.json, "data": [item for item in answer.json["data"] if kept(item)]})


def _with_json(answer: Answer | None, body: bytes, **headers: str) -> Answer:
    """Replace the JSON body of an answer, keeping its status and headers."""
    headers = {"Content-Type": "application/json", **{name.replace("_", "-"): told for name, told in headers.items()}}
    if answer is None:
        return Answer(status=200, body=body, headers=headers)
    status = 200 if answer.status == 204 else answer.status
    return evolve(answer, status=status, body=body, headers={**answer.headers, **headers})


def _wrong_type(_fault: Fault, _answer: Answer | None) -> Answer:
    return _gateway_page(200)


def _wrong_json(_fault: Fault, answer: Answer | None) -> Answer:
    inner = None if answer is None else answer.json
    return _with_json(answer, json.dumps({"schema": "2031-01-01", "result": [inner]}).encode())


def _invalid_json(_fault: Fault, answer: Answer | None) -> Answer:
    true = json.dumps(None if answer is None else answer.json).encode()
    return _with_json(answer, true[: len(true) // 2] or b"{")


def _deep(fault: Fault, answer: Answer | None) -> Answer:
    depth = fault.details["depth"]
    return _with_json(answer, b"[" * depth + b"]" * depth)


def _huge(_fault: Fault, answer: Answer | None) -> Answer:
    return _with_json(answer, b"")  # the body is streamed


def _gzip_bomb(fault: Fault, answer: Answer | None) -> Answer:
    return _with_json(answer, _bomb(fault.details["megabytes"]), Content_Encoding="gzip")


@lru_cache(maxsize=1)
def _bomb(megabytes: int) -> bytes:
    """Return a gzipped JSON string of so many megabytes of zeros: one compressed block, repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head, block, tail = b'{"data": "', b"0" * MEGABYTE, b'"}'
    packed = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"]
    packed += [packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)]
    packed += [packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)] * megabytes
    packed += [packer.compress(tail) + packer.flush()]
    checksum = zlib.crc32(head)
    for _ in range(megabytes):
        checksum = zlib.crc32(block, checksum)
    size = len(head) + MEGABYTE * megabytes + len(tail)
    packed += [part.to_bytes(4, "little") for part in (zlib.crc32(tail, checksum), size % 2**32)]
    return b"".join(packed)


STATUSES = {str(status): status for status in S3_CODES}
BODIES: Mapping[str, Callable[[Fault, Answer | None], Answer]] = {
    "wrong_type": _wrong_type,
    "wrong_json": _wrong_json,
    "invalid_json": _invalid_json,
    "gzip_bomb": _gzip_bomb,
    "deep": _deep,
    "huge": _huge,
}
