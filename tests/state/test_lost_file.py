"""A state whose file is moved, deleted, replaced or damaged while it is in use: nothing more is bought."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.clock import in_virtual_time

from generor_async import AsyncGeneror, AsyncLuma, AttemptEnded, FolderError, InvalidRequestError, Luma
from generor_async.simulator import Simulator

ACCOUNT: dict[str, Any] = {"seed": 7, "luma_rpm": 100_000, "luma_jobs": 10_000}

anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(**ACCOUNT) as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "calls.sqlite"


def delete(path: Path) -> None:
    path.unlink()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def move(path: Path) -> None:
    path.rename(path.with_name("moved.sqlite"))


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


def damage(path: Path) -> None:
    path.write_bytes(b"garbage!" * 4_096)


@pytest.mark.parametrize("harm", [delete, delete_folder, move, replace])
@pytest.mark.parametrize("options", [{}, {"idempotency_key": "order 7"}])
async def test_nothing_is_bought_that_nobody_would_know_of(
    simulator: Simulator, path: Path, harm: Callable[[Path], None], options: dict[str, Any]
) -> None:
    async with AsyncLuma(**simulator.luma_options, state=path) as luma:
        made = await luma.generations.submit(prompt="a heron")
        harm(path)
        for _ in range(2):
            with pytest.raises(FolderError, match="moved, deleted or replaced") as caught:
                await luma.with_options(**options).generations.create(prompt="a heron")
            assert str(path) in str(caught.value)
            assert caught.value.advice
        assert (await made).state == "completed", "what only reads goes on"
    assert len(simulator.ledger.charges) == 1


async def test_an_id_that_nobody_finds_is_logged(
    simulator: Simulator, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(event: object) -> None:
        if isinstance(event, AttemptEnded):
            path.unlink()

    async with AsyncLuma(**simulator.luma_options, state=path, on_event=lose) as luma:
        made = await luma.generations.create(prompt="a heron")
    assert made.id in caplog.text
    assert "deleted" in caplog.text


def test_a_blocking_client_refuses_alike(path: Path) -> None:
    with Simulator(**ACCOUNT) as simulator, Luma(**simulator.luma_options, state=path) as luma:
        luma.generations.create(prompt="a heron")
        path.unlink()
        with pytest.raises(FolderError):
            luma.generations.create(prompt="a heron")
        assert len(simulator.ledger.charges) == 1


async def test_a_damaged_file_is_refused_in_words_of_the_state(simulator: Simulator, path: Path) -> None:
    async with AsyncLuma(**simulator.luma_options, state=path) as luma:
        await luma.generations.create(prompt="a heron")
    damage(path)
    async with AsyncLuma(**simulator.luma_options, state=path) as luma:
        with pytest.raises(InvalidRequestError, match="cannot be used") as refused:
            await luma.generations.create(prompt="a heron")
        assert "batch" not in str(refused.value)
    assert len(simulator.ledger.charges) == 1


@pytest.mark.parametrize("api", ["luma", "generor"])
async def test_a_state_that_cannot_be_used_at_first_is_used_later(simulator: Simulator, path: Path, api: str) -> None:
    """Such as one in a folder that is mounted late."""
    path.parent.rmdir()
    options = simulator.luma_options if api == "luma" else simulator.generor_options
    client: Any = (AsyncLuma if api == "luma" else AsyncGeneror)(**options, state=path)

    async def pay() -> None:
        if api == "luma":
            await client.generations.create(prompt="a heron")
        else:
            await client.generators.generate("joke", prompt="a heron", model_id=37)

    async with client:
        with pytest.raises(InvalidRequestError, match="cannot be used"):
            await pay()
        path.parent.mkdir()
        await pay()
    with closing(sqlite3.connect(path)) as connection:
        assert len(list(connection.execute("SELECT remote_ids FROM calls WHERE remote_ids IS NOT NULL"))) == 1
    assert len(simulator.ledger.charges) == 1
