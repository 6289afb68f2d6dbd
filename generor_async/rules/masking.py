"""What may not be seen in an error: keys that a server sent back, and the queries of presigned URLs.

A server may echo whatever it was sent, in its words, its body and its headers. What is kept of an answer that is an
error goes into logs and pickles.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from attrs import fields

from generor_async.errors import APIError, APIStatusError
from generor_async.values import JSON, Headers, Model, ResponseInfo, Secret, is_array, is_object

__all__ = ["MOST_KEPT", "conceal", "hidden", "masked", "secrets_of"]

T = TypeVar("T")

MOST_KEPT: Final = 65_536
"""Bytes of an answer above which its text is kept, cut, in the place of what was decoded."""
SHORTEST: Final = 8
"""Characters of a key that is looked for: shorter ones would be found in any text."""
MASK: Final = "***"
_CREDENTIAL: Final = re.compile("auth|cookie|credential|key|passw|secret|signature|token", re.IGNORECASE)
"""Names of what the caller has added whose values are keys."""
_QUERY: Final = re.compile(r"""(https?:(?:\\?/){2}[^\s"'<>?]*)\?(?:[^\s"'<>\\]|\\[/u])+""", re.IGNORECASE)
"""A URL with a query, in a text or in JSON, where slashes may be escaped."""
_SENT_ALONG: Final = re.compile(r'("upload"\s*:\s*\{.*?"headers"\s*:\s*\{)[^{}]+', re.DOTALL)
"""The headers that an upload is to be sent with, in the text of an answer."""


def secrets_of(key: Secret | None, named: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a request carries that may not be seen when it comes back, in any spelling, and what is shown.

    `named` are the headers and the query that the caller has added.
    """
    known = {} if key is None else {key.reveal(): str(key)}
    for name, value in named.items():
        if _CREDENTIAL.search(name):
            known |= dict.fromkeys(_parts(value), MASK)
    found = {text: mask for text, mask in known.items() if len(text) >= SHORTEST}
    return {spelled: mask for text, mask in found.items() for spelled in _spellings(text)}


def _parts(value: str) -> Iterable[str]:
    """Return a value, what follows its scheme, and what it names one by one, as a cookie does."""
    _, _, token = value.partition(" ")
    yield from (str(value), token)
    for piece in re.split(r"[\s;,]+", value):
        yield from (piece, piece.partition("=")[2])


def _spellings(text: str) -> Iterable[str]:
    escaped = json.dumps(text)[1:-1]
    return dict.fromkeys((text, escaped, escaped.replace("/", "\\/"), quote(text, safe="")))


def conceal(error: APIError, secrets: Mapping[str, str], size: int) -> None:
    """Mask in an error whatever may not be seen; `size` is that of its answer, in bytes.

    Of an answer of more than 64 KB the beginning is kept, as text.
    """
    known = error.__dict__
    known |= {name: hidden(value, secrets) for name, value in known.items() if isinstance(value, str)}
    error.args = tuple(hidden(each, secrets) if isinstance(each, str) else each for each in error.args)
    if (body := known.get("body")) is not None:
        body = _begun(body) if size > MOST_KEPT else body
        if isinstance(body, str):
            body = _SENT_ALONG.sub(rf"\1{MASK}", body)
        known["body"] = masked(body, secrets)
    if isinstance(error, APIStatusError) and error.response is not None:
        error.response = _response(error.response, secrets)


def hidden(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text without keys, and without the queries of URLs."""
    for secret, mask in secrets.items():
        if secret in text:
            text = text.replace(secret, mask)
    return _QUERY.sub(rf"\1?{MASK}", text) if "?" in text else text


def _begun(body: JSON) -> str:
    """Return the beginning of a body as text; keys in it that are masked stay so."""
    if isinstance(body, str):
        return body[:MOST_KEPT]
    try:
        return json.dumps(body, default=str, ensure_ascii=False)[:MOST_KEPT]
    except RecursionError:
        return "(nested too deeply to be kept)"


def masked(value: T, secrets: Mapping[str, str]) -> T:
    """Return a copy of JSON or of an answer with every text masked, names too, however deep it is: no recursion."""
    whole: list[Any] = [None]
    pending: list[tuple[Any, Any, Any]] = [(whole, 0, value)]
    while pending:
        into, place, item = pending.pop()
        made: Any = item
        if isinstance(item, str):
            made = hidden(item, secrets)
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
    """Return the members of an object by the names that `made` has for them, in their order."""
    for name, each in item.items():
        shown = hidden(name, secrets)
        while shown in made:  # two URLs may differ in their queries alone
            shown += MASK
        made[shown] = None
        sent_along = name == "headers" and "url" in item and is_object(each)  # to a presigned URL
        yield shown, dict.fromkeys(each, MASK) if sent_along else each


def _model(model: Model, secrets: Mapping[str, str]) -> Model:
    known = {each.alias: masked(getattr(model, each.name), secrets) for each in fields(type(model))}
    if (response := known["response"]) is not None:
        known["response"] = _response(response, secrets)
    return type(model)(**known)


def _response(response: ResponseInfo, secrets: Mapping[str, str]) -> ResponseInfo:
    return ResponseInfo(
        status=response.status,
        headers=Headers((name, hidden(value, secrets)) for name, value in response.headers.items()),
        request_id=hidden(response.request_id, secrets),
        attempts=response.attempts,
        elapsed=response.elapsed,
    )
