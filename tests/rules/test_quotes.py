"""Messages without what they quote of a prompt."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.quotes import QUOTE, texts_in, without_quotes

PROMPT = 'A heron in "heavy" rain,\nat dusk: été'


@pytest.mark.parametrize(
    ("message", "left"),
    [
        (f"refused: {PROMPT}", "refused: [...]"),
        (f"refused: {json.dumps(PROMPT)}", 'refused: "[...]"'),
        (f"refused: {PROMPT!r}", "refused: '[...]'"),
        (f"refused: {json.dumps(PROMPT, ensure_ascii=False)}", 'refused: "[...]"'),
        ('refused: A HERON IN "heav... is not allowed', "refused: [...]... is not allowed"),
        ("the heron is not allowed", "the heron is not allowed"),
        ("", ""),
    ],
)
def test_a_quote_is_left_out(message: str, left: str) -> None:
    assert without_quotes(message, [PROMPT]) == left


def test_a_short_prompt_is_left_out_as_a_word() -> None:
    assert without_quotes({"message": "no cat in a category", "n": [1, "Cat"]}, ["cat"]) == {
        "message": "no [...] in a category",
        "n": [1, "[...]"],
    }


@given(st.text(min_size=QUOTE, max_size=60), st.text(max_size=40), st.text(max_size=40), st.data())
def test_no_piece_of_a_prompt_is_left(prompt: str, before: str, after: str, data: st.DataObject) -> None:
    prompt = f"<{prompt}>"
    start = data.draw(st.integers(0, len(prompt) - QUOTE))
    end = data.draw(st.integers(start + QUOTE, len(prompt)))
    found = without_quotes(f"{before}{prompt[start:end]}{after}", [prompt])
    assert isinstance(found, str)
    pieces = {prompt[at : at + QUOTE] for at in range(len(prompt) - QUOTE + 1)}
    assert not [piece for piece in pieces if piece in found and "[...]" not in piece]


def test_texts_are_found_wherever_they_are() -> None:
    assert list(texts_in({"prompt": "a", "refs": [{"url": "b"}, 3, None]})) == ["a", "b"]
