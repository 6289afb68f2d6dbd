"""The generated methods: each sends the operation of its own name with its own arguments."""

import inspect
from collections.abc import Iterator
from typing import Any, TypeVar, cast

import pytest

from generor_async.api.generor import operations as generor_operations
from generor_async.api.generor import resources as generor
from generor_async.api.luma import operations as luma_operations
from generor_async.api.luma import resources as luma
from generor_async.rules.body_decoders import Meta, PageData
from generor_async.rules.http_types import Operation
from generor_async.values import UNSET

T = TypeVar("T")

URL = "https://x.example/1"
VALUES: dict[str, Any] = {
    "type": "image",
    "mime_type": "image/png",
    "content": b"bytes",
    "image_ref": [],
    "parameters": {},
    "image_url": URL,
    "ending_frame_url": URL,
    "reference_images": [URL],
    "reference_videos": [URL],
    "reference_audio": URL,
    "video_url": URL,
    "scopes": ["read"],
    "sort": "oldest",
    "expires_at": UNSET,
    "source": UNSET,
    "layering": UNSET,
    "video": UNSET,
}
"""What an argument of this name gets; the others get True, 1 or "1", by their annotation."""


class Recorder:
    """A client that keeps what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[Operation[Any]] = []

    async def send(self, operation: Operation[T]) -> T:
        self.sent.append(operation)
        return cast("T", PageData([], Meta(), {}))


def methods() -> Iterator[Any]:
    for api, resources, operations in (
        ("generor", generor, generor_operations),
        ("luma", luma, luma_operations),
    ):
        for name, build in operations.BUILDERS.items():
            _, resource, method = name.split(".")
            class_name = "".join(part.capitalize() for part in resource.split("_")) + "Resource"
            yield pytest.param(getattr(resources, class_name), method, build, id=f"{api}.{resource}.{method}")


def value(parameter: inspect.Parameter) -> Any:
    if parameter.name in VALUES:
        return VALUES[parameter.name]
    if "bool" in str(parameter.annotation):
        return True
    return 1 if "int" in str(parameter.annotation) or "float" in str(parameter.annotation) else "1"


@pytest.mark.parametrize(("resource", "method", "build"), list(methods()))
async def test_a_method_hands_every_argument_to_its_operation(resource: Any, method: str, build: Any) -> None:
    parameters = inspect.signature(build).parameters.values()
    positional = [value(each) for each in parameters if each.kind is not each.KEYWORD_ONLY]
    named = {each.name: value(each) for each in parameters if each.kind is each.KEYWORD_ONLY}
    client = Recorder()
    await getattr(resource(client), method)(*positional, **named)
    assert client.sent == [build(*positional, **named)]


async def test_a_paged_method_sends_nothing_until_it_is_asked() -> None:
    client = Recorder()
    pages = generor.FeedResource(client).list(max_items=0)
    assert [item async for item in pages] == []
    assert client.sent == []
