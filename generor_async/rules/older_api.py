"""Recognizes Luma's older API, Dream Machine, whose addresses, keys and fields are often mixed up with Luma Agents.

That neither API accepts the other's keys is measured, by six public repositories; what the older API's keys look like
is assumed. Its fields and its state `dreaming` are those of its official client, `lumaai` (client).
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, TypedDict, TypeVar, cast
from urllib.parse import urlsplit

from generor_async.errors import InvalidRequestError
from generor_async.rules.misspellings import closest_name
from generor_async.rules.vendors import LUMA, Vendor
from generor_async.values import JSON, Problem, is_object

__all__ = [
    "NoOthers",
    "advice_on_address",
    "advice_on_field",
    "advice_on_key",
    "advice_on_reference",
    "older_api_problems",
    "refuse_unknown_arguments",
    "without_others",
]

F = TypeVar("F", bound=Callable[..., Any])

_OLDER: Final = "Dream Machine, the vendor's older API"
_IN_VIDEO: Final = 'it goes into video: video={"duration": "5s", "resolution": "720p", "loop": True}'
_PLACED: Final = "where the source lies is said by source_position, in video"
_REFERENCES: Final = "pictures to keep to go into image_ref"
_WAITING: Final = "generations.run waits for the result, for as long as its client's timeout says"
_FIELDS: Final[Mapping[str, str]] = {
    "callback_url": "nobody is called back; generations.run waits for the end, and job.updates() tells each state",
    "character_ref": _REFERENCES,
    "concepts": "the prompt says it all",
    "duration": _IN_VIDEO,
    "first_frame": "it is start_frame, in video",
    "format": "it is output_format, png or jpeg",
    "generation_type": "it is type",
    "grid_position_x": _PLACED,
    "grid_position_y": _PLACED,
    "keyframes": "video takes start_frame and end_frame, or a list of keyframes with keyframe_indexes",
    "loop": _IN_VIDEO,
    "media": "it is source",
    "mode": 'it is strength, in video={"edit": {"strength": "adhere_1"}}',
    "modify_image_ref": 'the picture to change is the source, with type="image_edit"',
    "negative_prompt": "there is none; the prompt says what is wanted",
    "resized_height": _PLACED,
    "resized_width": _PLACED,
    "resolution": _IN_VIDEO,
    "style_ref": _REFERENCES,
    "sync": _WAITING,
    "sync_timeout": _WAITING,
    "x_end": _PLACED,
    "x_start": _PLACED,
    "y_end": _PLACED,
    "y_start": _PLACED,
}
"""Request fields that only the older API has, and what to write instead."""


class NoOthers(TypedDict):
    """The type of `**others`: type checkers refuse any, and the call refuses them with advice."""


def without_others(function: F) -> F:
    """Remove `**others` from the signature that `help` and `inspect` show."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    cast("Any", function).__signature__ = signature.replace(parameters=own)
    return function


def advice_on_field(name: str) -> str:
    """Return advice for a field of the older API; an empty text for any other field."""
    if (here := _FIELDS.get(name)) is None:
        return ""
    which = "keyframes with frame0 and frame1 are" if name == "keyframes" else f"{name} is a field"
    return f"{which} of {_OLDER}: here {here}"


def advice_on_reference(reference: Mapping[str, JSON]) -> str:
    """Return advice for a reference in the form of the older API; an empty text for any other."""
    if "id" not in reference:
        return ""
    return f"id is a field of {_OLDER}: here an earlier generation is named by MediaRef.generation(...)"


def refuse_unknown_arguments(others: Iterable[str], builder: Callable[..., Any]) -> NoReturn:
    """Raise the error for arguments that a builder, that of `generations.create`, doesn't have.

    Those of the older API are an InvalidRequestError; any other is a TypeError, as for every function.
    """
    for name in others:
        if advice := advice_on_field(name):
            raise InvalidRequestError(name, advice)
    unknown = next(iter(others))
    meant = closest_name(unknown, inspect.signature(builder).parameters)
    hint = "" if meant is None else f". Did you mean {meant!r}?"
    raise TypeError(f"generations.create got an unexpected keyword argument {unknown!r}{hint}")


def older_api_problems(answer: JSON) -> list[Problem]:
    """Return a problem for an answer of the older API, to which a gateway may lead; an empty list for any other."""
    if not is_object(answer) or not (answer.get("state") == "dreaming" or "assets" in answer):
        return []
    advice = f"this is an answer of {_OLDER}: check base_url; that of Luma Agents is {LUMA.base_url}"
    return [Problem("$.state" if answer.get("state") == "dreaming" else "$.assets", advice)]


def advice_on_address(vendor: Vendor, base_url: str) -> str:
    """Return advice for a base URL of the older API; an empty text for any other."""
    parts = urlsplit(base_url)
    if vendor is not LUMA or (parts.hostname != "api.lumalabs.ai" and "dream-machine" not in parts.path.split("/")):
        return ""
    return (
        f"It is the address of {_OLDER}; that of Luma Agents is {LUMA.base_url},"
        " with a key of its own from platform.lumalabs.ai"
    )


def advice_on_key(vendor: Vendor, key: str) -> str:
    """Return advice for a key that looks like one of the older API; an empty text for any other."""
    if vendor is not LUMA or not key.startswith("luma-") or key.startswith(LUMA.key_prefix):
        return ""
    return f"It looks like a key of {_OLDER}, which isn't good for Luma Agents: make one on platform.lumalabs.ai"
