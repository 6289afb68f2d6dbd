"""When two calls ask for the same, however they are written down; and when one would buy what another has bought.

A parameter that is left out, null, an empty list, or spelt as the server's default is one and the same; so are 1 and
1.0, and members of an object in any order. Which defaults there are is documented, and stands in the spec.
"""

from collections.abc import Collection, Mapping
from typing import Final

from generor_async.values import JSON, is_array, is_object

__all__ = ["CANONICAL_VERSION", "canonical_parameters", "content_parameters"]

CANONICAL_VERSION: Final = 3
"""Which form new batches tell rows by; those that began with an earlier one keep it: empty lists were told from what is
left out before 3, and rows by how they are written down before 2."""
LARGEST_EXACT: Final = 2.0**53
"""Up to here a float is the whole number that it looks like."""
SINGLE: Final = frozenset({str, int, bool})
"""Types of values that are in their one form already."""
FREE_FORM: Final = frozenset({"parameters"})
"""Objects whose members no document names: null in one of them may mean something."""
SETTINGS: Final = frozenset(
    {
        "aspect_ratio",
        "avoid_duplicates",
        "count",
        "generate_audio",
        "item_index",
        "language",
        "layering",
        "mode",
        "model",
        "model_id",
        "model_speech",
        "output_format",
        "privacy_mode",
        "seconds",
        "style",
        "support_for",
        "team_id",
        "temperature",
        "thinking_mode",
        "total_count",
        "type",
        "user_id",
        "web_search",
    }
)
"""Parameters of either API that say how something is made, not what."""
CONTENT_FRAMES: Final = ("start_frame", "end_frame", "keyframes", "edit")
"""Of the options of a video, those that say what is in it."""


def canonical_parameters(
    parameters: Mapping[str, JSON], defaults: Mapping[str, JSON], *, version: int = CANONICAL_VERSION
) -> Mapping[str, JSON]:
    """Return the one form of a call's parameters that all have which ask for the same.

    `defaults` are the server's, by parameter; `version` is 2 or later. Parameters that are in that form already are
    returned as they are.
    """
    for name, value in parameters.items():
        if type(value) not in SINGLE or (name in defaults and _equal(value, defaults[name])):
            break
    else:
        return parameters
    nothing: Collection[JSON] = (None,) if version < CANONICAL_VERSION else (None, [])
    found = {name: _canonical(value, nothing, free=name in FREE_FORM) for name, value in parameters.items()}
    return {
        name: value
        for name, value in found.items()
        if value not in nothing
        and not _equal(value, defaults.get(name))
        and not (version == CANONICAL_VERSION and name in FREE_FORM and value == {})
    }


def content_parameters(parameters: Mapping[str, JSON], defaults: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Return what a call asks for, without how it is to be made: prompts, references and other texts.

    Calls that have that in common make the same thing again, in another size, style or model. Blanks say nothing: a
    table that another program has written again has other line ends, and spaces less or more.
    """
    found = dict[str, JSON]()
    for name, value in canonical_parameters(parameters, defaults).items():
        if name == "video" and is_object(value):
            found |= {frame: value[frame] for frame in CONTENT_FRAMES if frame in value}
        elif name not in SETTINGS:
            found[name] = " ".join(value.split()) if isinstance(value, str) else value
    return found


def _canonical(value: JSON, nothing: Collection[JSON], *, free: bool = False) -> JSON:
    """Return the one form of a value; a member that is `nothing` is left out."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return int(value)
    if is_object(value):
        members = {name: _canonical(item, nothing, free=free) for name, item in value.items()}
        return members if free else {name: item for name, item in members.items() if item not in nothing}
    return [_canonical(item, nothing, free=free) for item in value] if is_array(value) else value


def _equal(value: JSON, default: JSON) -> bool:
    """Tell whether two values are one; true is not 1."""
    return value == default and isinstance(value, bool) == isinstance(default, bool)
