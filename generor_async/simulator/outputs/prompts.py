"""Picks the scene and the colours of a picture: by words of the prompt, else at random."""

import re
from collections.abc import Mapping
from random import Random
from typing import TypeVar

from generor_async.simulator.outputs.canvas import PALETTES, Palette
from generor_async.simulator.outputs.scenes import Scene, hills, mosaic, ribbons, sea, space, town

__all__ = ["choose"]

T = TypeVar("T")

_SCENES: Mapping[Scene, str] = {
    hills: "mountain hill forest tree valley landscape canyon desert field bear wolf deer fox bird horse",
    sea: "sea ocean lake river water boat ship sail beach island coast harbor whale fish",
    town: "city town street house building tower skyline downtown village bridge car train robot",
    space: "space planet galaxy star astronaut rocket orbit cosmic saturn mars universe alien",
    ribbons: "abstract wave flow silk cloth marble music dream texture dune",
    mosaic: "pattern mosaic tile geometric logo icon print poster bauhaus retro shape",
}
_MOODS: Mapping[str, str] = {
    "dawn": "dawn sunrise early",
    "sunset": "sunset evening fire warm autumn",
    "morning": "morning ocean sea tropical summer",
    "twilight": "twilight dusk storm stormy rain",
    "desert": "desert sand canyon dune camel mars",
    "north": "snow winter ice arctic fog mist cold",
    "lavender": "lavender purple violet magic dream fantasy",
    "blossom": "blossom pink flower spring cherry rose",
    "forest": "forest green wood jungle garden tree",
    "midnight": "midnight night moon aurora galaxy dark neon",
}
_SCENE_OF = {word: scene for scene, words in _SCENES.items() for word in words.split()}
_MOOD_OF = {word: mood for mood, words in _MOODS.items() for word in words.split()}


def choose(prompt: str, rng: Random) -> tuple[Scene, Palette]:
    """Pick the scene and the palette by the first word that tells of each, in the singular or plural."""
    words = [form for word in re.findall(r"[a-z]+", prompt.lower()) for form in (word, word.removesuffix("s"))]
    scene = _first(words, _SCENE_OF, rng.choice(list(_SCENES)))
    mood = _first(words, _MOOD_OF, rng.choice(list(_MOODS)))
    return scene, PALETTES[mood]


def _first(words: list[str], known: Mapping[str, T], default: T) -> T:
    return next((known[word] for word in words if word in known), default)
