"""`generor demo`: generate several kinds of media through both APIs on the simulator."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from attrs import define, field, frozen
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    DownloadError,
    GenerationFailedError,
    Job,
    MediaRef,
    response_of,
)
from generor_async.api.generor.models import GenerateResult
from generor_async.cli.error_output import exit_with
from generor_async.cli.exit_codes import BAD_USE, INTERRUPTED
from generor_async.errors import GenerorAsyncError
from generor_async.simulator import Simulator

__all__ = ["command", "run"]

SPEED = 40.0
"""Simulated seconds per real second."""
TEXT_MODEL, IMAGE_MODEL, VIDEO_MODEL = 37, 10003, 20061

command = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@command.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder that the files go into; it is made if need be.")] = Path(
        "generor-demo"
    ),
    seed: Annotated[int, typer.Option(help="What the pictures, times and failures are drawn from.")] = 7,
) -> None:
    """Generate several kinds of media through both APIs on the built-in simulator.

    It needs no key and no network, and costs nothing. The simulator's clock is faster than real time, so that minutes
    pass in seconds. Files of an earlier demo are replaced.
    """
    try:
        asyncio.run(run(out, seed=seed, console=Console()))
    except KeyboardInterrupt:
        raise exit_with(f"interrupted; finished files are in {out}", INTERRUPTED) from None
    except GenerorAsyncError as error:
        raise exit_with(str(error), BAD_USE) from None


@define
class DemoTask:
    """One row of the demo: a request and its state."""

    api: str
    title: str
    work: "DemoWork" = field(repr=False)
    state: str = "waiting"
    began: float = 0.0
    seconds: float | None = None
    cost: str = ""
    dollars: float = 0.0
    note: str = ""
    files: list[Path] = field(factory=list)

    def rename_file(self, path: Path, name: str) -> None:
        """Rename a file after its content."""
        self.files.append(path.replace(path.with_name(f"{self.api.lower()}-{name}{path.suffix}")))


@frozen
class DemoContext:
    """The clients, the simulator and the folder of the demo."""

    generor: AsyncGeneror
    luma: AsyncLuma
    simulator: Simulator
    out: Path


DemoWork: TypeAlias = Callable[[DemoTask, DemoContext], Awaitable[None]]


async def run(out: Path, *, seed: int, console: Console) -> None:
    """Run the demo, with its files in `out`; raises DownloadError if that can't be written to."""
    _make_folder(out)
    tasks = [
        DemoTask("Generor", "a joke, after an estimate", _joke),
        DemoTask("Generor", "a picture in 16:9", _picture),
        DemoTask("Generor", "a video of 3 s, snapped to 5", _snapped_video),
        DemoTask("Luma", "a picture, and an edit of it", _picture_and_edit),
        DemoTask("Luma", "a poster from the larger model", _poster),
        DemoTask("Luma", "a video", _video),
        DemoTask("Luma", "a prompt that is moderated", _moderated),
    ]
    async with Simulator(seed=seed, tier="pro", speed=SPEED) as simulator:
        generor = AsyncGeneror(**simulator.generor_options)
        luma = AsyncLuma(**simulator.luma_options)
        async with generor, luma:
            studio = DemoContext(generor, luma, simulator, out)
            await _run_all(tasks, studio, console)
    console.print(_summary(tasks, out))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".generor-demo"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DownloadError(
            f"the folder {out} cannot be written to ({error.strerror})",
            url="",
            advice="Name another with --out",
        ) from None


async def _run_all(tasks: list[DemoTask], studio: DemoContext, console: Console) -> None:
    """Run all tasks at once, and show their state: live on a terminal, one line for each elsewhere."""
    live = console.is_terminal
    jobs = [_run_task(task, studio, None if live else console) for task in tasks]
    if not live:
        await asyncio.gather(*jobs)
        return
    spinner = Spinner("dots")
    with Live(
        console=console,
        transient=True,
        refresh_per_second=12,
        get_renderable=lambda: _progress(tasks, studio, spinner),
    ):
        await asyncio.gather(*jobs)


async def _run_task(task: DemoTask, studio: DemoContext, console: Console | None) -> None:
    clock = studio.simulator.clock
    task.began = clock.monotonic()
    task.state = "submitting"
    await task.work(task, studio)
    task.seconds = clock.monotonic() - task.began
    if console is not None:
        console.print(f"{task.api}: {task.title}: {task.state} after {task.seconds:.0f} s", soft_wrap=True)


async def _joke(task: DemoTask, studio: DemoContext) -> None:
    generators = studio.generor.generators
    prompt = "Tell me a joke about programming"
    estimate = await generators.estimate("joke", prompt=prompt, model_id=TEXT_MODEL)
    task.note = f"estimated {_credits(estimate.credit_cost.total)}, {estimate.time_estimate.seconds:g} s"
    task.state = "generating"
    result = await generators.generate("joke", prompt=prompt, model_id=TEXT_MODEL)
    for creation in result.creations:
        path = studio.out / f"{creation.creation_id}-0.txt"
        path.write_text(f"{creation.text}\n", encoding="utf-8")
        task.rename_file(path, "joke")
    task.cost, task.state = _credits(result.credit_cost), "completed"


async def _picture(task: DemoTask, studio: DemoContext) -> None:
    task.state = "generating"
    result = await studio.generor.generators.generate(
        "image", prompt="A sunset over mountains", model_id=IMAGE_MODEL, aspect_ratio="16:9"
    )
    await _save(task, studio, result, "picture")


async def _snapped_video(task: DemoTask, studio: DemoContext) -> None:
    task.state = "generating"
    result = await studio.generor.generators.generate(
        "video",
        prompt="A paper boat drifts over a still lake",
        model_id=VIDEO_MODEL,
        aspect_ratio="9:16",
        seconds=3,
    )
    if result.adjustments is not None and (snapped := result.adjustments.seconds) is not None:
        task.note = f"asked for {snapped.requested} s, got {snapped.used} s"
    await _save(task, studio, result, "video")


async def _save(task: DemoTask, studio: DemoContext, result: GenerateResult, name: str) -> None:
    task.state = "downloading"
    for path in await studio.generor.download(result, studio.out, overwrite=True):
        task.rename_file(path, name)
    task.cost, task.state = _credits(result.credit_cost), "completed"


async def _picture_and_edit(task: DemoTask, studio: DemoContext) -> None:
    first = await studio.luma.generations.submit(
        prompt="A glass of iced coffee on a marble countertop, morning light", aspect_ratio="3:2"
    )
    await _follow(task, studio, first, "picture")
    second = await studio.luma.generations.submit(
        prompt="The same scene at dusk, with a lamp lit",
        type="image_edit",
        source=MediaRef.generation(first.id),
        image_ref=[MediaRef.file(task.files[0])],
    )
    task.note = "its reference is that file"
    await _follow(task, studio, second, "edit")


async def _poster(task: DemoTask, studio: DemoContext) -> None:
    job = await studio.luma.generations.submit(
        prompt="A travel poster of a city at night",
        model="uni-1-max",
        aspect_ratio="2:3",
        output_format="jpeg",
    )
    await _follow(task, studio, job, "poster")


async def _video(task: DemoTask, studio: DemoContext) -> None:
    job = await studio.luma.generations.submit(
        prompt="Waves roll onto a quiet beach", model="ray-3.2", type="video", aspect_ratio="16:9"
    )
    await _follow(task, studio, job, "video")


async def _moderated(task: DemoTask, studio: DemoContext) -> None:
    job = await studio.luma.generations.submit(prompt="[[moderate]] something that is not allowed")
    try:
        await _follow(task, studio, job, "moderated")
    except GenerationFailedError as error:
        task.state, task.note = "failed, as it should", f"failed as it should: {error.code}"


async def _follow(task: DemoTask, studio: DemoContext, job: Job, name: str) -> None:
    """Wait for a job, showing its states, and download its output."""
    charges = {entry.request_id: entry.charged for entry in studio.simulator.ledger.charges}
    assert job.generation is not None
    task.dollars += charges[response_of(job.generation).request_id]
    task.cost = f"${task.dollars:.4f}"
    async for generation in job.updates():
        task.state = generation.state
    generation = await job.wait()
    task.state = "downloading"
    for path in await studio.luma.download(generation, studio.out, overwrite=True):
        task.rename_file(path, name)
    task.state = "completed"


def _credits(amount: float) -> str:
    return f"{amount:g} credit{'' if amount == 1 else 's'}"


def _progress(tasks: list[DemoTask], studio: DemoContext, spinner: Spinner) -> Table:
    """Return a table of all tasks with their state; times are simulated seconds."""
    now = studio.simulator.clock.monotonic()
    table = Table.grid(padding=(0, 2))
    for task in tasks:
        ended = task.seconds is not None
        seconds = task.seconds if task.seconds is not None else now - task.began
        table.add_row(
            _mark(task) if ended else spinner,
            task.api,
            task.title,
            Text(task.state, style="dim" if ended else ""),
            f"{seconds:.0f} s",
        )
    return table


def _mark(task: DemoTask) -> Text:
    return Text("✓", style="green") if task.files else Text("✗", style="yellow")


def _summary(tasks: list[DemoTask], out: Path) -> Group:
    """Return a summary of the results: time, cost and files."""
    table = Table.grid(padding=(0, 2))
    table.add_row("", "API", "What", Text("Time", justify="right"), Text("Cost", justify="right"), "File", style="bold")
    for task in tasks:
        table.add_row(
            _mark(task),
            task.api,
            Text.assemble(task.title, (f"\n{task.note}" if task.note else "", "dim")),
            Text(f"{task.seconds:.0f} s", justify="right"),
            Text(task.cost, justify="right"),
            Text("\n".join(path.name for path in task.files), overflow="fold"),
        )
    return Group(
        "",
        table,
        "",
        Text(f"The files are in {out.resolve()}", overflow="fold"),
        Text("Simulated: the clock ran fast, and nothing was paid.", style="dim"),
    )
