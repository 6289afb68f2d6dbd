"""What may not be seen in an error: keys that a server sent back, and the queries of presigned URLs.

A server may echo whatever it was sent, in its words, its body and its headers. What is kept of an answer that is an
error goes into logs and pickles.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from generor_async.errors import APIError, APIStatusError
from generor_async.values import JSON, Headers, ResponseInfo, Secret, is_array, is_object

__all__ = ["MOST_KEPT", "conceal", "secrets_of"]

MOST_KEPT: Final = 65_536
"""Bytes of an answer above which its text is kept, cut, in the place of what was decoded."""
SHORTEST: Final = 8
"""Characters of a key that is looked for: shorter ones would be found in any text."""
MASK: Final = "***"
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "x-api-key"})
"""Headers of the caller's own whose values are keys."""
_QUERY: Final = re.compile(r"""(https?:(?:\\?/){2}[^\s"'<>?]*)\?(?:[^\s"'<>\\]|\\[/u])+""", re.IGNORECASE)
"""A URL with a query, in a text or in JSON, where slashes may be escaped."""


def secrets_of(key: Secret | None, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a request carries that may not be seen when it comes back, in any spelling, and what is shown."""
    known = {} if key is None else {key.reveal(): str(key)}
    for name, value in headers.items():
        if name.lower() in _CREDENTIALS:
            _, _, token = value.partition(" ")
            known |= {str(value): MASK, **({token: MASK} if token else {})}
    found = {text: mask for text, mask in known.items() if len(text) >= SHORTEST}
    return {spelled: mask for text, mask in found.items() for spelled in _spellings(text)}


def _spellings(text: str) -> Iterable[str]:
    escaped = json.dumps(text)[1:-1]
    return dict.fromkeys((text, escaped, escaped.replace("/", "\\/"), quote(text, safe="")))


def conceal(error: APIError, secrets: Mapping[str, str], size: int) -> None:
    """Mask in an error whatever may not be seen; `size` is that of its answer, in bytes.

    What was decoded is changed in place. Of an answer of more than 64 KB the beginning is kept, as text.
    """
    body: Any = getattr(error, "body", None)
    if size > MOST_KEPT and body is not None:
        body = _begun(body)
    if body is not None:
        error.__dict__["body"] = _masked(body, secrets)
    error.message = hidden(error.message, secrets)
    error.args = tuple(hidden(each, secrets) if isinstance(each, str) else each for each in error.args)
    if error.request_id is not None:
        error.request_id = hidden(error.request_id, secrets)
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


def _masked(body: JSON, secrets: Mapping[str, str]) -> JSON:
    """Mask every string in a decoded body, in place, however deep it is nested: no recursion."""
    whole: list[Any] = [body]
    pending: list[Any] = [whole]
    while pending:
        value: Any = pending.pop()
        for place, item in _places(value):
            if isinstance(item, str):
                value[place] = hidden(item, secrets)
            elif is_object(item) or is_array(item):
                pending.append(item)
    return whole[0]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return what is in an object or an array, by name or number."""
    return list(enumerate(value) if is_array(value) else value.items())


def _response(response: ResponseInfo, secrets: Mapping[str, str]) -> ResponseInfo:
    return ResponseInfo(
        status=response.status,
        headers=Headers((name, hidden(value, secrets)) for name, value in response.headers.items()),
        request_id=hidden(response.request_id, secrets),
        attempts=response.attempts,
        elapsed=response.elapsed,
    )
