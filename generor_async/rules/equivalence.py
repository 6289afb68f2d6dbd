"""Tells which calls ask for the same, so that a batch doesn't pay twice for one result.

Parameters that are missing, null, an empty list or the server's default are equal; so are 1 and 1.0, and objects whose
members differ in their order. The defaults are documented, and stand in the spec.
"""

from collections.abc import Collection, Mapping
from typing import Final

from generor_async.values import JSON, is_array, is_object

__all__ = ["CANONICAL_VERSION", "SETTINGS", "canonical_parameters", "content_parameters"]

CANONICAL_VERSION: Final = 3
"""The version of the canonical form that new batches use; older batches keep theirs. Before 3, an empty list differed
from a missing parameter; before 2, rows were compared by their text."""
LARGEST_EXACT: Final = 2.0**53
"""Largest float that represents whole numbers exactly."""
SINGLE: Final = frozenset({str, int, bool})
"""Types whose values are always in canonical form."""
FREE_FORM: Final = frozenset({"parameters"})
"""Objects with undocumented members: null may have a meaning there."""
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
"""Parameters of either API that say how something is made, not what it shows."""
CONTENT_FRAMES: Final = ("start_frame", "end_frame", "keyframes", "edit")
"""The options of a video that say what it shows."""


def canonical_parameters(
    parameters: Mapping[str, JSON], defaults: Mapping[str, JSON], *, version: int = CANONICAL_VERSION
) -> Mapping[str, JSON]:
    """Return the parameters of a call in canonical form: equal for all calls that ask for the same.

    `defaults` are the server's, by parameter; `version` is 2 or later. Parameters in canonical form are returned
    unchanged.
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
    """Return the parameters that say what is made: prompts, references and other texts.

    Calls that share them make the same thing in another size, style or model. White space is normalized: a program that
    writes a table again may change spaces and line ends.
    """
    found = dict[str, JSON]()
    for name, value in canonical_parameters(parameters, defaults).items():
        if name == "video" and is_object(value):
            found |= {frame: value[frame] for frame in CONTENT_FRAMES if frame in value}
        elif name not in SETTINGS:
            found[name] = " ".join(value.split()) if isinstance(value, str) else value
    return found


def _canonical(value: JSON, nothing: Collection[JSON], *, free: bool = False) -> JSON:
    """Return a value in canonical form; members that equal one of `nothing` are left out."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return int(value)
    if is_object(value):
        members = {name: _canonical(item, nothing, free=free) for name, item in value.items()}
        return members if free else {name: item for name, item in members.items() if item not in nothing}
    return [_canonical(item, nothing, free=free) for item in value] if is_array(value) else value


def _equal(value: JSON, default: JSON) -> bool:
    """Tell whether two values are equal; true differs from 1."""
    return value == default and isinstance(value, bool) == isinstance(default, bool)
