"""What the simulated language models write: always the same for the same rng, and about the prompt."""

from collections.abc import Mapping
from random import Random

from generor_async.simulator.catalog import FieldKind

__all__ = ["write"]

SHORTEST_WORD = 4
STOP_WORDS = {
    "tell",
    "about",
    "write",
    "make",
    "with",
    "from",
    "that",
    "this",
    "please",
    "into",
    "some",
    "what",
}
OPENINGS = (
    "Nobody had planned for {topic}, and that was the best of it.",
    "It begins, as such things do, with {topic}.",
    "Ask ten people about {topic} and you will hear eleven stories.",
    "There is a quiet kind of luck in {topic}.",
)
MIDDLES = (
    "Look twice: what seems ordinary about {other} is only patient.",
    "A small detail, {other} for instance, decides more than it should.",
    "By the afternoon {other} had changed the plan without saying so.",
    "Somebody laughed, somebody took notes, and {other} went on regardless.",
)
ENDINGS = (
    "In the end {topic} was worth the wait.",
    "Keep the window open; {topic} likes fresh air.",
    "That is all, and it is enough for {topic}.",
    "Tomorrow {topic} will look different again.",
)
LINES = (
    "Why did {topic} cross the road? To get away from {other}!",
    "{Topic}: half plan, half accident, wholly worth it.",
    "I told {topic} a secret once. Now {other} knows it too.",
    "{Topic} walks into a bar. {Other} was there first.",
)
ITEMS = (
    "Begin with {topic}",
    "Add a little {other}",
    "Let {topic} rest for a while",
    "Fold in {other} by hand",
    "Taste, look, and adjust",
    "Finish with {topic} on top",
)
DESCRIPTION = "a minimalist drawing of {topic} on a dark background"
AMOUNTS = ("200 g of", "two spoons of", "a pinch of", "half a litre of", "one handful of", "three slices of")


def write(fields: Mapping[str, FieldKind], prompt: str, rng: Random) -> dict[str, object]:
    """Write each of a generator's fields about what the prompt names."""
    return {name: _field(name, kind, prompt, rng) for name, kind in fields.items()}


def _field(name: str, kind: FieldKind, prompt: str, rng: Random) -> object:
    words = _words(prompt)
    topic, other = rng.choice(words), rng.choice(words)
    filled = {"topic": topic, "other": other, "Topic": topic.capitalize(), "Other": other.capitalize()}
    if kind == "list":
        if name == "ingredients":
            return [f"{amount} {rng.choice(words)}" for amount in rng.sample(AMOUNTS, 4)]
        return [item.format(**filled) for item in ITEMS]
    if kind == "text":
        sentences = (rng.choice(OPENINGS), rng.choice(MIDDLES), rng.choice(ENDINGS))
        return " ".join(sentence.format(**filled) for sentence in sentences)
    if name.endswith("_desc"):
        return DESCRIPTION.format(**filled)
    if name.endswith("name") or name == "title":
        return f"{filled['Topic']} and {other}"
    return rng.choice(LINES).format(**filled)


def _words(prompt: str) -> list[str]:
    """Pick the words that a text can be about."""
    words = ["".join(letter for letter in word if letter.isalnum()) for word in prompt.lower().split()]
    return [word for word in words if len(word) >= SHORTEST_WORD and word not in STOP_WORDS] or ["the picture"]
