"""What differs between the two APIs: addresses, keys, the shape of an error, what to do about it."""

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from generor_async.rules.error_words import error_message
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT
from generor_async.values import is_object

__all__ = ["GENEROR", "LUMA", "Vendor", "vendor_of"]


@frozen(kw_only=True, repr=False)
class Vendor:
    """One API, as far as the rules have to know it."""

    name: str
    base_url: str
    key_variable: str
    url_variable: str
    key_prefix: str
    key_source: str
    """Where a key comes from, as the rest of a sentence."""
    refusals: frozenset[int]
    """Statuses below 500 that the documents describe: the request had no effect."""
    busy: frozenset[int]
    """5xx statuses that, in the API's own shape, mean that the request had no effect (documented as retryable)."""
    shape: Literal["error", "detail"]
    """The field of an error's body that tells it: Generor's `error` object, or Luma's `detail` string."""
    away: tuple[str, ...]
    """What the API's own 5xx of these statuses say (documented), where no header tells them from a gateway's."""
    advice: Mapping[int, str]
    """What the documents say to do, by status."""
    credit_dollars: float | None = None
    """What a credit is worth in US dollars; None where nobody says."""
    details: tuple[tuple[int | None, str, str], ...] = ()
    """The same by a part of the API's message, of any status or of one; looked up first."""
    codes: Mapping[str, int] = field(factory=dict[str, int])
    """The codes of errors, and the statuses that they come with (documented)."""

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def failure(self, body: Any) -> tuple[str, str | None, int | None] | None:
        """Return message, code and status of an error in the API's own shape; None where it isn't in that shape.

        The other API's shape doesn't count: a gateway's JSON may not pass for a refusal by the API itself.
        """
        told = body.get(self.shape) if is_object(body) else None
        if self.shape == "detail":
            return (told, None, None) if isinstance(told, str) else None
        if is_object(told):
            message, code, status = told.get("message"), told.get("code"), told.get("status")
            code = code if isinstance(code, str) and code else None
            if isinstance(message, str) or code in self.codes:
                return message if isinstance(message, str) else error_message({"error": told}), code, _status(status)
        return None

    def refuses(self, status: int, code: str | None) -> bool:
        """Tell whether an answer of this status and error code says that the request had no effect."""
        documented = self.codes.get(code or "") if 400 <= status < 500 else None
        return status in self.refusals if documented is None else documented < 500

    def is_busy(self, status: int, headers: Mapping[str, str], body: Any) -> bool:
        """Tell whether the API itself says that it can't serve the request now, and that it had no effect.

        Gateways answer in JSON too, some with a `detail` (RFC 9457), after a request may have been charged. So the
        shape has to be the documented one and nothing else, with the header that comes with every answer of the API
        (documented), or in the documents' own words.
        """
        if status not in self.busy or not is_object(body) or body.keys() != {self.shape}:
            return False
        kind, told = headers.get("Content-Type", "").partition(";")[0].strip().lower(), body[self.shape]
        if kind != "application/json" or not isinstance(told, str) or not told.strip():
            return False
        return "X-API-Version" in headers or any(words in told for words in self.away)

    def advise(self, status: int, message: str, method: str = "POST") -> str:
        """Return what to do about an error, in the vendor's words; empty where they give none."""
        if method == "POST" or status not in _OF_POSTS:
            for about, part, advice in self.details:
                if about in {None, status} and part in message:
                    return advice
        return self.advice.get(status, "")


def _status(value: object) -> int | None:
    """Read a status, which may be written as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3:
        return int(value)
    return value if type(value) is int else None


_OF_POSTS = frozenset({429, 503})
"""Statuses whose messages speak of jobs or images that are sent: they advise nothing to other calls."""

GENEROR = Vendor(
    name="generor",
    base_url="https://generor.com/api/v1",
    key_variable="GENEROR_API_KEY",
    url_variable="GENEROR_BASE_URL",
    key_prefix="gnr_live_",
    key_source="in your account settings on generor.com, or by api_keys.create()",
    refusals=frozenset({400, 401, 402, 403, 404, 405, 413, 429}),
    busy=frozenset(),
    away=(),
    shape="error",
    advice={
        400: "Fix the parameter that the message names",
        401: "Check the API key: it may be missing, mistyped or revoked",
        402: "Add credits, or choose a cheaper model; estimate() tells the price beforehand",
        403: "Use a key with the scope that the call needs, or one that owns the resource",
        404: "Check the id or name; a private creation is visible to its owner's key only",
        405: "This endpoint does not take that method",
        413: "Send less: name images and videos by URL",
        422: "Fix the parameter that the message names",
        429: "Wait as long as retry_after says, or raise the tier of the account",
        500: "Try again later; quote the request id to the vendor if it lasts",
    },
    codes={
        "VALIDATION_ERROR": 400,
        "UNAUTHORIZED": 401,
        "INSUFFICIENT_CREDITS": 402,
        "FORBIDDEN": 403,
        "NOT_FOUND": 404,
        "METHOD_NOT_ALLOWED": 405,
        "RATE_LIMIT_EXCEEDED": 429,
        "SERVER_ERROR": 500,
    },
)

LUMA = Vendor(
    name="luma",
    base_url="https://agents.lumalabs.ai/v1",
    key_variable="LUMA_AGENTS_API_KEY",
    url_variable="LUMA_BASE_URL",
    key_prefix="luma-api-",
    key_source="on your Luma platform dashboard",
    refusals=frozenset({400, 401, 402, 403, 404, 413, 422, 429}),
    busy=frozenset({502, 503}),
    away=("Upstream service unavailable", "URL ingestion unavailable"),
    shape="detail",
    credit_dollars=DOLLARS_A_CREDIT,
    advice={
        400: "Fix the parameter that the message names",
        401: "Check that you copied the full key, and that it hasn't been replaced; generate a new one if needed",
        402: "Add credits or funds to your account from the dashboard, then retry; the request was not queued",
        403: "Check your plan, or contact support",
        404: "Verify the generation ID, and that it was submitted with the same API key",
        413: "Send less: name images and videos by URL",
        422: "Fix what the message names",
        429: "Wait as long as retry_after says, then retry",
        502: "Retry after a brief delay (5 to 10 seconds); if it persists, check the status page or contact support",
        503: "Retry later",
    },
    details=(
        (None, "Unknown model", "Use a supported model: uni-1 or uni-1-max for images, ray-3.2 for video"),
        (
            400,
            "is not supported for model",
            'Set type to one that the model supports: "image" or "image_edit" for uni-1',
        ),
        (None, "Invalid aspect_ratio", "Use one of the aspect ratios that the message lists"),
        (None, "Prompt must be between", "Shorten the prompt to 6,000 characters or fewer, and give at least one"),
        (None, "provide either 'url' or 'data'", "Remove either the url or the data and media_type fields"),
        (None, "supports up to 8 reference images", "Reduce image_ref to 8 or fewer entries"),
        (None, "source is only valid", 'Remove the source field, or change type to "image_edit"'),
        (None, "source is required", "Add a source with either a url or data"),
        (None, "'media_type' is required", 'Add "media_type": "image/jpeg" (or the appropriate MIME type)'),
        (
            401,
            "Missing or invalid API key",
            "Send the key as a Bearer token, and confirm that it starts with luma-api-",
        ),
        (None, "API key has been revoked", "Generate a new API key; the old one cannot be un-revoked"),
        (None, "API key has expired", "Generate a new API key"),
        (None, "API client is suspended", "Contact support to resolve the suspension"),
        (None, "API client is deactivated", "Contact support to reactivate the client"),
        (None, "invalid base64 data", "Ensure that the data is properly base64-encoded"),
        (422, "base64", "Ensure that the data is properly base64-encoded"),
        (None, "failed to fetch URL (HTTP", "Confirm that the URL answers 200 with valid image content"),
        (None, "failed to fetch URL", "Verify that the URL is publicly accessible and responds with image content"),
        (422, "fetch", "Verify that the URL is publicly accessible, by https, and responds with image content"),
        (None, "content-type is not an image", "Ensure that the URL points to a valid image file (JPEG, PNG, ...)"),
        (413, "ideo", "Shorten or compress the video before sending"),
        (413, "mage", "Resize or compress the image to under 50 MB before sending"),
        (429, "oncurrent", "Wait for one or more of your active generations to complete or fail"),
        (
            503,
            "URL ingestion unavailable",
            "Download the image yourself and send it as base64 data instead, or retry later",
        ),
    ),
)


def vendor_of(operation: str) -> Vendor:
    """Return whose an operation is, by its name such as `luma.generations.create`."""
    return LUMA if operation.startswith(f"{LUMA.name}.") else GENEROR
