"""Renders one row of the page: outputs, prompt, and cost."""

from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from generor_async.batch.media import StoredObjects
from generor_async.batch.report.formatting import amount, class_name, excerpt, fold, span
from generor_async.batch.report.markup import PatternValues, fill_pattern
from generor_async.batch.report.rows import ReportFile, ReportRow, ReportState, Unit
from generor_async.batch.report.thumbnails import Thumbnail, Thumbnails
from generor_async.rules.storage_urls import is_object_url

__all__ = ["STATE_NAMES", "RowCard", "RowCardRenderer"]

STATE_NAMES: dict[ReportState, str] = {"done": "Done", "failed": "Failed", "unknown": "Unknown", "other": "Not ended"}
"""The names of the states, in the order in which they are listed."""
_BROWSER_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/svg+xml"})
"""Images that browsers show."""
_PLACEHOLDERS: dict[ReportState, str] = {
    "done": "No file",
    "failed": "No result",
    "unknown": "May have been charged",
    "other": "Not ended yet",
}
"""Shown in the place of a picture."""
LARGEST_TEXT = 1024**2
"""Size in bytes up to which a text is read from a storage."""
_TEXT_BYTES = 1200
"""Bytes of a text output that are shown."""


@frozen
class RowCard:
    """A row as pattern and values, and the ratios of width to height of its pictures."""

    row: ReportRow
    pattern: str
    values: tuple[str, ...]
    ratios: tuple[float, ...]

    @property
    def markup(self) -> str:
        """The row as a list item."""
        return fill_pattern(self.pattern, self.values)


@frozen(kw_only=True)
class RowCardRenderer:
    """Renders the cards of a page; may be used from several threads at once."""

    folder: Path
    """The results folder."""
    base: str
    """The results folder relative to the page."""
    unit: Unit
    thumbnails: Thumbnails
    objects: StoredObjects
    """Reads and signs outputs that are in a storage."""
    signed_links: float | None
    """For how many seconds links to these are signed; None for their URLs."""

    def render(self, row: ReportRow) -> RowCard:
        """Render a row."""
        slots = PatternValues()
        name = slots.text(excerpt(row.prompt))
        shots = [self._output(file, name, slots) for file in row.files]
        pictures, failure = "".join(markup for markup, _ in shots), _failure(row, slots)
        if not shots:  # what went wrong stands where the picture would
            pictures, failure = f'<div class="nothing"><div>{failure or _PLACEHOLDERS[row.state]}</div></div>', ""
        across = 1 if len(shots) < 2 else 2 if len(shots) <= 4 else 3
        pattern = (
            f'<li class="row {row.state}" {_data_attributes(row, slots)}><article>'
            f'<div class="stage across{across}">{pictures}</div>'
            f'<div class="text"><h3><span class="id">{slots.text(row.id)}</span> '
            f'<span class="state">{slots.text(STATE_NAMES[row.state])}</span></h3>'
            f"{fold(row.prompt, 'prompt', slots)}{failure}{self._facts(row, slots)}</div></article></li>\n"
        )
        return RowCard(row, pattern, slots.values, tuple(ratio for _, ratio in shots if ratio is not None))

    def _output(self, file: ReportFile, name: str, slots: PatternValues) -> tuple[str, float | None]:
        """Render one output, or a link to it; return its ratio if that is known."""
        if is_object_url(file.path):
            return self._object(file, name, slots)
        path, link = self.folder / file.path, slots.text(quote(f"{self.base}/{file.path}"))
        if not path.is_file():
            return f'<p class="nothing">{slots.text(file.path)} is not there any more</p>', None
        match file.media_type.partition("/")[0]:
            case "image":
                return self._picture(file, link, name, slots)
            case "video":
                return f'<video controls preload="none" src="{link}" aria-label="{name}"></video>', None
            case "audio":
                return f'<audio controls preload="none" src="{link}" aria-label="{name}"></audio>', None
            case "text":
                text = slots.text(_read_text(path))
                return f'<blockquote dir="auto">{text}</blockquote><a class="open" href="{link}">Open</a>', None
            case _:
                return _tile(path, link, slots), None

    def _object(self, file: ReportFile, name: str, slots: PatternValues) -> tuple[str, float | None]:
        """Render an output in a storage: the page shows what it holds itself, and links to the rest."""
        url = file.path if self.signed_links is None else self.objects.sign(file.path, self.signed_links)
        link = slots.text(url)
        kind = file.media_type.partition("/")[0]
        if kind == "image" and (small := self.thumbnails.get(file.path)) is not None:
            return _linked_picture(small, link, name, slots)
        if kind == "text" and (content := self.objects.read(file.path, at_most=LARGEST_TEXT)) is not None:
            text = slots.text(content[:_TEXT_BYTES].decode(errors="ignore"))
            return f'<blockquote dir="auto">{text}</blockquote><a class="open" href="{link}">Open</a>', None
        return _tile(Path(file.path), link, slots), None

    def _picture(self, file: ReportFile, link: str, name: str, slots: PatternValues) -> tuple[str, float | None]:
        small = self.thumbnails.get(file.path)
        if small is not None:
            return _linked_picture(small, link, name, slots)
        if file.media_type in _BROWSER_IMAGES:
            return f'<a href="{link}"><img src="{link}" alt="{name}" loading="lazy" decoding="async"></a>', None
        return _tile(self.folder / file.path, link, slots), None

    def _facts(self, row: ReportRow, slots: PatternValues) -> str:
        facts = [("Made by", "kind", row.made_by)]
        if row.cost is not None:
            price = amount(row.cost + row.unresolved, self.unit)
            facts.append(("Cost", "cost", f"up to {price}" if row.unresolved else price))
        if row.seconds is not None:
            facts.append(("Took", "took", span(row.seconds)))
        if row.attempts > 1:
            facts.append(("Attempts", "attempts", f"{row.attempts} attempts"))
        if row.remote_id:
            facts.append(("Remote id", "remote", row.remote_id))
        pairs = (
            f'<div class="{kind}"><dt>{name}</dt><dd>{slots.text(value)}</dd></div>' for name, kind, value in facts
        )
        return f"<dl>{''.join(pairs)}</dl>"


def _linked_picture(small: Thumbnail, link: str, name: str, slots: PatternValues) -> tuple[str, float]:
    size = f'width="{slots.text(str(small.width))}" height="{slots.text(str(small.height))}"'
    picture = f'<img src="{slots.text(small.url)}" {size} alt="{name}" loading="lazy" decoding="async">'
    return f'<a href="{link}">{picture}</a>', round(small.width / small.height, 2)


def _data_attributes(row: ReportRow, slots: PatternValues) -> str:
    """Return the attributes by which the page's script filters and sorts."""
    cost = None if row.cost is None else row.cost + row.unresolved
    numbers = {"cost": cost, "seconds": row.seconds, "ended": row.ended, "attempts": row.attempts}
    known = "".join(
        f' data-{name}="{slots.text(f"{value:.6g}" if name == "cost" else f"{value:.1f}".removesuffix(".0"))}"'
        for name, value in numbers.items()
        if value is not None
    )
    return f'data-state="{row.state}" data-kind="{slots.text(row.made_by)}"{known}'


def _failure(row: ReportRow, slots: PatternValues) -> str:
    error = f'<strong class="error">{slots.markup(class_name(row.error))}</strong>' if row.error else ""
    return error + (fold(row.reason, "reason", slots) if row.reason else "")


def _tile(path: Path, link: str, slots: PatternValues) -> str:
    return f'<a class="tile" href="{link}">{slots.text(path.suffix.removeprefix(".").upper() or "File")}</a>'


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_TEXT_BYTES).decode(errors="ignore")
