"""Faults on the wire, seen from a bare socket, and in the ledger."""

import asyncio
import json
import socket
import zlib
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from support.faulty import CREATE, GENERATE, LIST, ask, leave, only, request, simulated
from support.generor_service import Caller, generor, until

from generor_async.simulator import Simulator
from generor_async.simulator.fault_kinds import KINDS, LISTINGS, WHENS

LOSING = [name for name, kind in KINDS.items() if kind.whens == WHENS]
"""The faults that lose or mangle an answer."""
SMALL = {"gzip_bomb": ":megabytes=1", "huge": ":megabytes=1", "deep": ":depth=1000"}
ENDLESS = {"stall"}


def kept(simulator: Simulator) -> tuple[int, int]:
    """Return the numbers of generations and of charges."""
    return len(simulator.luma.generations), len(simulator.ledger.charges)


async def struck(simulator: Simulator, operation: str, fault: str) -> bytes:
    """Send a request with a fault, and return the answer; a request that stalls is cancelled."""
    if fault not in ENDLESS:
        return (await ask(simulator, operation)).data
    await left(simulator, operation)
    return b""


async def left(simulator: Simulator, operation: str) -> None:
    """Send a request, and cancel it when it has arrived."""
    before = len(simulator.ledger.requests)
    asking = asyncio.create_task(ask(simulator, operation))
    await until(lambda: len(simulator.ledger.requests) > before)
    await asyncio.sleep(0.05)  # in which a fault that is none would answer
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("fault", LOSING)
async def test_before_the_charge_nothing_happens(fault: str) -> None:
    async with simulated(f"{CREATE}={fault}:before_charge{SMALL.get(fault, '')}") as simulator:
        data = await struck(simulator, CREATE, fault)
        entry = only(simulator)
        assert kept(simulator) == (0, 0)
        assert simulator.luma.client.window.peek(simulator.clock.time()).remaining == 1000
        assert (entry.operation, entry.fault, entry.when, entry.charged) == (CREATE, fault, "before_charge", 0)
        # Either something was said whole, and then this is what was decided; or nothing was decided.
        assert (entry.status is not None) is entry.answered
        assert simulator.ledger.unanswered() == (() if entry.answered else (entry,))
        assert entry.status is None or data.startswith(b"HTTP/1.1 %d " % entry.status)


@pytest.mark.parametrize("fault", LOSING)
async def test_after_the_charge_it_has_happened_and_the_answer_is_lost(fault: str) -> None:
    async with simulated(f"{CREATE}={fault}:after_charge{SMALL.get(fault, '')}") as simulator:
        data = await struck(simulator, CREATE, fault)
        entry = only(simulator)
        assert kept(simulator) == (1, 1)
        assert (entry.fault, entry.when, entry.status, entry.charged) == (fault, "after_charge", 201, 0.0404)
        assert entry.answered is (fault == "drip")
        assert simulator.ledger.unanswered() == (() if entry.answered else (entry,))
        (generation_id,) = simulator.luma.generations
        whole = data.partition(b"\r\n\r\n")[2]
        assert (f'"{generation_id}"'.encode() in whole and whole.endswith(b"}")) is (fault in {"drip", "wrong_json"})


async def test_an_operation_that_takes_its_time_has_ended_when_a_fault_strikes_after_the_charge() -> None:
    async with simulated(f"{GENERATE}=close:after_charge") as simulator:
        assert (await ask(simulator, GENERATE)).data == b""
        assert only(simulator).charged == 1
        assert len(simulator.generor.account.creations) == 1


async def test_a_reset_is_an_rst() -> None:
    async with simulated("*=reset") as simulator:
        seen = await ask(simulator, LIST)
        assert (seen.data, seen.reset) == (b"", True)


async def test_a_close_is_a_fin() -> None:
    async with simulated("*=close") as simulator:
        seen = await ask(simulator, LIST)
        assert (seen.data, seen.reset) == (b"", False)


async def test_a_truncated_answer_ends_before_the_length_that_it_promised() -> None:
    async with simulated(f"{LIST}=truncate:after_charge:keep=0.25") as simulator:
        seen = await ask(simulator, LIST)
        whole = b'{"data": [], "has_more": false, "next_cursor": null}'
        assert int(seen.headers["content-length"]) == len(whole)
        assert seen.body == whole[: len(whole) // 4]
        assert not seen.reset
        assert seen.headers["x-api-version"]


async def test_an_answer_without_a_body_is_truncated_to_a_promise() -> None:
    async with simulated("luma.files.delete=truncate:after_charge:keep=0") as simulator:
        port = int(simulator.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"DELETE /v1/files/x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\n")
        await leave(writer)


async def test_a_chunk_is_cut() -> None:
    async with simulated(f"{LIST}=broken_chunk:after_charge") as simulator:
        seen = await ask(simulator, LIST)
        size, _, chunk = seen.body.partition(b"\r\n")
        assert seen.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in seen.headers
        assert 0 < len(chunk) < int(size, 16)


async def test_a_chunk_header_is_no_number() -> None:
    async with simulated(f"{LIST}=broken_chunk:after_charge:how=header") as simulator:
        size, _, rest = (await ask(simulator, LIST)).body.partition(b"\r\n")
        header, _, _ = rest[int(size, 16) + 2 :].partition(b"\r\n")
        assert header == b"no number"
        with pytest.raises(ValueError, match="invalid literal"):
            int(header, 16)


def test_a_bad_chunk_header_arrives_together_with_the_head_however_long_the_body() -> None:
    with Simulator() as simulator:
        simulator.storage.put("a.bin", "application/octet-stream", lambda: bytes(300_000))
        simulator.faults.add_spec("storage.get=broken_chunk:after_charge:how=header")
        url = simulator.storage.presign("a.bin", now=simulator.clock.time(), origin=simulator.url)
        asking = f"GET {url.removeprefix(simulator.url)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", int(simulator.url.rpartition(":")[2]))) as connection:
                connection.sendall(asking)
                head, _, body = connection.recv(4_096).partition(b"\r\n\r\n")
                assert b"Transfer-Encoding: chunked" in head
                assert b"\r\nno number\r\n" in body


async def test_an_answer_without_a_body_drips_whole_at_once() -> None:
    async with simulated("storage.put=drip:after_charge") as simulator:
        simulator.storage.allow_upload("a.txt", "text/plain")
        url = simulator.storage.presign("a.txt", now=simulator.clock.time(), origin=simulator.url, method="PUT")
        asking = f"PUT {url.removeprefix(simulator.url)} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
        writer.write(f"{asking}Content-Length: 1\r\n\r\n1".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        entry = only(simulator)
        assert (entry.status, entry.answered) == (200, True)
        await leave(writer)


async def test_a_dripping_answer_comes_whole_and_piece_by_piece_on_the_simulated_clock() -> None:
    async with simulated(f"{LIST}=drip:after_charge:pieces=4:pause=10") as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
        writer.write(request(simulator, LIST))
        before, pieces = simulator.clock.monotonic(), list[bytes]()
        await reader.readuntil(b"\r\n\r\n")
        while piece := await reader.read(1000):
            pieces.append(piece)
        assert simulator.clock.monotonic() - before >= 30
        assert len(pieces) == 4
        assert json.loads(b"".join(pieces))["data"] == []
        await leave(writer)


async def test_a_stall_lasts_until_the_client_leaves() -> None:
    async with simulated(f"{LIST}=stall") as simulator:
        tasks = len(asyncio.all_tasks())
        await left(simulator, LIST)
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert not only(simulator).answered


async def test_a_stall_may_come_after_the_headers() -> None:
    async with simulated(f"{LIST}=stall:sent=headers:after_charge") as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
        writer.write(request(simulator, LIST))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        await leave(writer)


async def test_stopping_ends_a_stall() -> None:
    async with simulated(f"{LIST}=stall") as simulator:
        asking = asyncio.ensure_future(ask(simulator, LIST))
        await until(lambda: simulator.ledger.requests)
        await simulator.__aexit__(None, None, None)
        assert (await asking).data == b""
        await simulator.__aenter__()


@pytest.mark.parametrize(
    ("details", "retry_after"),
    [("", "12"), (":retry_after=30", "30"), (":retry_after=NaN", "nan"), (":retry_after=none", None)],
)
async def test_luma_says_that_its_minute_is_full(details: str, retry_after: str | None) -> None:
    async with simulated(f"{CREATE}=429{details}", luma_rpm=30, epoch=1e9) as simulator:
        seen = await ask(simulator, CREATE)
        assert (seen.status, seen.json) == (429, {"detail": "Rate limit exceeded"})
        assert seen.headers.get("retry-after") == retry_after
        assert (seen.headers["x-ratelimit-limit"], seen.headers["x-ratelimit-remaining"]) == ("30", "0")
        wait = 30 if retry_after == "30" else 12
        assert int(seen.headers["x-ratelimit-reset"]) - only(simulator).at == pytest.approx(wait, abs=2)


async def test_luma_says_that_its_jobs_are_too_many_without_a_word_on_its_other_limit() -> None:
    async with simulated(f"{CREATE}=429:limit=jobs") as simulator:
        seen = await ask(simulator, CREATE)
        assert (seen.status, seen.json) == (429, {"detail": "Concurrent generation limit reached (10)"})
        assert seen.headers["retry-after"] == "60"
        assert not any(name.startswith("x-ratelimit") for name in seen.headers)


async def test_luma_says_that_there_are_too_many_requests_on_a_get_as_well() -> None:
    async with simulated("luma.*=429:limit=abuse") as simulator:
        for operation in (CREATE, LIST):
            seen = await ask(simulator, operation)
            assert (seen.status, seen.json, seen.headers["retry-after"]) == (429, {"detail": "Too many requests"}, "12")
            assert not any(name.startswith("x-ratelimit") for name in seen.headers)


async def test_luma_takes_everything_while_its_limits_are_down() -> None:
    async with simulated(f"{CREATE}=limits_down:3x", luma_rpm=1, luma_jobs=1, speed=0.001) as simulator:
        told = [await ask(simulator, CREATE) for _ in range(4)]
        assert [seen.status for seen in told] == [201] * 4
        assert ["x-ratelimit-remaining" in seen.headers for seen in told] == [False, False, False, True]
        assert [entry.charged for entry in simulator.ledger.requests] == [0.0404] * 4
        assert (await ask(simulator, CREATE)).status == 429


async def test_generor_says_that_a_limit_is_reached() -> None:
    async with simulated("generor.*=429", tier="free") as simulator:
        seen = await ask(simulator, "generor.models.list")
        error = {"code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "status": 429}
        assert seen.json == {"success": False, "error": error}
        told = {name: seen.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "tier")}
        assert told == {"limit": "30", "remaining": "0", "tier": "free"}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_has_the_apis_own_shape(status: int) -> None:
    async with simulated(f"*={status}:retry_after=7") as simulator:
        luma = await ask(simulator, CREATE)
        assert (luma.status, luma.json.keys(), luma.headers["retry-after"]) == (status, {"detail"}, "7")
        assert {"x-api-version", "x-request-id"} <= luma.headers.keys()
        vendor = await ask(simulator, "generor.models.list")
        assert (vendor.status, vendor.json["error"]["status"]) == (status, status)
        assert vendor.headers.keys() >= {"x-ratelimit-limit", "x-ratelimit-tier"}
        bucket = await ask(simulator, "storage.get")
        assert (bucket.status, bucket.headers["content-type"]) == (status, "application/xml")
        assert b"<RequestId>my-request</RequestId>" in bucket.body


async def test_lumas_documented_server_errors_have_the_vendors_words() -> None:
    async with simulated("luma.*=502:1x", "luma.*=503:1x") as simulator:
        told = [(await ask(simulator, CREATE)).json["detail"] for _ in range(2)]
        assert told == ["Upstream service unavailable", "Image URL ingestion unavailable"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_gateway_speaks_html_and_knows_nothing_of_the_api(status: int) -> None:
    async with simulated(f"*={status}:shape=gateway") as simulator:
        seen = await ask(simulator, CREATE)
        assert (seen.status, seen.headers["content-type"]) == (status, "text/html")
        assert seen.body.startswith(b"<html>")
        assert not {"x-request-id", "x-api-version", "x-ratelimit-limit"} & seen.headers.keys()


async def test_the_wrong_type_is_a_page_where_json_should_be() -> None:
    async with simulated(f"{LIST}=wrong_type:after_charge") as simulator:
        seen = await ask(simulator, LIST)
        assert (seen.status, seen.headers["content-type"]) == (200, "text/html")


async def test_the_wrong_json_holds_the_true_answer_in_an_unknown_shape() -> None:
    async with simulated(f"{CREATE}=wrong_json:after_charge") as simulator:
        seen = await ask(simulator, CREATE)
        assert (seen.status, seen.headers["content-type"]) == (201, "application/json")
        assert seen.json["result"][0]["id"] in simulator.luma.generations


async def test_invalid_json_comes_whole() -> None:
    async with simulated(f"{CREATE}=invalid_json:after_charge") as simulator:
        seen = await ask(simulator, CREATE)
        assert int(seen.headers["content-length"]) == len(seen.body) > 20
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            seen.json  # noqa: B018  # it raises


async def test_a_gzip_bomb_is_small_and_opens_to_very_much_json() -> None:
    async with simulated(f"{LIST}=gzip_bomb:megabytes=128") as simulator:
        seen = await ask(simulator, LIST)
        assert (seen.headers["content-type"], seen.headers["content-encoding"]) == ("application/json", "gzip")
        assert len(seen.body) < 200_000
        opening = zlib.decompressobj(wbits=31)
        piece = opening.decompress(seen.body, 1_000)
        assert piece.startswith(b'{"data": "000')
        size, last = len(piece), b""
        while piece := opening.decompress(opening.unconsumed_tail, 2**24):
            size, last = size + len(piece), piece
        assert size == 128_000_000 + len(b'{"data": ""}')
        assert last.endswith(b'0"}')
        assert opening.eof  # its checksum and length are right


async def test_deep_json_is_valid_and_deeper_than_a_parser_goes() -> None:
    async with simulated(f"{LIST}=deep") as simulator:
        seen = await ask(simulator, LIST)
        assert seen.body == b"[" * 100_000 + b"]" * 100_000
        assert seen.headers["content-type"] == "application/json"


async def test_a_huge_answer_is_streamed() -> None:
    async with simulated(f"{LIST}=huge") as simulator:
        port = int(simulator.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(simulator, LIST))
        head, size = await reader.readuntil(b"\r\n\r\n"), 0
        assert b"Transfer-Encoding: chunked" in head
        while piece := await reader.read(2**20):
            size += len(piece)
        assert 100_000_000 < size < 101_000_000
        await leave(writer)


async def test_a_fresh_url_has_expired() -> None:
    async with simulated("storage.get=expired_url:1x") as simulator:
        simulator.storage.put("a.txt", "text/plain", lambda: b"hello")
        url = simulator.storage.presign("a.txt", now=simulator.clock.time(), origin=simulator.url)
        answers = [await fetch(simulator, url.removeprefix(simulator.url)) for _ in range(2)]
        assert answers[0].startswith(b"HTTP/1.1 403 Forbidden")
        assert b"<Message>Request has expired</Message>" in answers[0]
        assert answers[1].endswith(b"hello")
        assert [(entry.fault, entry.answered) for entry in simulator.ledger.requests] == [
            ("expired_url", True),
            (None, True),
        ]


async def fetch(simulator: Simulator, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    data = await reader.read()
    await leave(writer)
    return data


async def populated(caller: Caller) -> dict[str, str]:
    """Make one object of each kind, and return the paths of the lists by operation."""
    simulator = caller.simulator
    team = (await caller.post("/teams", {"name": "Ours"})).data["team_id"]
    creation = await caller.make_one(prompt="Zebras", team_id=team)
    await caller.post(f"/creations/{creation}/comments", {"text": "Fine"})
    await caller.post("/api-keys", {"name": "new"})
    await caller.as_user("janedoe").post("/users/johndoe/follow")
    body = {"mime_type": "image/png", "size_bytes": 10}
    headers = {"Authorization": f"Bearer {simulator.luma_key}"}
    async with caller.session.post(f"{simulator.luma_url}/files", json=body, headers=headers) as reply:
        assert reply.status == 201
    return {
        "generor.api_keys.list": "/api-keys",
        "generor.comments.list": f"/creations/{creation}/comments",
        "generor.creations.list": "/creations",
        "generor.creations.list_public": "/creations/public",
        "generor.creations.search": "/creations/search?q=zebras",
        "generor.credits.list_transactions": "/credits/transactions",
        "generor.feed.list": "/feed",
        "generor.generators.list_creations": "/generators/joke/creations",
        "generor.teams.list": "/teams",
        "generor.teams.list_creations": f"/teams/{team}/creations",
        "generor.users.list_creations": "/users/johndoe/creations",
        "luma.files.list": "",
    }


async def listed(caller: Caller, operation: str, path: str) -> list[Any]:
    """Return a list as seen by a user that it isn't empty for: a feed needs a follower."""
    if operation == "luma.files.list":
        headers = {"Authorization": f"Bearer {caller.simulator.luma_key}"}
        async with caller.session.get(f"{caller.simulator.luma_url}/files", headers=headers) as reply:
            return list((await reply.json())["data"])
    who = caller.as_user("janedoe") if operation == "generor.feed.list" else caller
    return list((await who.get(path)).data)


@pytest.mark.parametrize("operation", LISTINGS)
async def test_a_stale_listing_lacks_what_is_new_until_it_is_no_longer(operation: str) -> None:
    async with generor(speed=1.0) as caller:
        making = asyncio.ensure_future(populated(caller))
        while not making.done():
            caller.simulator.advance(10)
            await asyncio.sleep(0.002)
        path = (await making)[operation]
        caller.simulator.advance(100)
        whole = await listed(caller, operation, path)
        caller.simulator.faults.add(operation=operation, fault="stale_listing", seconds=10_000_000)
        assert len(await listed(caller, operation, path)) < len(whole)
        caller.simulator.faults.clear()
        caller.simulator.faults.add(operation=operation, fault="stale_listing", seconds=50)
        assert await listed(caller, operation, path) == whole
        assert caller.simulator.ledger.requests[-1].answered


@pytest.mark.parametrize("operation", ["generor.creations.list", "generor.credits.list_transactions"])
async def test_a_lossy_listing_lacks_the_same_items_each_time_and_those_of_its_own(operation: str) -> None:
    async with generor(speed=1.0) as caller:
        path = (
            "/creations?per_page=100" if operation.endswith("creations.list") else "/credits/transactions?per_page=100"
        )
        making = asyncio.ensure_future(
            caller.post("/generators/joke/generate", {"model_id": 37, "prompt": "a", "count": 10})
        )
        while not making.done():
            caller.simulator.advance(10)
            await asyncio.sleep(0.002)
        whole = await listed(caller, operation, path)
        caller.simulator.faults.add(operation=operation, fault="lossy_listing", share=0.5, seed=1)
        some, again = [await listed(caller, operation, path) for _ in range(2)]
        assert some == again
        assert 0 < len(some) < len(whole)
        assert [item for item in whole if item in some] == some
        caller.simulator.faults.clear()
        caller.simulator.faults.add(operation=operation, fault="lossy_listing", share=0.5, seed=2)
        assert await listed(caller, operation, path) != some


async def test_after_an_early_reset_the_work_goes_on_and_is_charged_later() -> None:
    async with simulated(f"{GENERATE}=early_reset:seconds=600", speed=0.001) as simulator:
        before = simulator.clock.time()
        assert (await ask(simulator, GENERATE)).data == b""
        assert not simulator.ledger.charges
        simulator.advance(599)
        await asyncio.sleep(0.05)
        assert not simulator.ledger.charges
        simulator.advance(1)
        await until(lambda: bool(simulator.ledger.charges))
        assert only_entries(simulator) == [("early_reset", "after_charge", False)]
        assert simulator.generor.account.creations[-1].completed_at - before == pytest.approx(600, abs=1)


async def test_a_skewed_clock_is_wrong_in_the_headers_alone() -> None:
    async with simulated(f"{CREATE}=skewed_clock:seconds=-7200:1x", epoch=1_000_000_000.0) as simulator:
        skewed, true = [await ask(simulator, CREATE) for _ in range(2)]
        dates = [parsedate_to_datetime(seen.headers["date"]).timestamp() for seen in (skewed, true)]
        resets = [int(seen.headers["x-ratelimit-reset"]) for seen in (skewed, true)]
        assert dates[1] - dates[0] == pytest.approx(7200, abs=100)
        assert resets[1] - resets[0] == pytest.approx(7200, abs=100)
        assert skewed.json["created_at"][:13] == true.json["created_at"][:13]
        assert skewed.status == true.status == 201
        assert only_entries(simulator) == [("skewed_clock", None, True), (None, None, True)]


def only_entries(simulator: Simulator) -> list[tuple[str | None, str | None, bool]]:
    return [(entry.fault, entry.when, entry.answered) for entry in simulator.ledger.requests]


async def answers(simulator: Simulator) -> bool:
    """Tell whether a request on a new connection is answered; if not, the system refuses the connection."""
    try:
        return (await ask(simulator, LIST)).status == 200
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_connections_are_refused_by_the_system_until_the_fault_is_cleared(host: str) -> None:
    async with simulated(host=host) as simulator:
        assert await answers(simulator)
        for _ in range(2):
            simulator.faults.add(fault="refuse", seconds=100_000)
            assert not await answers(simulator)
            simulator.faults.clear()
            assert await answers(simulator)
        assert len(simulator.ledger.requests) == 3


async def test_a_refusal_ends_when_its_time_has_passed() -> None:
    async with simulated(speed=1.0) as simulator:
        simulator.faults.add(fault="refuse", seconds=3600)
        await asyncio.sleep(0.02)
        assert not await answers(simulator)
        simulator.advance(3600)
        await until(lambda: not len(simulator.faults))
        assert await answers(simulator)


async def test_while_connections_are_refused_no_other_process_gets_the_port() -> None:
    async with simulated("*=refuse:seconds=100000") as simulator:
        with pytest.raises(OSError, match="in use"):
            await Simulator(port=int(simulator.url.rpartition(":")[2])).__aenter__()


async def test_a_refusal_closes_idle_connections_and_lets_requests_end() -> None:
    async with simulated(speed=50.0) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        idle_writer.write(request(simulator, LIST).replace(b"Connection: close\r\n", b""))
        await idle.readuntil(b'"next_cursor": null}')
        busy = asyncio.ensure_future(ask(simulator, GENERATE))
        await until(lambda: len(simulator.ledger.requests) == 2)
        simulator.faults.add(fault="refuse", seconds=100_000)
        assert await asyncio.wait_for(idle.read(), 300) == b""
        assert (await busy).status == 201
        await leave(idle_writer)


async def test_a_refusal_given_beforehand_holds_from_the_start_and_may_be_stopped_with() -> None:
    simulator = Simulator()
    simulator.faults.add(fault="refuse", seconds=100_000)
    for _ in range(2):
        async with simulator:
            assert not await answers(simulator)
    simulator.faults.clear()
    async with simulator:
        assert await answers(simulator)


async def test_refusing_anew_in_the_same_turn_is_done_in_the_next() -> None:
    async with simulated() as simulator:
        for _ in range(3):
            simulator.faults.add(fault="refuse", seconds=100_000)
            simulator.faults.clear()
        simulator.faults.add(fault="refuse", seconds=100_000)
        await asyncio.sleep(0.02)
        assert not await answers(simulator)
        simulator.faults.clear()
        assert await answers(simulator)


def test_a_refusal_holds_at_once_for_a_simulator_in_a_thread() -> None:
    with Simulator() as simulator:
        state = f"{simulator.url}/__sim__/state"
        for _ in range(3):
            simulator.faults.add(fault="refuse", seconds=100_000)
            with pytest.raises(URLError, match="refused"):
                urlopen(state)
            simulator.faults.clear()
            with urlopen(state) as reply:
                assert reply.status == 200


@pytest.mark.parametrize("operation", ["", "nowhere"])
async def test_faults_do_not_strike_unknown_paths(operation: str) -> None:
    async with simulated("*=reset") as simulator:
        assert (await fetch(simulator, f"/v1/{operation}")).startswith(b"HTTP/1.1 404")
        assert only(simulator).fault is None


async def test_a_disconnected_client_does_no_harm() -> None:
    kinds = ("truncate", "broken_chunk", "stall:sent=headers", "huge", "drip", "reset", "close")
    async with simulated(*(f"{GENERATE}={kind}:after_charge:1x" for kind in kinds), speed=1.0) as simulator:
        for _ in kinds:
            await left(simulator, GENERATE)
        simulator.advance(600)
        await until(lambda: len(simulator.ledger.charges) == len(kinds))
        assert len(simulator.ledger.unanswered()) == len(kinds)
        assert (await ask(simulator, LIST)).status == 200
