"""The scenes that the simulator's pictures show."""

from collections.abc import Callable
from math import pi, sin
from random import Random

from PIL import Image, ImageDraw

from generor_async.simulator.outputs.canvas import Canvas, Color, Point, mix, waves

__all__ = ["Scene", "hill_range", "hills", "mosaic", "ribbons", "sea", "sky", "space", "town"]

Scene = Callable[[Canvas], None]


def sky(canvas: Canvas) -> Point:
    """Paint the sky with its sun or moon, and tell where that stands."""
    rng, palette, unit = canvas.rng, canvas.palette, canvas.unit
    canvas.gradient([palette.top, palette.middle, palette.horizon, palette.horizon])
    sun = (canvas.width * rng.uniform(0.22, 0.78), canvas.height * rng.uniform(0.24, 0.3))
    if sum(palette.top) < 250:
        _stars(canvas, count=90, floor=0.5)
    canvas.glow(sun, unit * 0.62, palette.light, strength=0.55)
    canvas.disc(sun, unit * rng.uniform(0.07, 0.11), palette.light)
    return sun


def _stars(canvas: Canvas, *, count: int, floor: float) -> None:
    rng, unit = canvas.rng, canvas.unit
    for _ in range(count):
        spot = (rng.uniform(0, canvas.width), rng.uniform(0, canvas.height * floor) * rng.uniform(0.2, 1))
        color = mix(canvas.palette.top, canvas.palette.light, rng.uniform(0.35, 1))
        canvas.disc(spot, unit * rng.uniform(0.0010, 0.0030), color)


def _birds(canvas: Canvas, near: Point) -> None:
    rng, unit = canvas.rng, canvas.unit
    for _ in range(rng.randint(3, 6)):
        x = near[0] + rng.gauss(0, 0.16) * unit
        y = near[1] + rng.uniform(-0.1, 0.1) * unit
        span = unit * rng.uniform(0.010, 0.018)
        ink, line = mix(canvas.palette.near, canvas.palette.middle, 0.25), max(2, unit // 260)
        canvas.draw.arc((x - 2 * span, y, x, y + span), 190, 350, fill=ink, width=line)
        canvas.draw.arc((x, y, x + 2 * span, y + span), 190, 350, fill=ink, width=line)


def _pine(canvas: Canvas, foot: Point, tall: float, color: Color) -> None:
    x, y = foot
    for tier in range(4):
        low, high = y - tall * tier * 0.22, y - tall * (tier * 0.22 + 0.38)
        half = tall * (0.22 - 0.045 * tier)
        canvas.draw.polygon([(x - half, low), (x, high), (x + half, low)], fill=color)
    canvas.draw.rectangle((x - tall * 0.025, y - tall * 0.1, x + tall * 0.025, y + tall * 0.2), fill=color)


def hills(canvas: Canvas) -> None:
    """Paint ranges of hills under a low sun, mist between them, and pines on the nearest."""
    sun = sky(canvas)
    ranges = canvas.rng.randint(4, 6)
    for n in range(ranges):
        hill_range(canvas, n / (ranges - 1))
    _birds(canvas, sun)


def hill_range(canvas: Canvas, depth: float) -> None:
    """Paint one range of hills; `depth` is 0 for the farthest and 1 for the nearest, which has pines."""
    rng, palette, unit = canvas.rng, canvas.palette, canvas.unit
    color = mix(palette.far, palette.near, depth**1.15)
    haze = mix(color, palette.horizon, 0.55 * (1 - depth))
    curve = waves(rng, cycles=canvas.width / unit * rng.uniform(0.7, 1.2), detail=5 if depth < 0.5 else 3)
    line = canvas.skyline(canvas.height * (0.5 + 0.36 * depth), unit * (0.13 - 0.07 * depth), curve)
    if depth == 1:
        for foot in rng.sample(line, k=26):
            _pine(canvas, foot, unit * rng.uniform(0.06, 0.15), color)
    canvas.ridge(line, [color, haze, haze])


def sea(canvas: Canvas) -> None:
    """Paint a calm sea with the sun's path on it, islands far off and a sail."""
    rng, palette, unit = canvas.rng, canvas.palette, canvas.unit
    sun = sky(canvas)
    horizon = round(canvas.height * 0.6)
    for depth in (0.15, 0.4):
        curve = waves(rng, cycles=1.3, detail=5)
        line = [(x, min(y, horizon)) for x, y in canvas.skyline(horizon + unit * 0.015, unit * 0.09, curve)]
        color = mix(palette.far, palette.near, depth)
        canvas.ridge(line, [color, mix(color, palette.horizon, 0.3)])
    deep = mix(palette.top, palette.near, 0.55)
    canvas.gradient([mix(palette.horizon, palette.middle, 0.4), mix(palette.middle, deep, 0.6), deep], top=horizon)
    for row in range(34):
        below = (row / 33) ** 1.4
        y = horizon + unit * 0.012 + below * (canvas.height - horizon) * 0.95
        half = unit * (0.03 + 0.16 * below) * rng.uniform(0.25, 1)
        x = sun[0] + rng.gauss(0, 0.035 + 0.05 * below) * unit
        thick = unit * (0.0016 + 0.0055 * below)
        color = mix(palette.light, mix(palette.middle, deep, below), 0.12 + 0.5 * below)
        canvas.draw.rounded_rectangle((x - half, y, x + half, y + 2 * thick), radius=thick, fill=color)
    _sail(canvas, (canvas.width - sun[0], horizon + unit * 0.05))


def _sail(canvas: Canvas, at: Point) -> None:
    (x, y), tall = at, canvas.unit * 0.15
    ink = mix(canvas.palette.near, canvas.palette.far, 0.1)
    cloth = mix(canvas.palette.light, canvas.palette.horizon, 0.25)
    canvas.draw.polygon([(x, y - tall), (x, y - tall * 0.1), (x + tall * 0.45, y - tall * 0.1)], fill=cloth)
    canvas.draw.polygon(
        [
            (x - tall * 0.04, y - tall * 0.9),
            (x - tall * 0.04, y - tall * 0.1),
            (x - tall * 0.3, y - tall * 0.1),
        ],
        fill=canvas.palette.accent,
    )
    canvas.draw.polygon(
        [
            (x - tall * 0.42, y - tall * 0.04),
            (x + tall * 0.55, y - tall * 0.04),
            (x + tall * 0.38, y + tall * 0.1),
            (x - tall * 0.28, y + tall * 0.1),
        ],
        fill=ink,
    )


def town(canvas: Canvas) -> None:
    """Paint rows of houses and towers before the sky, windows lit in the nearer ones."""
    rng, palette, unit = canvas.rng, canvas.palette, canvas.unit
    sky(canvas)
    rows = 4
    for n in range(rows):
        depth = n / (rows - 1)
        color = mix(palette.far, palette.near, 0.1 + 0.9 * depth)
        houses: list[tuple[float, float, float]] = []
        x = -unit * rng.uniform(0, 0.1)
        while x < canvas.width:
            wide = unit * rng.uniform(0.07, 0.15)
            houses.append((x, x + wide, canvas.height * (0.54 + 0.26 * depth) - unit * rng.uniform(-0.03, 0.2)))
            x += wide
        line = [point for house in houses for point in _roof(rng, house)]
        canvas.ridge(line, [color, mix(color, palette.horizon, 0.4 * (1 - depth))])
        if depth > 0.5:
            lit = mix(palette.accent, palette.light, 0.35)
            for house in houses:
                _windows(canvas, house, lit, share=0.25 + 0.25 * depth)


def _roof(rng: Random, house: tuple[float, float, float]) -> list[Point]:
    left, right, top = house
    wide = right - left
    kind = rng.randrange(4)
    if kind == 0:
        return [(left, top), ((left + right) / 2, top - wide * 0.4), (right, top)]
    if kind == 1:
        middle = left + wide * rng.uniform(0.3, 0.7)
        mast = [(middle, top), (middle, top - wide * 0.6), (middle + wide * 0.04, top - wide * 0.6)]
        return [(left, top), *mast, (middle + wide * 0.04, top), (right, top)]
    if kind == 2:
        inner, step = wide * 0.2, wide * 0.18
        raised = [(left + inner, top), (left + inner, top - step), (right - inner, top - step)]
        return [(left, top), *raised, (right - inner, top), (right, top)]
    return [(left, top), (right, top)]


def _windows(canvas: Canvas, house: tuple[float, float, float], lit: Color, *, share: float) -> None:
    left, right, top = house
    cell = canvas.unit * 0.022
    columns = int((right - left) / cell) - 1
    margin = (right - left - columns * cell) / 2
    for row in range(9):
        for column in range(columns):
            if canvas.rng.random() < share:
                x, y = left + margin + column * cell + cell * 0.25, top + cell * (row + 1)
                canvas.draw.rectangle((x, y, x + cell * 0.45, y + cell * 0.55), fill=lit)


def space(canvas: Canvas) -> None:
    """Paint a ringed planet and its moon among stars."""
    rng, palette, unit = canvas.rng, canvas.palette, canvas.unit
    dark = mix(palette.near, (4, 6, 18), 0.6)
    canvas.gradient([dark, mix(dark, palette.top, 0.5), mix(dark, palette.far, 0.45)])
    haze = (canvas.width * rng.uniform(0.1, 0.9), canvas.height * rng.uniform(0.5, 0.9))
    canvas.glow(haze, unit * 0.9, palette.middle, strength=0.35)
    _stars(canvas, count=170, floor=1.0)
    center = (canvas.width * rng.uniform(0.44, 0.56), canvas.height * rng.uniform(0.34, 0.46))
    radius = unit * rng.uniform(0.19, 0.24)
    canvas.glow(center, radius * 1.9, palette.middle, strength=0.4)
    _planet(canvas, center, radius)
    moon = (center[0] + radius * rng.choice((-1.55, 1.55)), center[1] - radius * rng.uniform(0.8, 1.1))
    canvas.disc(moon, radius * 0.16, palette.accent)


def _planet(canvas: Canvas, center: Point, radius: float) -> None:
    """Paint the globe's bands through a round mask, shade it, and draw the ring's front half over it."""
    palette, size = canvas.palette, 2 * round(radius)
    globe = Canvas(Image.new("RGB", (size, size)), canvas.rng, palette)
    globe.gradient([palette.light, palette.horizon, palette.middle, palette.far, palette.top])
    for n in range(5):
        color = mix((palette.horizon, palette.accent, palette.middle, palette.far, palette.top)[n], palette.near, 0.12)
        curve = waves(canvas.rng, cycles=0.6, detail=2)
        globe.ridge(globe.skyline(size * (0.2 + 0.16 * n), size * 0.03, curve), [color, mix(color, palette.near, 0.3)])
    globe.glow((size * 0.95, size * 1.0), size * 0.95, palette.near, strength=0.85)
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).ellipse((0, 0, size - 1, size - 1), fill=255)
    corner = (round(center[0]) - size // 2, round(center[1]) - size // 2)
    x, y = center
    for part, (start, end) in enumerate(((180, 360), (0, 180))):
        for n, color in enumerate((palette.accent, palette.horizon, palette.far)):
            wide, flat = radius * (1.75 - 0.14 * n), radius * (0.42 - 0.035 * n)
            box = (x - wide, y - flat, x + wide, y + flat)
            canvas.draw.arc(box, start, end, fill=color, width=max(2, round(radius * 0.05)))
        if part == 0:
            canvas.image.paste(globe.image, corner, mask)


def ribbons(canvas: Canvas) -> None:
    """Paint soft ribbons that flow over each other, from light to dark."""
    rng, palette, unit = canvas.rng, canvas.palette, canvas.unit
    canvas.gradient([palette.horizon, mix(palette.horizon, palette.light, 0.6), palette.horizon])
    steps = [
        palette.light,
        palette.accent,
        palette.horizon,
        palette.middle,
        palette.far,
        palette.top,
        palette.near,
    ]
    count = 9
    tilt = rng.choice((-1, 1)) * rng.uniform(0.15, 0.4) * unit
    for n in range(count):
        depth = n / (count - 1)
        place = depth * (len(steps) - 1)
        index = min(int(place), len(steps) - 2)
        color = mix(steps[index], steps[index + 1], place - index)
        curve = waves(rng, cycles=0.55 * canvas.width / unit, detail=2)
        line = canvas.skyline(canvas.height * (0.14 + 0.80 * depth), unit * 0.12, curve)
        slope = [(x, y + tilt * (x / canvas.width - 0.5)) for x, y in line]
        canvas.ridge(slope, [color, mix(color, palette.near, 0.35), mix(color, palette.near, 0.6)])
        canvas.draw.line(slope, fill=mix(color, palette.light, 0.55), width=max(2, unit // 170), joint="curve")


def mosaic(canvas: Canvas) -> None:
    """Lay tiles of arcs, discs and leaves, as on a print of the mid-century."""
    rng, palette = canvas.rng, canvas.palette
    inks = [
        palette.top,
        palette.middle,
        palette.horizon,
        palette.far,
        palette.near,
        palette.accent,
        palette.light,
    ]
    side = canvas.unit / rng.choice((4, 5))
    columns, rows = -(-canvas.width // round(side)), -(-canvas.height // round(side))
    wide, high = canvas.width / columns, canvas.height / rows
    for row in range(rows):
        for column in range(columns):
            ground, ink, spot = rng.sample(inks, k=3)
            left, top = round(column * wide), round(row * high)
            box = (left, top, round((column + 1) * wide), round((row + 1) * high))
            canvas.draw.rectangle(box, fill=ground)
            _tile(canvas, box, ink, spot)


def _tile(canvas: Canvas, box: tuple[int, int, int, int], ink: Color, spot: Color) -> None:
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    kind, turn = canvas.rng.randrange(5), canvas.rng.randrange(4)
    hubs = ((left, top), (right, top), (right, bottom), (left, bottom))
    (x, y), (far_x, far_y) = hubs[turn], hubs[(turn + 2) % 4]
    start = turn * 90

    def quarter(hub: Point, begin: int, share: float, color: Color) -> None:
        around = (hub[0] - wide * share, hub[1] - high * share, hub[0] + wide * share, hub[1] + high * share)
        canvas.draw.pieslice(around, begin, begin + 90, fill=color)

    if kind == 0:
        quarter((x, y), start, 1.0, ink)
        quarter((x, y), start, 0.55, spot)
    elif kind == 1:
        quarter((x, y), start, 0.5, ink)
        quarter((far_x, far_y), start + 180, 0.5, spot)
    elif kind == 2:
        canvas.draw.ellipse(
            (left + wide * 0.12, top + high * 0.12, right - wide * 0.12, bottom - high * 0.12), fill=ink
        )
        canvas.draw.ellipse(
            (left + wide * 0.34, top + high * 0.34, right - wide * 0.34, bottom - high * 0.34), fill=spot
        )
    elif kind == 3:
        leaf = [_bow((x, y), (far_x, far_y), n / 24, 0.3) for n in range(25)]
        leaf += [_bow((far_x, far_y), (x, y), n / 24, 0.3) for n in range(25)]
        canvas.draw.polygon(leaf, fill=ink)
    else:
        canvas.draw.polygon([hubs[turn], hubs[(turn + 1) % 4], hubs[(turn + 2) % 4]], fill=ink)


def _bow(start: Point, end: Point, share: float, bulge: float) -> Point:
    """Return the point at a `share` of the way along a curved line."""
    run, rise = end[0] - start[0], end[1] - start[1]
    bend = bulge * sin(pi * share)
    return start[0] + run * share + rise * bend, start[1] + rise * share - run * bend
