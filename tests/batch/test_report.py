import base64
import gzip
import hashlib
import json
import os
import re
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.examples import examples
from support.markup import Element, read

from generor_async.batch.report import ReportFile, ReportRow, ReportState, ReportSummary, left_out, write_report
from generor_async.batch.report.page import MAX_INLINE_ROWS
from generor_async.simulator import outputs
from generor_async.simulator.outputs import image as draw_image  # before a fixture replaces it by noise

BEGAN = 1_763_770_440.0
SUMMARY = ReportSummary(
    title="A run", api="Luma Agents", unit="credits", spent=18.0, rows=20, runs=[(BEGAN, BEGAN + 600)]
)
ROW = ReportRow(
    id="row-1", state="done", prompt="a lake", type="image", model="uni-1", cost=6.0, started=BEGAN, ended=BEGAN + 20
)
HOSTILE = "</script></style></p>--><img src=x onerror='alert(1)'>\" & &lt; \u202eback \U0001f469\u200d\U0001f680"


def written(folder: Path, *rows: ReportRow, summary: ReportSummary = SUMMARY) -> Element:
    """Write a report, and read it."""
    write_report(folder / "report.html", summary, rows, folder=folder)
    return read((folder / "report.html").read_text("utf-8"))


def stored(folder: Path, name: str, content: bytes, media_type: str) -> ReportFile:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return ReportFile(path=name, media_type=media_type)


def png(folder: Path, name: str = "media/a.png", *, ratio: str = "16:9", size: int = 512) -> ReportFile:
    content = draw_image("a lake", seed=1, ratio=ratio, format="png", size=size)
    return stored(folder, name, content, "image/png")


def facts(row: Element) -> list[str]:
    return [element.text for element in row.all("dd")]


def test_a_picture_is_inlined_small_and_links_to_its_original(tmp_path: Path) -> None:
    page = written(tmp_path, evolve(ROW, files=(png(tmp_path, size=1024),)))
    link = page.one("div", "stage").one("a")
    assert link.attributes["href"] == "./media/a.png"
    picture = link.one("img").attributes
    kind, _, content = picture["src"].partition(";base64,")
    with Image.open(BytesIO(base64.b64decode(content))) as image:
        assert (kind, image.format, image.size) == ("data:image/webp", "WEBP", (400, 225))
    assert (picture["width"], picture["height"], picture["alt"]) == ("400", "225", "a lake")


def test_every_file_of_a_row_is_shown(tmp_path: Path) -> None:
    files = tuple(png(tmp_path, f"media/{n}.png") for n in range(4))
    page = written(tmp_path, evolve(ROW, files=files))
    assert [link.attributes["href"] for link in page.one("div", "across2").all("a")] == [
        f"./media/{n}.png" for n in range(4)
    ]


def test_videos_and_sounds_are_linked_and_not_read_before_they_are_played(tmp_path: Path) -> None:
    clip = stored(tmp_path, "a.mp4", outputs.video(ratio="16:9", seed=1), "video/mp4")
    sound = stored(tmp_path, "a.wav", outputs.wav("a", seed=1), "audio/wav")
    page = written(tmp_path, evolve(ROW, files=(clip, sound)))
    for element, source in ((page.one("video"), "./a.mp4"), (page.one("audio"), "./a.wav")):
        said = element.attributes
        assert (said["src"], said["preload"], said["aria-label"]) == (source, "none", "a lake")
        assert "controls" in said


def test_a_text_is_shown_by_its_beginning(tmp_path: Path) -> None:
    joke = stored(tmp_path, "a.txt", f"Why? {HOSTILE} {'ha ' * 1000}".encode(), "text/plain")
    page = written(tmp_path, evolve(ROW, files=(joke,)))
    shown = page.one("blockquote").text
    assert shown.startswith(f"Why? {HOSTILE} ha ha")
    assert len(shown.encode()) == 1200
    assert page.one("a", "open").attributes["href"] == "./a.txt"


def test_what_browsers_cannot_show_is_named_and_linked(tmp_path: Path) -> None:
    frames = stored(tmp_path, "a.exr", b"v/1\x01", "image/x-exr")
    model = stored(tmp_path, "b.glb", b"glTF", "model/gltf-binary")
    page = written(tmp_path, evolve(ROW, files=(frames, model)))
    assert [(tile.attributes["href"], tile.text) for tile in page.all("a", "tile")] == [
        ("./a.exr", "EXR"),
        ("./b.glb", "GLB"),
    ]


def test_a_picture_that_pillow_cannot_read_is_linked(tmp_path: Path) -> None:
    cut = stored(tmp_path, "a.png", draw_image("a", seed=1, ratio="1:1", format="png")[:2000], "image/png")
    picture = written(tmp_path, evolve(ROW, files=(cut,))).one("ol").one("img")
    assert (picture.attributes["src"], picture.attributes["loading"]) == ("./a.png", "lazy")


def test_without_pillow_the_originals_are_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = png(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    picture = written(tmp_path, evolve(ROW, files=(file,))).one("ol").one("img")
    assert picture.attributes["src"] == "./media/a.png"


def test_transparency_is_kept(tmp_path: Path) -> None:
    layer = outputs.layer("a", seed=1, ratio="1:1", index=0, count=2, size=256)
    page = written(tmp_path, evolve(ROW, files=(stored(tmp_path, "a.png", layer, "image/png"),)))
    content = page.one("ol").one("img").attributes["src"].partition(";base64,")[2]
    with Image.open(BytesIO(base64.b64decode(content))) as image:
        assert image.mode == "RGBA"


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    page = written(tmp_path, evolve(ROW, files=(ReportFile(path="media/a.png", media_type="image/png"),)))
    assert page.one("div", "stage").text == "media/a.png is not there any more"


@pytest.mark.parametrize("name", ["a b#c?d%20e&f.png", "x:y.png", "/host/a.png", "'\">.png", "è/漢字.png"])
def test_links_work_for_any_file_name(tmp_path: Path, name: str) -> None:
    content = draw_image("a", seed=1, ratio="1:1", format="png", size=64)
    stored(tmp_path, name.removeprefix("/"), content, "image/png")
    file = ReportFile(path=name.removeprefix("/"), media_type="image/png")
    link = written(tmp_path, evolve(ROW, files=(file,))).one("div", "stage").one("a").attributes["href"]
    assert unquote(link) == f"./{file.path}"
    assert re.fullmatch(r"\./[\w./%~-]+", link, re.ASCII), "nothing in it means anything in a URL"


def test_links_are_relative_to_the_page_wherever_it_is(tmp_path: Path) -> None:
    file = png(tmp_path / "results")
    (tmp_path / "pages").mkdir()
    report = tmp_path / "pages/report.html"
    write_report(report, SUMMARY, [evolve(ROW, files=(file,))], folder=tmp_path / "results")
    link = read(report.read_text("utf-8")).one("div", "stage").one("a").attributes["href"]
    assert link == "../results/media/a.png"


def test_a_row_says_what_it_cost_and_how_long_it_took(tmp_path: Path) -> None:
    page = written(tmp_path, evolve(ROW, attempts=2, remote_id="gen-1", ended=BEGAN + 83.4))
    assert facts(page.one("li", "row")) == ["image · uni-1", "6 credits", "1 min 23 s", "2 attempts", "gen-1"]


def test_dollars_are_shown_as_such(tmp_path: Path) -> None:
    dollars = evolve(SUMMARY, unit="dollars", spent=1234.5, cap=2000)
    page = written(tmp_path, evolve(ROW, cost=0.0404), summary=dollars)
    assert "$0.0404" in facts(page.one("li", "row"))
    assert page.one("div", "spent").text == "Spent$1,234.50cap $2,000.00"


def test_an_unknown_row_shows_what_it_may_have_cost(tmp_path: Path) -> None:
    lost = evolve(
        ROW, state="unknown", cost=0.0, unresolved=24.0, error="OutcomeUnknownError", reason="the connection broke"
    )
    page = written(tmp_path, ROW, lost)
    assert "up to 24 credits" in facts(page.all("li", "row")[1])
    assert page.one("dl", "stats").one("div", "unknown").text == "Unknown1"
    assert page.one("dl", "stats").one("div", "unresolved").text == "Unresolved24 creditsmay have been charged as well"


def test_failures_are_shown_with_reasons_and_counted_by_type(tmp_path: Path) -> None:
    refused = evolve(ROW, state="failed", cost=0.0, error="ContentModeratedError", reason=HOSTILE)
    other = evolve(refused, error="DownloadError", reason="the disk is full")
    page = written(tmp_path, ROW, refused, other, refused)
    assert page.all("div", "stage")[1].text == f"ContentModeratedError{HOSTILE}"
    rows = [[cell.text for cell in row.inner[:4]] for row in page.all("section")[1].one("tbody").all("tr")]
    assert rows == [
        ["ContentModeratedError", "Failed", "2", HOSTILE],
        ["DownloadError", "Failed", "1", "the disk is full"],
    ]


def test_a_row_that_failed_after_its_output_was_stored_shows_both(tmp_path: Path) -> None:
    row = evolve(ROW, state="failed", error="DownloadError", reason="one of two", files=(png(tmp_path),))
    page = written(tmp_path, row)
    assert page.one("div", "stage").one("img")
    assert page.one("ol").one("div", "text").one("p", "reason").text == "one of two"


def test_the_filter_has_only_states_that_rows_are_in(tmp_path: Path) -> None:
    page = written(tmp_path, ROW, evolve(ROW, state="other"), ROW)
    assert [label.text.strip() for label in page.one("fieldset").all("label")] == ["All 3", "Done 2", "Not ended 1"]


def test_a_run_without_rows_has_a_page(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert page.one("ol").inner == []
    assert page.one("output").text == "0 rows"


@examples(50)
@given(text=st.text(st.characters(codec=None), min_size=1, max_size=300))
def test_whatever_a_text_holds_it_stays_text(text: str) -> None:
    plain = "x" * len(text)
    with TemporaryDirectory() as name:
        folder = Path(name)
        hostile, harmless = (
            written(
                folder,
                evolve(ROW, prompt=each, reason=each, error="E", id=each, model=each, remote_id=each),
                summary=evolve(SUMMARY, title=each),
            )
            for each in (text, plain)
        )
    assert [element.tag for element in hostile.all("*")] == [element.tag for element in harmless.all("*")]
    # Halves of surrogate pairs, NUL and carriage returns have no place in HTML: what reads it replaces them.
    shown = re.sub("[\ud800-\udfff]", "\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")
    prompt = hostile.one("ol").one("*", "prompt")
    assert (prompt.one("p") if prompt.tag == "details" else prompt).text == shown


def test_a_long_prompt_is_folded_and_whole(tmp_path: Path) -> None:
    prompt = (f"{HOSTILE} " * 100)[:6000]
    folded = written(tmp_path, evolve(ROW, prompt=prompt)).one("details", "prompt")
    assert folded.one("p").text == prompt
    assert len(folded.one("summary").one("span", "more").text) == len("all 6,000 characters")
    assert len(folded.one("summary").text) < 200


def test_the_policy_allows_only_the_pages_own_content(tmp_path: Path) -> None:
    page = written(tmp_path, evolve(ROW, prompt=HOSTILE, files=(png(tmp_path),)))
    policy = next(meta.attributes["content"] for meta in page.all("meta") if "http-equiv" in meta.attributes)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        digest = hashlib.sha256(page.one(tag).text.encode()).digest()
        assert rules[rule] == f"'sha256-{base64.b64encode(digest).decode()}'"
    for element in page.all("*"):
        assert not [name for name in element.attributes if name == "style" or name.startswith("on")]
        for name in ("src", "href"):
            assert re.match(r"data:|\./|#|$", element.attributes.get(name, ""))


def unpacked(page: Element) -> list[str]:
    """Return the markup of the rows that are packed into a page, as its description says."""
    (packed,) = [script for script in page.all("script") if script.attributes.get("id") == "packed"]
    patterns, rows = list[str](), list[str]()
    for line in gzip.decompress(base64.b64decode(packed.text)).decode().splitlines():
        said: str | dict[str, Any] = json.loads(line)
        if isinstance(said, str):
            patterns.append(said)
            continue
        values = {number: iter(list(zip(*each, strict=True))) for number, each in said["columns"].items()}
        for number in list[int](said["of"]):
            parts, those = patterns[number].split("\x1f"), next(values[str(number)])
            rows.append("".join(those[int(part)] if at % 2 else part for at, part in enumerate(parts)))
    return rows


def test_packed_rows_equal_inline_rows_but_for_thumbnails(tmp_path: Path) -> None:
    files = png(tmp_path, size=64), stored(tmp_path, "a.txt", HOSTILE.encode(), "text/plain")
    kinds = [
        evolve(ROW, files=files),
        evolve(ROW, id=HOSTILE, prompt=f"{HOSTILE} " * 30, remote_id="\x1f0\x1f"),
        evolve(ROW, state="failed", error="ContentModeratedError", reason=HOSTILE, cost=None),
        evolve(ROW, state="unknown", unresolved=24.0, attempts=2, model="\x1f"),
    ]
    few = [str(row) for row in written(tmp_path, *kinds).all("li", "row")]
    count = MAX_INLINE_ROWS + 403
    page = written(tmp_path, *(kinds[n % 4] for n in range(count)), summary=evolve(SUMMARY, rows=count))
    assert page.one("li").text.startswith(f"{count:,} rows are packed")
    rows = unpacked(page)
    assert len(rows) == count
    link = "./thumbnails/media/a.png.webp"
    for n in (*range(8), count - 1):
        (row,) = read(rows[n]).inner
        for image in row.all("img"):
            assert image.attributes["src"] == link
            image.attributes["src"] = written(tmp_path, kinds[0]).one("li", "row").one("img").attributes["src"]
        assert str(row) == few[n % 4]


def test_a_thumbnail_file_is_made_once_for_each_version_of_a_picture(tmp_path: Path) -> None:
    row, summary = evolve(ROW, files=(png(tmp_path, size=1024),)), evolve(SUMMARY, rows=MAX_INLINE_ROWS + 1)
    kept = tmp_path / "thumbnails/media/a.png.webp"
    seen = list[bytes]()
    for change in (None, None, "3:4", "cut"):
        if change is not None:
            before = (tmp_path / "media/a.png").stat().st_mtime_ns
            content = draw_image("a lake", seed=1, ratio="16:9" if change == "cut" else change, format="png")
            (tmp_path / "media/a.png").write_bytes(content[:2000] if change == "cut" else content)
            os.utime(tmp_path / "media/a.png", ns=(before, kept.stat().st_mtime_ns + 1))
        page = written(tmp_path, row, summary=summary)
        (markup,) = unpacked(page)
        picture = read(markup).one("img").attributes
        seen.append(kept.read_bytes())
        expected = "./media/a.png" if change == "cut" else "./thumbnails/media/a.png.webp"
        assert picture["src"] == expected
    assert seen[0] == seen[1] != seen[2]
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_rows_are_in_the_order_of_the_input(tmp_path: Path) -> None:
    large, small = png(tmp_path, "l.png", size=1024), png(tmp_path, "s.png", size=64)
    rows = (evolve(ROW, id=f"r{n}", files=(small if n % 3 else large,)) for n in range(40))
    write_report(tmp_path / "report.html", SUMMARY, rows, folder=tmp_path)
    page = read((tmp_path / "report.html").read_text("utf-8"))
    assert [element.text for element in page.all("span", "id")] == [f"r{n}" for n in range(40)]


@pytest.mark.parametrize("packed", [False, True])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, packed: bool) -> None:
    summary = evolve(SUMMARY, rows=MAX_INLINE_ROWS + packed)

    def peak(count: int) -> int:
        rows = (evolve(ROW, id=str(n), prompt=f"{n:06}" * 1000) for n in range(count))
        tracemalloc.start()
        write_report(tmp_path / "report.html", summary, rows, folder=tmp_path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)
    few, many = peak(500), peak(3000)
    assert packed or (tmp_path / "report.html").stat().st_size > 18_000_000
    assert many - few < 1_000_000, "2,500 rows more, of 6,000 characters each"


def test_a_page_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    def rows() -> Iterator[ReportRow]:
        yield ROW
        raise ConnectionError

    report = tmp_path / "report.html"
    report.write_text("the old page")
    with pytest.raises(ConnectionError):
        write_report(report, SUMMARY, rows(), folder=tmp_path)
    assert report.read_text() == "the old page"
    assert list(tmp_path.iterdir()) == [report]
    write_report(report, SUMMARY, [ROW], folder=tmp_path)
    assert list(tmp_path.iterdir()) == [report]


ORDER: Sequence[ReportState] = ("other", "done", "failed", "unknown")
COUNTS = st.dictionaries(st.sampled_from(ORDER), st.integers(0, 9))


@given(COUNTS, st.integers(1, 20))
def test_rows_that_have_not_ended_are_left_out_first(counts: dict[ReportState, int], most: int) -> None:
    found = left_out(counts, most)
    assert sum(counts.values()) - sum(found.values()) == min(most, sum(counts.values()))
    assert all(0 < rows <= counts[state] for state, rows in found.items())
    for sooner, later in pairwise(ORDER):
        if later in found:
            assert found.get(sooner, 0) == counts.get(sooner, 0)


def test_rows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    rows = [evolve(ROW, id=f"row-{n}") for n in range(4)] + [evolve(ROW, id="bad", state="failed", error="E")]
    page = written(tmp_path, *rows, summary=evolve(SUMMARY, left_out={"done": 3}))
    assert [row.one("span", "id").text for row in page.one("ol").all("li")] == ["row-3", "bad"]
    (lacks,) = page.all("p", "lacks")
    assert lacks.text.startswith("2 of 5 rows are shown; the first 3 that are done are counted alone.")
    assert page.one("div", "done").all("dd")[0].text == "4"


def test_thumbnails_beyond_the_limit_are_made_by_the_next_page(tmp_path: Path) -> None:
    rows = [evolve(ROW, id=f"row-{n}", files=(png(tmp_path, f"{n}.png", size=64),)) for n in range(3)]
    summary = evolve(SUMMARY, rows=MAX_INLINE_ROWS + 1)
    for made, missing in ((2, "1 picture has"), (2, None)):
        write_report(tmp_path / "report.html", summary, rows, folder=tmp_path, new_thumbnails=made)
        said = read((tmp_path / "report.html").read_text("utf-8")).all("p", "lacks")
        assert [one.text.startswith(f"{missing} no thumbnail yet") for one in said] == [True] * (missing is not None)
    assert len(list((tmp_path / "thumbnails").iterdir())) == 3
