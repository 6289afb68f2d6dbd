"""Refusals in other words and shapes than documented: what was asked for isn't done, and costs nothing."""

from collections.abc import Callable
from typing import TypeAlias

import attrs

from strangers.records import Answer, Json

__all__ = ["BUSY", "GENEROR_REFUSALS", "LUMA_REFUSALS", "SHAPES", "Refusing", "envelope"]

Shape: TypeAlias = Callable[[int, str], Answer]


def _page(status: int, text: str) -> Answer:
    """Return a page of a gateway with the text as its title."""
    title = f"{status} {text}"
    return Answer(status=status, body=f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>")


def _json(make: Callable[[str], Json | list[Json]]) -> Shape:
    def shape(status: int, text: str) -> Answer:
        return Answer(status=status, body=make(text))

    return shape


SHAPES: dict[str, Shape] = {
    "error": _json(lambda text: {"error": text}),
    "success and error": _json(lambda text: {"success": False, "error": text}),
    "error.message": _json(lambda text: {"error": {"message": text, "type": "invalid_request_error"}}),
    "errors map": _json(lambda text: {"message": text, "errors": {"prompt": [text]}}),
    "only errors": _json(lambda text: {"errors": [{"title": "No", "detail": text}]}),
    "detail list": _json(lambda text: {"detail": [{"loc": ["body", "prompt"], "msg": text, "type": "value_error"}]}),
    "detail object": _json(lambda text: {"detail": {"msg": text, "code": 17}}),
    "list": _json(lambda text: [{"message": text}]),
    "text": lambda status, text: Answer(status=status, body=text, headers={"Content-Type": "text/plain"}),
    "page": _page,
}
"""How a text may be told."""


@attrs.frozen
class Refusing:
    """A refusal; ``own``: in the words and with the status that the vendor's pages have."""

    status: int
    text: str
    own: bool = True


LUMA_REFUSALS: dict[str, Refusing] = {
    "400": Refusing(400, "Prompt must be between 1 and 6000 characters"),
    "400 not neither": Refusing(400, "image_ref[0]: provide either 'url' or 'data', not neither"),
    "401": Refusing(401, "API key has been revoked"),
    "402": Refusing(402, "Insufficient balance. Please add funds to continue."),
    "403": Refusing(403, "API client is deactivated"),
    "413": Refusing(413, "image_ref[2]: image exceeds 50 MB limit"),
    "422": Refusing(422, "image_ref[0]: failed to fetch URL (HTTP 403)"),
    "422 parameters": Refusing(422, "style 'manga' does not support aspect_ratio '1:1'"),
}
"""What is never done, in the late wordings of the vendor's pages."""

GENEROR_REFUSALS: dict[str, tuple[str, Refusing]] = {
    "VALIDATION_ERROR": ("VALIDATION_ERROR", Refusing(400, "prompt is required")),
    "VALIDATION_ERROR 422": ("VALIDATION_ERROR", Refusing(422, "The given data was invalid.", own=False)),
    "VALIDATION_ERROR 404": ("VALIDATION_ERROR", Refusing(404, "No query results", own=False)),
    "UNAUTHORIZED": ("UNAUTHORIZED", Refusing(401, "Missing or invalid API key")),
    "UNAUTHORIZED 403": ("UNAUTHORIZED", Refusing(403, "Key revoked", own=False)),
    "FORBIDDEN": ("FORBIDDEN", Refusing(403, "API key lacks the 'generate' scope")),
    "FORBIDDEN 401": ("FORBIDDEN", Refusing(401, "Not for you", own=False)),
    "NOT_FOUND": ("NOT_FOUND", Refusing(404, "Generator not found")),
    "NOT_FOUND 410": ("NOT_FOUND", Refusing(410, "Generator retired", own=False)),
    "METHOD_NOT_ALLOWED": ("METHOD_NOT_ALLOWED", Refusing(405, "Method not allowed")),
    "INSUFFICIENT_CREDITS": ("INSUFFICIENT_CREDITS", Refusing(402, "Not enough credits for generation")),
    "INSUFFICIENT_CREDITS 403": ("INSUFFICIENT_CREDITS", Refusing(403, "Not enough credits", own=False)),
}
"""Codes of the documents, some with another status."""


def envelope(code: str, refusing: Refusing) -> Answer:
    """Return a refusal in Generor's envelope (documented)."""
    shown: Json = {"code": code, "message": refusing.text, "status": refusing.status}
    return Answer(status=refusing.status, body={"success": False, "error": shown})


BUSY: dict[str, Refusing] = {
    "502": Refusing(502, "Upstream service unavailable"),
    "502 with a field": Refusing(502, "image_ref[0]: fetch proxy unavailable"),
    "503": Refusing(503, "Image URL ingestion unavailable"),
    "503 media": Refusing(503, "Media URL ingestion unavailable"),
}
"""Luma's own words for what passes: the request was not carried out."""
