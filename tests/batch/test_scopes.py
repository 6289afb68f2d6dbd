"""The scopes of a Generor key are checked before anything is charged."""

from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, PermissionDeniedError, Secret
from generor_async.api.generor.models import ApiKey
from generor_async.batch.runner import run_batch
from generor_async.batch.scopes import NEEDED, missing_scopes
from generor_async.simulator import Simulator
from generor_async.testing import run

KEY = Secret("gnr_live_a1b2c3d4e5f6")
ROWS = [{"slug": "joke", "prompt": "a heron", "model_id": 37}]


def listed(scopes: list[str] | None, prefix: str | None = "gnr_live_a1b2c3d4") -> ApiKey:
    return ApiKey(prefix=prefix, scopes=scopes)


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ([listed(["read"])], ("generate",)),
        ([listed(["write"])], ("read", "generate")),
        ([listed(["read"], "gnr_live_a1b2c3d4...")], ("generate",)),
        ([listed(["read", "generate"])], ()),
        ([listed([])], ()),  # no scopes are all scopes
        ([listed(None)], ()),
        ([listed(["read"], "gnr_live_ffff0000")], ()),  # another's
        ([listed(["read"], "gnr_live_")], ()),  # says nothing
        ([listed(["read"], None)], ()),
        ([listed(["read"]), listed(["read", "generate"])], ()),  # it may be either
        ([], ()),
    ],
)
def test_only_scopes_that_are_surely_missing_are_named(keys: list[ApiKey], missing: tuple[str, ...]) -> None:
    assert missing_scopes(NEEDED, key=KEY, listed=keys) == missing


@pytest.mark.parametrize(
    ("scopes", "said"),
    [(["read"], "the scope 'generate'"), (["generate"], "the scope 'read'"), (["write"], "the scope 'read'")],
)
def test_a_key_without_a_scope_is_refused_before_anything_is_charged(
    tmp_path: Path, scopes: list[str], said: str
) -> None:
    async def main() -> None:
        async with Simulator() as simulator:
            async with AsyncGeneror(**simulator.generor_options) as owner:
                made = await owner.api_keys.create(name="batch", scopes=scopes)
            options: dict[str, Any] = {**simulator.generor_options, "api_key": made.api_key}
            async with AsyncGeneror(**options) as generor:
                for use in (run_batch(generor, ROWS, to=tmp_path / "out").estimate(), _run(generor, tmp_path / "out")):
                    with pytest.raises(PermissionDeniedError) as caught:
                        await use
                    assert said in str(caught.value)
                    assert "account settings on generor.com" in str(caught.value)
            assert not simulator.ledger.charges
            assert not any(entry.operation == "generor.generators.generate" for entry in simulator.ledger.requests)

    run(main())
    assert not (tmp_path / "out").exists()


async def _run(generor: AsyncGeneror, folder: Path) -> None:
    async for _ in run_batch(generor, ROWS, to=folder):
        pass


def test_a_key_with_both_scopes_is_accepted(tmp_path: Path) -> None:
    async def main() -> int:
        async with Simulator() as simulator:
            async with AsyncGeneror(**simulator.generor_options) as owner:
                made = await owner.api_keys.create(name="batch", scopes=list(NEEDED))
            options: dict[str, Any] = {**simulator.generor_options, "api_key": made.api_key}
            async with AsyncGeneror(**options) as generor:
                await _run(generor, tmp_path)
            return len(simulator.ledger.charges)

    assert run(main()) == 1
