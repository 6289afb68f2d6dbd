"""Luma's older API, Dream Machine, told apart from Luma Agents: their addresses, keys and fields are often mixed up.

That neither takes the other's keys is measured, by six public repositories; what its keys look like is assumed. Its
fields and its state `dreaming` are those of its official client, `lumaai` (client).
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, TypedDict, TypeVar, cast
from urllib.parse import urlsplit

from generor_async.errors import InvalidRequestError
from generor_async.rules.vendors import LUMA, Vendor
from generor_async.values import JSON, Problem, is_object

__all__ = [
    "NoOthers",
    "advice_on_address",
    "advice_on_field",
    "advice_on_key",
    "advice_on_reference",
    "odd_in",
    "refuse",
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
"""What a request has there and not here, and what to write instead."""


class NoOthers(TypedDict):
    """No argument at all: type checkers refuse others, and the call itself gets them, to say what they are."""


def without_others(function: F) -> F:
    """Show a function without its `**others`, in `help` as in `inspect`: they are no arguments of its."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    cast("Any", function).__signature__ = signature.replace(parameters=own)
    return function


def advice_on_field(name: str) -> str:
    """Return what to do where a request has a field of the older API; empty for any other."""
    if (here := _FIELDS.get(name)) is None:
        return ""
    which = "keyframes with frame0 and frame1 are" if name == "keyframes" else f"{name} is a field"
    return f"{which} of {_OLDER}: here {here}"


def advice_on_reference(reference: Mapping[str, JSON]) -> str:
    """Return what to do where an earlier generation is named as the older API names it; empty for any other."""
    if "id" not in reference:
        return ""
    return f"id is a field of {_OLDER}: here an earlier generation is named by MediaRef.generation(...)"


def refuse(others: Iterable[str]) -> NoReturn:
    """Raise what arguments come to that `generations.create` doesn't have.

    Those of the older API are an InvalidRequestError; any other is a TypeError, as of every function.
    """
    for name in others:
        if advice := advice_on_field(name):
            raise InvalidRequestError(name, advice)
    raise TypeError(f"generations.create got an unexpected keyword argument {next(iter(others))!r}")


def odd_in(answer: JSON) -> list[Problem]:
    """Return what in an answer is the older API's, as a note; a gateway may lead there."""
    if not is_object(answer) or not (answer.get("state") == "dreaming" or "assets" in answer):
        return []
    advice = f"this is an answer of {_OLDER}: check base_url; that of Luma Agents is {LUMA.base_url}"
    return [Problem("$.state" if answer.get("state") == "dreaming" else "$.assets", advice)]


def advice_on_address(vendor: Vendor, base_url: str) -> str:
    """Return what to do where a base URL is the older API's; empty where it isn't."""
    parts = urlsplit(base_url)
    if vendor is not LUMA or (parts.hostname != "api.lumalabs.ai" and "dream-machine" not in parts.path.split("/")):
        return ""
    return (
        f"It is the address of {_OLDER}; that of Luma Agents is {LUMA.base_url},"
        " with a key of its own from platform.lumalabs.ai"
    )


def advice_on_key(vendor: Vendor, key: str) -> str:
    """Return what to do where a key looks like one of the older API; empty where it doesn't."""
    if vendor is not LUMA or not key.startswith("luma-") or key.startswith(LUMA.key_prefix):
        return ""
    return f"It looks like a key of {_OLDER}, which isn't good for Luma Agents: make one on platform.lumalabs.ai"
