"""What people meet who open a report: pictures, search, filters and sorting by keyboard, both schemes, no surprises."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from attrs import evolve
from support.browser import Page

from generor_async.batch.report import ReportFile, ReportRow, ReportSummary, write_report
from generor_async.simulator import outputs

BEGAN = 1_763_770_440.0
HOSTILE = (
    "</script><img src=x onerror=alert(1)><script>alert(2)</script>\"' \u202eback\u202c \U0001f469\u200d\U0001f680 "
)
SUBJECTS = ("a lake at dawn", "a robot in town", "abstract silk waves", "a galaxy")
SHOWN = "[...document.querySelectorAll('#rows > li:not([hidden]) .id')].map(id => id.textContent)"
COUNT = "document.querySelector('#count').textContent"
FOCUSED = "document.activeElement"
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"

FITS = "table => table.scrollWidth <= table.parentElement.clientWidth"

CONTRASTS = """(() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => {
    const [r, g, b] = rgb(color).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (rgb(color)[3] === 255) return color;
    }
    throw new Error("no ground");
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("title, script")) continue;
    const style = getComputedStyle(element);
    const pair = [element.closest("svg") ? style.fill : style.color, ground(element)].map(light);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) poor.push([walker.currentNode.data.slice(0, 30), ratio]);
  }
  return poor;
})()"""
SCROLLED = """new Promise((done) => {
  const frames = [];
  let last = performance.now();
  const step = (now) => {
    frames.push(now - last);
    last = now;
    scrollBy(0, 150);
    if (frames.length < 300) requestAnimationFrame(step);
    else done(frames.slice(1));
  };
  requestAnimationFrame(step);
})"""


def stored(folder: Path, name: str, content: bytes, media_type: str) -> tuple[ReportFile, ...]:
    (folder / name).write_bytes(content)
    return (ReportFile(path=name, media_type=media_type),)


def picture(folder: Path, prompt: str) -> tuple[ReportFile, ...]:
    content = outputs.image(prompt, seed=1, ratio="16:9", format="png")
    return stored(folder, f"{prompt.replace(' ', '-')}.png", content, "image/png")


def rows(folder: Path) -> list[ReportRow]:
    """Sixteen rows: pictures of two models, and one of everything else there is."""
    plain = ReportRow(
        id="", state="done", prompt="", type="image", model="uni-1", cost=6.0, started=BEGAN, ended=BEGAN + 20
    )
    made = [
        evolve(
            plain,
            id=f"row-{n}",
            prompt=f"{SUBJECTS[n % 4]}, number {n}",
            model=("uni-1", "uni-1-max")[n // 6],
            cost=(6.0, 12.0)[n // 6],
            ended=BEGAN + 40 * n + (20, 90)[n == 3],
            started=BEGAN + 40 * n,
            files=picture(folder, SUBJECTS[n % 4]),
            remote_id=f"gen-{n}",
        )
        for n in range(10)
    ]
    refused = evolve(plain, state="failed", cost=0.0, error="ContentModeratedError", reason="refused by moderation")
    return [
        *made,
        evolve(plain, id="hostile", prompt=(HOSTILE * 100)[:6000], files=picture(folder, "a galaxy")),
        evolve(refused, id="refused", prompt="a lake that is refused"),
        evolve(refused, id="lost", state="unknown", unresolved=24.0, error="OutcomeUnknownError", reason="it broke"),
        evolve(plain, id="clip", files=stored(folder, "a.mp4", outputs.video(ratio="16:9", seed=1), "video/mp4")),
        evolve(plain, id="song", files=stored(folder, "a.wav", outputs.wav("a", seed=1), "audio/wav")),
        evolve(plain, id="joke", files=stored(folder, "a.txt", b"Why? Because.", "text/plain"), cost=None),
    ]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report of every kind of row."""
    summary = ReportSummary(
        title="A run", api="Luma Agents", unit="credits", spent=120.0, cap=150.0, rows=16, runs=[(BEGAN, BEGAN + 600)]
    )
    path = tmp_path / "report.html"
    write_report(path, summary, rows(tmp_path), folder=tmp_path)
    return path


async def test_every_picture_is_shown(page: Page, report: Path) -> None:
    await page.open(report)
    sizes = await page.value(
        "Promise.all([...document.querySelectorAll('#rows img')].map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert sizes == [400] * 11
    await page.value("document.querySelector('video').scrollIntoView()")
    await page.until("document.querySelector('video').readyState >= 1")


async def test_nothing_is_loaded_from_elsewhere_and_no_error_is_logged(page: Page, report: Path) -> None:
    await page.open(report)
    await page.value("document.querySelector('#rows a').click(), document.querySelector('video').scrollIntoView()")
    await page.until("document.querySelector('#view img').complete && document.querySelector('video').readyState >= 1")
    requests = [event["params"] for event in page.events if event["method"] == "Network.requestWillBeSent"]
    asked = {asked["request"]["url"] for asked in requests}
    here = report.parent.as_uri()
    assert {url for url in asked if not url.startswith("data:")} == {
        report.as_uri(),
        f"{here}/a-lake-at-dawn.png",
        f"{here}/a.mp4",
    }
    wrong = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening"}
    assert [event for event in page.events if event["method"] in wrong] == []


async def test_the_policy_stops_what_would_be_loaded_from_elsewhere(page: Page, report: Path) -> None:
    await page.open(report)
    blocked = await page.value(
        "new Promise(done => { addEventListener('securitypolicyviolation', e => done(e.blockedURI));"
        " new Image().src = 'http://127.0.0.1:9/x.png' })"
    )
    assert blocked == "http://127.0.0.1:9/x.png"


async def test_search_by_keyboard(page: Page, report: Path) -> None:
    await page.open(report)
    await page.press("Tab", "Enter", "Tab")  # the first stop leads past the charts
    assert await page.value(f"{FOCUSED}.name") == "words"
    await page.type("LAKE moderation")
    await page.until(f"{COUNT} === '1 of 16 rows'")
    assert await page.value(SHOWN) == ["refused"]
    await page.type(" nowhere")
    await page.until("!document.querySelector('#none').hidden")
    await page.press("Enter")  # sends nothing anywhere
    await page.value("document.querySelector('#none button').focus()")
    await page.press("Enter")
    await page.until(f"{COUNT} === '16 rows'")
    assert await page.value(f"{FOCUSED}.name") == "words"


async def test_filters_by_keyboard(page: Page, report: Path) -> None:
    await page.open(report)
    await page.value("document.querySelector('[name=words]').focus()")
    await page.press("Tab")
    assert await page.value(f"[{FOCUSED}.name, {FOCUSED}.value]") == ["state", ""]
    await page.press("ArrowRight", "ArrowRight")
    assert await page.value(f"[{COUNT}, {FOCUSED}.value]") == ["1 of 16 rows", "failed"]
    assert await page.value(SHOWN) == ["refused"]
    await page.press("ArrowLeft", "Tab", "ArrowDown", "ArrowDown", "ArrowDown")
    assert await page.value(f"{FOCUSED}.value") == "image · uni-1-max"
    assert await page.value(SHOWN) == [f"row-{n}" for n in range(6, 10)]
    assert not await page.value("document.querySelector('#tools [type=reset]').hidden")


async def test_sorting_by_keyboard(page: Page, report: Path) -> None:
    await page.open(report)
    await page.value("document.querySelector('[name=key]').focus()")
    await page.press("ArrowDown", "ArrowDown")  # by cost: equals stay in order, what has none comes last
    cheap = [f"row-{n}" for n in range(6)]
    dear = [f"row-{n}" for n in range(6, 10)]
    assert await page.value(SHOWN) == ["refused", *cheap, "hostile", "clip", "song", *dear, "lost", "joke"]
    await page.press("Tab", " ")
    assert await page.value(SHOWN) == ["lost", *dear, *cheap, "hostile", "clip", "song", "refused", "joke"]
    await page.value("document.querySelector('[name=key]').focus()")
    await page.press("ArrowDown")
    assert (await page.value(SHOWN))[0] == "row-3"


async def test_a_button_shows_the_rows_of_an_error(page: Page, report: Path) -> None:
    await page.open(report)
    await page.value("document.querySelector('[data-error=OutcomeUnknownError]').focus()")
    await page.press("Enter")
    await page.until(f"{COUNT} === '1 of 16 rows'")
    assert await page.value(SHOWN) == ["lost"]


async def test_the_large_view_by_keyboard(page: Page, report: Path) -> None:
    await page.open(report)
    await page.value("document.querySelector('#rows a').focus()")
    await page.press("Enter", "ArrowRight", "ArrowRight")
    shown = "document.querySelector('#view img').src.split('/').pop()"
    assert await page.value(f"[{shown}, document.querySelector('#place').textContent]") == [
        "abstract-silk-waves.png",
        "3 of 11",
    ]
    assert "abstract silk waves, number 2" in await page.value("document.querySelector('#view .text').textContent")
    await page.until("document.querySelector('#view img').naturalWidth === 512")
    await page.press("Escape")
    await page.until(f"{FOCUSED}.href?.endsWith('/abstract-silk-waves.png')")
    assert not await page.value("document.querySelector('#view').open")


async def test_a_hostile_prompt_is_shown_as_text(page: Page, report: Path) -> None:
    await page.open(report)
    await page.value("document.querySelector('details.prompt summary').focus()")
    await page.press("Enter")
    assert await page.value("document.querySelector('details.prompt p').textContent") == (HOSTILE * 100)[:6000]
    assert await page.value("document.querySelector('details.prompt p').checkVisibility()")


async def test_without_scripts_everything_is_there(page: Page, report: Path) -> None:
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(report)
    assert len(await page.value(SHOWN)) == 16
    assert not await page.value("document.querySelector('#tools').checkVisibility()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_texts_have_enough_contrast(page: Page, report: Path, scheme: str) -> None:
    await page.prefer(scheme)
    await page.open(report)
    for hidden in ("details", "dialog"):
        await page.value(f"document.querySelectorAll('{hidden}').forEach(element => element.open = true)")
    red, *_ = await page.value("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (red > 200) == (scheme == "light")
    assert await page.value(CONTRASTS) == []


async def test_everything_focusable_has_a_name(page: Page, report: Path) -> None:
    await page.open(report)
    nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    named = {"button", "link", "searchbox", "radio", "checkbox", "combobox", "image", "heading", "region"}
    known = [node for node in nodes if not node["ignored"] and node["role"]["value"] in named]
    assert [node for node in known if not node["name"]["value"].strip()] == []
    assert {node["role"]["value"] for node in known} == named
    names = {node["name"]["value"] for node in known}
    assert {"Search prompts, ids, models and errors", "Made by", "Sort", "Descending", "Failed 1"} <= names


@pytest.mark.parametrize("width", [320, 360, 400, 1280])
async def test_nothing_overflows_sideways(page: Page, report: Path, width: int) -> None:
    await page.resize(width, 800)
    await page.open(report)
    await page.value("document.querySelectorAll('details').forEach(element => element.open = true)")
    await page.value("document.querySelectorAll('#rows > li').forEach(row => row.style.contentVisibility = 'visible')")
    scrolled, seen = await page.value(WIDTHS)
    assert scrolled == seen
    assert await page.value("[...document.querySelectorAll('table.failures')].every(FITS)".replace("FITS", FITS))
    await page.value("document.querySelectorAll('.nothing .reason').forEach(one => one.append('refused_'.repeat(9)))")
    assert await page.value("[...document.querySelectorAll('.nothing > div')].every(FITS)".replace("FITS", FITS))


async def test_two_thousand_rows(page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few, path = rows(tmp_path), tmp_path / "report.html"
    summary = ReportSummary(
        title="A run", api="Luma", unit="credits", spent=1.0, rows=2000, runs=[(BEGAN, BEGAN + 600)]
    )
    write_report(path, summary, (evolve(few[n % 16], id=str(n)) for n in range(2000)), folder=tmp_path)
    await page.open(path)
    laid_out = (
        "[...document.querySelectorAll('#rows .id')].filter(e => e.checkVisibility({contentVisibilityAuto: true}))"
    )
    assert await page.value(f"({laid_out}).length") < 100, "the others cost nothing while they are out of sight"
    frames = sorted(await page.value(SCROLLED))
    filtered = await page.value(
        "(() => { const from = performance.now(); document.querySelectorAll('[name=state]')[2].click();"
        " document.body.offsetHeight; return performance.now() - from })()"
    )
    assert await page.value(COUNT) == "125 of 2,000 rows"
    middle, tail = (frames[round(share * (len(frames) - 1))] for share in (0.5, 0.99))
    with capsys.disabled():
        print(  # noqa: T201 - a figure to read, on machines of any speed
            f"\n2,000 rows, {path.stat().st_size / 1e6:.1f} MB: {len(frames)} frames of scrolling by 150 px, median "
            f"{middle:.1f} ms, 99 % within {tail:.1f} ms, longest {frames[-1]:.1f} ms; a filter takes {filtered:.0f} ms"
        )


async def packed(page: Page, folder: Path, count: int) -> Path:
    """Open a page with more rows than are in it as they are: they are the sixteen, over and over."""
    few, path = rows(folder), folder / "report.html"
    summary = ReportSummary(
        title="A run", api="Luma", unit="credits", rows=count, spent=1.0, runs=[(BEGAN, BEGAN + 600)]
    )
    dice = Random(1)
    words = ["".join(dice.choices("aeinorst", k=dice.randint(2, 9))) for _ in range(2000)]

    def some() -> Iterator[ReportRow]:
        for n in range(count):
            row, remote_id = few[n % 16], str(UUID(int=dice.getrandbits(128)))
            prompt = f"{row.prompt}, {' '.join(dice.choices(words, k=6))}"  # ten words, as people's prompts have
            began = BEGAN + dice.random() * 600
            ended = began + 10 * dice.random()
            yield evolve(row, id=f"{row.id} {n}", remote_id=remote_id, prompt=prompt, started=began, ended=ended)

    write_report(path, summary, some(), folder=folder)
    await page.open(path)
    await page.until("!document.querySelector('#tools').hidden")
    return path


async def test_packed_rows_are_shown_as_they_come_near(page: Page, tmp_path: Path) -> None:
    await packed(page, tmp_path, 2003)
    there = "document.querySelectorAll('#rows > li').length"
    assert await page.value(f"[{there}, {COUNT}]") == [200, "2,003 rows"]
    assert (await page.value(SHOWN))[:3] == ["row-0 0", "row-1 1", "row-2 2"]
    await page.value("scrollTo(0, document.body.scrollHeight)")
    await page.until(f"{there} === 400")
    await page.value("document.querySelector('#rows img').scrollIntoView()")
    await page.until("document.querySelector('#rows img').naturalWidth === 400")
    assert await page.value("document.querySelector('#rows img').src.split('/').slice(-2)") == [
        "thumbnails",
        "a-lake-at-dawn.png.webp",
    ]
    assert not [event for event in page.events if event["method"] == "Runtime.exceptionThrown"]


async def test_packed_rows_are_searched_filtered_and_sorted(page: Page, tmp_path: Path) -> None:
    await packed(page, tmp_path, 2003)
    await page.value("document.querySelector('[name=words]').focus()")
    await page.type("onerror=alert(1)> 2002")  # as it is read, not as it is marked up
    await page.until(f"{COUNT} === '0 of 2,003 rows'")
    await page.press("Enter")
    await page.value("document.querySelector('#none button').click()")
    await page.until(f"{COUNT} === '2,003 rows'")
    await page.type("<img src=x 1994")
    await page.until(f"{COUNT} === '1 of 2,003 rows'")
    assert await page.value(SHOWN) == ["hostile 1994"]
    await page.value("document.querySelector('#tools [type=reset]').click()")
    await page.until(f"{COUNT} === '2,003 rows'")
    await page.value("document.querySelector('[data-error=OutcomeUnknownError]').click()")
    await page.until(f"{COUNT} === '125 of 2,003 rows'")
    assert await page.value(SHOWN) == [f"lost {n}" for n in range(12, 2003, 16)]
    await page.value("document.querySelector('#tools [type=reset]').click()")
    await page.until(f"{COUNT} === '2,003 rows'")
    await page.value("document.querySelector('[name=key]').focus()")
    await page.press("ArrowDown", "ArrowDown", "Tab", " ")
    assert (await page.value(SHOWN))[:2] == ["lost 12", "lost 28"]


async def test_the_large_view_continues_with_rows_that_are_not_shown_yet(page: Page, tmp_path: Path) -> None:
    await packed(page, tmp_path, 2003)
    await page.value("[...document.querySelectorAll('#rows .stage a:has(img)')].at(-1).click()")
    place = "document.querySelector('#place').textContent"
    assert await page.value(place) == "140 of 140 and more"
    await page.press("ArrowRight")
    assert await page.value(place) == "141 of 275 and more"


async def test_without_scripts_a_packed_page_says_where_its_rows_are(page: Page, tmp_path: Path) -> None:
    path = await packed(page, tmp_path, 2003)
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(path)
    said = await page.value("document.querySelector('#rows').innerText")
    assert said == "2,003 rows are packed into this page, and shown by its script. They are in results.jsonl, too."


async def test_a_hundred_thousand_rows(page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = await packed(page, tmp_path, 100_000)
    size = path.stat().st_size / 1e6
    assert size <= 10
    assert await page.value(COUNT) == "100,000 rows"
    await page.open(path)
    await page.until("!document.querySelector('#tools').hidden")
    shown = await page.value("performance.now()")
    with capsys.disabled():
        print(f"\n100,000 rows, {size:.1f} MB: shown after {shown / 1000:.1f} s")  # noqa: T201 - a figure to read
