"""A hundred prompts go through both APIs at once, and every one ends in a file or in the failure it asked for."""

import asyncio
import csv
import math
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from attrs import frozen
from PIL import Image

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    BadRequestError,
    ContentModeratedError,
    GenerationFailedError,
    GenerorAsyncError,
    InternalServerError,
    OutcomeUnknownError,
)
from generor_async.simulator import Simulator

COUNT = 100
SHARED = Path(__file__).parents[2] / "shared/data/PartiPrompts.tsv"
"""The prompts of PartiPrompts, where they are at hand."""
SPEED = 100.0
LUMA_JOBS = 20
"""The ceiling, which is kept to, and more than 30 requests a minute have work for: submissions meet 429, and wait."""
GENEROR_CALLS = 60
"""How many generations Generor has under way at once."""
LUMA_RATIOS = ("1:1", "1:3", "16:9", "2:3", "3:1", "9:16")
GENEROR_RATIOS = ("1:1", "16:9", "3:4", "4:3", "9:16")
MODERATED, FAILING = "[[moderate]]", "[[fail:generation_failed]]"
MARKED_EVERY = 25


@frozen
class Row:
    """One prompt, and how it is to end."""

    number: int
    prompt: str
    marker: str

    @property
    def text(self) -> str:
        return f"{self.marker} {self.prompt}".strip()


def rows() -> list[Row]:
    prompts = list(shared_prompts() if SHARED.exists() else made_up_prompts())[:COUNT]
    markers = {0: MODERATED, 1: FAILING}
    return [Row(number, prompt, markers.get(number % MARKED_EVERY, "")) for number, prompt in enumerate(prompts)]


def shared_prompts() -> Iterator[str]:
    with SHARED.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)):
            if number % 16 == 0:
                yield row["Prompt"]


def made_up_prompts() -> Iterator[str]:
    dice = Random(400)
    for number in range(COUNT):
        what = dice.choice(
            ("a heron", "two cats", "a lighthouse", "“Größe”, carved in stone", "an empty café", "7 cubes")
        )
        how = dice.choice(("in oil on canvas", "at dawn", "made of paper", "as a woodcut", "seen from far above"))
        yield f"{what} {how}" + f", {dice.choice(('calm', 'storm', 'neon'))} {number}" * dice.randint(1, 40)


Ended = dict[int, list[Path] | GenerorAsyncError]


async def through(rows_: list[Row], make: Callable[[Row], Awaitable[list[Path]]], *, at_once: int) -> Ended:
    """Put every row through one API, and say how each ended."""
    waiting, ended = iter(rows_), Ended()

    async def work() -> None:
        for row in waiting:
            try:
                ended[row.number] = await make(row)
            except GenerorAsyncError as error:
                ended[row.number] = error

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return ended


def luma_ratio(row: Row) -> str:
    return LUMA_RATIOS[row.number % len(LUMA_RATIOS)]


def generor_ratio(row: Row) -> str:
    return GENEROR_RATIOS[row.number % len(GENEROR_RATIOS)]


async def test_every_prompt_ends_in_a_file_or_a_typed_failure(tmp_path: Path) -> None:
    some = rows()
    assert len(some) == COUNT
    patient: dict[str, Any] = {"timeout": math.inf, "attempt_timeout": math.inf, "max_retries": 50}
    async with (
        Simulator(seed=400, tier="pro", speed=SPEED, luma_jobs=LUMA_JOBS) as simulator,
        AsyncLuma(**simulator.luma_options, **patient) as luma,
        AsyncGeneror(**simulator.generor_options, **patient) as generor,
    ):

        async def by_luma(row: Row) -> list[Path]:
            done = await luma.generations.run(
                prompt=row.text, aspect_ratio=luma_ratio(row), output_format="jpeg" if row.number % 4 else "png"
            )
            return await luma.download(done, tmp_path / "luma")

        async def by_generor(row: Row) -> list[Path]:
            done = await generor.generators.generate(
                "image", model_id=10003, prompt=row.text, aspect_ratio=generor_ratio(row)
            )
            return await generor.download(done, tmp_path / "generor")

        of_luma, of_generor = await asyncio.gather(
            through(some, by_luma, at_once=LUMA_JOBS), through(some, by_generor, at_once=GENEROR_CALLS)
        )
    for row in some:
        assert_ended_well(row, of_luma[row.number], luma_ratio(row))
        assert_failed_as_asked(row, of_luma[row.number], ContentModeratedError, GenerationFailedError)
        assert_ended_well(row, of_generor[row.number], generor_ratio(row))
        assert_failed_as_asked(row, of_generor[row.number], BadRequestError, OutcomeUnknownError)
    assert_paid_once(simulator, some)


def assert_ended_well(row: Row, ended: list[Path] | GenerorAsyncError, ratio: str) -> None:
    """Open the file of a prompt that didn't ask for trouble."""
    if row.marker:
        return
    assert isinstance(ended, list), ended
    (path,) = ended
    width, height = map(int, ratio.split(":"))
    with Image.open(path) as picture:
        picture.load()
        assert abs(picture.width / picture.height - width / height) < 0.01


def assert_failed_as_asked(
    row: Row,
    ended: list[Path] | GenerorAsyncError,
    moderated: type[GenerorAsyncError],
    failed: type[GenerorAsyncError],
) -> None:
    if row.marker:
        assert type(ended) is (moderated if row.marker == MODERATED else failed)
    if isinstance(ended, OutcomeUnknownError):
        assert isinstance(ended.__cause__, InternalServerError)


def assert_paid_once(simulator: Simulator, some: list[Row]) -> None:
    """Hold what was charged against what was made."""
    ledger = simulator.ledger
    assert ledger.duplicates() == ()
    assert ledger.unanswered() == ()
    accepted = [entry for entry in ledger.requests if entry.status == 201]
    good = sum(not row.marker for row in some)
    assert sum(entry.operation == "luma.generations.create" for entry in accepted) == len(some)
    assert sum(entry.operation == "generor.generators.generate" for entry in accepted) == good
    assert len(ledger.charges) == len(some) + good
