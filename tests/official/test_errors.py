"""Every error class of the official client is reached at the simulator, by every status that the API knows."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import luma_agents
import pytest
from attrs import frozen
from luma_agents.types import ImageRefParam
from official.clients import Luma, Official

from generor_async.simulator import Simulator

UNHEARD_OF: Any = "super-model-v9"
NOWHERE = "00000000-0000-0000-0000-000000000000"
PICTURE: ImageRefParam = {"url": "https://example.com/heron.jpg"}

Ask: TypeAlias = Callable[[Luma], object]


def create(**params: Any) -> Ask:
    given: dict[str, Any] = {"prompt": "A heron", **params}
    return lambda luma: luma.generations.create(**given)


def edit(source: ImageRefParam, **params: Any) -> Ask:
    return create(type="image_edit", source=source, **params)


CREATE = create()


@frozen
class Refused:
    """A request that the API refuses, and the error that the client makes of it."""

    error: type[luma_agents.APIStatusError]
    status: int
    detail: str
    ask: Ask = CREATE
    key: str = "main"
    """Which of the simulator's keys it is made with, or another token altogether."""


REFUSED: Mapping[str, Refused] = {
    "model": Refused(luma_agents.BadRequestError, 400, "Unknown model: super-model-v9", create(model=UNHEARD_OF)),
    "type": Refused(
        luma_agents.BadRequestError, 400, "Type 'video' is not supported for model 'uni-1'", create(type="video")
    ),
    "ratio": Refused(
        luma_agents.BadRequestError,
        400,
        "Invalid aspect_ratio '4:3'. Valid: 1:1, 1:2, 1:3, 16:9, 2:1, 2:3, 3:1, 3:2, 9:16",
        create(aspect_ratio="4:3"),
    ),
    "prompt": Refused(
        luma_agents.BadRequestError, 400, "Prompt must be between 1 and 6000 characters", create(prompt="")
    ),
    "reference": Refused(
        luma_agents.BadRequestError,
        400,
        "image_ref[0]: provide either 'url' or 'data', not both",
        create(image_ref=[{**PICTURE, "data": "iVBORw0KGgo=", "media_type": "image/jpeg"}]),
    ),
    "references": Refused(
        luma_agents.BadRequestError,
        400,
        "image_edit supports up to 8 reference images (source occupies one slot)",
        edit(PICTURE, image_ref=[PICTURE] * 9),
    ),
    "source": Refused(
        luma_agents.BadRequestError, 400, "source is only valid for type 'image_edit'", create(source=PICTURE)
    ),
    "no source": Refused(
        luma_agents.BadRequestError, 400, "source is required for type 'image_edit'", create(type="image_edit")
    ),
    "no media type": Refused(
        luma_agents.BadRequestError,
        400,
        "image_ref[0]: 'media_type' is required with 'data'",
        create(image_ref=[{"data": "iVBORw0KGgo="}]),
    ),
    "files, page": Refused(
        luma_agents.BadRequestError,
        400,
        "limit must be between 1 and 100",
        lambda luma: luma.files.list(limit=101),
    ),
    "prefix": Refused(luma_agents.AuthenticationError, 401, "Missing or invalid API key", key="sk-nothing"),
    "unknown key": Refused(luma_agents.AuthenticationError, 401, "Invalid API key", key="luma-api-nobody"),
    "revoked": Refused(luma_agents.AuthenticationError, 401, "API key has been revoked", key="revoked"),
    "expired": Refused(luma_agents.AuthenticationError, 401, "API key has expired", key="expired"),
    "no key": Refused(
        luma_agents.AuthenticationError,
        401,
        "Missing or invalid API key",
        create(extra_headers={"Authorization": luma_agents.omit}),
    ),
    "poor": Refused(
        luma_agents.APIStatusError, 402, "Insufficient credits. Please add credits to continue.", key="poor"
    ),
    "suspended": Refused(luma_agents.PermissionDeniedError, 403, "API client is suspended", key="suspended"),
    "deactivated": Refused(luma_agents.PermissionDeniedError, 403, "API client is deactivated", key="deactivated"),
    "generation": Refused(
        luma_agents.NotFoundError, 404, "Generation not found", lambda luma: luma.generations.get(NOWHERE)
    ),
    "no UUID": Refused(
        luma_agents.NotFoundError, 404, "Generation not found", lambda luma: luma.generations.get("not-a-uuid")
    ),
    "file": Refused(luma_agents.NotFoundError, 404, "File not found", lambda luma: luma.files.get(NOWHERE)),
    "file to complete": Refused(
        luma_agents.NotFoundError, 404, "File not found", lambda luma: luma.files.complete(NOWHERE)
    ),
    "file to delete": Refused(
        luma_agents.NotFoundError, 404, "File not found", lambda luma: luma.files.delete(NOWHERE)
    ),
    "too large": Refused(
        luma_agents.APIStatusError,
        413,
        "Image exceeds 50 MB size limit",
        edit({"url": "https://example.com/too-large.png"}),
    ),
    "unreachable url": Refused(
        luma_agents.UnprocessableEntityError,
        422,
        "source: failed to fetch URL",
        edit({"url": "https://nonexistent.example.com/heron.jpg"}),
    ),
    "url of no image": Refused(
        luma_agents.UnprocessableEntityError,
        422,
        "source: content-type is not an image",
        edit({"url": "https://example.com/heron.pdf"}),
    ),
    "data": Refused(
        luma_agents.UnprocessableEntityError,
        422,
        "image_ref[0]: invalid base64 data",
        create(image_ref=[{"data": "?", "media_type": "image/png"}]),
    ),
    "generation_id": Refused(
        luma_agents.UnprocessableEntityError, 422, "source: generation not found", edit({"generation_id": NOWHERE})
    ),
    "file_id": Refused(luma_agents.UnprocessableEntityError, 422, "source: file not found", edit({"file_id": NOWHERE})),
    "upstream": Refused(
        luma_agents.InternalServerError, 502, "Upstream service unavailable", create(prompt="[[bad-gateway]]")
    ),
    "ingestion": Refused(
        luma_agents.InternalServerError,
        503,
        "Image URL ingestion unavailable",
        edit(PICTURE, prompt="[[ingestion-unavailable]]"),
    ),
}


FAULTED: Mapping[str, type[luma_agents.APIError]] = {
    "429": luma_agents.RateLimitError,
    "500": luma_agents.InternalServerError,
    "500:shape=gateway": luma_agents.InternalServerError,
    "502:shape=gateway": luma_agents.InternalServerError,
    "503:shape=gateway": luma_agents.InternalServerError,
    "504:shape=gateway": luma_agents.InternalServerError,
    "reset": luma_agents.APIConnectionError,
    "close": luma_agents.APIConnectionError,
    "truncate": luma_agents.APIConnectionError,
    "broken_chunk": luma_agents.APIConnectionError,
    "stall": luma_agents.APITimeoutError,
    "stall:sent=headers": luma_agents.APITimeoutError,
}
"""What the client makes of what goes wrong, by the fault's spec."""


def once(official: Official, **options: Any) -> Luma:
    """Give the client as one that doesn't retry."""
    return official.luma.with_options(max_retries=0, **options)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_an_error_of_its_status_in_the_vendors_words(official: Official, name: str) -> None:
    refused, simulator = REFUSED[name], official.simulator
    token = simulator.luma.keys.get(refused.key, refused.key)
    with pytest.raises(luma_agents.APIStatusError) as caught:
        official.wait(refused.ask(once(official, auth_token=token)))
    assert type(caught.value) is refused.error
    assert (caught.value.status_code, caught.value.body) == (refused.status, {"detail": refused.detail})
    (entry,) = simulator.ledger.requests
    headers = caught.value.response.headers
    assert (headers["X-API-Version"], headers["X-Request-Id"]) == ("2026-04-01", entry.request_id)
    assert (entry.status, entry.charged) == (refused.status, 0)


def test_a_generation_of_another_key_is_not_found(official: Official) -> None:
    created = official.create(prompt="A heron")
    stranger = official.luma.with_options(auth_token=official.simulator.luma.keys["other"])
    with pytest.raises(luma_agents.NotFoundError) as caught:
        official.wait(stranger.generations.get(created.id))
    assert caught.value.body == {"detail": "Generation not found"}


def test_too_many_requests_a_minute_are_a_rate_limit_error_with_its_headers(official: Official) -> None:
    official.simulator.luma.client.window.limit = 1
    official.create(prompt="A heron")
    with pytest.raises(luma_agents.RateLimitError) as caught:
        official.wait(once(official).generations.create(prompt="Another heron"))
    headers = caught.value.response.headers
    assert caught.value.body == {"detail": "Rate limit exceeded"}
    assert 59 <= int(headers["Retry-After"]) <= 60
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("1", "0")
    official.simulator.advance(60)
    assert official.create(prompt="Another heron").state == "queued"


def test_too_many_jobs_at_once_are_a_rate_limit_error_without_rate_limit_headers(official: Official) -> None:
    official.simulator.luma.client.jobs = 1
    first = official.create(prompt="A heron")
    with pytest.raises(luma_agents.RateLimitError) as caught:
        official.wait(once(official).generations.create(prompt="Another heron"))
    headers = caught.value.response.headers
    assert (caught.value.body, headers["Retry-After"]) == ({"detail": "Concurrent generation limit reached (1)"}, "60")
    assert not [name for name in headers if name.lower().startswith("x-ratelimit")]
    assert official.ended(first).state == "completed"
    assert official.create(prompt="Another heron").state == "queued"


@pytest.mark.parametrize("spec", FAULTED)
def test_a_fault_is_an_error_of_its_kind(official: Official, spec: str) -> None:
    official.simulator.faults.add_spec(f"luma.generations.create={spec}")
    with pytest.raises(luma_agents.APIError) as caught:
        official.wait(once(official, timeout=3 if "stall" in spec else 300).generations.create(prompt="A heron"))
    expected = FAULTED[spec]
    if official.form == "async on aiohttp" and spec in {"reset", "close"}:
        expected = luma_agents.APITimeoutError  # what is sent is the same: its backend has but one word for both
    assert type(caught.value) is expected
    (entry,) = official.simulator.ledger.requests
    assert (entry.fault, entry.when, entry.charged) == (spec.partition(":")[0], "before_charge", 0)


def test_every_error_class_is_reached_but_the_one_of_a_status_that_the_api_does_not_have() -> None:
    classes = {value for value in vars(luma_agents).values() if isinstance(value, type)}
    errors = {value for value in classes if issubclass(value, luma_agents.APIError)}
    reached = {refused.error for refused in REFUSED.values()} | set(FAULTED.values())
    reached.add(luma_agents.APIResponseValidationError)  # in a test of its own, below
    assert errors - reached == {luma_agents.APIError, luma_agents.ConflictError}


def test_a_closed_port_is_a_connection_error(official: Official) -> None:
    official.simulator.faults.add(fault="refuse")
    with pytest.raises(luma_agents.APIConnectionError):
        official.wait(once(official).generations.create(prompt="A heron"))
    assert official.simulator.ledger.requests == ()
    official.simulator.faults.clear()
    assert official.create(prompt="A heron").state == "queued"


def test_an_answer_in_html_is_a_validation_error_where_that_was_asked_for(official: Official) -> None:
    official.simulator.faults.add(operation="luma.generations.create", fault="wrong_type")
    strict = once(official, _extra_kwargs={"_strict_response_validation": True})
    with pytest.raises(luma_agents.APIResponseValidationError) as caught:
        official.wait(strict.generations.create(prompt="A heron"))
    assert caught.value.status_code == 200


def test_a_client_without_a_key_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    monkeypatch.delenv("LUMA_AGENTS_API_KEY", raising=False)
    with pytest.raises(luma_agents.LumaError, match="auth_token"):
        luma_agents.Luma(base_url=simulator.luma_url)
