"""Detects that an error response contains the result of the call, or a charge.

Gateways and frameworks may replace the status of an API's response, and an error may stand beside the result of the
call. A call that bills must not be sent again then, whatever the status or the code says. Evidence is what the response
to such a call consists of: a job with its state, creations, or a cost. An id alone is none: errors have ids too, and
repeat those of the request.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from generor_async.rules.charges import valid_cost
from generor_async.rules.vendors import LUMA, Vendor
from generor_async.values import JSON, DecodeError, is_array, is_object
from generor_async.values.shapes import as_float

__all__ = ["id_in_location", "shows_result"]

_RESULT_PLACES: Final = ("data", "generation", "result")
"""Fields that may contain a result, besides the top level. Elsewhere, as in an error, it may be the request."""
_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_JOB_IN_TEXT: Final = (
    re.compile(rf"""["']id["']\s*:\s*["']{_UUID}["']""", re.IGNORECASE),
    re.compile(r"""["'](?:state|output)["']\s*:"""),
)
_CREATION_IN_TEXT: Final = (re.compile(r"""["']creation_id["']\s*:\s*["']?\d"""),)
_NAME: Final = re.compile(r"(?=.*\d)[\w-]{1,64}")
_COLLECTIONS: Final = frozenset({"generations", "creations"})


def shows_result(vendor: Vendor, body: JSON, *, costs_count: bool) -> bool:
    """Tell whether the body of an error contains the result of a call that bills.

    `body` is its JSON, or its text where it isn't JSON. `costs_count` is False where the API says that the account
    can't pay: a cost is then the price that it could not pay.
    """
    if isinstance(body, str):
        signs = _JOB_IN_TEXT if vendor is LUMA else _CREATION_IN_TEXT
        return not body.lstrip().startswith("<") and all(sign.search(body) for sign in signs)  # pages have scripts
    if vendor is LUMA:
        return any(_is_job(found) for found in _objects(body))
    return any(_has_creations(found) or (costs_count and _has_cost(found)) for found in _objects(body))


def id_in_location(headers: Mapping[str, str]) -> str | None:
    """Return the id of the job or creation that the Location header names; None for no id."""
    try:
        *before, name = urlsplit(headers.get("Location", "")).path.rstrip("/").split("/")
    except ValueError:
        return None
    is_ours = _NAME.fullmatch(name) and before[-1:] and before[-1] in _COLLECTIONS
    return name if is_ours or re.fullmatch(_UUID, name, re.IGNORECASE) else None


def _objects(body: JSON) -> Iterator[Mapping[str, JSON]]:
    """Yield the objects of a response that may be its result."""
    around = [body.get(name) for name in _RESULT_PLACES] if is_object(body) else []
    for found in (body, *around):
        for one in found if is_array(found) else [found]:
            if is_object(one):
                yield one


def _is_job(found: Mapping[str, JSON]) -> bool:
    """Tell whether an object is a Luma job: it has an id, and a state or outputs, unlike requests and errors."""
    return _is_id(found.get("id")) and (isinstance(found.get("state"), str) or is_array(found.get("output")))


def _has_creations(found: Mapping[str, JSON]) -> bool:
    creations = found.get("creations")
    return _is_id(found.get("creation_id")) or bool((is_array(creations) or is_object(creations)) and creations)


def _has_cost(found: Mapping[str, JSON]) -> bool:
    """Tell whether an object reports a charge of more than 0 credits."""
    try:
        return bool(valid_cost(as_float(found.get("credit_cost"), "", [])))
    except DecodeError:
        return False


def _is_id(value: JSON) -> bool:
    return type(value) is int or (isinstance(value, str) and bool(value.strip()))
