"""Every JSON example that the two documents print goes through the client's own operations and decoders.

Answers are opened by the endpoint of the operation that they belong to, envelope and all; requests are built from
their fields by the operation's builder; errors are read as the answers that they are.
"""

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

import attrs
import pytest
from documents.corpus import GENEROR, LUMA, Corpus, DescribedError, Example, at_path
from support.calls import REQUEST_ID, endpoint

from generor_async.api.generor import models as generor_models
from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import models as luma_models
from generor_async.api.luma import operations as luma_operations
from generor_async.errors import APIStatusError, ConcurrentJobsError, InvalidRequestError, RateLimitError
from generor_async.rules import outcome, response_errors, response_parsing
from generor_async.rules.http_types import Endpoint, Reply
from generor_async.rules.vendors import GENEROR as GENEROR_VENDOR
from generor_async.rules.vendors import LUMA as LUMA_VENDOR
from generor_async.values import Headers, Model, ResponseInfo, Secret

ENDPOINTS = {**generor_operations.ENDPOINTS, **luma_operations.ENDPOINTS}
BUILDERS = {**generor_operations.BUILDERS, **luma_operations.BUILDERS}
UNKNOWN = "field_nobody_knows_yet"
ADDED = {"deep": [1, None, {"deeper": 2.5}]}


def examples(*kinds: str) -> pytest.MarkDecorator:
    found = [(corpus, example) for corpus in (GENEROR, LUMA) for example in corpus.examples]
    return pytest.mark.parametrize(
        ("corpus", "example"),
        [
            pytest.param(corpus, example, id=f"{'luma' if corpus is LUMA else 'generor'}-{example.name}")
            for corpus, example in found
            if example.kind in kinds
        ],
    )


def test_every_kind_of_example_is_tested_here() -> None:
    kinds = {example.kind for example in GENEROR.examples + LUMA.examples}
    assert kinds == {"request", "response", "error", "object", "fragment"}


@examples("response", "object", "fragment")
def test_an_answer_decodes_and_raw_gives_it_back(corpus: Corpus, example: Example) -> None:
    result = decoded(corpus, example, example.json)
    assert type(result).__name__ == example.model
    assert revealed(result.raw) == at_path(example.json, example.at)


@examples("response", "object", "fragment")
def test_every_printed_field_is_an_attribute_of_the_same_value(corpus: Corpus, example: Example) -> None:
    result = decoded(corpus, example, example.json)
    objects = [result, *models_in(result)]
    assert objects
    for each in objects:
        for name, printed in each.raw.items():
            assert_same(getattr(each, name), printed)


@examples("response", "object", "fragment")
def test_fields_nobody_knows_survive_at_every_level(corpus: Corpus, example: Example) -> None:
    if example.model == "Meta":  # not a model: it has `raw`, as every answer has
        body = copy.deepcopy(example.json)
        at_path(body, example.at)[UNKNOWN] = ADDED
        assert decoded(corpus, example, body).raw[UNKNOWN] == ADDED
        return
    body = copy.deepcopy(example.json)
    levels = [revealed(model.raw) for model in models_in(decoded(corpus, example, body))]
    for level in [found for found in objects_in(body) if found in levels]:
        level[UNKNOWN] = ADDED
    result = decoded(corpus, example, body)
    models = list(models_in(result))
    assert len(models) == len(levels)
    for model in models:
        assert model.raw[UNKNOWN] == ADDED
        assert dict(model.extra) == {UNKNOWN: ADDED}
    assert revealed(result.raw) == at_path(body, example.at)


@examples("request")
def test_a_request_is_built_from_its_fields_as_printed(corpus: Corpus, example: Example) -> None:
    assert example.operation is not None
    build, target = BUILDERS[example.operation], ENDPOINTS[example.operation]
    refused = refused_here(corpus, example)
    if refused is not None:
        with pytest.raises(InvalidRequestError) as caught:
            build(*example.arguments, **example.json)
        assert caught.value.problem == caught.value.message == refused.detail
        return
    operation = build(*example.arguments, **example.json)
    assert operation.endpoint is target
    assert operation.body == example.json
    assert operation.path == filled(target, example.arguments)
    assert operation.query == {}


@examples("error")
def test_an_error_is_read_with_all_that_it_says(corpus: Corpus, example: Example) -> None:
    vendor = LUMA_VENDOR if corpus is LUMA else GENEROR_VENDOR
    target = endpoint(vendor=vendor) if example.operation is None else ENDPOINTS[example.operation]
    context = outcome.CallContext(target, REQUEST_ID)
    context.attempts = 1
    status = example.status or 400
    with pytest.raises(APIStatusError) as caught:
        response_parsing.parse_response(
            target, context, printed(example), path=target.template, now=1_712_592_000.0, elapsed=0.5
        )
    error = caught.value
    told = example.json.get("error", {"message": example.json.get("detail"), "code": None, "status": status})
    assert (error.status_code, error.code, error.message) == (told["status"], told["code"], told["message"])
    assert error.body == example.json
    assert error.request_id == example.headers.get("X-Request-Id", REQUEST_ID)
    assert {name: error.headers[name] for name in example.headers} == example.headers
    wait = example.headers.get("Retry-After")
    assert error.retry_after == (None if wait is None else float(wait))


@examples("response", "error")
def test_printed_headers_are_read(corpus: Corpus, example: Example) -> None:
    info = ResponseInfo(status=example.status or 200, headers=example.headers, request_id=REQUEST_ID)
    limit = info.rate_limit
    assert info.api_version == example.headers.get("X-API-Version")
    if "X-RateLimit-Limit" in example.headers:
        assert limit is not None
        assert limit.reset is not None
        assert [str(limit.limit), str(limit.remaining), str(int(limit.reset))] == [
            example.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")
        ]
    else:
        assert limit is None


def test_the_two_429_of_luma_are_told_apart_by_their_headers() -> None:
    classes: dict[str, type[APIStatusError]] = {}
    for example in LUMA.examples:
        if example.status == 429:
            context = outcome.CallContext(luma_operations.GENERATIONS_CREATE, REQUEST_ID)
            classes[example.name] = type(response_errors.status_error(context, printed(example), example.json, 0.0))
    assert classes == {"rate-limit-rpm": RateLimitError, "concurrent-jobs": ConcurrentJobsError}


def printed(example: Example) -> Reply:
    """Return an example as the answer that it is; 400 where the document doesn't say a status."""
    known = {"Content-Type": "application/json", **example.headers}
    body = json.dumps(example.json).encode()
    return Reply(status=example.status or 400, headers=Headers(known.items()), body=body)


def decoded(corpus: Corpus, example: Example, body: Any) -> Any:
    """Decode a body that is or resembles the example's, and return what belongs to its model."""
    if example.model == "Meta":
        page = generor_operations.CREATIONS_LIST.decode.strict({**body, "data": []})
        return page.meta
    if example.kind == "fragment":
        module = luma_models if corpus is LUMA else generor_models
        return getattr(module, snake(str(example.model)).upper()).lenient(at_path(body, example.at), "$", [])
    assert example.operation is not None
    if example.kind == "object":
        listed = ENDPOINTS[example.operation].decode.strict({"success": True, "data": [body]})
        return listed.items[0]
    return ENDPOINTS[example.operation].decode.strict(body)


def refused_here(corpus: Corpus, example: Example) -> DescribedError | None:
    """Find the error that says that this request, exactly as printed, isn't even sent."""
    for error in corpus.errors:
        as_printed = error.provoke.get("json") == example.json and "lengthen" not in error.provoke
        if as_printed and error.checked_by_client and "authorization" not in error.provoke:
            return error
    return None


def filled(target: Endpoint[Any], arguments: tuple[str | int, ...]) -> str:
    segments, left = target.template.split("/"), [str(argument) for argument in arguments]
    path = "/".join(left.pop(0) if segment.startswith("{") else segment for segment in segments)
    assert not left
    return path


def models_in(value: Any) -> Iterator[Model]:
    """Walk a decoded value, and give every model in it."""
    if isinstance(value, Model):
        yield value
        for field in attrs.fields(type(value)):
            if field.name not in {"raw", "_response"}:
                yield from models_in(getattr(value, field.name))
    for part in parts_of(value):
        yield from models_in(part)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Walk a JSON value, and give every object in it."""
    if isinstance(value, dict):
        yield cast("dict[str, Any]", value)
    for part in parts_of(value):
        yield from objects_in(part)


def parts_of(value: Any) -> list[Any]:
    """List what is in an array or an object; nothing is in anything else."""
    match value:
        case {**fields}:
            return list(fields.values())
        case [*parts]:
            return parts
        case _:
            return []


def assert_same(attribute: Any, printed: Any) -> None:
    """Hold an attribute against the JSON value that it was read from."""
    if isinstance(attribute, Model):
        assert revealed(attribute.raw) == printed
    elif isinstance(attribute, datetime):
        assert attribute == datetime.fromisoformat(printed)
        assert (attribute.tzinfo is not None) == printed.endswith("Z")
    elif isinstance(attribute, list):
        for item, printed_item in zip(parts_of(attribute), parts_of(printed), strict=True):
            assert_same(item, printed_item)
    else:
        assert revealed(attribute) == revealed(printed)
        assert type(revealed(attribute)) is type(revealed(printed))


def revealed(value: Any) -> Any:
    """Return a value with its secrets laid open."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: revealed(item) for key, item in cast("dict[str, Any]", value).items()}
    return [revealed(item) for item in parts_of(value)] if isinstance(value, list) else value


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
