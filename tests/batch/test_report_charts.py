import re
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.markup import Element, read

from generor_async.batch.report import ReportRow, ReportState, ReportSummary, charts
from generor_async.batch.report.counters import ReportCounters, TimeBin
from generor_async.batch.report.formatting import SHORT, amount, excerpt, number, period, span

BEGAN = 1_763_770_440.0
SUMMARY = ReportSummary(title="A run", api="Generor", unit="credits", spent=0.0, rows=20, runs=[(BEGAN, BEGAN + 600)])
ROW = ReportRow(id="1", state="done", prompt="a", type="image", cost=6.0, started=BEGAN, ended=BEGAN)
ENDED = st.none() | st.floats(-50, 650).map(lambda after: BEGAN + after)
STATES: list[ReportState] = ["done", "failed", "unknown", "other"]
ROWS = st.builds(
    ReportRow,
    id=st.just("1"),
    state=st.sampled_from(STATES),
    prompt=st.just("a"),
    type=st.just("image"),
    ended=ENDED,
    cost=st.none() | st.integers(0, 100).map(float),
)


def tallied(rows: list[ReportRow]) -> ReportCounters:
    tally = ReportCounters()
    for row in rows:
        tally.add(row, ())
    return tally


def heights(drawn: Element, kind: str) -> list[float]:
    return [float(bar.attributes["height"]) for bar in drawn.all("rect", kind)]


@given(rows=st.lists(ROWS, max_size=80))
def test_every_ended_row_is_in_one_bin(rows: list[ReportRow]) -> None:
    bins = tallied(rows).time_bins(SUMMARY)
    ended = [row.state for row in rows if row.ended is not None]
    assert sum(piece.done for piece in bins) == ended.count("done")
    assert sum(piece.failed for piece in bins) == ended.count("failed")
    assert bins[-1].spent == sum(row.cost or 0 for row in rows)
    assert [piece.spent for piece in bins] == sorted(piece.spent for piece in bins)
    assert (bins[0].begin, round(bins[-1].end, 6)) == (0, 600)
    assert all(before.end == pytest.approx(after.begin) for before, after in pairwise(bins))


def test_a_row_counts_in_the_bin_in_which_it_ended() -> None:
    bins = tallied([evolve(ROW, ended=BEGAN + after) for after in (0, 49, 51, 599, 600)]).time_bins(SUMMARY)
    assert [piece.done for piece in bins] == [2, 1, *[0] * 9, 2]


RUNS = st.lists(st.floats(0, 1000), min_size=2, max_size=12).map(sorted)


@given(moments=RUNS, moment=st.floats(-100, 1100))
def test_only_active_time_counts(moments: list[float], moment: float) -> None:
    runs = list(zip(moments[::2], moments[1::2], strict=False))
    summary = evolve(SUMMARY, runs=runs)
    pieces = 20_000
    going = [
        any(began <= at < ended for began, ended in runs) for at in (1000 * (n + 0.5) / pieces for n in range(pieces))
    ]
    assert summary.active == pytest.approx(sum(going) * 1000 / pieces, abs=1)
    until = max(0, min(pieces, round(moment / 1000 * pieces)))
    assert summary.active_until(moment) == pytest.approx(sum(going[:until]) * 1000 / pieces, abs=1)


def test_bars_are_as_high_as_rows_a_minute() -> None:
    bins = [TimeBin(0, 30, 5, 1, 30.0), TimeBin(30, 60, 0, 2, 30.0)]  # 12 and 4 a minute, on a scale to 15
    drawn = read(charts.throughput(bins))
    assert heights(drawn, "done") == pytest.approx([100 * 10 / 15], abs=0.01)
    assert heights(drawn, "failed") == pytest.approx([100 * 2 / 15, 100 * 4 / 15], abs=0.01)
    assert [title.text for title in drawn.all("title")] == [
        "0 s to 30 s: 5 done, 1 failed",
        "30 s to 1 min: 0 done, 2 failed",
    ]
    said = drawn.all("svg")[1].attributes["aria-label"]
    assert said == "Bar chart of rows ended a minute over 1 min: at most 12, after 0 s"


@pytest.mark.parametrize(("cap", "drawn"), [(100.0, 1), (200.0, 1), (201.0, 0), (None, 0)])
def test_the_cap_is_drawn_if_it_is_near(cap: float | None, drawn: int) -> None:
    picture = read(charts.spend([TimeBin(0, 60, 1, 0, 100.0)], cap=cap, unit="credits"))
    assert len(picture.all("path", "cap")) == drawn


def test_the_shares_of_the_states_fill_their_bar() -> None:
    drawn = read(charts.state_bar({"done": 5, "unknown": 3}))
    widths = [float(piece.attributes["width"].rstrip("%")) for piece in drawn.all("rect")]
    assert widths == [62.5, 0, 37.5, 0]
    assert drawn.one("svg").attributes["aria-label"] == "5 done, 3 unknown"


@given(most=st.floats(0.05, 1e9))
def test_a_scale_is_round_and_holds_what_is_drawn(most: float) -> None:
    labels = read(charts.spend([TimeBin(0, 60, 1, 0, most)], cap=None, unit="credits")).all("svg")[0].all("text")
    values = [float(label.text.replace(",", "")) for label in labels]
    assert values[0] == 0
    assert most <= values[-1] * 1.001
    assert values[-1] <= 2.5 * most
    assert 3 <= len(values) <= 5


@given(seconds=st.floats(1, 40 * 86400))
def test_a_time_axis_has_a_few_marks_within_the_run(seconds: float) -> None:
    drawn = read(charts.spend([TimeBin(0, seconds, 1, 0, 1.0)], cap=None, unit="credits")).all("svg")[1]
    places = [float(mark.attributes["x"].rstrip("%")) for mark in drawn.all("text")]
    assert 2 <= len(places) <= 6
    assert places == sorted(set(places))
    assert places[0] == 0
    assert places[-1] <= 100


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (8.44, "8.4 s"),
        (59.4, "59.4 s"),
        (59.96, "1 min"),
        (185, "3 min 5 s"),
        (3599.7, "1 h"),
        (7860, "2 h 11 min"),
        (90000, "1 d 1 h"),
        (8640000, "100 d"),
    ],
)
def test_durations_are_formatted(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_numbers_and_amounts_are_formatted() -> None:
    assert [number(value) for value in (0, 1234567, 0.5, 2.345, 100)] == ["0", "1,234,567", "0.5", "2.35", "100"]
    assert [amount(value, "credits") for value in (0, 1, 1.5, 1200)] == [
        "0 credits",
        "1 credit",
        "1.5 credits",
        "1,200 credits",
    ]
    assert [amount(value, "dollars") for value in (0, 0.04, 0.0404, 1200)] == ["$0.00", "$0.04", "$0.0404", "$1,200.00"]


def test_a_period_names_the_day_once_where_it_is_one() -> None:
    shown = [read(period(BEGAN, BEGAN + more)).text for more in (2880, 86400)]
    assert shown == ["2025-11-22 00:14 to 01:02 UTC", "2025-11-22 00:14 to 2025-11-23 00:14 UTC"]


@given(text=st.text(max_size=700))
def test_an_excerpt_is_the_text_or_its_beginning(text: str) -> None:
    line, short = " ".join(text.split()), excerpt(text)
    assert len(short) <= SHORT + 1
    assert short == line or (short.endswith("…") and line.startswith(short[:-1]))
    assert not re.search(r"\s\s", short)
