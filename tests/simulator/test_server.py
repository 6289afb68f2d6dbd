"""The server: what both APIs have in common on the wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from uuid import UUID

import aiohttp
import pytest
from attrs import frozen
from support.generor_service import FAST, Caller, generor, until

from generor_async.simulator import Simulator

SLOW_JOKE = {"prompt": "A joke", "model_id": 37}


def auth(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@frozen
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str


async def ask(simulator: Simulator, method: str, path: str) -> Reply:
    """Send one request without a key."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, simulator.url + path) as reply,
    ):
        return Reply(reply.status, reply.headers, await reply.text())


async def raw(simulator: Simulator, request: bytes) -> bytes:
    """Send bytes, and read until the server closes."""
    port = int(simulator.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_request_id_is_echoed() -> None:
    async with generor() as caller:
        reply = await caller.get("/models", **{"X-Request-Id": "my-request-1"})
        assert reply.headers["X-Request-Id"] == "my-request-1"


async def test_a_request_without_an_id_gets_a_uuid() -> None:
    async with generor() as caller:
        reply = await caller.get("/models")
        assert UUID(reply.headers["X-Request-Id"]).version == 4


async def test_a_request_id_that_no_header_could_carry_back_is_replaced() -> None:
    async with Simulator() as simulator:
        request = b"GET /v1/files HTTP/1.1\r\nHost: x\r\nX-Request-Id: caf\xe9\r\nConnection: close\r\n\r\n"
        answer = await raw(simulator, request)
        assert b"caf" not in answer


@pytest.mark.parametrize("path", ["/api/v1/models", "/v1/files", "/nowhere"])
async def test_everything_is_dated_by_the_simulated_clock(path: str) -> None:
    async with Simulator(epoch=1_775_649_600.0) as simulator:
        simulator.advance(3600)
        date = parsedate_to_datetime((await ask(simulator, "GET", path)).headers["Date"])
        assert abs(date - datetime(2026, 4, 8, 13, tzinfo=UTC)).total_seconds() < 5


async def test_every_luma_answer_names_its_api_version() -> None:
    async with Simulator() as simulator:
        for method, path in (("GET", "/v1/files"), ("GET", "/v1/nowhere"), ("PUT", "/v1/files")):
            reply = await ask(simulator, method, path)
            assert reply.headers["X-API-Version"] == "2026-04-01"


async def test_luma_words_an_unknown_path_its_own_way() -> None:
    async with Simulator() as simulator:
        reply = await ask(simulator, "GET", "/v1/nowhere")
        assert (reply.status, json.loads(reply.text)) == (404, {"detail": "Not Found"})


async def test_luma_words_a_wrong_method_its_own_way() -> None:
    async with Simulator() as simulator:
        reply = await ask(simulator, "PUT", "/v1/files")
        assert (reply.status, json.loads(reply.text)) == (405, {"detail": "Method Not Allowed"})
        assert reply.headers["Allow"] == "GET, POST"


async def test_generor_words_an_unknown_path_its_own_way() -> None:
    async with generor() as caller:
        assert (await caller.get("/nowhere")).refusal == (404, "NOT_FOUND", "Endpoint not found")


async def test_generor_words_a_wrong_method_its_own_way() -> None:
    async with generor() as caller:
        reply = await caller.call("PUT", "/users/me")
        assert reply.refusal[:2] == (405, "METHOD_NOT_ALLOWED")
        assert reply.headers["Allow"] == "GET, PATCH"


async def test_a_path_of_neither_api_says_where_they_are() -> None:
    async with Simulator() as simulator:
        reply = await ask(simulator, "GET", "/")
        assert reply.status == 404
        assert "/api/v1" in reply.text


async def test_a_path_parameter_is_one_segment_whatever_it_holds() -> None:
    async with generor() as caller:
        assert (await caller.get("/users/..%2Fcredits")).refusal == (404, "NOT_FOUND", "User not found")


async def test_a_body_that_is_too_large_is_refused_in_the_apis_own_shape() -> None:
    async with generor() as caller:
        url = f"{caller.simulator.generor_url}/generators/joke/estimate"
        body = BytesIO(b"x" * (10 * 1024 * 1024 + 1))
        async with caller.session.post(url, data=body) as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_a_chunked_body_that_is_too_large_is_refused_as_well() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 1024 * 1024

    async with generor() as caller:
        url = f"{caller.simulator.generor_url}/generators/joke/estimate"
        async with caller.session.post(url, data=chunks()) as reply:
            assert reply.status == 400


async def test_a_body_that_breaks_the_protocol_is_refused() -> None:
    head = b"POST /api/v1/generators/joke/estimate HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
    async with Simulator() as simulator:
        answer = await raw(simulator, head + b"Content-Length: 4\r\nConnection: close\r\n\r\nnope")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"VALIDATION_ERROR" in answer


async def test_expect_100_continue_is_answered() -> None:
    async with Simulator() as simulator, aiohttp.ClientSession() as session:
        url = f"{simulator.generor_url}/generators/joke/estimate"
        async with session.post(url, json={"model_id": 37}, expect100=True) as reply:
            assert reply.status == 200


async def test_forwarded_headers_are_ignored() -> None:
    forwarded = {"X-Forwarded-Host": "example.com", "X-Forwarded-For": "10.0.0.1", "Forwarded": "host=x"}
    async with generor() as caller:
        body = {"prompt": "Sea", "model_id": 10003}
        reply = await caller.post("/generators/image/generate", body, **forwarded)
        assert reply.data["creations"][0]["image_url"].startswith(caller.simulator.url)


async def test_a_caller_who_leaves_is_charged_all_the_same() -> None:
    async with generor(speed=10.0) as caller:
        ledger = caller.simulator.ledger
        asking = asyncio.ensure_future(caller.post("/generators/joke/generate", SLOW_JOKE))
        await until(lambda: ledger.requests)
        asking.cancel()
        await until(lambda: ledger.charges)
        assert ledger.unanswered() == ledger.charges
        assert (ledger.charges[0].status, ledger.charges[0].answered) == (201, False)
        assert len((await caller.get("/creations")).data) == 1


async def test_the_ledger_tells_who_asked_for_what() -> None:
    async with generor() as caller:
        await caller.make("image", 10003)
        (entry,) = caller.simulator.ledger.requests
        assert (entry.api, entry.operation) == ("generor", "generor.generators.generate")
        assert (entry.method, entry.path) == ("POST", "/api/v1/generators/image/generate")
        assert (entry.caller, entry.status, entry.charged, entry.answered) == ("johndoe", 201, 24, True)


async def test_the_ledger_tells_attempts_of_one_call_by_what_they_ask_for() -> None:
    async with generor() as caller:
        caller.simulator.faults.add_spec("generor.models.list=503:2x")
        for _ in range(4):
            await caller.get("/models")
        assert [(entry.call, entry.attempt) for entry in caller.simulator.ledger.requests] == [
            (1, 1),
            (1, 2),
            (1, 3),
            (4, 1),
        ]
        assert len({entry.request_id for entry in caller.simulator.ledger.requests}) == 4


async def test_a_call_that_is_repeated_while_its_first_attempt_is_under_way_is_one_call() -> None:
    async with generor(speed=1.0) as caller:
        asking = asyncio.ensure_future(caller.post("/generators/joke/generate", SLOW_JOKE))
        ledger = caller.simulator.ledger
        await until(lambda: ledger.requests)
        asking.cancel()
        await until(lambda: ledger.requests[0].abandoned)
        again = asyncio.ensure_future(caller.post("/generators/joke/generate", SLOW_JOKE))
        await until(lambda: len(ledger.requests) == 2)
        assert [(entry.call, entry.attempt) for entry in ledger.requests] == [(1, 1), (1, 2)]
        again.cancel()


@pytest.mark.parametrize("faults", [(), ("storage.get=skewed_clock",)])
async def test_an_answer_that_stopping_cut_off_is_unanswered(faults: tuple[str, ...]) -> None:
    async with Simulator() as simulator:
        for spec in faults:
            simulator.faults.add_spec(spec)
        simulator.storage.put("a.bin", "application/octet-stream", lambda: bytes(50_000_000))
        url = simulator.storage.presign("a.bin", now=simulator.clock.time(), origin=simulator.url)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
        writer.write(f"GET {url.removeprefix(simulator.url)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
    (entry,) = simulator.ledger.requests
    assert (entry.status, entry.answered) == (200, False)
    assert simulator.ledger.unanswered() == (entry,)
    assert len(await reader.read()) < 50_000_000  # the connection has ended, though its peer didn't read
    writer.close()


async def test_stopping_does_not_wait_for_what_is_under_way() -> None:
    async with generor(speed=0.01) as caller:
        asking = asyncio.ensure_future(caller.post("/generators/joke/generate", SLOW_JOKE))
        await until(lambda: caller.simulator.ledger.requests)
        async with asyncio.timeout(300):  # where a generate takes minutes
            await caller.simulator.__aexit__(None, None, None)
        with pytest.raises(aiohttp.ClientError):
            await asking
        await caller.simulator.__aenter__()
        assert not caller.simulator.ledger.charges


async def test_stopping_does_not_wait_for_a_peer_that_does_not_read() -> None:
    async with Simulator(tier="enterprise") as simulator:
        port = int(simulator.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\n\r\n" * 3000)
        await until(lambda: len(simulator.ledger.requests) > 5)
        async with asyncio.timeout(300):
            await simulator.__aexit__(None, None, None)
        writer.transport.abort()
        await simulator.__aenter__()


async def test_an_upload_that_is_broken_off_leaves_no_trace() -> None:
    async with Simulator() as simulator:
        port = int(simulator.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/generations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        assert not simulator.ledger.requests


async def test_both_apis_answer_on_one_port() -> None:
    async with Simulator(speed=FAST) as simulator, aiohttp.ClientSession() as session:
        body = {"prompt": "A glass of iced coffee"}
        url, headers = f"{simulator.luma_url}/generations", auth(simulator.luma_key)
        async with session.post(url, json=body, headers=headers) as reply:
            assert reply.status == 201
        caller = Caller(simulator, session, simulator.generor_key)
        assert (await caller.get("/users/me")).status == 200
        assert {entry.api for entry in simulator.ledger.requests} == {"generor", "luma"}


async def test_a_luma_output_is_fetched_where_its_url_says() -> None:
    async with Simulator(speed=FAST) as simulator, aiohttp.ClientSession() as session:
        url, headers = f"{simulator.luma_url}/generations", auth(simulator.luma_key)
        async with session.post(url, json={"prompt": "Tea", "output_format": "png"}, headers=headers) as reply:
            generation = json.loads(await reply.text())
        simulator.advance(600)
        async with session.get(f"{url}/{generation['id']}", headers=headers) as reply:
            generation = json.loads(await reply.text())
        assert generation["state"] == "completed"
        async with session.get(generation["output"][0]["url"]) as reply:
            assert (reply.status, reply.content_type) == (200, "image/png")


async def test_a_body_that_comes_in_pieces_is_read_whole() -> None:
    body = json.dumps({"prompt": "A glass of iced coffee"}).encode()
    async with Simulator() as simulator:
        head = (
            f"POST /v1/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {simulator.luma_key}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        ).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
        for piece in (head, body[:10], body[10:20], body[20:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        assert (await reader.read()).startswith(b"HTTP/1.1 201 Created")
        writer.close()
        await writer.wait_closed()


async def test_what_was_under_way_at_a_reset_leaves_no_trace() -> None:
    async with generor(speed=50.0) as caller:
        asking = asyncio.ensure_future(caller.post("/generators/joke/generate", SLOW_JOKE))
        await until(lambda: caller.simulator.ledger.requests)
        caller.simulator.reset()
        assert (await asking).status == 201
        assert not caller.simulator.ledger.requests
        assert not caller.simulator.generor.account.creations
        assert len((await caller.get("/creations")).data) == 0


async def test_the_request_ids_that_the_server_makes_begin_anew_at_a_reset() -> None:
    async with Simulator() as simulator:
        first = (await ask(simulator, "GET", "/v1/files")).headers["X-Request-Id"]
        simulator.reset()
        assert (await ask(simulator, "GET", "/v1/files")).headers["X-Request-Id"] == first


FILES = b"GET /v1/files HTTP/1.%d\r\nHost: x\r\n%b\r\n"


async def test_a_connection_is_kept_until_the_caller_says_otherwise() -> None:
    async with Simulator() as simulator:
        kept, last = FILES % (1, b""), FILES % (1, b"Connection: close\r\n")
        answers = (await raw(simulator, kept + kept + last)).split(b"HTTP/1.1 401 Unauthorized\r\n")[1:]
        assert [b"Connection: close" in answer for answer in answers] == [False, False, True]


@pytest.mark.parametrize(
    ("header", "expected"), [(b"", b"Connection: close"), (b"Connection: keep-alive\r\n", b"Connection: keep-alive")]
)
async def test_a_caller_with_http_1_0_sees_whether_its_connection_is_kept(header: bytes, expected: bytes) -> None:
    async with Simulator() as simulator:
        following = FILES % (1, b"Connection: close\r\n") if header else b""
        answers = (await raw(simulator, FILES % (0, header) + following)).split(b"HTTP/1.1 401 Unauthorized\r\n")[1:]
        assert expected in answers[0]
        assert len(answers) == (2 if header else 1)


async def test_an_answer_without_content_has_neither_type_nor_length() -> None:
    async with generor() as caller:
        headers = auth(caller.simulator.luma_key)
        url = f"{caller.simulator.luma_url}/files"
        async with caller.session.post(url, json={"mime_type": "image/png", "size_bytes": 1}, headers=headers) as reply:
            file_id = (await reply.json())["id"]
        request = f"DELETE /v1/files/{file_id} HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\n"
        answer = await raw(caller.simulator, f"{request}Connection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
        assert answer.endswith(b"\r\n\r\n")
        assert b"Content-" not in answer


async def test_an_answer_to_head_has_the_length_of_the_body_that_it_leaves_out() -> None:
    async with generor() as caller:
        made = await caller.make("image", 10003)
        path = made["creations"][0]["image_url"].removeprefix(caller.simulator.url)
        answer = await raw(caller.simulator, f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Length: 0\r\n" not in answer
        assert answer.endswith(b"\r\n\r\n")
