"""What a batch of pictures and videos costs: the estimate, the server's books and all that is told afterwards agree."""

import csv
import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from generor_async import run_batch
from generor_async.batch.export import export_lines
from generor_async.batch.journal import open_reader
from generor_async.batch.status import read_status
from generor_async.cli.batch_options import OutputOptions
from generor_async.cli.batch_places import Place
from generor_async.cli.status_view import print_status
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT
from strangers import LumaWorld, StrangerServer
from strangers.clients import TRAVEL, luma_of, virtual

SOURCE = {"source": {"url": "https://example.com/heron.png"}}
FILM = {"source": {"url": "https://example.com/heron.mp4"}}


def film(resolution: str, **video: Any) -> dict[str, Any]:
    return {"model": "ray-3.2", "type": "video", "video": {"resolution": resolution, **video}}


KINDS: list[tuple[int, dict[str, Any]]] = [
    (17, {}),
    (7, {"model": "uni-1-max"}),
    (4, {"image_ref": [{"url": "https://example.com/a.png"}, {"url": "https://example.com/b.png"}]}),
    (8, {"type": "image_edit", **SOURCE}),
    (5, {"type": "image_edit", "model": "uni-1-max", **SOURCE, "image_ref": [{"url": "https://example.com/a.png"}]}),
    (4, film("540p")),
    (4, film("720p", duration="5s")),
    (3, film("1080p")),
    (2, film("540p", duration="10s")),
    (1, film("720p", hdr=True)),
    (1, film("1080p", hdr=True)),
    (2, film("720p", duration="5s") | {"type": "video_edit"} | FILM),
    (2, film("540p", duration="5s") | {"type": "video_reframe"} | FILM),
]
ROWS = [
    {"prompt": f"heron {kind} {number}", **given}
    for kind, (count, given) in enumerate(KINDS)
    for number in range(count)
]
PICTURES = 17 * 0.0404 + 7 * 0.1 + 4 * 0.0464 + 8 * 0.0434 + 5 * 0.106
FILMS = 4 * 0.15 + 4 * 0.30 + 3 * 1.20 + 2 * 0.45 + 0.60 + 2.40 + 2 * 1.08 + 2 * 0.30
PRICE = PICTURES + FILMS
"""US dollars, by the price lists."""


@virtual
@pytest.mark.parametrize("share", [1.0, 0.5])
async def test_estimate_books_and_report_agree_to_the_cent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], share: Any
) -> None:
    cap = share * PRICE / DOLLARS_A_CREDIT + 1
    world = LumaWorld(slots=1_000, per_minute=1_000)
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server) as luma:
        batch = run_batch(luma, ROWS, to=tmp_path, max_credits=cap)
        estimate = await batch.estimate()
        assert (estimate.new, estimate.unpriced) == (len(ROWS), 0) == (60, 0)
        assert cents(estimate.credits * DOLLARS_A_CREDIT) == cents(PRICE)
        outcomes = [outcome async for outcome in batch]
        booked = cents(sum(charge.credits for charge in server.charges) * DOLLARS_A_CREDIT)
        done = [outcome for outcome in outcomes if outcome.state == "done"]
        assert len(done) == len(server.charges)
        assert sum(charge.credits for charge in server.charges) <= cap
        assert booked == cents(PRICE) if share == 1.0 else 0.8 * share * PRICE < booked <= share * PRICE + 0.01
        assert batch.progress is not None
        assert cents(batch.progress.spent * DOLLARS_A_CREDIT) == booked
        status = await batch.status()
        assert status.dollars is not None
        assert cents(status.dollars) == booked
        assert cents(sum(outcome.cost or 0.0 for outcome in done) * DOLLARS_A_CREDIT) == booked
        await check_told(tmp_path, capsys, booked)
        page = (await batch.report()).read_text()
        spent = re.search(r"<dt>Spent</dt><dd>[^<]*\(\$([\d,.]+)\)", page)
        assert spent is not None
        assert float(spent[1].replace(",", "")) == booked
        lines = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
        assert cents(sum(line["credits"] for line in lines) * DOLLARS_A_CREDIT) == booked


def cents(dollars: float) -> float:
    """Return US dollars as people write them."""
    return round(dollars, 2)


async def check_told(folder: Path, capsys: pytest.CaptureFixture[str], booked: float) -> None:
    """Hold what the command shows and exports against what the server has booked."""
    status = await read_status(folder)
    capsys.readouterr()
    print_status(status, Place(folder), OutputOptions(json=True))
    told = json.loads(capsys.readouterr().out)
    assert cents(told["dollars"]["spent"]) == booked
    reader = await open_reader(folder)
    try:
        table = csv.DictReader(StringIO("".join([line async for line in export_lines(reader, "csv")])))
        rows = [json.loads(line) async for line in export_lines(reader, "jsonl")]
    finally:
        await reader.close()
    assert cents(sum(float(row["dollars"] or 0) for row in table)) == booked
    assert cents(sum(row["dollars"] or 0 for row in rows)) == booked
    assert cents(sum(row["credits"] or 0 for row in rows) * DOLLARS_A_CREDIT) == booked
