"""Assembles the page: rows pass through one by one, and only their sums are kept in memory."""

import os
import shutil
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from generor_async.batch.amounts import format_dollars
from generor_async.batch.media import StoredObjects
from generor_async.batch.report import charts
from generor_async.batch.report.counters import ReportCounters
from generor_async.batch.report.formatting import amount, class_name, number, period, span
from generor_async.batch.report.packed import PackedRows
from generor_async.batch.report.row_card import STATE_NAMES, RowCard, RowCardRenderer
from generor_async.batch.report.rows import ReportRow, ReportState, ReportSummary
from generor_async.batch.report.thumbnails import Thumbnails

__all__ = ["MAX_INLINE_ROWS", "write_report"]

LEFT_OUT: dict[ReportState, str] = {
    "other": "that have not ended",
    "done": "that are done",
    "failed": "that failed",
    "unknown": "that are unknown",
}
"""How the page describes rows that it leaves out, by state."""
MAX_INLINE_ROWS = 2000
"""Rows that are in the page with their thumbnails, at most; more are packed, and have thumbnails as files."""


def write_report(
    path: str | os.PathLike[str],
    summary: ReportSummary,
    rows: Iterable[ReportRow],
    *,
    folder: str | os.PathLike[str],
    new_thumbnails: int | None = None,
    signed_links: float | None = None,
) -> None:
    """Write the page of a batch; whoever opens `path` meanwhile finds the old page or the new one, whole.

    It blocks, and uses all processors for thumbnails: call it in a thread.

    Args:
        path: Where to write the page.
        summary: The batch as a whole.
        rows: Its rows, in input order.
        folder: The results folder.
        new_thumbnails: How many thumbnail files to make at most; other pictures are shown as they are.
        signed_links: For how many seconds links to outputs in a storage are signed; None for their URLs.

    Raises:
        OSError: The page can't be written.
    """
    path = Path(path)
    folder, base = Path(folder), Path(os.path.relpath(folder, path.parent)).as_posix()
    inline = summary.rows <= MAX_INLINE_ROWS
    objects = StoredObjects()
    thumbnails = Thumbnails(folder=folder, objects=objects, base=base, inline=inline, max_new=new_thumbnails)
    cards = RowCardRenderer(
        folder=folder,
        base=base,
        unit=summary.unit,
        thumbnails=thumbnails,
        objects=objects,
        signed_links=signed_links,
    )
    counters = ReportCounters()
    with TemporaryDirectory(prefix=".report-", dir=path.parent) as parts:
        # What stands above the rows is known only after the last one: until then they are in a file of their own.
        with Path(parts, "rows").open("x+b") as rows_file, Path(parts, "page").open("xb") as page:
            packed = None if inline else PackedRows(rows_file)
            for card in _render_cards(cards, _select_shown(rows, summary, counters)):
                counters.add(card.row, card.ratios)
                if packed is None:
                    rows_file.write(_encode(card.markup))
                else:
                    packed.add(card)
            head, foot = _frame(summary, counters, thumbnails.missing, objects.problem)
            page.write(_encode(head))
            if packed is None:
                rows_file.seek(0)
                shutil.copyfileobj(rows_file, page)
            else:
                page.writelines(packed.markup())
            page.write(_encode(foot))
        Path(parts, "page").replace(path)


def _encode(text: str) -> bytes:
    # JSON may hold halves of surrogate pairs, which UTF-8 has no bytes for.
    return text.encode(errors="xmlcharrefreplace")


def _select_shown(rows: Iterable[ReportRow], summary: ReportSummary, counters: ReportCounters) -> Iterator[ReportRow]:
    """Yield the rows that the page shows, and count the others."""
    to_leave_out = Counter(summary.left_out)
    for row in rows:
        if to_leave_out[row.state] > 0:
            to_leave_out[row.state] -= 1
            counters.add(row, ())
        else:
            yield row


def _render_cards(cards: RowCardRenderer, rows: Iterable[ReportRow]) -> Iterator[RowCard]:
    """Render cards in several threads, and yield them in order; only a few wait at a time."""
    workers = os.cpu_count() or 1
    ahead = deque[Future[RowCard]]()
    with ThreadPoolExecutor(workers) as pool:
        for row in rows:
            ahead.append(pool.submit(cards.render, row))
            if len(ahead) > 4 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _frame(summary: ReportSummary, counters: ReportCounters, missing: int, problem: str) -> tuple[str, str]:
    """Return the page before and after the rows."""
    package = files("generor_async.batch.report")
    # Cards have the shape that most pictures have.
    usual = counters.ratios.most_common(1)
    ratio = min(2.0, max(0.6, usual[0][0])) if usual else 1
    style = f":root {{ --ratio: {ratio} }}\n" + (package / "page.css").read_text("utf-8")
    script = (package / "page.js").read_text("utf-8")
    bins = counters.time_bins(summary)
    page = Template((package / "page.html").read_text("utf-8")).substitute(
        title=escape(summary.title),
        api=escape(summary.api),
        when=period(summary.runs[0][0], summary.runs[-1][1]),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        stats=_stats(summary, counters),
        shares=charts.state_bar(counters.states),
        throughput=charts.throughput(bins),
        spend=charts.spend(bins, cap=summary.cap, unit=summary.unit),
        figures=charts.figure_rows(bins, summary.unit),
        failures=_failures(counters),
        notes=_notes(summary, counters, missing, problem),
        states=_states(counters, summary.left_out),
        kinds="".join(f"<option>{escape(kind)}</option>" for kind in sorted(counters.makers)),
        rows=f"{counters.rows - sum(summary.left_out.values()):,}",
    )
    head, _, foot = page.partition("<!-- rows -->\n")
    return head, foot


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _stats(summary: ReportSummary, counters: ReportCounters) -> str:
    """Return the key figures."""
    unit, states, seconds = summary.unit, counters.states, counters.median_seconds()
    ended, time = states["done"] + states["failed"], max(1.0, summary.active)

    def money(value: float) -> str:
        return amount(value, unit) + format_dollars(value, summary.credit_dollars)

    each = f"{money(summary.spent / states['done'])} a result" if states["done"] else ""
    figures = [
        ("done", "Done", f"{states['done']:,}", f"of {counters.rows:,}"),
        ("failed", "Failed", f"{states['failed']:,}", ""),
        ("unknown", "Unknown", f"{states['unknown']:,}", ""),
        ("spent", "Spent", money(summary.spent), each if summary.cap is None else f"cap {money(summary.cap)}"),
        ("time", "Time", span(time), f"{number(round(60 * ended / time, 1))} rows a minute"),
        ("usual", "A result takes", span(seconds) if seconds is not None else "-", "median"),
    ]
    if counters.unresolved:
        figures.insert(4, ("unresolved", "Unresolved", money(counters.unresolved), "may have been charged as well"))
    return "\n".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd>{f"<dd class=note>{note}</dd>" * bool(note)}</div>'
        for kind, name, value, note in figures
    )


def _failures(counters: ReportCounters) -> str:
    """Return the table of failures, the most frequent first, with buttons that show their rows."""
    if not counters.failures:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><span class="error {state}">{class_name(error)}</span></th><td>{STATE_NAMES[state]}</td>'
        f'<td>{failure.rows:,}</td><td dir="auto">{escape(failure.example)}</td>'
        f'<td><button type="button" data-state="{state}" data-error="{escape(error)}" hidden>Show'
        f'<span class="unseen"> rows with {escape(error)}, {STATE_NAMES[state].lower()}</span></button></td></tr>\n'
        for (state, error), failure in sorted(counters.failures.items(), key=lambda item: -item[1].rows)
    )
    return (
        '<section aria-labelledby="failures"><h2 id="failures">What went wrong</h2>\n'
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="failures"><table class="failures">\n'
        '<thead><tr><th scope="col">Error</th><th scope="col">State</th><th scope="col">Rows</th>'
        f'<th scope="col">For example</th><td></td></tr></thead>\n<tbody>\n{rows}</tbody></table></div></section>'
    )


def _notes(summary: ReportSummary, counters: ReportCounters, missing: int, problem: str) -> str:
    """Return notes on rows and thumbnails that the page lacks; `problem` is that of the storage."""
    notes = list[str]()
    if summary.left_out:
        shown = counters.rows - sum(summary.left_out.values())
        left = " and ".join(f"the first {rows:,} {LEFT_OUT[state]}" for state, rows in summary.left_out.items())
        notes.append(
            f"{shown:,} of {counters.rows:,} rows are shown; {left} are counted alone. An export has all of them."
        )
    if missing:
        pictures = "1 picture has" if missing == 1 else f"{missing:,} pictures have"
        notes.append(f"{pictures} no thumbnail yet, and loads slowly: <code>generor batch report</code> makes them.")
    if problem:
        notes.append(f"Some outputs could not be read from the storage: {escape(problem)}")
    return "\n".join(f'<p class="lacks">{note}</p>' for note in notes)


def _states(counters: ReportCounters, left_out: Mapping[ReportState, int]) -> str:
    """Return the filter by state, without states that no row is in."""
    shown = {state: counters.states[state] - left_out.get(state, 0) for state in STATE_NAMES}
    known = [("", "All", sum(shown.values())), *((state, name, shown[state]) for state, name in STATE_NAMES.items())]
    return "\n".join(
        f'<label class="chip {value}"><input type="radio" name="state" value="{value}"{" checked" * (not value)}>'
        f"<span>{name} <small>{rows:,}</small></span></label>"
        for value, name, rows in known
        if rows or not value
    )
