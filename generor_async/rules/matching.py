"""Which creations are those of calls in doubt: each row is matched with as many as it makes, one to one.

To be found, a creation must agree in generator, prompt, time, and every trait that both sides show.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from attrs import field, frozen

from generor_async.rules.zones import SLACK
from generor_async.values import JSON

__all__ = [
    "PATIENCE",
    "Absent",
    "Charge",
    "Doubtful",
    "Finding",
    "Found",
    "Held",
    "Listed",
    "alike",
    "charges_of",
    "components",
    "last_moment",
    "likeness",
    "match",
]

PATIENCE: Final = 900.0
"""Seconds after its intent for which a call may be under way: what `generate` is given."""


@frozen(kw_only=True)
class Doubtful:
    """A row whose call may have been charged."""

    number: int
    generator: str
    prompt: str
    shape: str
    """Equal for rows that ask for the same: whose result is whose makes no difference between them."""
    sent_at: float
    """By our own clock."""
    submitted_at: float
    """By the server's."""
    longest: float
    """Seconds that its generation may take, as estimated."""
    count: int = 1
    """How many creations it makes."""
    traits: Mapping[str, JSON] = field(factory=dict[str, JSON])
    """What else of it a listing may show, such as `privacy_mode`."""


@frozen(kw_only=True)
class Listed:
    """A creation in a listing of one's own."""

    creation_id: int
    generator: str
    prompt: str
    created_at: float
    """Seconds since the epoch, its zone taken into account."""
    traits: Mapping[str, JSON] = field(factory=dict[str, JSON])


@frozen(kw_only=True)
class Charge:
    """A call that is known to have been charged."""

    began: float
    ended: float
    """Infinity while it is under way."""


@frozen
class Found:
    """These are the row's creations."""

    creation_ids: tuple[int, ...]


@frozen
class Absent:
    """The call had no effect: the row may be run."""


@frozen(kw_only=True)
class Held:
    """Nobody can say."""

    why: str
    look_at: float | None = None
    """When another look may tell, by our own clock; None where none will."""


Finding: TypeAlias = Found | Absent | Held


def likeness(one: Doubtful | Listed) -> tuple[str, str]:
    """Return what is equal for all that may be taken for one another."""
    return one.generator, " ".join(one.prompt.split()).casefold()


def alike(rows: Sequence[Doubtful]) -> list[list[Doubtful]]:
    """Group the rows that may be taken for one another, each group from the oldest on."""
    groups: dict[tuple[str, str], list[Doubtful]] = {}
    for row in sorted(rows, key=lambda row: row.submitted_at):
        groups.setdefault(likeness(row), []).append(row)
    return list(groups.values())


def last_moment(row: Doubtful) -> float:
    """Return until when, by the server's clock, a row's call may be under way."""
    return row.submitted_at + PATIENCE + row.longest


def _fits(row: Doubtful, creation: Listed) -> bool:
    return (
        row.submitted_at - SLACK <= creation.created_at <= last_moment(row) + SLACK
        and row.prompt == creation.prompt
        and all(row.traits[name] == creation.traits[name] for name in row.traits.keys() & creation.traits.keys())
    )


_Component: TypeAlias = tuple[list[Doubtful], list[Listed]]
"""Rows, and the creations that may be theirs."""


def components(rows: Sequence[Doubtful], creations: Sequence[Listed]) -> list[_Component]:
    """Part rows and creations into those that have to do with each other; what fits nothing is left out."""
    parts: list[_Component] = []
    for creation in creations:
        fitting = [row for row in rows if _fits(row, creation)]
        if not fitting:
            continue
        joined = [part for part in parts if any(row in part[0] for row in fitting)]
        members = [row for row in rows if row in fitting or any(row in part[0] for part in joined)]
        others = [one for part in joined for one in part[1]]
        parts = [part for part in parts if part not in joined] + [(members, [*others, creation])]
    return parts


def match(rows: list[Doubtful], creations: list[Listed]) -> dict[int, Finding]:
    """Match each row with as many creations as it makes; where another match is as good, nobody can say.

    Rows of one shape may swap their creations; where there are too few for all of them, the oldest get theirs.
    """
    slots = [row for row in rows for _ in range(row.count)]
    given = _largest_match(slots, creations)
    if len(creations) > len(given):
        held = Held(why="there are more creations like it than calls that can have made them")
        return {row.number: held for row in rows}
    if len({row.shape for row in rows}) > 1 and (len(given) < len(slots) or _is_ambiguous(slots, creations, given)):
        held = Held(why="its creation could be that of another row with the same prompt")
        return {row.number: held for row in rows}
    mine: dict[int, list[int]] = {row.number: [] for row in rows}
    for slot, index in given.items():
        mine[slots[slot].number].append(creations[index].creation_id)
    whole = [row for row in rows if len(mine[row.number]) == row.count]
    return {row.number: Found(tuple(sorted(mine[row.number]))) for row in whole}


def charges_of(
    rows: Sequence[Doubtful], creations: Sequence[Listed], found: Mapping[int, Finding], *, seen_by: float
) -> list[Charge]:
    """Return the charges of the rows that were found.

    Where rows like them were not, each charge may just as well be that of any other row that the creations fit.
    """
    charges: list[Charge] = []
    for row in rows:
        if isinstance(finding := found.get(row.number), Found):
            made = [creation for creation in creations if creation.creation_id in finding.creation_ids]
            able = [other for other in rows if any(_fits(other, creation) for creation in made)]
            payers = [row] if len(found) == len(rows) else able
            ended = max(last_moment(payer) for payer in payers)
            charges.append(Charge(began=min(payer.submitted_at for payer in payers), ended=min(ended, seen_by)))
    return charges


def _largest_match(slots: Sequence[Doubtful], creations: Sequence[Listed]) -> dict[int, int]:
    """Match slots with creations, by their indices; a slot that comes first goes without only if it fits nothing."""
    holder: dict[int, int] = {}

    def give(slot: int, tried: set[int]) -> bool:
        for index, creation in enumerate(creations):
            if index not in tried and _fits(slots[slot], creation):
                tried.add(index)
                if index not in holder or give(holder[index], tried):
                    holder[index] = slot
                    return True
        return False

    for slot in range(len(slots)):
        give(slot, set())
    return {slot: index for index, slot in holder.items()}


def _is_ambiguous(slots: Sequence[Doubtful], creations: Sequence[Listed], given: Mapping[int, int]) -> bool:
    """Tell whether slots of different shapes could swap what they were matched with, in a circle of any length."""
    could_take = [[other for other, index in given.items() if _fits(slot, creations[index])] for slot in slots]
    reach = [_reached(could_take, slot) for slot in range(len(slots))]
    return any(
        slots[other].shape != slots[slot].shape and slot in reach[other]
        for slot in range(len(slots))
        for other in reach[slot]
    )


def _reached(edges: Sequence[Sequence[int]], start: int) -> set[int]:
    reached, pending = {start}, [start]
    while pending:
        fresh = set(edges[pending.pop()]) - reached
        reached |= fresh
        pending += fresh
    return reached
