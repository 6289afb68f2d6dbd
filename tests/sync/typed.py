"""Types of the blocking clients, for the type checkers; this file is never run."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

from generor_async import Generor, Luma, MapOutcome, RateLimits, ResponseInfo, response_of, sync
from generor_async.api.generor.models import Balance, Creation, Estimate, GenerateResult, Generator
from generor_async.api.luma.models import File, Generation
from generor_async.api.luma.operations import generations_get
from generor_async.rules.http_types import Operation


def everyday(luma: Luma) -> None:
    with Luma(timeout=60.0) as client:
        assert_type(client, Luma)
    assert_type(luma.with_options(timeout=1.0, priority="bulk"), Luma)
    assert_type(luma.rate_limits, RateLimits)
    assert_type(luma.close(), None)
    operation = generations_get("an id")
    assert_type(operation, Operation[Generation])
    assert_type(luma.send(operation), Generation)
    luma.generations.create(prompt=1)  # type: ignore[arg-type]
    luma.generations.create(prompt="A heron", nonsense=1)  # type: ignore[call-arg]
    luma.generations.run(prompt="A heron", aspect_ratios="1:1")  # type: ignore[call-arg]
    luma.generations.submit(prompt="A heron", video={"duration": "5s", "edit": {"strength": "flex_1"}})
    luma.generations.run(prompt="A heron", image_ref=[{"url": "https://example.com/a.png"}], resubmit=1)
    luma.generations.run(prompt="A heron", video={"durration": "5s"})  # type: ignore[arg-type]
    luma.generations.run(prompt="A heron", source={"ulr": "https://example.com"})  # type: ignore[arg-type]


def jobs(luma: Luma) -> None:
    generation = luma.generations.create(prompt="A heron", aspect_ratio="16:9")
    assert_type(generation, Generation)
    assert_type(response_of(generation), ResponseInfo)
    assert_type(luma.generations.run(prompt="A heron"), Generation)
    assert_type(luma.download(generation, "out"), list[Path])
    assert_type(luma.read(generation), list[bytes])
    with luma.stream(generation.output[0], range="bytes=0-") as stream, Path("out.png").open("wb") as file:
        assert_type(stream, sync.OutputStream)
        assert_type(stream.length, int | None)
        for chunk in stream:
            assert_type(chunk, bytes)
        assert_type(luma.save(generation, file), int)
    job = luma.generations.submit(prompt="A heron")
    assert_type(job, sync.Job)
    assert_type(job.id, str)
    assert_type(job.generation, Generation | None)
    assert_type(job.wait(timeout=1.0), Generation)
    assert_type(job.updates(), Iterator[Generation])
    assert_type(job.download("out"), list[Path])
    assert_type(luma.download(job, "out"), list[Path])
    assert_type(luma.generations.job("an id"), sync.Job)
    assert_type(luma.generations.map([{"prompt": "A heron"}]), Iterator[MapOutcome[Generation]])


def lists(luma: Luma, generor: Generor) -> None:
    pages = luma.files.list()
    assert_type(pages, sync.Pages[File])
    assert_type(pages.first_page(), sync.Page[File])
    assert_type(pages.first_page().next_page(), sync.Page[File] | None)
    assert_type(pages.by_page(), Iterator[sync.Page[File]])
    assert_type(pages.collect(max_items=3), list[File])
    for file in pages:
        assert_type(file, File)
    assert_type(generor.creations.list(), sync.Pages[Creation])
    assert_type(generor.generators.list(), list[Generator])


def money(generor: Generor) -> None:
    assert_type(generor.generators.estimate("joke", model_id=37), Estimate)
    assert_type(generor.generators.generate("joke", model_id=37), GenerateResult)
    assert_type(generor.generators.map([{"slug": "joke", "model_id": 37}]), Iterator[MapOutcome[GenerateResult]])
    assert_type(generor.credits.balance(), Balance)
    assert_type(generor.creations.delete(1), None)
