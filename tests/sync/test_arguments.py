"""Invalid arguments of clients, views, limits, batches and calls are refused at once, by name.

The async and the blocking clients are tested with the same table.
"""

import asyncio
import functools
import inspect
import math
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.calls import KEY, operation
from support.leaks import leaks

from generor_async import AsyncGeneror, AsyncLuma, Generor, InvalidRequestError, Limits, Luma, run_batch
from generor_async.api.luma import models
from generor_async.errors import DownloadError
from generor_async.rules.vendors import GENEROR
from generor_async.simulator import Simulator
from generor_async.sync import run_batch as blocking_run_batch
from generor_async.values import UNSET, Secret

HOME = "http://127.0.0.1:1"


async def told(_: object) -> None:
    """A coroutine function in place of a plain one."""


class Told:
    async def __call__(self, _: object) -> None:
        """An object that acts as a coroutine function."""


NO_LISTENERS = (5, "print", told, Told(), functools.partial(told), AsyncMock(), [print])
NO_FLAGS = (None, 1, 0, "false", "true", UNSET)
NO_SECONDS = (None, "5", b"5", True, math.nan, 0, -1, 10**400, [5], 1 + 1j)
NO_COUNTS = (None, "5", True, 2.0, -1, 10**400, math.inf, [5])
NO_PATHS = (
    *(None, 5, b"out", "", "a\0b", "\ud800", ["out"]),
    *("s3://bucket/x", "S3://bucket/x", "file:///tmp/x", "https://x.example/y", "postgresql://u:hush@host/db"),
    *(Path("s3://bucket/x"), "gs:/bucket", " ", f"out/{'x' * 256}", Path("鷺" * 86, "x")),
)
NO_PLACES = tuple(value for value in NO_PATHS if value is not None and "postgresql:" not in str(value))
"""What can be neither a file nor a database."""

CLIENT: dict[str, tuple[Any, ...]] = {
    "api_key": (b"luma-api-0123456789", 123, ["k"], {"key": "k"}, True, Path("k"), 1.5, "a b", "a\n"),
    "base_url": (
        *(5, b"http://127.0.0.1", Path("/v1"), "x", "ftp://x", "http://a..b/", f"http://{'a' * 64}/", "http://xn--a/"),
        *("http://127.0.0.1:99999", "http://127.0.0.1:x", "http://[::1", "http://127.0.0.1/a b", "http://\ud800/"),
    ),
    "allow_insecure": NO_FLAGS,
    "timeout": NO_SECONDS,
    "queue_timeout": NO_SECONDS,
    "attempt_timeout": NO_SECONDS,
    "max_retries": NO_COUNTS,
    "max_connections": (*NO_COUNTS, 0),
    "max_reply_bytes": (*NO_COUNTS, 0),
    "connector": (5, "socks5://127.0.0.1", object()),
    "inline_on_503": NO_FLAGS,
    "inline_on_422": NO_FLAGS,
    "proxy": (
        *(
            5,
            b"http://p",
            "",
            "proxy.example:3128",
            "socks5://u:hush@p:1080",
            "ftp://p",
            "http://a..b",
            "http://p:99999",
        ),
        "http://",
    ),
    "ssl": (5, "no", object(), []),
    "trust_env": NO_FLAGS,
    "on_event": NO_LISTENERS,
    "clock": (None, 5, asyncio, "real"),
    "limits": (5, "free", {"rpm": 5}, Limits),
    "state": NO_PLACES,
    "keep_days": (None, "5", -1, math.nan, True, [5]),
    "keep_results": NO_FLAGS,
    "budgets": (5, "x", {"credits": 5}),
    "send_user": NO_FLAGS,
}
OPTIONS: dict[str, tuple[Any, ...]] = {
    "timeout": NO_SECONDS,
    "queue_timeout": NO_SECONDS,
    "attempt_timeout": NO_SECONDS,
    "max_retries": NO_COUNTS,
    "priority": (None, 1, "urgent", ["bulk"]),
    "extra_headers": (
        *(None, 5, "X-A: b", [("X-A", "b")], {"X-A": 5}, {"X-A": None}, {5: "a"}, {"X-A": "a\r\nX-B: c"}, {"": "a"}),
        *({"X A": "b"}, {"X-A:": "b"}, {"X-é": "b"}, {"X-A": "\ud800"}, {"X-A": b"b"}),
        *({name: "5"} for name in ("Content-Length", "transfer-encoding", "HOST", "Connection", "Content-Type")),
        *({name: "x"} for name in ("Accept-Encoding", "Content-Encoding", "Expect", "Proxy-Authorization", "Upgrade")),
        {"x-request-id": "a"},
    ),
    "extra_query": (None, 5, "a=b", [("a", "b")], {"a": 5}, {"a": None}, {5: "a"}, {"a": "\ud800"}, {"a": ["b"]}),
    "extra_body": (None, 5, "{}", [("a", "b")], {5: "a"}),
    "on_progress": NO_LISTENERS,
    "request_id": (None, 5, "", "a\nb", "é", b"a", ["a"]),
    "context": ({1, 2}, math.nan, b"a", {"a": object()}, {"a": {1}}),
    "user": (5, "", b"a", ["a"], "\ud800"),
    "price": ("5", -1, math.nan, True, [5]),
    "idempotency_key": (5, "", b"a", ["a"], "\ud800", "x" * 256),
    "acknowledge": tuple(value for value in NO_FLAGS if value is not UNSET),
    "check_parameters": tuple(value for value in NO_FLAGS if value is not UNSET),
}
LIMITS: dict[str, tuple[Any, ...]] = {
    "tier": (5, "gold", ["pro"], b"pro"),
    "rpm": ("60", 0, -1, True, 2.5, 10**400),
    "jobs": ("4", 0, -1, True, 2.5, 10**400),
    "max_share": (None, "0.5", 0, -1, 1.1, math.nan, math.inf, True),
    "store": NO_PLACES,
    "name": (5, b"studio", "", " ", "\ud800"),
}
BATCH: dict[str, tuple[Any, ...]] = {
    "client": (None, 5, "luma", AsyncLuma, Limits()),
    "rows": (None, 5, b"rows.jsonl", {"prompt": "x"}, "", "s3://bucket/rows.jsonl", Path("https://x.example/a.csv")),
    "to": tuple(value for value in NO_PATHS if "postgresql" not in str(value)),
    "name": ("herons", 5, ""),
    "lease": (30.0, "5"),
    "max_credits": ("5", 0, -1, math.nan, True, [5]),
    "price": ("5", -1, math.nan, math.inf * -1, True),
    "on_row": (5, "print"),
    "concurrency": ("5", 0, -1, 2.5, True, math.inf),
    "prompt_column": (5, b"prompt", ["prompt"]),
    "common": (5, "prompt=x", [("prompt", "x")], {5: "x"}),
    "allow_duplicates": NO_FLAGS,
    "refunds": NO_FLAGS,
    "limit": ("5", 0, -1, 2.5, True, math.inf, 10**400),
    "tag_rows": NO_FLAGS,
    "keep": (None, 5, "column", 2.5, True, object()),
    "again": NO_FLAGS,
    "drain": (None, "5", True, -1, math.nan, 10**400),
    "media": (5, b"s3://bucket", "", "bucket", "memory://", "https://bucket/a", "s3://key:secret@bucket/a", Path("a")),
    "take_over": NO_FLAGS,
    "keep_prompts": NO_FLAGS,
}


def rows(table: Mapping[str, tuple[Any, ...]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{index}")
        for name, values in table.items()
        for index, value in enumerate(values)
    ]


def both(table: Mapping[str, tuple[Any, ...]], impl: Any, proxy: Any) -> list[Any]:
    """Return all rows for the async client, and the first of each name for the blocking one, which passes it on."""
    first = {name: values[:1] for name, values in table.items()}
    return [
        pytest.param(kind, *row.values, id=f"{half}-{row.id}")
        for half, kind, found in (("async", impl, rows(table)), ("blocking", proxy, rows(first)))
        for row in found
    ]


def names(function: Callable[..., Any]) -> set[str]:
    return {name for name in inspect.signature(function).parameters if name != "self"}


def inside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check(name: str, error: InvalidRequestError, value: object) -> None:
    assert name in error.field
    assert name in str(error)
    assert error.advice, "nothing is said of what to write instead"
    assert "hush" not in f"{error!s} {error!r} {error.__dict__!r}"
    if not isinstance(value, str | int | float | Path | dict) and value is not None:
        assert type(value).__name__ in str(error) or "coroutine function" in str(error)


@pytest.mark.parametrize("kind", [AsyncLuma, Luma, AsyncGeneror, Generor])
def test_every_argument_of_a_client_is_covered(kind: Any) -> None:
    assert names(kind) == set(CLIENT)


@pytest.mark.parametrize(("kind", "name", "value"), both(CLIENT, AsyncLuma, Luma))
def test_a_client_refuses_invalid_arguments(kind: Any, name: str, value: Any) -> None:
    known: dict[str, Any] = {"api_key": KEY, "base_url": HOME, "state": "calls.sqlite", name: value}
    with pytest.raises(InvalidRequestError) as caught:
        kind(**known)
    check(name, caught.value, value)


@pytest.mark.parametrize(("kind", "name", "value"), both(OPTIONS, AsyncLuma, Luma))
def test_a_view_refuses_invalid_arguments(kind: Any, name: str, value: Any) -> None:
    client = kind(KEY, base_url=HOME, state="calls.sqlite")
    assert names(client.with_options) == set(OPTIONS)
    if name == "on_progress" and value is None:
        return
    with pytest.raises(InvalidRequestError) as caught:
        client.with_options(**{name: value})
    check(name, caught.value, value)


@pytest.mark.parametrize(("name", "value"), rows(LIMITS))
def test_limits_refuse_invalid_arguments(name: str, value: Any) -> None:
    assert names(Limits) == set(LIMITS)
    with pytest.raises(InvalidRequestError) as caught:
        Limits(**{name: value})
    check(name, caught.value, value)


@pytest.mark.parametrize(("function", "name", "value"), both(BATCH, run_batch, blocking_run_batch))
def test_a_batch_refuses_invalid_arguments(function: Any, name: str, value: Any, tmp_path: Path) -> None:
    kind = AsyncLuma if function is run_batch else Luma
    assert names(function) == set(BATCH)
    known = {"client": kind(KEY, base_url=HOME), "rows": [{"prompt": "x"}], "to": tmp_path / "out", name: value}
    client, given = known.pop("client"), known.pop("rows")
    with pytest.raises(InvalidRequestError) as caught:
        function(client, given, **known)
    check(name, caught.value, value)
    assert not inside(tmp_path), "no folder was made of it"


def test_async_and_blocking_batches_refuse_each_others_clients(tmp_path: Path) -> None:
    given: Any
    for function, given in ((blocking_run_batch, AsyncLuma(KEY)), (run_batch, Luma(KEY))):
        with pytest.raises(InvalidRequestError, match="client must be") as caught:
            function(given, [], to=tmp_path)
        assert caught.value.field == "client"


@pytest.mark.parametrize(("function", "kind"), [(run_batch, AsyncLuma), (blocking_run_batch, Luma)])
def test_a_batch_refuses_fields_that_rows_do_not_show(function: Any, kind: Any, tmp_path: Path) -> None:
    client = kind(KEY, base_url=HOME)
    view = client.with_options(extra_body={"model": "ray-3.2", "type": "video"})
    with pytest.raises(InvalidRequestError, match=r"'model', 'type'.*Put the fields into the rows") as caught:
        function(view, [{"prompt": "x"}], to=tmp_path / "out", max_credits=100)
    assert caught.value.field == "extra_body"
    assert not inside(tmp_path)
    function(view.with_options(extra_body={}, extra_query={"a": "b"}), [{"prompt": "x"}], to=tmp_path / "out")


GENERATION = models.decode_generation(
    {
        "id": "gen-1",
        "type": "image",
        "model": "uni-1",
        "state": "completed",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [{"type": "image", "url": f"{HOME}/a.png"}],
    }
)
NO_RESULTS = (None, "gen-1", 5, {"id": "gen-1"}, [GENERATION])

CALLS: dict[str, tuple[str, Callable[[Any, Any], Any], tuple[Any, ...]]] = {
    "send": ("operation", lambda client, value: client.send(value), (None, "x", 5, operation(vendor=GENEROR))),
    "request, method": ("method", lambda c, value: c.request(value, "/x"), (None, 5, "GET /", "", "G\r\nT", b"GET")),
    "request, path": ("path", lambda c, value: c.request("GET", value), (None, 5, "x", "/../x", "/a?b", "/a#b", b"/")),
    "request, query": ("query", lambda c, value: c.request("GET", "/", query=value), (5, "a=b", {"a": 5}, {5: "a"})),
    "request, retry_safety": (
        "retry_safety",
        lambda c, value: c.request("GET", "/", retry_safety=value),
        (None, 5, "write", ["read"]),
    ),
    "download, result": ("result", lambda client, value: client.download(value, "o"), NO_RESULTS),
    "read, result": ("result", lambda client, value: client.read(value), NO_RESULTS),
    "save, result": ("result", lambda client, value: client.save(value, BytesIO()), NO_RESULTS),
    "save, writer": ("writer", lambda client, value: client.save(GENERATION, value), (None, 5, "out", StringIO())),
    "stream, output": ("output", lambda client, value: client.stream(value).open(), NO_RESULTS),
    "stream, index": ("index", lambda c, value: c.stream(GENERATION, index=value).open(), ("0", -1, True, 0.5)),
    "stream, range": ("range", lambda c, value: c.stream(GENERATION, range=value).open(), (5, b"bytes=0-")),
    "stream, if_range": ("if_range", lambda c, value: c.stream(GENERATION, if_range=value).open(), (5, b"x")),
    "stream, max_bytes": ("max_bytes", lambda c, value: c.stream(GENERATION, max_bytes=value).open(), (None, 0, "5")),
    "wait_all": ("jobs", lambda client, value: client.generations.wait_all(value), (None, 5, [GENERATION], ["gen-1"])),
    "wait_all, timeout": (
        "timeout",
        lambda client, value: client.generations.wait_all([], timeout=value),
        (None, "5", True, math.nan, 10**400),
    ),
    "map": (
        "requests",
        lambda client, value: client.generations.map(value),
        (None, 5, "a heron", b"x", {"prompt": "a heron"}),
    ),
    "map, ordered": ("ordered", lambda c, value: c.generations.map([], ordered=value), NO_FLAGS),
    "map, concurrency": (
        "concurrency",
        lambda client, value: client.generations.map([], concurrency=value),
        ("5", 0, -1, 2.5, True, math.inf),
    ),
    "job": ("generation_id", lambda client, value: client.generations.job(value), (None, 5, "", "..", b"gen-1")),
    "run, on_submitted": (
        "on_submitted",
        lambda client, value: client.generations.run(prompt="x", on_submitted=value),
        (5, "print", [print]),
    ),
    "submit, on_submitted": (
        "on_submitted",
        lambda client, value: client.generations.submit(prompt="x", on_submitted=value),
        (5, "print", [print]),
    ),
    "run, resubmit": (
        "resubmit",
        lambda client, value: client.generations.run(prompt="x", resubmit=value),
        (None, "5", True, -1, 2.5, math.inf),
    ),
    "upload": (
        "source",
        lambda client, value: client.files.upload(value),
        (None, 5, "", "a\0b", "https://x.example/a.png", {"a": "b"}, object(), Path("s3://b/a.png")),
    ),
    "upload, mime_type": (
        "mime_type",
        lambda client, value: client.files.upload(b"x", mime_type=value),
        (5, b"image/png", ["image/png"]),
    ),
    "upload, purpose": (
        "purpose",
        lambda client, value: client.files.upload(b"x", mime_type="image/png", purpose=value),
        (None, 5, b"input"),
    ),
    "upload, size_bytes": ("size_bytes", lambda c, value: c.files.upload(b"x", size_bytes=value), ("5", 0, -1, 2.5)),
    "upload, on_progress": (
        "on_progress",
        lambda client, value: client.files.upload(b"x", on_progress=value),
        NO_LISTENERS,
    ),
    "list, max_items": ("max_items", lambda c, value: c.files.list(max_items=value), ("5", -1, 2.5, True, math.inf)),
    "drain": ("timeout", lambda client, value: client.drain(value), (None, "5", True, -1, math.nan, 10**400)),
    "close": ("drain", lambda client, value: client.close(drain=value), (None, "5", True, -1, math.nan, 10**400)),
    "collect": ("max_items", lambda c, value: c.files.list().collect(max_items=value), ("5", -1, 2.5, True, math.inf)),
}


def calls(most: int | None = None) -> list[Any]:
    return [
        pytest.param(field, call, value, id=f"{case}-{index}")
        for case, (field, call, values) in CALLS.items()
        for index, value in enumerate(values[:most])
    ]


@pytest.mark.parametrize(("field", "call", "value"), calls())
async def test_a_call_refuses_invalid_arguments(field: str, call: Any, value: Any) -> None:
    async with AsyncLuma(KEY, base_url=HOME) as client:
        with pytest.raises(InvalidRequestError) as caught:
            await call(client, value)
    assert field in caught.value.field
    assert caught.value.advice or caught.value.problem


@pytest.mark.parametrize(("field", "call", "value"), calls(1))
def test_a_blocking_call_refuses_invalid_arguments(field: str, call: Any, value: Any) -> None:
    with Luma(KEY, base_url=HOME) as client, pytest.raises(InvalidRequestError) as caught:
        call(client, value)
    assert field in caught.value.field


DOWNLOADS: dict[str, tuple[Any, ...]] = {
    "to": NO_PATHS,
    "overwrite": NO_FLAGS,
    "max_bytes": (*NO_COUNTS, 0),
    "on_progress": NO_LISTENERS,
}


@pytest.mark.parametrize(("name", "value"), rows(DOWNLOADS))
async def test_a_download_refuses_invalid_arguments(name: str, value: Any, tmp_path: Path) -> None:
    async with AsyncLuma(KEY, base_url=HOME) as client:
        known: dict[str, Any] = {"to": tmp_path, name: value}
        with pytest.raises(InvalidRequestError) as caught:
            await client.download(GENERATION, **known)
    check(name, caught.value, value)
    assert not inside(tmp_path)


async def test_generors_client_refuses_operations_of_luma() -> None:
    async with AsyncGeneror("gnr_live_x", base_url=HOME) as client:
        given: Any
        for given in (None, "x", operation()):
            with pytest.raises(InvalidRequestError, match="operation") as caught:
                await client.send(given)
            assert caught.value.field == "operation"
        for given in (None, "1", 1.5, True, ["1"]):
            with pytest.raises(InvalidRequestError, match="creation_id must be a whole number"):
                await client.creations.wait(given)
            with pytest.raises(InvalidRequestError, match="result must be"):
                await client.download(given, "o")


async def test_a_path_with_a_media_suffix_is_a_file(simulator: Simulator, tmp_path: Path) -> None:
    async with AsyncLuma(**simulator.luma_options) as client:
        generation = await client.generations.run(prompt="a heron", output_format="png")
        assert await client.download(generation, tmp_path / "new" / "heron.png") == [tmp_path / "new" / "heron.png"]
        with pytest.raises(DownloadError, match="exists already"):
            await client.download(generation, tmp_path / "new" / "heron.png")
        with pytest.raises(DownloadError, match=r"\.mp4 stands for something else"):
            await client.download(generation, str(tmp_path / "heron.mp4"))
        (tmp_path / "folder.png").mkdir()
        (path,) = await client.download(generation, tmp_path / "folder.png")
        assert path.parent == tmp_path / "folder.png"
    assert inside(tmp_path) == ["folder.png", "new"]
    assert inside(tmp_path / "new") == ["heron.png"]


async def test_a_callable_that_returns_a_coroutine_is_logged(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncLuma(**simulator.luma_options, on_event=lambda _: told("it")) as client:
        await client.generations.create(prompt="a heron")
    assert "it returned a coroutine, which nobody awaits" in caplog.text


# The environment.


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"HTTPS_PROXY": "proxy.example:3128"}, "http://proxy.example:3128"),
        ({"ALL_PROXY": "http://proxy.example"}, "http://proxy.example"),
        ({"ALL_PROXY": "socks5://p", "HTTPS_PROXY": "http://proxy.example"}, "http://proxy.example"),
        ({"ALL_PROXY": "socks5://p", "NO_PROXY": "agents.lumalabs.ai"}, None),
        ({}, None),
    ],
)
def test_the_environments_proxy_is_used(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from generor_async.engine.proxies import env_proxy

    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert env_proxy("https://agents.lumalabs.ai/v1") == proxy
    AsyncLuma(KEY, trust_env=True)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["socks5://u:hush@p:1080", "http://p:99999", "http://a..b"])
def test_an_unsupported_proxy_is_refused_with_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequestError) as caught:
        AsyncLuma(KEY, trust_env=True)
    check(name, caught.value, value)


# What is missing altogether.


def test_without_asyncio_the_error_says_that_it_is_needed() -> None:
    call = AsyncLuma(KEY, base_url=HOME).generations.get("gen-1")
    with pytest.raises(RuntimeError, match=r"no event loop of asyncio runs here.*trio"):
        call.send(None)


def test_without_pillow_the_error_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['PIL'] = None; import generor_async.simulator"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'generor-async[simulator]'" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["speed", "luma_rpm", "failure_rate", "listing_lag", "port", "epoch"])
@pytest.mark.parametrize("value", ["5", b"5", True, [5]])
def test_the_simulator_refuses_invalid_settings(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number, not {type(value).__name__}"):
        Simulator(**{name: value})


def test_a_pickled_key_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidRequestError, match="was pickled") as caught:
        AsyncLuma(pickle.loads(pickle.dumps(Secret(KEY))), base_url=HOME)
    assert caught.value.field == "api_key"


@pytest.mark.parametrize("kind", [AsyncLuma, Luma])
@pytest.mark.parametrize("name", ["base_url", "proxy"])
def test_no_frame_shows_a_password_in_an_address(kind: Any, name: str) -> None:
    address = f"socks5://me:{'hush' * 3}@127.0.0.1:1"
    with pytest.raises(InvalidRequestError) as caught:
        kind(KEY, **{name: address})
    assert not leaks(caught.value, "hushhushhush")
    assert not leaks(caught.value, KEY)
