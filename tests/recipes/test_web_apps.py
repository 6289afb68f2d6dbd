"""The web applications: what a browser gets, what a user pays, and what a restart leaves of it."""

import asyncio
import runpy
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from aiohttp import web
from attrs import evolve
from support.browser import Page, browse
from support.pages import DOCS
from support.web_apps import PATIENCE, Browser, WebApp, polls
from support.wire import closed_port

from generor_async.simulator import Simulator

CREATE, GET = "luma.generations.create", "luma.generations.get"
ENDS = ["queued", "processing", "completed"]


@pytest.fixture(params=["aiohttp_app.py", "fastapi_app.py"])
def name(request: pytest.FixtureRequest) -> str:
    """The file of an application."""
    return str(request.param)


@pytest.fixture
def fast(name: str, tmp_path: Path) -> Iterator[WebApp]:
    """An application whose jobs take two seconds."""
    with Simulator(speed=10, luma_rpm=1_000, luma_jobs=300, seed=7) as simulator:
        yield WebApp(simulator, tmp_path, name)


@pytest.fixture
def slow(name: str, tmp_path: Path) -> Iterator[WebApp]:
    """An application whose jobs take longer than the ten seconds for which it drains."""
    with Simulator(speed=1, luma_rpm=1_000, luma_durations="measured", seed=7) as simulator:
        yield WebApp(simulator, tmp_path, name)


async def test_an_order_is_a_job_at_once_and_a_double_click_pays_once(fast: WebApp) -> None:
    async with fast.running(), Browser.opened(fast) as ada, Browser.opened(fast, "bob") as bob:
        key = str(uuid4())
        answers = await asyncio.gather(*(ada.order(key) for _ in range(5)))
        assert [(answer.status, answer.json) for answer in answers] == [(202, {"id": key})] * 5
        assert len(fast.simulator.ledger.charges) == 1
        assert (await ada.order(key, "Another heron")).status == 422
        assert (await ada.order("no UUID")).status in {400, 422}
        assert (await ada.ask("POST", "/jobs", json={"prompt": "A heron"})).status in {400, 422}
        assert (await ada.order(str(uuid4()), "")).status == 422
        assert (await ada.order(key)).status == 202, "nothing of this has changed it"
        assert len(fast.simulator.ledger.charges) == 1
        for path in (f"/jobs/{key}/events", f"/jobs/{key}/picture"):
            assert (await bob.get(path)).status == 404, "it is another user's"
        assert (await bob.order(key)).status == 202
        assert len(fast.simulator.ledger.charges) == 2


async def test_a_user_over_budget_is_told_so_and_others_are_not(fast: WebApp) -> None:
    async with fast.running(), Browser.opened(fast) as ada, Browser.opened(fast, "bob") as bob:
        answers = await asyncio.gather(*(ada.order(str(uuid4()), f"Heron {number}") for number in range(40)))
        assert {answer.status for answer in answers} == {202, 402}
        refused = next(answer for answer in answers if answer.status == 402)
        assert refused.json["error"] == "BudgetExceededError"
        assert "the budget of user ada has" in refused.json["message"]
        assert "It begins anew at" in refused.json["message"]
        spent = sum(entry.charged for entry in fast.simulator.ledger.charges)
        assert 0.9 < spent <= 1
        await bob.ordered()


async def test_every_browser_sees_a_job_change_by_the_polls_of_one(slow: WebApp) -> None:
    async with slow.running(), Browser.opened(slow) as ada:
        key = await ada.ordered()
        seen: list[list[str]] = [[] for _ in range(200)]
        watching = [asyncio.create_task(ada.watch(key, states)) for states in seen]
        with anyio.fail_after(PATIENCE):
            while not all(states[-1:] == ["processing"] for states in seen):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        slow.simulator.advance(120)
        await asyncio.gather(*watching)
        assert all(states in (ENDS, ENDS[1:]) for states in seen), seen
        few = polls(slow.simulator)
        assert few < 30
        assert await ada.watch(key) == ["completed"], "a browser that comes later"
        assert polls(slow.simulator) == few + 1


async def test_a_job_that_fails_says_so_and_has_no_picture(fast: WebApp) -> None:
    async with fast.running(), Browser.opened(fast) as ada:
        key = await ada.ordered("[[moderate]]")
        assert (await ada.watch(key))[-1] == "failed"
        assert (await ada.get(f"/jobs/{key}/picture")).status == 404


async def test_any_range_of_a_picture_is_passed_through(fast: WebApp) -> None:
    async with fast.running(), Browser.opened(fast) as ada:
        key = await ada.ordered()
        assert (await ada.get(f"/jobs/{key}/picture")).status == 404, "not yet"
        await ada.watch(key)
        path = f"/jobs/{key}/picture"
        whole = await ada.get(path)
        size = len(whole.body)
        assert whole.headers["Content-Length"] == str(size)
        for text, start, stop in (
            ("bytes=0-0", 0, 1),
            ("bytes=-1", size - 1, size),
            (f"bytes={size - 1}-", size - 1, size),
            (f"bytes=5-{size * 2}", 5, size),
        ):
            for method in ("GET", "HEAD"):
                part = await ada.ask(method, path, headers={"Range": text})
                assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {start}-{stop - 1}/{size}"), text
                assert part.headers["Content-Length"] == str(stop - start)
                assert part.body == (whole.body[start:stop] if method == "GET" else b"")
        for text in (f"bytes={size}-", "bytes=-0"):
            part = await ada.get(path, Range=text)
            assert (part.status, part.headers["Content-Range"], part.body) == (416, f"bytes */{size}", b"")
        for text in ("bytes=0-1,5-6", "bytes=5-2", "lines=1-2", f"bytes={10**30}-"):
            part = await ada.get(path, Range=text)
            assert (part.status, part.body) == (200, whole.body), text
        head = await ada.ask("HEAD", path)
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(size))
        same = await ada.get(path, **{"Range": "bytes=0-9", "If-Range": whole.headers["ETag"]})
        assert (same.status, len(same.body)) == (206, 10)
        other = await ada.get(path, **{"Range": "bytes=0-9", "If-Range": '"another"'})
        assert (other.status, len(other.body)) == (200, size)


async def test_browsers_that_leave_or_do_not_read_take_nothing_with_them(slow: WebApp) -> None:
    async with slow.running() as process, Browser.opened(slow) as ada:
        key = await ada.ordered()
        before = await slow.tasks(process)
        watching = [asyncio.create_task(ada.watch(key)) for _ in range(20)]
        deaf = [await asyncio.open_connection("127.0.0.1", slow.port) for _ in range(20)]
        question = f"GET /jobs/{key}/events HTTP/1.1\r\nHost: a\r\nX-Forwarded-User: ada\r\n\r\n".encode()
        for _, writer in deaf:
            writer.write(question)
        for number in range(40):  # these leave while they are answered
            _, writer = await asyncio.open_connection("127.0.0.1", slow.port)
            writer.write(question)
            await asyncio.sleep(0.001 * (number % 10))
            writer.transport.abort()
        with anyio.fail_after(PATIENCE):
            while await slow.tasks(process) < before + 40:  # noqa: ASYNC110 - another process, it says nothing
                await asyncio.sleep(0.1)
            for task in watching:
                task.cancel()
            for _, writer in deaf:
                writer.transport.abort()
            while await slow.tasks(process) > before:  # noqa: ASYNC110 - another process, it says nothing
                await asyncio.sleep(0.1)
        assert "Traceback" not in slow.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
async def test_a_restart_goes_on_with_jobs_in_flight(slow: WebApp, number: signal.Signals) -> None:
    async with Browser.opened(slow) as ada:
        async with slow.running() as process:
            keys = [await ada.ordered(f"Heron {each}") for each in range(5)]
            watching = [asyncio.create_task(ada.watch(key)) for key in keys]
            with anyio.fail_after(PATIENCE):
                while polls(slow.simulator) < 5:  # noqa: ASYNC110 - another process, it says nothing
                    await asyncio.sleep(0.05)
            process.send_signal(number)
            await asyncio.to_thread(process.wait, PATIENCE)
            seen = await asyncio.gather(*watching, return_exceptions=True)
            if number == signal.SIGTERM:
                assert all(isinstance(states, list) and states[-1] != "completed" for states in seen), seen
                assert "5 jobs go on at the API" in slow.log
        slow.simulator.advance(120)
        async with slow.running():
            assert [(await ada.watch(key))[-1] for key in keys] == ["completed"] * 5
            for key in keys:
                assert (await ada.get(f"/jobs/{key}/picture")).body.startswith(b"\x89PNG")
                assert (await ada.order(key, f"Heron {keys.index(key)}")).status == 202
            with anyio.fail_after(PATIENCE):
                while slow.log.count("ready: {'user': 'ada'}") < 5:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
    assert len(slow.simulator.ledger.charges) == 5
    assert "Traceback" not in slow.log


async def test_processes_side_by_side_know_each_others_jobs(slow: WebApp) -> None:
    other = evolve(slow, port=closed_port())
    async with other.running(), Browser.opened(other) as bob:
        async with slow.running(), Browser.opened(slow) as ada:
            key = str(uuid4())
            answers = await asyncio.gather(*(browser.order(key) for _ in range(3) for browser in (ada, bob)))
            assert {answer.status for answer in answers} == {202}
            elsewhere = await ada.ordered("Another heron")
            states: list[str] = []
            watching = asyncio.create_task(bob.watch(elsewhere, states))
            with anyio.fail_after(PATIENCE):
                while not states:  # noqa: ASYNC110 - another process, it says nothing
                    await asyncio.sleep(0.05)
        slow.simulator.advance(120)  # the process that has submitted the job was killed
        assert (await watching)[-1] == "completed"
        assert (await bob.watch(key))[-1] == "completed"
        assert (await bob.get(f"/jobs/{elsewhere}/picture")).status == 200
    assert len(slow.simulator.ledger.charges) == 2


async def test_an_order_under_way_at_sigterm_is_answered_and_is_the_same_one_afterwards(slow: WebApp) -> None:
    slow.simulator.faults.add_spec(f"{CREATE}=drip:after_charge:pieces=4:pause=1:1x")
    key = str(uuid4())
    async with Browser.opened(slow) as ada:
        async with slow.running() as process:
            order = asyncio.create_task(ada.order(key))
            with anyio.fail_after(PATIENCE):
                while not slow.simulator.ledger.requests:  # noqa: ASYNC110 - another process, it says nothing
                    await asyncio.sleep(0.05)
            with anyio.fail_after(PATIENCE):
                while "calls under way have ten seconds" not in slow.log:
                    process.terminate()  # as often as whoever stops it likes
                    await asyncio.sleep(0.001)
            process.terminate()
            assert (await order).status == 202
            await asyncio.to_thread(process.wait, PATIENCE)
        async with slow.running():
            assert (await ada.order(key)).status == 202
            slow.simulator.advance(120)
            assert (await ada.watch(key))[-1] == "completed"
    assert len(slow.simulator.ledger.charges) == 1


def test_only_the_first_of_signals_that_come_at_once_ends_the_program() -> None:
    """Each is queued for the event loop by itself: aiohttp's own handler would raise for the second one, too."""
    end = runpy.run_path(str(DOCS / "recipes" / "aiohttp_app.py"))["end"]
    with pytest.raises(web.GracefulExit):
        end()
    end()


async def test_faults_of_the_api_cost_nothing_twice(fast: WebApp) -> None:
    fast.simulator.faults.add_spec(f"{CREATE}=reset:after_charge:1x")
    fast.simulator.faults.add_spec(f"{CREATE}=503:2x")
    fast.simulator.faults.add_spec(f"{CREATE}=429:2x")
    fast.simulator.faults.add_spec(f"{GET}=503:3x")
    async with fast.running(), Browser.opened(fast) as ada:
        lost = str(uuid4())
        for _ in range(3):
            answer = await ada.order(lost)
            assert (answer.status, answer.json["error"]) == (502, "OutcomeUnknownError")
        key = await ada.ordered()
        assert (await ada.watch(key))[-1] == "completed"
        answer = await ada.get(f"/jobs/{lost}/events")
        assert (answer.status, answer.json["error"]) == (502, "OutcomeUnknownError")
    assert len(fast.simulator.ledger.charges) == 2


STATES = "[...document.querySelectorAll('#jobs li')].map(item => item.className)"
SHOWN = "[...document.querySelectorAll('#jobs img')].filter(image => image.complete && image.naturalWidth).length"


async def type_orders(page: Page, *prompts: str) -> None:
    for prompt in prompts:
        await page.value("document.querySelector('input').focus()")
        await page.type(prompt)
        await page.press("Enter")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
async def test_a_page_shows_its_five_pictures_over_a_restart(
    slow: WebApp, tmp_path: Path, request: pytest.FixtureRequest, number: signal.Signals
) -> None:
    command = str(request.config.getoption("--chromium"))
    async with browse(command, tmp_path / "profile") as page:
        async with slow.running() as process:
            await page.visit(slow.url)
            await type_orders(page, *(f"A heron at {time}" for time in ("dawn", "noon", "dusk", "night", "low tide")))
            await page.until(f"{STATES}.filter(state => ['queued', 'processing'].includes(state)).length >= 4")
            process.send_signal(number)
            await asyncio.to_thread(process.wait, PATIENCE)
        (tmp_path / "before.png").write_bytes(await page.screenshot())
        slow.simulator.advance(120)
        async with slow.running():
            await page.until(f"{SHOWN} === 5")
            (tmp_path / "after.png").write_bytes(await page.screenshot())
            await page.visit(f"{slow.url}/?again")
            await page.until(f"{SHOWN} === 5")
    assert len(slow.simulator.ledger.charges) == 5


async def test_a_page_says_why_there_is_no_picture(
    fast: WebApp, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    command = str(request.config.getoption("--chromium"))
    async with fast.running(), browse(command, tmp_path / "profile") as page:
        await page.visit(fast.url)
        await type_orders(page, "[[moderate]]", *(f"A heron, study {number}" for number in range(30)))
        await page.until("document.querySelector('#jobs').textContent.includes('flagged by our content moderation')")
        await page.until("document.querySelector('#jobs').textContent.includes('the budget of user guest has')")
        await page.until(f"{SHOWN} >= 8")
        (tmp_path / "page.png").write_bytes(await page.screenshot())


async def test_a_page_sends_an_order_again_whose_answer_was_lost(
    slow: WebApp, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    slow.simulator.faults.add_spec(f"{CREATE}=drip:after_charge:pieces=40:pause=1:1x")
    command = str(request.config.getoption("--chromium"))
    async with browse(command, tmp_path / "profile") as page:
        async with slow.running() as process:
            await page.visit(slow.url)
            await type_orders(page, "A heron at dawn")
            with anyio.fail_after(PATIENCE):
                while not slow.simulator.ledger.charges:  # noqa: ASYNC110 - another process, it says nothing
                    await asyncio.sleep(0.05)
            process.terminate()
            await page.until("document.querySelector('#jobs').textContent.includes('waiting for the server')")
            await asyncio.to_thread(process.wait, PATIENCE)
        slow.simulator.advance(120)
        async with slow.running():
            await page.until(f"{SHOWN} === 1")
    assert len(slow.simulator.ledger.charges) == 1
