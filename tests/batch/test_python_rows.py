"""Batches of rows from Python, run: what is bought, what is set aside, and what comes out again."""

import json
import math
import re
import warnings
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.runner import Batch, run_batch
from generor_async.simulator import Simulator
from generor_async.sync import Luma
from generor_async.sync import run_batch as run_batch_blocking
from generor_async.testing import run

numpy: Any = import_module("numpy")
pandas: Any = import_module("pandas")


pytestmark = pytest.mark.filterwarnings("ignore:.* set aside:UserWarning", "ignore:.* kept beside:UserWarning")


def ended(
    rows: Any, to: Path, *, api: str = "luma", tell: Any = None, **options: Any
) -> tuple[Batch, list[RowOutcome], int]:
    """Run rows; give the batch, its outcomes in the order of the rows, and how many calls were charged."""

    async def main() -> tuple[Batch, list[RowOutcome], int]:
        async with Simulator() as simulator:
            client = AsyncLuma(**simulator.luma_options) if api == "luma" else AsyncGeneror(**simulator.generor_options)
            async with client:
                batch = run_batch(client, rows, to=to, **options)
                if tell is not None:
                    batch.tell(tell)
                outcomes = [outcome async for outcome in batch]
            found = sorted(outcomes, key=lambda outcome: int(outcome.place.split(":")[1]))
            return batch, found, len(simulator.ledger.charges)

    return run(main())


def told(folder: Path) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in map(json.loads, (folder / "results.jsonl").read_text().splitlines())}


def test_strings_are_prompts(tmp_path: Path) -> None:
    _, outcomes, charged = ended(["a heron", numpy.str_("a gull"), "a heron"], tmp_path)
    assert [outcome.parameters for outcome in outcomes] == [{"prompt": "a heron"}, {"prompt": "a gull"}]
    assert charged == 2


def test_an_invalid_row_is_rejected_with_its_type_and_not_bought(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a"},
        ("a tuple", "of texts"),
        None,
        {"prompt": "b", "aspect_ratio": math.nan},
        {"promt": "c"},
        7,
    ]
    batch, outcomes, charged = ended(rows, tmp_path)
    assert [outcome.parameters for outcome in outcomes] == [{"prompt": "a"}, {"prompt": "b"}]
    assert charged == 2
    assert [reject.place for reject in batch.set_aside] == ["rows:2", "rows:3", "rows:5", "rows:6"]
    reasons = [reject.reason for reject in batch.set_aside]
    assert [reason.partition(", and")[0] for reason in reasons] == [
        "it is of the type tuple",
        "it is of the type None",
        reasons[2],
        "it is of the type int",
    ]
    assert reasons[2].startswith("'promt' is no parameter of luma.generations.create")
    assert reasons[2].endswith("Correct it, or keep it beside the parameters (keep=['promt'], --keep promt)")
    assert len((tmp_path / "rejected.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("blocking", [False, True])
def test_rejects_and_kept_columns_are_warned_of_unless_somebody_listens(tmp_path: Path, blocking: bool) -> None:
    frame = pandas.DataFrame({"prompt": ["a", math.nan], "Category": ["x", "y"]})
    heard = list[str]()

    def warned(folder: Path, tell: bool) -> list[str]:
        with (
            Simulator(speed=50) as simulator,
            Luma(**simulator.luma_options) as luma,
            warnings.catch_warnings(record=True) as told,
        ):
            warnings.simplefilter("always")
            if blocking:
                batch = run_batch_blocking(luma, frame, to=folder)
                if tell:
                    batch.tell(heard.append)
                assert len(list(batch)) == 1
            else:
                warm = ended(frame, folder, tell=heard.append if tell else None)
                assert len(warm[1]) == 1
        return [str(one.message) for one in told if one.category is UserWarning]

    sentences = [
        "the table has columns that are kept beside what comes of its rows: 'Category'",
        "rows:2 was set aside: 'prompt' is missing: add it to the row, or give it for all rows",
    ]
    assert warned(tmp_path / "a", tell=False) == [f"{sentence}." for sentence in sentences]
    assert warned(tmp_path / "b", tell=True) == []
    assert heard == sentences


def test_set_aside_has_the_rejects_of_the_latest_run(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            rows: list[Any] = ["a", None]
            batch = run_batch(luma, rows, to=tmp_path)
            assert [outcome.parameters["prompt"] async for outcome in batch] == ["a"]
            assert len(batch.set_aside) == 1
            rows[1] = "b"
            assert [outcome.parameters["prompt"] async for outcome in batch] == ["b"]
            assert not batch.set_aside

    run(main())


def test_a_table_is_run_with_its_ids_and_its_other_columns_are_exported(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "id": [1.0, 2.0, math.nan],
            "prompt": ["a", "b", "c"],
            "style": ["manga", None, pandas.NA],
            "Category": ["x", None, "z"],
            "When": [pandas.Timestamp("2026-04-08"), pandas.NaT, pandas.NaT],
            "Rank": numpy.array([3, 1, 2], dtype="int64"),
        }
    )
    _, outcomes, charged = ended(frame, tmp_path)
    assert charged == 3
    assert [outcome.id for outcome in outcomes[:2]] == ["1", "2"]
    assert [outcome.parameters for outcome in outcomes] == [
        {"prompt": "a", "style": "manga"},
        {"prompt": "b"},
        {"prompt": "c"},
    ]
    columns = [
        {"Category": "x", "When": "2026-04-08T00:00:00", "Rank": 3},
        {"Rank": 1},
        {"Category": "z", "Rank": 2},
    ]
    assert [outcome.columns for outcome in outcomes] == columns
    assert [told(tmp_path)[outcome.id].get("columns") for outcome in outcomes] == columns


def test_whole_numbers_that_pandas_made_floats_are_whole_again(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"prompt": ["a", "b"], "model_id": [37.0, 37.0], "count": [2.0, math.nan]})
    _, outcomes, _ = ended(frame, tmp_path, api="generor", common={"slug": "joke"})
    assert [(one.parameters["model_id"], one.parameters.get("count")) for one in outcomes] == [(37, 2), (37, None)]
    assert {type(one.parameters["model_id"]) for one in outcomes} == {int}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["promt"], r"the table has columns that may be misspelt .*: 'promt' \(is it 'prompt'\?\)"),
        (["prompt", "Aspect Ratio"], r"'Aspect Ratio' \(is it 'aspect_ratio'\?\)\. .*keep=\['Aspect Ratio'\], --keep"),
        (
            ["text", "Category"],
            r"the table has no column 'prompt'; its columns are 'text', 'Category'\. Name the prompt's",
        ),
    ],
)
def test_a_table_whose_columns_may_be_misspelt_is_refused_before_anything_is_bought(
    tmp_path: Path, columns: list[str], words: str
) -> None:
    frame = pandas.DataFrame([["a"] * len(columns)], columns=columns)
    with pytest.raises(InvalidRequestError, match=words):
        ended(frame, tmp_path)


def test_a_value_that_cannot_be_stored_fails_its_own_row_alone(tmp_path: Path) -> None:
    large, deep = 10**5_000, list[Any]()
    for _ in range(5_000):
        deep = [deep]
    rows: list[Any] = [
        {"id": large, "prompt": "a"},
        large,
        {"prompt": "b", "unknown": large},
        {"prompt": "c", "image_ref": deep},
        {"id": "kept", "prompt": "d", "own": large, "columns": {"more": large, "half": "\ud83d"}},
        "e",
    ]
    batch, outcomes, charged = ended(rows, tmp_path, keep=["own"])
    assert [reject.place for reject in batch.set_aside] == ["rows:1", "rows:2", "rows:3", "rows:4"]
    assert charged == len(outcomes) == 2
    assert told(tmp_path)["kept"]["columns"] == {"own": "<int>", "more": "<int>", "half": "\ud83d"}


@pytest.mark.parametrize(("name", "advice"), [("id", "Each row has an id of its own"), ("promt", "Those are .*prompt")])
def test_a_common_value_must_be_a_parameter(tmp_path: Path, name: str, advice: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"'{name}' is no parameter of luma.generations.create. {advice}"):
        ended(["a"], tmp_path, common={name: "x"})


def test_kept_columns_must_not_be_parameters(tmp_path: Path) -> None:
    _, (outcome,), _ = ended([{"prompt": "a", "tyle": "x", "note": {"a": 1}}], tmp_path, keep=["tyle", "note"])
    assert outcome.parameters == {"prompt": "a"}
    assert outcome.columns == {"tyle": "x", "note": {"a": 1}}
    for keep, words in (("note", "a list of names, not str"), ([1], "must be a string"), (["style"], "is a parameter")):
        with pytest.raises(InvalidRequestError, match=words) as refused:
            ended([{"prompt": "a"}], tmp_path, keep=keep)
        assert "keep" in refused.value.field


@pytest.mark.parametrize("rows", [{"prompt": "a"}, b"a", None, 7, pandas.Series(["a"])])
def test_invalid_rows_are_an_error_at_once(tmp_path: Path, rows: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        ended(rows, tmp_path)
    assert refused.value.field == "rows"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["prompt", "prompt"], "the table has several columns 'prompt'. Rename or drop all but one"),
        (["prompt", "note"], ""),
        ([("a", "prompt"), ("a", "note")], "the names of the table's columns are no strings, such as ('a', 'prompt')"),
        ([0, 1], "the names of the table's columns are no strings, such as 0"),
    ],
)
def test_a_table_whose_column_names_fit_no_row_is_refused(tmp_path: Path, columns: list[Any], words: str) -> None:
    index = pandas.MultiIndex.from_tuples(columns) if isinstance(columns[0], tuple) else columns
    frame = pandas.DataFrame([["a", "b"]], columns=index)
    if not words:
        assert ended(frame, tmp_path)[2] == 1
        return
    with pytest.raises(InvalidRequestError, match=re.escape(words)):
        ended(frame, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_table_without_rows_is_an_empty_batch(tmp_path: Path) -> None:
    batch, outcomes, charged = ended(pandas.DataFrame({"prompt": []}), tmp_path)
    assert (batch.reason, outcomes, charged) == ("done", [], 0)


def test_rows_of_an_async_iterator_are_treated_the_same(tmp_path: Path) -> None:
    async def rows() -> AsyncIterator[Any]:
        for row in ("a", None, {"prompt": "b"}):
            yield row

    batch, outcomes, charged = ended(rows(), tmp_path)
    assert [outcome.parameters["prompt"] for outcome in outcomes] == ["a", "b"]
    assert (charged, [reject.place for reject in batch.set_aside]) == (2, ["rows:2"])


def test_the_blocking_client_takes_the_same_rows(tmp_path: Path) -> None:
    with Simulator(speed=50) as simulator, Luma(**simulator.luma_options) as luma:
        batch = run_batch_blocking(luma, ["a", None, "b"], to=tmp_path / "a")  # type: ignore[list-item] # on purpose
        assert sorted(outcome.parameters["prompt"] for outcome in batch) == ["a", "b"]
        assert [reject.place for reject in batch.set_aside] == ["rows:2"]
        frame = pandas.DataFrame({"prompt": ["c"], "Category": ["x"]})
        (outcome,) = run_batch_blocking(luma, frame, to=tmp_path / "b")
        assert outcome.columns == {"Category": "x"}
        with (
            (tmp_path / "prompts.txt").open("w+") as file,
            pytest.raises(InvalidRequestError, match="path of the file"),
        ):
            run_batch_blocking(luma, file, to=tmp_path / "c")
        assert len(simulator.ledger.charges) == 3
