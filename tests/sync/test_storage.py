"""The blocking storage, on the simulator."""

from pathlib import Path
from typing import Any

import pytest

import generor_async
from generor_async import AsyncLuma, Generor, InvalidRequestError, Luma, StorageError
from generor_async.sync import Storage


def test_results_of_both_clients_are_saved(luma_sync: Luma, generor_sync: Generor, tmp_path: Path) -> None:
    luma, generor = luma_sync, generor_sync
    job = luma.generations.submit(prompt="a heron")
    job.wait()
    storage = Storage(tmp_path.as_uri(), luma)
    (stored,) = storage.save(job)
    assert (stored.uploaded, stored.size) == (True, (tmp_path / stored.key).stat().st_size)
    assert stored.key.startswith(job.id)
    assert stored.media_type.startswith("image/")
    (again,) = storage.save(luma.generations.get(job.id))
    assert (again.uploaded, again.key, again.url) == (False, stored.key, f"{tmp_path.as_uri()}/{stored.key}")
    result = generor.generators.generate("joke", model_id=37, prompt="a heron")
    saved = Storage(tmp_path.as_uri(), generor).save(result)
    assert {each.key for each in saved} < {path.name for path in tmp_path.iterdir()}
    with pytest.raises(StorageError, match="no signed links"):
        saved[0].signed_url(60)
    assert repr(storage) == f"Storage({tmp_path.as_uri()!r})"


def test_a_blocking_storage_is_made_with_a_blocking_client(luma_sync: Luma) -> None:
    wrong: Any = AsyncLuma("luma-api-0123456789")
    with pytest.raises(InvalidRequestError, match="client"):
        Storage("memory://", wrong)
    blocking: Any = luma_sync
    with pytest.raises(InvalidRequestError, match="client"):
        generor_async.Storage("memory://", blocking)
