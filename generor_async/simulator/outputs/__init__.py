"""Makes the output files of the simulator: pictures, layers, sounds and clips.

The same arguments always give the same bytes. Pictures are drawn from prompt and seed, and stay under 200 KB
at the usual size. The clips in `clips/`, one a ratio, were drawn frame by frame with `canvas` and
`scenes` and encoded with ffmpeg's libx264 (yuv420p, faststart).
"""

# pyright: reportUnknownMemberType=false
# Pillow's annotations name numpy's types, and numpy isn't needed

import struct
import unicodedata
import wave
from array import array
from fractions import Fraction
from functools import cache
from importlib.resources import files
from io import BytesIO
from math import exp, log, pi, sin
from random import Random
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from generor_async.simulator.outputs.canvas import Canvas
from generor_async.simulator.outputs.prompts import choose
from generor_async.simulator.outputs.scenes import hill_range, sky

__all__ = ["ImageFormat", "dimensions", "image", "layer", "video", "wav"]

ImageFormat = Literal["png", "jpeg", "webp"]
CLIP_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
SAMPLE_RATE = 16_000
_IN_FONT = frozenset(map(chr, range(33, 127))) | frozenset("\u2018\u2019\u201c\u201d«»©°±·™")
_SPELLED_OUT = str.maketrans(
    {"\u2013": "-", "\u2014": "-", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "Ø": "O", "Ł": "L"}
)

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def dimensions(ratio: str, *, size: int) -> tuple[int, int]:
    """Return width and height in exactly the ratio, or rounded where only small sizes are exact."""
    wide, high = _fraction(ratio).as_integer_ratio()
    longer = max(wide, high)
    exact = size - size % longer
    side = exact if exact > 0.9 * size else size
    return max(1, round(side * wide / longer)), max(1, round(side * high / longer))


def image(
    prompt: str,
    *,
    seed: int,
    ratio: str,
    format: ImageFormat,  # noqa: A002  # the name that Pillow gives it
    size: int = 512,
) -> bytes:
    """Draw a picture with the prompt as its caption.

    The longer side has `size` pixels, or slightly fewer where the ratio is exact only then.
    """
    rng = _rng(prompt, seed)
    scene, palette = choose(prompt, rng)
    width, height = dimensions(ratio, size=size)
    scale = _supersampling(size)
    canvas = Canvas(Image.new("RGB", (width * scale, height * scale)), rng, palette)
    scene(canvas)
    picture = canvas.image.reduce(scale)
    _caption(picture, prompt)
    return _encode(picture, format)


def layer(prompt: str, *, seed: int, ratio: str, index: int, count: int, size: int = 1024) -> bytes:
    """Draw one of `count` layers as PNG with alpha: 0 lies in front, the last is the opaque background."""
    rng = _rng(prompt, seed)
    _, palette = choose(prompt, rng)
    width, height = dimensions(ratio, size=size)
    scale = _supersampling(size)
    ground = Image.new("RGBA", (width * scale, height * scale))
    canvas = Canvas(ground, Random(rng.getrandbits(32) + index), palette)  # noqa: S311  # a seeded picture
    if index == count - 1:
        sky(canvas)
    else:
        hill_range(canvas, 1 - index / (count - 1))
    return _encode(canvas.image.reduce(scale), "png")


def wav(prompt: str, *, seed: int, seconds: float = 2.0) -> bytes:
    """Return a few soft notes of a pentatonic scale as WAV: mono, 16 bits."""
    rng = _rng(prompt, seed)
    root = rng.choice((196.0, 220.0, 246.94, 261.63))
    samples = [0.0] * round(seconds * SAMPLE_RATE)
    beat = 0.25
    for number in range(max(1, int(seconds / beat))):
        step = rng.choice((0, 2, 4, 7, 9, 12, 14, 16))
        _note(samples, start=number * beat, pitch=root * 2 ** (step / 12))
    fade = min(len(samples), SAMPLE_RATE // 5)
    for place in range(fade):
        samples[-1 - place] *= place / fade
    return _wave_file(samples)


def video(*, ratio: str, seed: int) -> bytes:
    """Return the bundled MP4 clip of the nearest ratio, with the seed in a box that players skip."""
    wanted = _fraction(ratio)
    nearest = min(CLIP_RATIOS, key=lambda known: abs(log(_fraction(known) / wanted)))
    note = f"seed {seed}".encode()
    return _clip(nearest) + struct.pack(">I4s", 8 + len(note), b"free") + note


@cache
def _clip(ratio: str) -> bytes:
    return (files("generor_async.simulator.outputs") / "clips" / f"{ratio.replace(':', 'x')}.mp4").read_bytes()


def _rng(prompt: str, seed: int) -> Random:
    return Random(f"{seed}\n{prompt}".encode("utf-8", "surrogatepass"))  # noqa: S311  # a seeded picture


def _fraction(ratio: str) -> Fraction:
    width, height = ratio.split(":")
    return Fraction(width) / Fraction(height)


def _supersampling(size: int) -> int:
    """Draw small pictures larger for smooth edges; large ones would take too long."""
    return 2 if size <= 1024 else 1


def _encode(picture: Image.Image, form: ImageFormat) -> bytes:
    file = BytesIO()
    if form == "png":
        picture.save(file, "PNG", compress_level=4)
    elif form == "jpeg":
        picture.save(file, "JPEG", quality=88)
    else:
        picture.save(file, "WEBP", quality=86, method=2)
    return file.getvalue()


def _caption(picture: Image.Image, prompt: str) -> None:
    """Write the prompt over the bottom of the picture, which is darkened for contrast."""
    unit = min(picture.size)
    text = _printable(prompt)
    if not text or unit < 64:
        return
    font = _font(max(11, unit // 22))
    margin = max(6, unit // 20)
    lines = _wrapped(text, font, picture.width - 2 * margin, most=max(1, min(3, unit // 80)))
    ascent = round(font.getbbox("Ag")[3])
    leading = round(ascent * 1.32)
    block = leading * (len(lines) - 1) + ascent
    _shade(picture, block + round(3.5 * margin))
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        place = (margin, picture.height - margin - block + number * leading)
        draw.text(place, line, font=font, fill=(255, 252, 245))


def _shade(picture: Image.Image, height: int) -> None:
    """Darken the bottom of the picture, increasingly towards the text."""
    band = min(height, picture.height)
    depth = Image.new("L", (1, band))
    depth.putdata([round(185 * min(1.0, 1.6 * row / band) ** 1.4) for row in range(band)])
    mask = depth.resize((picture.width, band), Image.Resampling.NEAREST)
    picture.paste(Image.new("RGB", mask.size, (12, 12, 22)), (0, picture.height - band), mask)


@cache
def _font(size: int) -> _Font:
    return ImageFont.load_default(size=size)


def _printable(prompt: str) -> str:
    """Return a prompt on one line, with only what Pillow's own font can show: no accents, no emoji."""
    start = unicodedata.normalize("NFKD", prompt[:600].translate(_SPELLED_OUT))
    shown = "".join(sign if sign in _IN_FONT else " " * sign.isspace() for sign in start)
    return " ".join(shown.split())


def _wrapped(text: str, font: _Font, width: int, *, most: int) -> list[str]:
    """Wrap a text into at most so many lines, with an ellipsis where it is cut."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most:
        fit = _fitting(rest, font, width)
        if fit < len(rest):
            fit = rest.rfind(" ", 1, fit + 1) + 1 or fit
        lines.append(rest[:fit].rstrip())
        rest = rest[fit:].lstrip()
    if rest:
        last = lines[-1]
        lines[-1] = last[: _fitting(last, font, width - round(font.getlength("…")))].rstrip(" ,;:.") + "…"
    return lines


def _fitting(text: str, font: _Font, width: int) -> int:
    """Return how many leading characters fit in a width; at least one."""
    low, high = 1, min(len(text), 1 + width // 2)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= width else (low, middle - 1)
    return low


def _note(samples: list[float], *, start: float, pitch: float) -> None:
    """Add a note that is struck and dies away, its octave sounding softly with it."""
    first = round(start * SAMPLE_RATE)
    for place in range(min(len(samples) - first, SAMPLE_RATE)):
        time = place / SAMPLE_RATE
        turn = 2 * pi * pitch * time
        swell = min(1.0, time / 0.012) * exp(-4.5 * time)
        samples[first + place] += swell * (sin(turn) + 0.25 * sin(2 * turn))


def _wave_file(samples: list[float]) -> bytes:
    loudest = max(map(abs, samples), default=0.0) or 1.0
    frames = array("h", (round(sample / loudest * 22_000) for sample in samples))
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(frames.tobytes())
    return file.getvalue()
