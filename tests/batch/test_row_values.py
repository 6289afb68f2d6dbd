"""Values of rows that no call takes: each is refused as a row, before anything is sent, and the others run."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.commands import Commands

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.batch.runner import run_batch
from generor_async.batch.status import report
from generor_async.simulator import Simulator
from generor_async.testing import run

pytestmark = pytest.mark.filterwarnings("ignore:.* set aside:UserWarning")

GOOD: dict[str, dict[str, Any]] = {
    "luma": {"prompt": "a heron"},
    "generor": {"prompt": "a heron", "slug": "joke", "model_id": 37},
}
LUMA: list[tuple[dict[str, Any], str]] = [
    ({"prompt": 5}, "prompt must be a string, not int. Write it in quotes."),
    ({"prompt": None}, "prompt must be a string, not None."),
    ({"prompt": ["a"]}, "prompt must be a string, not list."),
    ({"prompt": {"text": "a"}}, "prompt must be a string, not dict."),
    ({"prompt": ""}, "prompt: Prompt must be between 1 and 6000 characters"),
    ({"model": 5}, "model must be a string, not int."),
    ({"type": ["image"]}, "type must be a string, not list."),
    ({"aspect_ratio": 169}, "aspect_ratio must be a string, not int."),
    ({"style": None}, "style must be a string, not None. Leave it out."),
    ({"web_search": "yes"}, "web_search must be True or False, not str."),
    ({"web_search": 1}, "web_search must be True or False, not int."),
    ({"image_ref": "cat.png"}, "image_ref must be a list of MediaRefs, not str."),
    ({"image_ref": ["cat.png"]}, "image_ref[0] must be a MediaRef or a mapping, not str."),
    ({"image_ref": [{"path": "no.png"}]}, "image_ref: "),
    ({"image_ref": [{"path": 5}]}, "image_ref[0]: "),
    ({"type": "image_edit", "source": "cat.png"}, "source must be a MediaRef or a mapping, not str."),
    ({"type": "image_edit", "source": {"url": 5}}, "source.url must be a string, not int."),
    ({"video": "5s"}, "video must be VideoOptions or a mapping, not str."),
    ({"type": "video", "video": {"duration": 5}}, "video.duration must be a string, not int."),
    ({"type": "video", "video": {"resolution": ["720p"]}}, "video.resolution must be a string, not list."),
    ({"type": "video", "video": {"hdr": "false"}}, "video.hdr must be True or False, not str."),
    ({"user_id": 7}, "user_id must be a string, not int."),
    ({"id": ["a"]}, "its id must be text of 1 to 200 characters"),
    ({"id": 1.5}, "its id must be text of 1 to 200 characters"),
    ({"id": "caf\ud83d"}, "its id holds half of a surrogate pair"),
    ({"prompt": "caf\ud83d"}, "it holds half of a surrogate pair"),
    ({"prompt": " \n"}, "its prompt is blank"),
    ({"prompt": "a\0b"}, "it holds a NUL character"),
    ({"image_ref": [{"url": "https://x.example/\0"}]}, "it holds a NUL character"),
    ({"columns": "a"}, "'columns' is no parameter of luma.generations.create"),
]
GENEROR: list[tuple[dict[str, Any], str]] = [
    ({"prompt": 5}, "prompt must be a string, not int."),
    ({"prompt": " "}, "its prompt is blank"),
    ({"parameters": {"a": ["b\0"]}}, "it holds a NUL character"),
    ({"prompt": None}, "prompt must be a string, not None."),
    ({"model_id": "37"}, "model_id must be a whole number, not str. Write a whole number without quotes."),
    ({"model_id": 37.5}, "model_id must be a whole number, not float."),
    ({"model_id": True}, "model_id must be a whole number, not bool."),
    ({"model_id": 10**30}, "model_id is larger than any id or count."),
    ({"slug": 7}, "slug must be a string, not int."),
    ({"slug": ".."}, "slug must not be '..'."),
    ({"temperature": "hot"}, "temperature must be a number, not str."),
    ({"count": 11}, "count must be between 1 and 10."),
    ({"generate_audio": "yes"}, "generate_audio must be True or False, not str."),
    ({"image_url": "cat.png"}, "image_url must be a URL that begins with https://."),
    ({"image_url": {"path": "cat.png"}}, "image_url must be a string, not dict."),
    ({"reference_images": "https://x.example/a.png"}, "reference_images must be a list of URLs, not str."),
    ({"reference_images": ["https://x.example/a.png", "b.png"]}, "reference_images[1] must be a URL"),
    ({"parameters": ["a"]}, "parameters must be a mapping, not list."),
    ({"preference": 2.5}, "preference must be a string or a whole number, not float."),
]
CASES = {"luma": LUMA, "generor": GENEROR}


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_a_row_with_an_invalid_value_is_rejected_and_the_others_run(tmp_path: Path, api: str) -> None:
    rows = [{**GOOD[api], "prompt": "first"}, *({**GOOD[api], **bad} for bad, _ in CASES[api]), GOOD[api]]

    async def main() -> None:
        async with Simulator() as simulator:
            client = AsyncLuma(**simulator.luma_options) if api == "luma" else AsyncGeneror(**simulator.generor_options)
            async with client:
                batch = run_batch(client, rows, to=tmp_path)
                states = [outcome.state async for outcome in batch]
            assert states == ["done", "done"]
            assert len(simulator.ledger.charges) == 2
            for reject, (bad, reason) in zip(batch.set_aside, CASES[api], strict=True):
                assert reject.reason.startswith(reason), bad
            assert [reject.place for reject in batch.set_aside] == [f"rows:{at}" for at in range(2, len(rows))]

    run(main())


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_the_command_says_the_same_of_json_lines(tmp_path: Path, commands: Commands, api: str) -> None:
    rows = [GOOD[api], *({**GOOD[api], **bad} for bad, _ in CASES[api])]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    ended = commands.run("batch", "run", str(path), "--out", str(tmp_path / "out"), "--api", api, "--simulate")
    assert (ended.returncode, json.loads(ended.stdout)["rows"]) == (3, {"done": 1})
    told = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    for one, (bad, reason) in zip(told, CASES[api], strict=True):
        # Half of a pair anywhere in a line is found before it is known what it belongs to.
        half = "half of a surrogate pair" in reason
        assert one["reason"].startswith("it holds half of a surrogate pair" if half else reason), bad
    assert told[0]["place"] == "rows.jsonl:2"


def test_a_cell_that_names_a_file_is_no_url(tmp_path: Path, commands: Commands) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,model_id,image_url\na,37,\nb,37,cat.png\nc,ten,\n")
    ended = commands.run(
        "batch",
        "run",
        str(path),
        "--out",
        str(tmp_path / "out"),
        "--api",
        "generor",
        "--simulate",
        "--param",
        "slug=joke",
    )
    assert (ended.returncode, json.loads(ended.stdout)["rows"]) == (3, {"done": 1})
    told = [json.loads(line)["reason"] for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    assert told[0].startswith(
        "image_url must be a URL that begins with https://. The API takes no file of this machine"
    )
    assert told[1] == "model_id is 'ten': write a number"


@pytest.mark.parametrize("prompt", [5, None, ["a"], {"a": 1}, True, 2.5, "caf\\ud83d"])
def test_a_report_is_written_of_any_value_that_an_earlier_version_kept(tmp_path: Path, prompt: Any) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            assert [outcome.state async for outcome in run_batch(luma, ["a heron"], to=tmp_path)] == ["done"]
            odd = {"prompt": prompt, "type": prompt, "model": prompt, "slug": prompt}
            connection = sqlite3.connect(tmp_path / "journal.sqlite")
            connection.execute("UPDATE inputs SET parameters = ?", [json.dumps(odd)])
            connection.commit()
            connection.close()
            assert (await report(tmp_path)).stat().st_size

    run(main())


def test_failed_rows_can_be_run_again_with_their_columns(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            rows = [{"prompt": "[[moderate]] a heron", "sku": "a-1"}]
            (first,) = [one async for one in run_batch(luma, rows, to=tmp_path / "a", keep=["sku"])]
            (again,) = [one async for one in run_batch(luma, tmp_path / "a/failed.jsonl", to=tmp_path / "b")]
            assert (first.state, again.state) == ("failed", "failed")
            assert first.columns == again.columns == {"sku": "a-1"}
            assert (first.id, first.parameters) == (again.id, again.parameters)

    run(main())
