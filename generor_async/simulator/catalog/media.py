"""The generators of the simulated Generor that draw, film and sound.

Documented are the slugs image, wallart and video with what the documents say of their parameters, and the
model types that others are named after; the rest is assumed.
"""

from collections.abc import Mapping

from attrs import evolve

from generor_async.simulator.catalog.rows import enum, generator, with_similar
from generor_async.simulator.catalog.types import (
    IMAGE_RATIOS,
    VIDEO_RATIOS,
    FieldKind,
    Generator,
    ModelType,
    Parameter,
)

__all__ = ["MEDIA_GENERATORS"]

_IMAGE_RATIO = enum("image-aspect-ratio", *(str(ratio.id) for ratio in IMAGE_RATIOS))
_VIDEO_RATIO = enum("video-aspect-ratio", *(str(ratio.id) for ratio in VIDEO_RATIOS))
_SPOKEN: Mapping[str, FieldKind] = {"title": "line", "text": "text"}


def _draw(slug: str, title: str, icon: str, description: str, *parameters: Parameter) -> Generator:
    return generator(slug, title, icon, description, *parameters, _IMAGE_RATIO, types=("image",), fields={})


def _film(slug: str, title: str, icon: str, description: str, *parameters: Parameter) -> Generator:
    return generator(slug, title, icon, description, *parameters, _VIDEO_RATIO, types=("video",), fields={})


def _make(
    kind: ModelType,
    slug: str,
    title: str,
    icon: str,
    description: str,
    *parameters: Parameter,
    fields: Mapping[str, FieldKind] | None = None,
) -> Generator:
    return generator(slug, title, icon, description, *parameters, types=(kind,), fields=fields or {})


_PICTURES = (
    _draw("image", "Image", "image", "A picture from a prompt."),
    _draw(
        "wallart",
        "Wall art",
        "panorama",
        "Something to hang up.",
        enum("wallart-type", "poster", "framed-print", "canvas", "mural", "tapestry"),
        enum("wallart-orientation", "portrait", "landscape", "square"),
    ),
    _draw("photo-edit", "Photo edit", "wand-magic", "A picture changed by words."),
    _draw("avatar", "Avatar", "user-astronaut", "A face for a profile."),
    _draw("portrait", "Portrait", "image-portrait", "A person in a style."),
    _draw("illustration", "Illustration", "paintbrush", "A drawing for a text."),
    _draw("comic", "Comic", "table-cells", "A panel or a page."),
    _draw("coloring-page", "Coloring page", "pencil", "Outlines to fill in."),
    _draw("wallpaper", "Wallpaper", "desktop", "A background for a screen."),
    _draw("meme", "Meme", "face-grin-tears", "A picture with a punchline."),
)
_DESIGN = (
    _make("vector", "vector", "Vector", "bezier-curve", "A drawing as SVG."),
    _draw(
        "logo",
        "Logo",
        "shapes",
        "A mark for a brand.",
        enum("logo-style", "flat", "line", "emblem", "mascot"),
    ),
    _make("vector", "icon", "Icon", "icons", "A small sign."),
    _draw("sticker", "Sticker", "note-sticky", "A cut-out to paste."),
    _draw("tattoo", "Tattoo", "pen-fancy", "A design for skin."),
    _draw("pattern", "Pattern", "border-all", "A tile that repeats."),
    _draw("poster", "Poster", "scroll", "A sheet for a wall."),
    _draw("album-cover", "Album cover", "compact-disc", "A face for a record."),
    _draw("product-photo", "Product photo", "camera", "A thing in a good light."),
    _draw("fashion", "Fashion", "shirt", "Something to wear."),
)
_TOOLS = (
    _make(
        "upscale",
        "upscale",
        "Upscale",
        "maximize",
        "A picture made larger.",
        enum("upscale-factor", "2", "4"),
    ),
    _make("backgroundremoval", "backgroundremoval", "Background removal", "scissors", "The subject, cut out."),
    _make("vector", "vectorize", "Vectorize", "vector-square", "A picture traced as SVG."),
)
_FILMS = (
    _film("video", "Video", "video", "A clip from a prompt."),
    _film("video-edit", "Video edit", "clapperboard", "A clip changed by words."),
    _film("animation", "Animation", "person-running", "A picture set in motion."),
    _film("product-video", "Product video", "bag-shopping", "A thing shown off."),
    _film("loop", "Loop", "infinity", "A clip without an end."),
)
_SOUNDS = (
    _make("speech", "speech", "Speech", "microphone-lines", "A text read aloud.", fields=_SPOKEN),
    _make("speech", "narration", "Narration", "headphones", "A voice over a film.", fields=_SPOKEN),
    _make("speech", "podcast", "Podcast", "podcast", "Two voices on a subject.", fields=_SPOKEN),
    _make("music", "music", "Music", "music", "A piece in a mood.", enum("music-mood", "calm", "bright", "epic")),
    _make("music", "jingle", "Jingle", "bell", "A tune for a brand."),
    _make("soundeffect", "soundeffect", "Sound effect", "volume-high", "A noise on demand."),
    _make("soundeffect", "ambience", "Ambience", "tree", "The sound of a place."),
)

_IN_DEVELOPMENT = {"fashion", "loop"}
_SHELVES = (_PICTURES, _DESIGN, _TOOLS, _FILMS, _SOUNDS)

MEDIA_GENERATORS = tuple(
    evolve(item, status="development") if item.slug in _IN_DEVELOPMENT else item for item in with_similar(*_SHELVES)
)
