"""Matches unresolved rows with listed creations, one to one.

A creation fits a row if it agrees in generator, prompt, time, and every trait that both sides show. Where several
matchings are possible that make a difference, the rows stay unknown.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import field, frozen

from generor_async.rules.time_zones import CLOCK_SLACK
from generor_async.rules.unexplained_spends import Charge
from generor_async.values import JSON

__all__ = [
    "GENERATE_SECONDS",
    "Absent",
    "Finding",
    "Found",
    "ListedCreation",
    "PromptKey",
    "StillUnknown",
    "UnresolvedRow",
    "charges_of_found",
    "components",
    "group_by_prompt",
    "last_moment",
    "make_prompt_key",
    "match_component",
    "prompt_key",
]

GENERATE_SECONDS: Final = 900.0
"""Longest time that a call may be under way, in seconds: the timeout of `generate`."""


@frozen(kw_only=True)
class UnresolvedRow:
    """A row whose call may have been charged."""

    number: int
    generator: str
    prompt: str
    shape: str
    """Equal for rows that ask for the same, whose results may be swapped."""
    sent_at: float
    """By our own clock."""
    submitted_at: float
    """By the server's."""
    longest: float
    """Estimated longest duration in seconds."""
    count: int = 1
    """Number of creations."""
    traits: Mapping[str, JSON] = field(factory=dict[str, JSON])
    """Other values that a listing may show, such as `privacy_mode`."""


@frozen(kw_only=True)
class ListedCreation:
    """A creation in the list of own creations."""

    creation_id: int
    generator: str
    prompt: str
    created_at: float
    """Unix seconds, converted from the account's time zone."""
    traits: Mapping[str, JSON] = field(factory=dict[str, JSON])


@frozen
class Found:
    """The row's creations were found."""

    creation_ids: tuple[int, ...]


@frozen
class Absent:
    """The call had no effect, so the row may be run."""


@frozen(kw_only=True)
class StillUnknown:
    """The outcome is still unknown."""

    reason: str
    check_at: float | None = None
    """When another snapshot may help, by our own clock; None for never."""


Finding: TypeAlias = Found | Absent | StillUnknown
PromptKey: TypeAlias = tuple[str, str]
"""A generator and a normalized prompt."""


def prompt_key(one: UnresolvedRow | ListedCreation) -> PromptKey:
    """Return a key that is equal for rows and creations with the same generator and prompt."""
    return make_prompt_key(one.generator, one.prompt)


def make_prompt_key(generator: str, prompt: str) -> PromptKey:
    """Return that key for a generator and a prompt."""
    return generator, " ".join(prompt.split()).casefold()


def group_by_prompt(rows: Sequence[UnresolvedRow]) -> list[list[UnresolvedRow]]:
    """Group rows by prompt; the oldest row of each group comes first."""
    groups: dict[PromptKey, list[UnresolvedRow]] = {}
    for row in sorted(rows, key=lambda row: row.submitted_at):
        groups.setdefault(prompt_key(row), []).append(row)
    return list(groups.values())


def last_moment(row: UnresolvedRow) -> float:
    """Return the moment until which a row's call may be under way, by the server's clock."""
    return row.submitted_at + GENERATE_SECONDS + row.longest


def _fits(row: UnresolvedRow, creation: ListedCreation) -> bool:
    return (
        row.submitted_at - CLOCK_SLACK <= creation.created_at <= last_moment(row) + CLOCK_SLACK
        and row.prompt == creation.prompt
        and all(row.traits[name] == creation.traits[name] for name in row.traits.keys() & creation.traits.keys())
    )


_Component: TypeAlias = tuple[list[UnresolvedRow], list[ListedCreation]]
"""Rows, and the creations that fit them."""


def components(rows: Sequence[UnresolvedRow], creations: Sequence[ListedCreation]) -> list[_Component]:
    """Return the connected components of rows and fitting creations, without those that fit nothing."""
    fitting = [[number for number, row in enumerate(rows) if _fits(row, creation)] for creation in creations]
    leader = list(range(len(rows)))

    def led_by(number: int) -> int:
        while leader[number] != number:
            leader[number] = number = leader[leader[number]]
        return number

    for numbers in fitting:
        for number in numbers[1:]:
            leader[led_by(number)] = led_by(numbers[0])
    parts: dict[int, _Component] = {}
    for creation, numbers in zip(creations, fitting, strict=True):
        if numbers:
            parts.setdefault(led_by(numbers[0]), ([], []))[1].append(creation)
    for number, row in enumerate(rows):
        if led_by(number) in parts:
            parts[led_by(number)][0].append(row)
    return list(parts.values())


def match_component(rows: list[UnresolvedRow], creations: list[ListedCreation]) -> dict[int, Finding]:
    """Match each row with as many creations as it makes; ambiguous rows stay unknown.

    Rows of one shape may swap their creations; if there are too few for all, the oldest rows get theirs.
    """
    slots = [row for row in rows for _ in range(row.count)]
    fits = [[index for index, creation in enumerate(creations) if _fits(slot, creation)] for slot in slots]
    given = _maximum_matching(fits)
    if len(creations) > len(given):
        held = StillUnknown(reason="there are more creations like it than calls that can have made them")
        return {row.number: held for row in rows}
    if len({row.shape for row in rows}) > 1 and (len(given) < len(slots) or _is_ambiguous(slots, fits, given)):
        held = StillUnknown(reason="its creation could be that of another row with the same prompt")
        return {row.number: held for row in rows}
    mine: dict[int, list[int]] = {row.number: [] for row in rows}
    for slot, index in given.items():
        mine[slots[slot].number].append(creations[index].creation_id)
    whole = [row for row in rows if len(mine[row.number]) == row.count]
    return {row.number: Found(tuple(sorted(mine[row.number]))) for row in whole}


def charges_of_found(
    rows: Sequence[UnresolvedRow], creations: Sequence[ListedCreation], found: Mapping[int, Finding], *, seen_by: float
) -> list[Charge]:
    """Return the charges of the rows that were found.

    If similar rows were not found, each charge may be that of any other row that the creations fit.
    """
    charges: list[Charge] = []
    for row in rows:
        if isinstance(finding := found.get(row.number), Found):
            made = [creation for creation in creations if creation.creation_id in finding.creation_ids]
            able = [other for other in rows if any(_fits(other, creation) for creation in made)]
            payers = [row] if len(found) == len(rows) else able
            ended = max(last_moment(payer) for payer in payers)
            began = min(payer.submitted_at for payer in payers)
            charges.append(Charge(began=began, ended=min(ended, seen_by), creation_ids=finding.creation_ids))
    return charges


def _maximum_matching(fits: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return a maximum matching of slots with creations, by their indices, in favour of earlier slots.

    `fits` has the creations that each slot fits.
    """
    holder: dict[int, int] = {}
    given: dict[int, int] = {}
    settled: set[int] = set()
    """Creations whose holders can't be matched with others."""
    for slot in range(len(fits)):
        wanted_by: dict[int, int] = {}
        takers, free = deque([slot]), None
        while takers and free is None:
            taker = takers.popleft()
            for index in fits[taker]:
                if index in settled or index in wanted_by:
                    continue
                wanted_by[index] = taker
                if index not in holder:
                    free = index
                    break
                takers.append(holder[index])
        if free is None:
            settled |= wanted_by.keys()
        while free is not None:  # follow the augmenting path back
            taker = holder[free] = wanted_by[free]
            given[taker], free = free, given.get(taker)
    return given


def _is_ambiguous(slots: Sequence[UnresolvedRow], fits: Sequence[Sequence[int]], given: Mapping[int, int]) -> bool:
    """Tell whether slots of different shapes could swap their creations along a cycle of any length."""
    holder = {index: slot for slot, index in given.items()}
    could_take = [[holder[index] for index in fitting if index in holder] for fitting in fits]
    return any(len({slots[slot].shape for slot in circle}) > 1 for circle in _strongly_connected(could_take))


def _strongly_connected(edges: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the strongly connected components (Kosaraju's algorithm)."""
    back: list[list[int]] = [[] for _ in edges]
    for node, others in enumerate(edges):
        for other in others:
            back[other].append(node)
    seen: set[int] = set()
    for node in reversed([left for start in range(len(edges)) for left in _postorder(edges, start, seen)]):
        if node in seen:  # those in `seen` are yet to be put into a circle
            circle = [node]
            seen.remove(node)
            for member in circle:
                fresh = seen.intersection(back[member])
                seen -= fresh
                circle += fresh
            yield circle


def _postorder(edges: Sequence[Sequence[int]], start: int, seen: set[int]) -> Iterator[int]:
    """Yield the unvisited nodes that can be reached from `start`, in postorder."""
    if start in seen:
        return
    seen.add(start)
    path = [(start, iter(edges[start]))]
    while path:
        node, ahead = path[-1]
        fresh = next((other for other in ahead if other not in seen), None)
        if fresh is None:
            path.pop()
            yield node
        else:
            seen.add(fresh)
            path.append((fresh, iter(edges[fresh])))
