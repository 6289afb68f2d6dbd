"""Masks API keys and the queries of presigned URLs in errors.

A server may echo everything that it was sent, in its message, its body and its headers, and errors end up in logs and
pickles.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from attrs import fields

from generor_async.errors import APIError, APIStatusError
from generor_async.values import JSON, Headers, Model, ResponseInfo, Secret, is_array, is_object

__all__ = ["LARGEST_KEPT_BODY", "mask_error", "mask_text", "mask_value", "texts_to_mask"]

T = TypeVar("T")

LARGEST_KEPT_BODY: Final = 65_536
"""Size of an answer in bytes above which an error keeps its text, cut, instead of the decoded body."""
SHORTEST_SECRET: Final = 8
"""Length of the shortest key that is masked: shorter texts would be found everywhere."""
MASKED: Final = "***"
_CREDENTIAL: Final = re.compile("auth|cookie|credential|key|passw|secret|signature|token", re.IGNORECASE)
"""Names of extra headers and query parameters whose values are keys."""
_QUERY: Final = re.compile(r"""(https?:(?:\\?/){2}[^\s"'<>?]*)\?(?:[^\s"'<>\\]|\\[/u])+""", re.IGNORECASE)
"""A URL with a query, in plain text or in JSON with escaped slashes."""
_SENT_ALONG: Final = re.compile(r'("upload"\s*:\s*\{.*?"headers"\s*:\s*\{)[^{}]+', re.DOTALL)
"""The headers for the PUT of an upload, in the text of an answer."""


def texts_to_mask(key: Secret | None, named: Mapping[str, str]) -> Mapping[str, str]:
    """Return the texts to mask in an answer, in all spellings, each with its replacement.

    `named` are the headers and the query that the caller has added.
    """
    known = {} if key is None else {key.reveal(): str(key)}
    for name, value in named.items():
        if _CREDENTIAL.search(name):
            known |= dict.fromkeys(_parts(value), MASKED)
    found = {text: mask for text, mask in known.items() if len(text) >= SHORTEST_SECRET}
    return {spelled: mask for text, mask in found.items() for spelled in _spellings(text)}


def _parts(value: str) -> Iterable[str]:
    """Yield a value, the value without its scheme, and each value in it, as a cookie has several."""
    _, _, token = value.partition(" ")
    yield from (str(value), token)
    for piece in re.split(r"[\s;,]+", value):
        yield from (piece, piece.partition("=")[2])


def _spellings(text: str) -> Iterable[str]:
    escaped = json.dumps(text)[1:-1]
    return dict.fromkeys((text, escaped, escaped.replace("/", "\\/"), quote(text, safe="")))


def mask_error(error: APIError, secrets: Mapping[str, str], size: int) -> None:
    """Mask all keys and presigned queries in an error; `size` is the size of its answer in bytes.

    Of an answer of more than 64 KB, the beginning is kept as text.
    """
    known = error.__dict__
    known |= {name: mask_text(value, secrets) for name, value in known.items() if isinstance(value, str)}
    error.args = tuple(mask_text(each, secrets) if isinstance(each, str) else each for each in error.args)
    if (body := known.get("body")) is not None:
        body = _begun(body) if size > LARGEST_KEPT_BODY else body
        if isinstance(body, str):
            body = _SENT_ALONG.sub(rf"\1{MASKED}", body)
        known["body"] = mask_value(body, secrets)
    if isinstance(error, APIStatusError) and error.response is not None:
        error.response = _response(error.response, secrets)


def mask_text(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text with keys and the queries of URLs masked."""
    for secret, mask in secrets.items():
        if secret in text:
            text = text.replace(secret, mask)
    return _QUERY.sub(rf"\1?{MASKED}", text) if "?" in text else text


def _begun(body: JSON) -> str:
    """Return the beginning of a body as text; values that are masked already stay so."""
    if isinstance(body, str):
        return body[:LARGEST_KEPT_BODY]
    try:
        return json.dumps(body, default=str, ensure_ascii=False)[:LARGEST_KEPT_BODY]
    except RecursionError:
        return "(nested too deeply to be kept)"


def mask_value(value: T, secrets: Mapping[str, str]) -> T:
    """Return a copy of a JSON value or a model with every text and name masked, at any depth, without recursion."""
    whole: list[Any] = [None]
    pending: list[tuple[Any, Any, Any]] = [(whole, 0, value)]
    while pending:
        into, place, item = pending.pop()
        made: Any = item
        if isinstance(item, str):
            made = mask_text(item, secrets)
        elif is_array(item):
            made = [None] * len(item)
            pending += [(made, number, each) for number, each in enumerate(item)]
        elif is_object(item):
            made = {}
            pending += [(made, name, each) for name, each in _members(item, made, secrets)]
        elif isinstance(item, Model):
            made = _model(item, secrets)
        into[place] = made
    copied: T = whole[0]
    return copied


def _members(item: Mapping[str, Any], made: dict[str, Any], secrets: Mapping[str, str]) -> Iterable[tuple[str, Any]]:
    """Return the members of an object in their order, by the names that `made` has for them."""
    for name, each in item.items():
        shown = mask_text(name, secrets)
        while shown in made:  # two URLs may differ in their queries alone
            shown += MASKED
        made[shown] = None
        sent_along = name == "headers" and "url" in item and is_object(each)  # to a presigned URL
        yield shown, dict.fromkeys(each, MASKED) if sent_along else each


def _model(model: Model, secrets: Mapping[str, str]) -> Model:
    known = {each.alias: mask_value(getattr(model, each.name), secrets) for each in fields(type(model))}
    if (response := known["response"]) is not None:
        known["response"] = _response(response, secrets)
    return type(model)(**known)


def _response(response: ResponseInfo, secrets: Mapping[str, str]) -> ResponseInfo:
    return ResponseInfo(
        status=response.status,
        headers=Headers((name, mask_text(value, secrets)) for name, value in response.headers.items()),
        request_id=mask_text(response.request_id, secrets),
        attempts=response.attempts,
        elapsed=response.elapsed,
    )
