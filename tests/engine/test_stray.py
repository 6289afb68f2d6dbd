"""Answers to somebody else: none is taken for the answer to a request of ours."""

import asyncio
import contextlib
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import trustme
from support.calls import KEY, BareGeneror, BareLuma, operation
from support.chatty import STRAY, ChattyServer, job
from support.chatty import answer as job_answer
from support.clock import FakeClock
from support.tls import served_by, trusting
from support.wire import Arrived, Peer, Step, Wire, answer

from generor_async import APIConnectionError, APIStatusError, AsyncLuma, OutcomeUnknownError
from generor_async.api.generor import operations as generor
from generor_async.api.luma import operations as luma
from generor_async.engine.plain_http import HostPolicy, PlainHttp

ONE_TOO_MANY: dict[str, Callable[[str], bytes]] = {
    "a whole answer": lambda _: job_answer(STRAY, None),
    "one that echoes an id of its own": lambda _: job_answer(STRAY, "ffffffff-2222-4222-8222-222222222222"),
    "the same answer again": lambda request_id: job_answer(job(1), request_id),
    "a refusal": lambda _: b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}",
    "half an answer": lambda _: job_answer(STRAY, None)[:60],
    "a blank line": lambda _: b"\r\n",
}
WHOLE = ["a whole answer", "one that echoes an id of its own", "the same answer again", "a refusal"]


@pytest.mark.parametrize("extra", ONE_TOO_MANY)
async def test_what_lies_on_a_connection_and_was_not_read_yet_is_nobodys_answer(extra: str) -> None:
    with ChattyServer(ONE_TOO_MANY[extra]) as server:
        async with AsyncLuma(KEY, base_url=server.url, max_retries=0) as client:
            for number in range(1, 5):
                assert (await client.generations.create(prompt="a heron")).id == job(number)
                server.send_extra()  # the event loop stands still meanwhile
    assert len(server.requests) == server.connections == 4


@pytest.mark.parametrize("extra", WHOLE)
async def test_an_answer_too_many_that_was_read_is_nobodys(extra: str) -> None:
    with ChattyServer(ONE_TOO_MANY[extra]) as server:
        async with AsyncLuma(KEY, base_url=server.url, max_retries=0) as client:
            for number in range(1, 5):
                assert (await client.generations.create(prompt="a heron")).id == job(number)
                await asyncio.to_thread(server.send_extra)
                for _ in range(20):
                    await asyncio.sleep(0)
    assert len(server.requests) == server.connections == 4


class AfterIts(aiohttp.TCPConnector):
    """Hands a connection out when something has come on it that the event loop hasn't read yet."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        assert connection.transport is not None
        select.select([connection.transport.get_extra_info("socket")], [], [], 10)
        return connection


def greeting(listener: socket.socket, connections: list[socket.socket], said: bytes) -> None:
    """Say something on whatever connects, or hang up, and read nothing."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connections.append(connection)
            if said:
                connection.sendall(said)
            else:
                connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", b""], ids=["a greeting", "its end"]
)
async def test_what_lies_on_a_new_connection_keeps_the_request_from_leaving(said: bytes) -> None:
    connections = list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greeting, args=(listener, connections, said), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with BareLuma(KEY, base_url=url, max_retries=0, connector=AfterIts()) as client:
            with pytest.raises(APIConnectionError, match="before it was asked") as caught:
                await client.send(operation("bills"))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert (caught.value.outcome, caught.value.retryable) == ("not_sent", True)
    (connection,) = connections
    connection.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_is_used_again_where_nothing_lies_on_it(tls: bool) -> None:
    authority = trustme.CA()
    served, trusted = (served_by(authority), trusting(authority)) if tls else (None, None)
    async with (
        Wire(answer(201, {"id": "x"}), tls=served) as wire,
        BareLuma(KEY, base_url=wire.url, ssl=trusted) as client,
    ):
        for retry_safety in ("bills", "bills", "read", "read"):
            await client.send(operation(retry_safety))
    assert [came.connection for came in wire.requests] == [1, 1, 2, 2]


async def test_a_connection_that_the_server_has_closed_meanwhile_takes_no_paid_request() -> None:
    """Its end lies on it, and the event loop hasn't read that yet: sent on it, the outcome would be in doubt."""
    with ChattyServer(lambda _: b"", hangs_up=True) as server:
        async with AsyncLuma(KEY, base_url=server.url, max_retries=0) as client:
            for number in range(1, 4):
                assert (await client.generations.create(prompt="a heron")).id == job(number)
                server.send_extra()
    assert len(server.requests) == server.connections == 3


class LostInHand(aiohttp.TCPConnector):
    """Hands out a connection that has been used before when its end has come, and the event loop has read it."""

    def __init__(self, end: Callable[[], object]) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] # aiohttp leaves it open
        self._end = end
        self._used = set[object]()

    async def connect(self, req: Any, traces: Any, timeout: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        assert protocol is not None
        if protocol in self._used:
            self._end()
            while protocol.transport is not None:  # noqa: ASYNC110 - aiohttp has no event for it
                await asyncio.sleep(0)
        self._used.add(protocol)
        return connection


async def test_a_connection_that_is_lost_while_a_request_takes_it_costs_no_attempt() -> None:
    """The request leaves on a new one, at once: nothing has failed that the caller or the server would know of."""
    with ChattyServer(lambda _: b"", hangs_up=True) as server:
        connector = LostInHand(server.send_extra)
        async with AsyncLuma(KEY, base_url=server.url, max_retries=0, connector=connector) as client:
            for number in range(1, 4):
                assert (await client.generations.create(prompt="a heron")).id == job(number)
        await connector.close()
    assert len(server.requests) == server.connections == 3


async def test_a_file_is_not_what_lay_on_the_connection() -> None:
    web = PlainHttp(HostPolicy(schemes=frozenset({"http"}), max_connections=10))
    with ChattyServer(ONE_TOO_MANY["a whole answer"]) as server:
        for number in range(1, 4):
            came = bytearray()
            async with web.get(server.url, {}) as response:
                await web.stream_to(response, came.extend)
            assert job(number).encode() in came
            server.send_extra()
        await web.close()
    assert len(server.requests) == server.connections == 3


class Waiting(aiohttp.TCPConnector):
    """Hands a connection out when something has come on it."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        while connection.protocol is not None and not connection.protocol.should_close:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        return connection


async def test_a_server_that_speaks_before_it_is_asked_is_not_sent_anything() -> None:
    async def greet(peer: Peer) -> bool:
        await peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
        return True

    async with (
        Wire(greeting=greet) as wire,
        BareLuma(KEY, base_url=wire.url, max_retries=0, connector=Waiting()) as client,
    ):
        with pytest.raises(APIConnectionError, match="before it was asked") as caught:
            await client.send(operation("bills"))
    assert (caught.value.outcome, caught.value.retryable) == ("not_sent", True)
    assert (wire.connections, wire.requests) == (1, [])


def echoing(*ids: str | None) -> list[Step]:
    """Answer with these request ids, one after another; None is the one that came."""

    def step(request_id: str | None) -> Step:
        async def send(peer: Peer, request: Arrived) -> None:
            echo = request.headers["X-Request-Id"] if request_id is None else request_id
            await answer(201, {"id": STRAY}, headers={"X-Request-Id": echo})(peer, request)

        return send

    return [step(request_id) for request_id in ids]


async def created(client: BareLuma, **options: Any) -> Any:
    return await client.with_options(**options).send(operation("bills"))


async def test_an_answer_with_the_id_of_another_request_of_ours_is_in_doubt_for_a_paid_call() -> None:
    async with Wire(*echoing(None, "first", None)) as wire, BareLuma(KEY, base_url=wire.url) as client:
        await created(client, request_id="first")
        with pytest.raises(OutcomeUnknownError) as caught:
            await created(client, request_id="second")
        await created(client, request_id="third")
    error = caught.value
    assert "X-Request-Id is 'first'" in str(error)
    assert STRAY in str(error), "people are told which job it names"
    assert (error.ids, error.body, error.request_id) == ((), None, "second"), "and no program takes it for ours"
    assert [came.connection for came in wire.requests] == [1, 1, 2], "what comes next on that connection isn't ours"


async def test_a_slow_answer_with_another_id_ends_its_connection_too() -> None:
    async def slow(peer: Peer, request: Arrived) -> None:
        await peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Request-Id: first\r\n\r\n")
        await asyncio.sleep(0.01)
        await peer.send(b"{}")

    async with Wire(*echoing(None), slow, *echoing(None)) as wire, BareLuma(KEY, base_url=wire.url) as client:
        await created(client, request_id="first")
        with pytest.raises(OutcomeUnknownError):
            await created(client, request_id="second")
        await created(client, request_id="third")
    assert [came.connection for came in wire.requests] == [1, 1, 2]


async def test_a_read_that_gets_anothers_answer_is_made_again() -> None:
    async with (
        Wire(*echoing(None, "first", None)) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client,
    ):
        await created(client, request_id="first")
        await client.with_options(request_id="second").send(operation("read"))
    assert len(wire.requests) == 3


async def test_an_unknown_id_is_believed_until_the_server_has_echoed_ours_ten_times() -> None:
    script = echoing("theirs", *[None] * 10, "theirs", None)
    async with Wire(*script) as wire, BareLuma(KEY, base_url=wire.url) as client:
        for _ in range(11):
            assert (await created(client))["id"] == STRAY
        with pytest.raises(OutcomeUnknownError, match="X-Request-Id is 'theirs'"):
            await created(client)
        await created(client)


def silent(status: int = 201, **changed: Any) -> Step:
    return answer(status, {"id": STRAY}, **changed)


async def test_a_success_without_an_id_is_in_doubt_where_the_server_has_echoed_ours_ten_times() -> None:
    script = [silent(), *echoing(*[None] * 10), silent(), *echoing(None)]
    async with Wire(*script) as wire, BareLuma(KEY, base_url=wire.url) as client:
        for _ in range(11):
            assert (await created(client))["id"] == STRAY
        with pytest.raises(OutcomeUnknownError, match="it has no X-Request-Id") as caught:
            await created(client)
        await created(client)
    assert STRAY in str(caught.value), "people are told which job it names"
    assert (caught.value.ids, caught.value.body) == ((), None), "and no program takes it for ours"
    assert [came.connection for came in wire.requests] == [1] * 12 + [2]


async def test_a_read_is_made_again_then_and_believes_a_server_that_has_changed() -> None:
    script = [*echoing(*[None] * 10), silent()]
    async with Wire(*script) as wire, BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        for _ in range(10):
            await created(client)
        assert (await client.send(operation("read")))["id"] == STRAY
        assert len(wire.requests) == 14
        await created(client)
    assert len(wire.requests) == 15


async def test_the_page_of_a_gateway_needs_no_id() -> None:
    page = answer(200, b"<html>", content_type="text/html")
    async with (
        Wire(*echoing(*[None] * 10), silent(400), page) as wire,
        BareLuma(KEY, base_url=wire.url) as client,
    ):
        for _ in range(10):
            await created(client)
        with pytest.raises(APIStatusError) as refused:
            await created(client)
        with pytest.raises(OutcomeUnknownError, match="expected JSON, found text/html"):
            await created(client)
    assert refused.value.status_code == 400


async def test_a_switch_to_another_protocol_ends_its_connection() -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with (
        Wire(answer(101, b"", headers=upgrade, content_type="")) as wire,
        BareLuma(KEY, base_url=wire.url, max_connections=1, max_retries=0) as client,
    ):
        for _ in range(3):
            with pytest.raises(APIStatusError) as caught:
                await client.with_options(timeout=5).send(operation("read"))
            assert caught.value.status_code == 101
    assert wire.connections == len(wire.requests) == 3


ASKED = "d290f1ee-6c54-4b01-90e6-d701748f0851"
OTHER = "d290f1ee-6c54-4b01-90e6-d701748f0852"


def generation(job_id: str) -> dict[str, Any]:
    created_at = "2026-04-08T12:00:00Z"
    return {"id": job_id, "type": "image", "state": "queued", "model": "uni-1", "created_at": created_at, "output": []}


async def test_an_answer_about_another_job_is_not_believed() -> None:
    steps = answer(200, generation(OTHER)), answer(200, generation(ASKED))
    async with Wire(*steps) as wire, BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        assert (await client.send(luma.generations_get(ASKED))).id == ASKED
    assert len(wire.requests) == 2


async def test_one_that_never_speaks_of_the_job_is_an_error_that_names_both() -> None:
    async with (
        Wire(answer(200, generation(OTHER))) as wire,
        BareLuma(KEY, base_url=wire.url, max_retries=0) as client,
    ):
        with pytest.raises(APIConnectionError) as caught:
            await client.send(luma.generations_get(ASKED))
    assert ASKED in str(caught.value)
    assert OTHER in str(caught.value)
    assert (caught.value.outcome, caught.value.retryable) == ("unknown", True)


@pytest.mark.parametrize("asked", [ASKED.upper(), ASKED.replace("-", "")])
async def test_an_id_in_another_spelling_is_the_same(asked: str) -> None:
    async with Wire(answer(200, generation(ASKED))) as wire, BareLuma(KEY, base_url=wire.url) as client:
        assert (await client.send(luma.generations_get(asked))).id == ASKED


def creation(number: int) -> dict[str, Any]:
    known = {"generator": "image", "user_id": 2, "username": "ada", "prompt": None, "privacy_mode": 0, "license": 1}
    return {"data": {"creation_id": number, "type": "image", "created_at": "2026-04-08T12:00:00Z", **known}}


@pytest.mark.parametrize("build", [generor.creations_get, generor.creations_status, generor.creations_update])
async def test_a_creation_is_held_against_its_number(build: Any) -> None:
    async with (
        Wire(*(answer(200, creation(number)) for number in (614, 6147))) as wire,
        BareGeneror("gnr_live_x", base_url=wire.url, clock=FakeClock()) as client,
    ):
        assert (await client.send(build(6147))).creation_id == 6147
    assert len(wire.requests) == 2
