"""Palettes, and a canvas that paints gradients, glows and ridges."""

# pyright: reportUnknownMemberType=false
# Pillow's annotations name numpy's types, and numpy isn't needed

from collections.abc import Callable, Sequence
from math import pi, sin
from random import Random

from attrs import field, frozen
from PIL import Image, ImageDraw

__all__ = ["PALETTES", "Canvas", "Color", "Palette", "Point", "mix", "waves"]

Color = tuple[int, int, int]
Point = tuple[float, float]


def mix(one: Color, other: Color, share: float) -> Color:
    """Blend two colours; `share` is how much of the second there is, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _rgb(code: str) -> Color:
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


@frozen
class Palette:
    """Colours that go together, from the zenith to the foreground, each given as six hexadecimal digits."""

    top: Color = field(converter=_rgb)
    middle: Color = field(converter=_rgb)
    horizon: Color = field(converter=_rgb)
    light: Color = field(converter=_rgb)
    far: Color = field(converter=_rgb)
    near: Color = field(converter=_rgb)
    accent: Color = field(converter=_rgb)


PALETTES = {
    "dawn": Palette("33457a", "c8718d", "fbc3a3", "fff3d6", "c98a9c", "2b1f42", "f6d365"),
    "sunset": Palette("3b2c5e", "d9566b", "ffb86b", "fff0c2", "b4566f", "261534", "ffd27f"),
    "morning": Palette("2a7f8e", "93cbb4", "f6efd9", "fffbea", "93b9a7", "143a40", "f2a65a"),
    "twilight": Palette("0e1f40", "3a5480", "efa184", "fdf2da", "5b6f94", "0a1424", "f6c177"),
    "desert": Palette("6fa3bd", "f0d3ae", "fde9cd", "fff8e1", "e2a878", "6a2c22", "d1603d"),
    "north": Palette("2f4858", "86a8a9", "ece3d6", "fffaf0", "9db1ac", "182a30", "d98e73"),
    "lavender": Palette("4b3c86", "a68fd6", "fbd7d0", "fff4ea", "9d86c4", "271b4a", "ffb5a7"),
    "blossom": Palette("739fc9", "f4c4d3", "fff1ec", "ffffff", "dd9db1", "552843", "e56b83"),
    "forest": Palette("4c7a6d", "b5cfa4", "f3f0d2", "fffce6", "8fb08c", "13302a", "e9b44c"),
    "midnight": Palette("050b1f", "10264a", "2f5d7c", "f4f1e4", "2c4d6e", "040914", "7ee0c3"),
}


def waves(rng: Random, *, cycles: float, detail: int) -> Callable[[float], float]:
    """Make a smooth random curve over 0 to 1 that stays between -1 and 1; each further `detail` is finer."""
    parts = [(2**n * cycles * rng.uniform(0.8, 1.25), rng.uniform(0, 2 * pi), 0.5**n) for n in range(detail)]
    reach = sum(weight for _, _, weight in parts)

    def height(x: float) -> float:
        return sum(weight * sin(2 * pi * rate * x + phase) for rate, phase, weight in parts) / reach

    return height


@frozen
class Canvas:
    """A picture in the making: sizes are in pixels of the canvas, `unit` being its shorter side."""

    image: Image.Image
    rng: Random
    palette: Palette
    draw: ImageDraw.ImageDraw = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "draw", ImageDraw.Draw(self.image))

    @property
    def width(self) -> int:
        """How wide the canvas is."""
        return self.image.width

    @property
    def height(self) -> int:
        """How high the canvas is."""
        return self.image.height

    @property
    def unit(self) -> int:
        """The shorter side: what is to look alike in every ratio is measured by it."""
        return min(self.image.size)

    def gradient(self, colors: Sequence[Color], *, top: int = 0, bottom: int | None = None) -> None:
        """Fill a band of the canvas, or all of it, with evenly spaced colours from top to bottom."""
        end = self.height if bottom is None else bottom
        self.image.paste(_strip(colors, (self.width, end - top)), (0, top))

    def glow(self, center: Point, radius: float, color: Color, *, strength: float) -> None:
        """Let light fall off around a point; `strength` from 0 to 1 is how much of it is at the centre."""
        # Pillow's gradient reaches 255 in the corners, so that the sides are at 255 / sqrt(2)
        falloff = [round(255 * strength * max(0.0, 1 - d / 180) ** 2) for d in range(256)]
        side = round(radius)
        light = Image.radial_gradient("L").point(falloff).resize((side, side), Image.Resampling.BILINEAR)
        mask = light.resize((2 * side, 2 * side), Image.Resampling.NEAREST)
        corner = (round(center[0]) - side, round(center[1]) - side)
        self.image.paste(Image.new("RGB", mask.size, color), corner, mask)

    def disc(self, center: Point, radius: float, color: Color) -> None:
        """Draw a filled circle."""
        x, y = center
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def ridge(self, line: Sequence[Point], colors: Sequence[Color]) -> None:
        """Fill all that is below a line with colours from the line's highest point to the canvas's foot."""
        top = max(0, round(min(y for _, y in line)))
        size = (self.width, max(1, self.height - top))
        mask = Image.new("1", size)
        shape = [(x, y - top) for x, y in line]
        ImageDraw.Draw(mask).polygon([(0, size[1]), *shape, (size[0], size[1])], fill=1)
        self.image.paste(_strip(colors, size), (0, top), mask)

    def skyline(self, level: float, reach: float, curve: Callable[[float], float]) -> list[Point]:
        """Turn a curve into a line across the canvas at height `level`, swinging by `reach` up and down."""
        steps = 160
        return [(self.width * n / steps, level - reach * curve(n / steps)) for n in range(steps + 1)]


def _strip(colors: Sequence[Color], size: tuple[int, int]) -> Image.Image:
    """Paint a vertical gradient of evenly spaced colours."""
    rows, last = 128, len(colors) - 1
    pixels = bytearray()
    for row in range(rows):
        place = row / (rows - 1) * last
        index = min(int(place), last - 1)
        pixels += bytes(mix(colors[index], colors[index + 1], place - index))
    column = Image.frombytes("RGB", (1, rows), bytes(pixels))
    graded = column.resize((1, size[1]), Image.Resampling.BILINEAR)
    return graded.resize(size, Image.Resampling.NEAREST)
