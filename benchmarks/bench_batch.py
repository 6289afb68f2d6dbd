"""A batch with lost answers: ours beside the official client and a plain loop with tenacity.

Each contender runs the same rows in a process of its own, in an event loop whose time runs as fast as the simulator's,
so that all waits and timeouts are scaled alike. Of the paid calls, 15 % are charged and then reset, closed, cut short
or left without an answer. Each client is used as its documentation shows, with the same limits as ours, and downloads
its results. Generor's vendor has no client in PyPI.

Charges are those of the simulator's ledger. A charge is a duplicate if its prompt was charged before. It is lost if it
has no result, and `unresolved` if its row is listed as perhaps charged. The bound is the earliest possible end with all
limits known and every job's end seen at once; 85 % of the rows meet no fault.

    python benchmarks/bench_batch.py [--rows 200] [--seed 7] [--speed 10] [--only luma] [--share] [--resume]

With `--share`, ours alone, without faults and in virtual time: which part it uses of what is allowed in the T seconds
from the first paid call to the last. A limit a minute allows `limit x (floor(T / 60) + 1)` requests, one an hour
likewise; a ceiling allows `jobs x T` seconds of jobs. The share is that of the limit that binds. Beside it stands what
can be reached with polls a second apart, as close as they come while calls wait: a job's end is seen half a second late
on the average; and how many polls a job got, over those of a loop that polls every two seconds, as documented.

With `--resume`, the same when half of the rows have ended, and the folder is left as a kill leaves it: another
client, with the same store of limits as the command has, goes on with it. The share is that of the places which were
free since, for whoever knows how the windows and slots stood: the time to the last paid call that such a one needs for
the same requests, over that which ours took. Requests that read Generor's account take places as its paid calls do.
"""

import argparse
import asyncio
import heapq
import json
import logging
import math
import multiprocessing
import random
import selectors
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import aiohttp
from attrs import frozen
from stage import OURS
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from generor_async import AsyncGeneror, AsyncLuma, Limits
from generor_async.batch.runner import run_batch
from generor_async.rules.schedule import LEAST_SPACING, LEAST_SPACING_IN_BACKLOG
from generor_async.simulator import Simulator
from generor_async.testing import run
from generor_async.values import Clock

Api: TypeAlias = Literal["luma", "generor"]
AMBIGUOUS = 0.15
FAULTS = ("reset", "close", "truncate", "stall")
PAID: Final[Mapping[Api, str]] = {"luma": "luma.generations.create", "generor": "generor.generators.generate"}
RPM: Final[Mapping[Api, int]] = {"luma": 60, "generor": 120}
JOBS = 10
AT_ONCE: Final[Mapping[Api, int]] = {"luma": JOBS, "generor": 100}
"""What a semaphore lets through: Luma's ceiling, and as many connections as a client has."""
POLL_SECONDS = 3.0
"""Between two polls of a job, for clients that poll by themselves: in the middle of what the documents say."""
MINUTE = 60.0
TEXT = 37
"""A model of Generor's."""
TRANSIENT = (aiohttp.ClientError, TimeoutError)


@frozen
class Task:
    """What a contender is to do, and where."""

    api: Api
    url: str
    key: str
    rows: tuple[dict[str, Any], ...]
    speed: float
    epoch: float
    """Unix seconds when the loop's time was zero."""
    seed: int
    folder: Path


@frozen
class Came:
    """What came of it, as the contender tells."""

    kept: Mapping[str, float]
    """Ids of what it has the result of, and the loop's time when it had it."""
    doubtful: frozenset[str] = frozenset()
    """Prompts that it lists as perhaps charged."""
    ended: float = 0.0
    """The loop's time when it was through."""
    cpu: float = 0.0
    memory: float = 0.0


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop in which every wait is so many times shorter, and nobody notices."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        super().__init__(_FastSelector(speed))

    def time(self) -> float:
        """Give the loop's own time, in seconds."""
        return time.monotonic() * self.speed


class _FastSelector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for a part of the time."""
        return super().select(None if timeout is None else timeout / self._speed)


@frozen
class LoopClock:
    """The loop's time, for our client."""

    epoch: float
    speed: float = 1.0

    def monotonic(self) -> float:
        """Return the loop's time."""
        return now()

    def time(self) -> float:
        """Return the simulator's."""
        return self.epoch + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


# --- contenders -------------------------------------------------------------------------------------------------------

Contender: TypeAlias = Callable[[Task], Coroutine[Any, Any, Came]]


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


def our_client(
    api: Api, api_key: str, *, base_url: str, clock: Clock, store: Path | None = None
) -> AsyncLuma | AsyncGeneror:
    """Make our client, which knows the limits."""
    if api == "luma":
        limits = Limits(rpm=RPM["luma"], jobs=JOBS, store=store)
        return AsyncLuma(api_key, base_url=base_url, clock=clock, limits=limits)
    return AsyncGeneror(api_key, base_url=base_url, clock=clock, limits=Limits(tier="pro", store=store))


async def ours(task: Task) -> Came:
    """A batch, told the limits as the others are."""
    clock = LoopClock(task.epoch)
    kept, doubtful = dict[str, float](), set[str]()
    async with our_client(task.api, task.key, base_url=task.url, clock=clock) as client:
        async for outcome in run_batch(client, task.rows, to=task.folder):
            prompt = str(outcome.parameters["prompt"])
            if outcome.state == "done":
                kept |= dict.fromkeys(outcome.remote_ids, clock.monotonic())
                doubtful.discard(prompt)  # found in the account
            elif outcome.state == "unknown":
                doubtful.add(prompt)
    return Came(kept, frozenset(doubtful))


async def official(task: Task) -> Came:
    """The vendor's own client: its retries as they come, and the loop that its users have to write."""
    from luma_agents import AsyncLuma as Official  # noqa: PLC0415 - slow to import, and only wanted here
    from luma_agents import LumaError  # noqa: PLC0415

    turn, kept = asyncio.Semaphore(AT_ONCE[task.api]), dict[str, float]()
    async with Official(auth_token=task.key, base_url=task.url) as client, aiohttp.ClientSession() as session:

        async def one(row: dict[str, Any]) -> None:
            async with turn:
                generation = await client.generations.create(**row)
                while generation.state not in {"completed", "failed"}:
                    await asyncio.sleep(POLL_SECONDS)
                    generation = await client.generations.get(generation.id)
                if generation.output and (url := generation.output[0].url):
                    async with session.get(url) as answer:
                        (task.folder / generation.id).write_bytes(await answer.read())
                    kept[generation.id] = now()

        results = await asyncio.gather(*map(one, task.rows), return_exceptions=True)
    _check(results, (LumaError, *TRANSIENT))
    return Came(kept)


async def plain(task: Task) -> Came:
    """A loop as one writes it: aiohttp, and tenacity around every call."""
    turn, kept = asyncio.Semaphore(AT_ONCE[task.api]), dict[str, float]()
    again = retry(
        retry=retry_if_exception_type(TRANSIENT),
        wait=wait_random_exponential(multiplier=1, max=60),
        stop=stop_after_attempt(8),
        reraise=True,
    )
    headers = {"Authorization": f"Bearer {task.key}"}
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        aiohttp.ClientSession(raise_for_status=True) as elsewhere,
    ):

        @again
        async def call(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
            async with session.request(method, f"{task.url}{path}", json=body) as answer:
                return await answer.json()

        @again
        async def download(url: str, name: str) -> None:
            async with elsewhere.get(url) as answer:
                (task.folder / name).write_bytes(await answer.read())

        async def picture(row: dict[str, Any]) -> None:
            generation = await call("POST", "/generations", row)
            while generation["state"] not in {"completed", "failed"}:
                await asyncio.sleep(POLL_SECONDS)
                generation = await call("GET", f"/generations/{generation['id']}")
            for output in generation["output"]:
                await download(output["url"], generation["id"])
                kept[generation["id"]] = now()

        async def joke(row: dict[str, Any]) -> None:
            body = {name: value for name, value in row.items() if name != "slug"}
            answer = await call("POST", f"/generators/{row['slug']}/generate", body)
            for creation in answer["data"]["creations"]:
                (task.folder / str(creation["creation_id"])).write_text(json.dumps(creation))
                kept[str(creation["creation_id"])] = now()

        async def one(row: dict[str, Any]) -> None:
            async with turn:
                await (picture if task.api == "luma" else joke)(row)

        results = await asyncio.gather(*map(one, task.rows), return_exceptions=True)
    _check(results, TRANSIENT)
    return Came(kept)


def _check(results: Sequence[BaseException | None], expected: tuple[type[Exception], ...]) -> None:
    """Let no bug of a contender's pass for a failure of its method."""
    for result in results:
        if result is not None and not isinstance(result, expected):
            raise result


OFFICIAL = "luma-agents, gather and semaphore"
CONTENDERS: Final[Mapping[str, Contender]] = {
    "aiohttp and tenacity": plain,
    OFFICIAL: official,
    OURS: ours,
}


# --- the stage --------------------------------------------------------------------------------------------------------


def perform(contender: Contender, task: Task, pipe: Connection) -> None:
    """Run a contender, in a process of its own."""
    logging.disable(logging.CRITICAL)
    random.seed(task.seed)
    began = time.process_time()
    with asyncio.Runner(loop_factory=lambda: FastLoop(task.speed)) as runner:
        came = runner.run(contender(task))
        ended = runner.get_loop().time()
    cpu = time.process_time() - began
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024  # what getrusage says begins with the parent's
    pipe.send(Came(came.kept, came.doubtful, ended, cpu, memory))


def rows_for(api: Api, count: int) -> tuple[dict[str, Any], ...]:
    """Make rows of which no two are alike."""
    common: dict[str, Any] = {"aspect_ratio": "1:1"} if api == "luma" else {"slug": "joke", "model_id": TEXT}
    return tuple({"prompt": f"heron {number}", **common} for number in range(count))


@frozen(kw_only=True)
class Made:
    """One thing that the server made, charged or not."""

    prompt: str
    id: str
    began: float
    seconds: float


def made(simulator: Simulator, api: Api) -> list[Made]:
    """List what was made, in the order of its making."""
    if api == "luma":
        return [
            Made(prompt=job.request.prompt, id=job.id, began=job.created_at, seconds=job.ends_at - job.created_at)
            for job in simulator.luma.generations.values()
        ]
    return [
        Made(
            prompt=creation.prompt,
            id=str(creation.creation_id),
            began=creation.created_at,
            seconds=creation.completed_at - creation.created_at,
        )
        for creation in simulator.generor.account.creations
        if creation.prompt.startswith("heron ") and creation.outcome == "completed"
    ]


def earliest(
    durations: Sequence[float], *, rpm: int, jobs: float, at: float = 0.0, before: Sequence[tuple[float, float]] = ()
) -> tuple[float, float]:
    """Return when the last job can begin, and the last can have ended, at the earliest.

    Job i begins when job i - rpm began a minute ago, and fewer than `jobs` of those before it still run; none begins
    before `at`. Of those `before` that, the begins and lengths are given, in their order.
    """
    begins: list[float] = [begin for begin, _ in before]
    running: list[float] = [begin + seconds for begin, seconds in before if begin + seconds > at]
    heapq.heapify(running)
    for number, seconds in enumerate(durations, len(before)):
        begin = max(at, begins[-1] if begins else at, begins[number - rpm] + MINUTE if number >= rpm else at)
        if len(running) >= jobs:
            begin = max(begin, heapq.heappop(running))
        begins.append(begin)
        heapq.heappush(running, begin + seconds)
    return begins[-1], max(running)


def bounds(things: Sequence[Made], api: Api) -> tuple[float, float]:
    """Return what `earliest` does, for the first thing made of each prompt."""
    first = {thing.prompt: thing for thing in reversed(things)}
    durations = [thing.seconds for thing in sorted(first.values(), key=lambda thing: thing.began)]
    return earliest(durations, rpm=RPM[api], jobs=JOBS if api == "luma" else float("inf"))


def simulator_for(*, seed: int, speed: float) -> Simulator:
    """Make both APIs with the limits that the contenders know."""
    return Simulator(
        seed=seed,
        speed=speed,
        tier="pro",
        luma_rpm=RPM["luma"],
        luma_jobs=JOBS,
        generor_credits=10_000_000,
        luma_balance=1_000_000.0,
        exact_cost=True,
    )


def play(name: str, api: Api, options: argparse.Namespace) -> str:
    """Run a contender against a simulator of its own, and return its line of the table."""
    with simulator_for(seed=options.seed, speed=options.speed) as simulator, tempfile.TemporaryDirectory() as folder:
        for before, fault in enumerate(FAULTS):  # a call meets the later ones if it is spared by those before
            share = AMBIGUOUS / len(FAULTS)
            simulator.faults.add_spec(f"{PAID[api]}={fault}:after_charge:{share / (1 - before * share)}")
        url, key = (
            (simulator.luma_url, simulator.luma_key)
            if api == "luma"
            else (simulator.generor_url, simulator.generor_key)
        )
        epoch = simulator.clock.time() - time.monotonic() * options.speed
        task = Task(api, url, key, rows_for(api, options.rows), options.speed, epoch, options.seed, Path(folder))
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=perform, args=(CONTENDERS[name], task, there))
        process.start()
        there.close()
        came: Came = here.recv()
        process.join()
        return line(name, api, simulator, task, came)


def line(name: str, api: Api, simulator: Simulator, task: Task, came: Came) -> str:
    """Hold what a contender has against what the server made."""
    things = made(simulator, api)
    charges = len(simulator.ledger.charges)
    by_prompt = Counter(thing.prompt for thing in things)
    without = [thing for thing in things if thing.id not in came.kept]
    listed = {thing.prompt for thing in without if thing.prompt in came.doubtful}
    refused = sum(entry.status == 429 for entry in simulator.ledger.requests)
    kept = {thing.prompt: came.kept[thing.id] for thing in things if thing.id in came.kept}
    _, bound = bounds(things, api)
    began = next(entry.at for entry in simulator.ledger.requests if entry.operation == PAID[api]) - task.epoch
    unstruck = math.ceil(len(task.rows) * (1 - AMBIGUOUS))
    most = f"{(sorted(kept.values())[unstruck - 1] - began) / bound:.2f}" if len(kept) >= unstruck else "never"
    return (
        f"| {name} | {charges} | {charges - len(by_prompt)} | {len(without) - len(listed)} | {len(listed)} "
        f"| {len(kept)} of {len(task.rows)} | {most} | {(came.ended - began) / bound:.2f} "
        f"| {refused} | {came.memory:.0f} | {came.cpu:.1f} |"
    )


# --- the share of the limits ------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Scene:
    """A batch that nothing goes wrong with."""

    name: str
    api: Api
    rows: int
    model: Mapping[str, Any]
    spans: Mapping[float, int]
    """Requests allowed in so many seconds."""


SCENES = (
    Scene(
        name="Generor pro, texts", api="generor", rows=2_000, model={"model_id": TEXT}, spans={60: 120, 3_600: 5_000}
    ),
    Scene(name="Luma, uni-1", api="luma", rows=600, model={"model": "uni-1"}, spans={60: 60}),
    Scene(name="Luma, uni-1-max", api="luma", rows=600, model={"model": "uni-1-max"}, spans={60: 60}),
)


async def share(scene: Scene, seed: int) -> str:
    """Run a scene, and return its line of the table."""
    api = scene.api
    async with simulator_for(seed=seed, speed=1.0) as simulator:
        options = simulator.luma_options if api == "luma" else simulator.generor_options
        async with our_client(api, **options) as client:
            with tempfile.TemporaryDirectory() as folder:
                rows = [{**row, **scene.model} for row in rows_for(api, scene.rows)]
                states = Counter([outcome.state async for outcome in run_batch(client, rows, to=folder)])
        assert states == {"done": scene.rows}
        things = made(simulator, api)
        refused = sum(entry.status == 429 for entry in simulator.ledger.requests)
        polls = sum(entry.operation == "luma.generations.get" for entry in simulator.ledger.requests)
    first, last = min(thing.began for thing in things), max(thing.began for thing in things)
    seconds, begin = last - first, bounds(things, api)[0]
    requests = max(len(things) / (limit * (math.floor(seconds / span) + 1)) for span, limit in scene.spans.items())
    inside = sum(min(thing.began + thing.seconds, last) - thing.began for thing in things)
    jobs = inside / (JOBS * seconds) if api == "luma" else 0.0
    length = statistics.mean(thing.seconds for thing in things)
    binds, reachable, over_loop = "requests", "100 %", ""
    if jobs > requests:
        binds, reachable = "jobs", f"{length / (length + LEAST_SPACING_IN_BACKLOG / 2):.1%}"
        over_loop = f"{polls / sum(math.ceil(thing.seconds / LEAST_SPACING) for thing in things):.2f}"
    return (
        f"| {scene.name} | {scene.rows:,} | {binds} | {max(requests, jobs):.1%} | {reachable} "
        f"| {seconds / begin:.3f} | {over_loop} | {refused} |"
    )


async def resumed(scene: Scene, seed: int, folder: Path) -> str:
    """Run half of a scene, leave it as a kill does, go on with it, and return its line of the table."""
    api, left, goes_on = scene.api, folder / "left", folder / "goes on"
    rows = [{**row, **scene.model} for row in rows_for(api, scene.rows)]
    async with simulator_for(seed=seed, speed=1.0) as simulator:
        options = simulator.luma_options if api == "luma" else simulator.generor_options
        async with our_client(api, **options, store=folder / "limits.sqlite") as client:
            batch = run_batch(client, rows, to=left)
            running = aiter(batch)
            for _ in range(scene.rows // 2):
                await anext(running)
            await asyncio.to_thread(shutil.copytree, left, goes_on)  # what a process that is killed now leaves behind
            at = simulator.clock.time()
            batch.stop()
            batch.stop()
            async for _ in running:
                pass
        async with our_client(api, **options, store=folder / "limits.sqlite") as client:
            went_on = run_batch(client, rows, to=goes_on, take_over=True)
            states = Counter([outcome.state async for outcome in went_on])
        things = sorted(made(simulator, api), key=lambda thing: thing.began)
        refused = sum(entry.status == 429 for entry in simulator.ledger.requests)
    assert len({thing.prompt for thing in things}) == len(things), "nothing was bought twice"
    first, last = min(thing.began for thing in things if thing.began >= at), things[-1].began
    if api == "luma":  # only submissions count
        places = [(thing.began, thing.seconds) for thing in things]
    else:
        places = [(entry.at, 0.0) for entry in simulator.ledger.requests if entry.at <= last]
    before = [place for place in places if place[0] < at]
    after = [seconds for _, seconds in places[len(before) :]]
    best, _ = earliest(after, rpm=RPM[api], jobs=JOBS if api == "luma" else math.inf, at=at, before=before)
    begun = sum(thing.began < at for thing in things)
    return (
        f"| {scene.name} | {begun} | {len(things) - begun} | {len(after)} | {first - at:.1f} "
        f"| {(best - at) / (last - at):.1%} | {states['unknown']} | {refused} |"
    )


def print_resumed(options: argparse.Namespace) -> None:
    """Print the table of shares after a resumption."""
    head = "rows before | rows after | places taken | first call after (s) | share used | unknown | 429s"
    print(f"| | {head} |\n{'|---' * 8}|")
    for scene in SCENES:
        if options.only in scene.name:
            with tempfile.TemporaryDirectory() as folder:
                print(run(resumed(scene, options.seed, Path(folder))), flush=True)


def print_shares(options: argparse.Namespace) -> None:
    """Print the table of shares."""
    head = "rows | what binds | share used | can be reached | last submitted / bound | polls / a loop's | 429s"
    print(f"| | {head} |\n{'|---' * 8}|")
    for scene in SCENES:
        if options.only in scene.name:
            print(run(share(scene, options.seed)), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", type=float, default=10.0, help="simulated seconds that pass in a real one")
    parser.add_argument("--only", default="", help="leave out what has not this in its name")
    parser.add_argument("--share", action="store_true", help="measure the share of the limits that ours uses")
    parser.add_argument("--resume", action="store_true", help="measure the same after half of a batch, and a kill")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    (print_resumed if options.resume else print_shares if options.share else print_losses)(options)


def print_losses(options: argparse.Namespace) -> None:
    """Print the tables of what contenders charge and lose."""
    apis: tuple[Api, ...] = ("luma", "generor")
    for api in apis:
        names = [name for name in CONTENDERS if options.only in f"{api} {name}"]
        names = [name for name in names if not (api == "generor" and name == OFFICIAL)]
        if names:
            print(f"\n### {api.capitalize()}, {options.rows} rows, 15 % of the paid calls charged and not answered\n")
            head = "charges | duplicates | lost | unresolved | results | 85 % / bound | end / bound | 429s | MB | CPU s"
            print(f"| | {head} |\n{'|---' * 11}|", flush=True)
        for name in names:
            print(play(name, api, options), flush=True)


if __name__ == "__main__":
    main()
