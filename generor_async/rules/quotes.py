"""Removes quotes of a prompt from messages that are kept where the prompt isn't: servers echo what they refuse.

A quote is any piece of the prompt of QUOTE characters, in any case, and as JSON or Python escape it. A shorter prompt
is quoted where all of it is there as a word.
"""

import json
from collections.abc import Collection, Iterator
from typing import Final

from generor_async.values import JSON, is_array, is_object

__all__ = ["LEFT_OUT", "QUOTE", "texts_in", "without_quotes"]

QUOTE: Final = 12
"""Characters of a prompt that are a quote of it."""
SHORTEST: Final = 3
"""Shorter prompts are no quotes, as any message holds them."""
LEFT_OUT: Final = "[...]"
"""What is put in the place of a quote."""


def texts_in(value: JSON) -> Iterator[str]:
    """Yield all texts in a value, without the names of members."""
    if isinstance(value, str):
        yield value
    elif is_object(value):
        for member in value.values():
            yield from texts_in(member)
    elif is_array(value):
        for item in value:
            yield from texts_in(item)


def without_quotes(value: JSON, quoted: Collection[str]) -> JSON:
    """Return a value in whose texts nothing quotes one of these texts; names of members are kept."""
    if isinstance(value, str):
        return _without(value, quoted)
    if is_object(value):
        return {name: without_quotes(member, quoted) for name, member in value.items()}
    return [without_quotes(item, quoted) for item in value] if is_array(value) else value


def _without(text: str, quoted: Collection[str]) -> str:
    lowered = _lower(text)
    is_quote = bytearray(len(text))
    for form in {form for each in quoted for form in _forms(each)}:
        for start, end in _quotes(lowered, form):
            is_quote[start:end] = b"\1" * (end - start)
    kept = list[str]()
    for at, character in enumerate(text):
        if not is_quote[at]:
            kept.append(character)
        elif not at or not is_quote[at - 1]:
            kept.append(LEFT_OUT)
    return "".join(kept)


def _quotes(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Yield where a text has pieces of a quoted one; both are in lower case."""
    size = min(QUOTE, len(form))
    if size < SHORTEST:
        return
    pieces = {form[at : at + size] for at in range(len(form) - size + 1)}
    for at in range(len(text) - size + 1):
        end = at + size
        if text[at:end] in pieces and (size == QUOTE or _is_word(text, at, end)):
            yield at, end


def _is_word(text: str, start: int, end: int) -> bool:
    return not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum()


def _forms(quoted: str) -> Iterator[str]:
    """Yield a text as messages may have it: plain, in JSON, or as Python shows it."""
    stripped = quoted.strip()
    for form in (stripped, json.dumps(stripped)[1:-1], json.dumps(stripped, ensure_ascii=False)[1:-1]):
        yield _lower(form)
    yield _lower(repr(stripped)[1:-1])


def _lower(text: str) -> str:
    """Return a text in lower case, of the same length."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join([small if len(small := each.lower()) == 1 else each for each in text])
