"""Checks a request against what Luma's pages say about combinations of parameters.

The pages contradict each other, and change. So nothing is refused because of them: the caller gets a warning that says
what to do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from attrs import frozen

from generor_async.rules import addresses
from generor_async.rules.luma_input_checks import media_references, value_at
from generor_async.rules.older_api import advice_on_field
from generor_async.values import JSON, is_object

__all__ = ["ParameterWarning", "parameter_warnings"]


class ParameterWarning(NamedTuple):
    """A warning about a combination that, by a page, can't work or has no effect."""

    name: str
    """The name of the rule: each is warned of once."""
    text: str


@frozen
class _Request:
    """A `POST /generations`, as the rules need it."""

    body: Mapping[str, JSON]
    video: Mapping[str, JSON]
    edit: Mapping[str, JSON]

    @classmethod
    def of(cls, body: Mapping[str, JSON]) -> "_Request":
        video, edit = body.get("video"), value_at(body, "video.edit")
        return cls(body, video if is_object(video) else {}, edit if is_object(edit) else {})

    @property
    def type(self) -> JSON:
        return self.body.get("type") or "image"

    @property
    def ratio(self) -> JSON:
        return self.body.get("aspect_ratio")

    def has(self, *names: str) -> bool:
        """Tell whether the request has any of these video options."""
        return any(self.video.get(name) not in (None, False) for name in names)

    def is_one_of(self, name: str, *values: str) -> bool:
        """Tell whether a video option has one of these values."""
        return self.video.get(name) in values

    def extends(self) -> bool:
        """Tell whether a frame refers to an earlier generation: a video is extended by that."""
        return any(value_at(self.video, f"{name}.generation_id") is not None for name in ("start_frame", "end_frame"))


@frozen
class _Rule:
    name: str
    needs: str
    """The parameter that a request must have for the rule to apply."""
    source: str
    holds: Callable[[_Request], bool]
    text: str
    """What the page says, and what to do instead."""


_NORMS: Final = {"x_norm": (-2.0, 2.0), "y_norm": (-2.0, 2.0), "w_norm": (0.0, 2.0), "h_norm": (0.0, 2.0)}


def _is_off(request: _Request) -> bool:
    position = request.video.get("source_position")
    found = position if is_object(position) else {}
    sizes = (found.get("w_norm"), found.get("h_norm"))
    return any(
        isinstance(found.get(name), int | float) and not low <= found[name] <= high
        for name, (low, high) in _NORMS.items()
    ) or any(isinstance(size, int | float) and size <= 0 for size in sizes)


_RULES: Final[tuple[_Rule, ...]] = (
    _Rule(
        "manga",
        "style",
        "page: FAQ",
        lambda it: (
            it.body.get("style") == "manga" and it.ratio is not None and it.ratio not in ("2:3", "9:16", "1:2", "1:3")
        ),
        "style 'manga' takes the aspect ratios 2:3, 9:16, 1:2 and 1:3 only. Choose one of them, or leave it out",
    ),
    _Rule(
        "edit_ratio",
        "type",
        "page: FAQ, video editing",
        lambda it: it.type in ("image_edit", "video_edit") and it.ratio is not None,
        "aspect_ratio is ignored in edits: the output has the shape of its source. Leave it out; video_reframe changes"
        " the shape of a video",
    ),
    _Rule(
        "video_ratio",
        "type",
        "page: video generation",
        lambda it: (
            it.type in ("video", "video_reframe")
            and it.ratio is not None
            and it.ratio not in ("9:16", "3:4", "1:1", "4:3", "16:9", "21:9")
        ),
        "videos have the aspect ratios 9:16, 3:4, 1:1, 4:3, 16:9 and 21:9 only. Choose one of them, or leave it out",
    ),
    _Rule(
        "upright_1080p",
        "type",
        "page: reframing; code: generation",
        lambda it: (
            it.type in ("video", "video_reframe")
            and it.ratio in ("9:16", "3:4")
            and it.is_one_of("resolution", "1080p")
        ),
        "1080p isn't available for 9:16 and 3:4. Choose 720p, or another aspect ratio",
    ),
    _Rule(
        "10s_frames",
        "video",
        "page: video generation",
        lambda it: it.type == "video" and it.is_one_of("duration", "10s") and it.has("start_frame", "end_frame"),
        "a video of 10s takes no start_frame or end_frame. One picture and 10s:"
        " keyframes=[...], keyframe_indexes=[0]; or leave the duration out, for 5s",
    ),
    _Rule(
        "10s_hdr",
        "video",
        "page: video generation",
        lambda it: it.type == "video" and it.is_one_of("duration", "10s") and it.has("hdr"),
        "hdr comes with 5s only. Leave out the duration, or hdr",
    ),
    _Rule(
        "10s_loop",
        "video",
        "page: video generation; client",
        lambda it: it.type == "video" and it.is_one_of("duration", "10s") and it.has("loop"),
        "loop comes with 5s only. Leave out the duration, or loop",
    ),
    _Rule(
        "hdr_resolution",
        "video",
        "page: video generation",
        lambda it: it.type == "video" and it.has("hdr") and it.is_one_of("resolution", "360p", "540p"),
        "hdr comes with 720p and 1080p only. Choose one of them, or leave out hdr",
    ),
    _Rule(
        "hdr_loop",
        "video",
        "page: video generation; client",
        lambda it: it.has("hdr") and it.has("loop"),
        "hdr and loop exclude each other. Leave one of them out",
    ),
    _Rule(
        "exr",
        "video",
        "client",
        lambda it: it.has("exr_export") and not it.has("hdr"),
        "exr_export needs hdr. Add hdr=True, or leave it out",
    ),
    _Rule(
        "keyframes",
        "video",
        "client",
        lambda it: it.has("keyframes") and it.has("start_frame", "end_frame", "loop"),
        "keyframes exclude start_frame, end_frame and loop. Put the frames among the keyframes: index 0 is the start",
    ),
    _Rule(
        "extend",
        "video",
        "page: video generation",
        lambda it: it.extends() and (it.has("hdr") or (it.has("start_frame") and it.has("end_frame"))),
        "a generation that is a video is extended by its generation_id alone, in SDR, with no other frame beside it."
        " Leave out hdr and the other frame, unless it is a picture",
    ),
    _Rule(
        "edit_controls",
        "video",
        "page: video editing",
        lambda it: it.edit.get("auto_controls") is True and bool(it.edit.get("strength") or it.edit.get("controls")),
        "auto_controls excludes strength and controls. Leave it out, or the others",
    ),
    _Rule(
        "edit_references",
        "image_ref",
        "page: video editing",
        lambda it: it.type == "video_edit" and bool(it.body.get("image_ref")),
        "video_edit takes no image_ref. Leave it out; pictures go into start_frame or edit.keyframes",
    ),
    _Rule(
        "edit_frames",
        "video",
        "page: video editing",
        lambda it: it.type == "video_edit" and it.has("end_frame", "loop"),
        "video_edit takes no end_frame and no loop. Leave them out; pictures go into start_frame or edit.keyframes",
    ),
    _Rule(
        "source_position",
        "video",
        "page: reframing",
        _is_off,
        "in source_position x_norm and y_norm lie from -2 to 2, w_norm and h_norm above 0 and up to 2. Correct it",
    ),
    _Rule(
        "older_api",
        "keyframes",
        "measured",
        lambda it: "keyframes" in it.body,
        advice_on_field("keyframes"),
    ),
)

_BY_NEED: Final = {
    name: tuple(rule for rule in _RULES if rule.needs == name) for name in dict.fromkeys(rule.needs for rule in _RULES)
}
"""The rules by the parameter that they need, because most requests have none of these."""


_CONCERNED: Final = frozenset(_BY_NEED) | {"image_ref", "source"}
"""All parameters that any rule needs."""


def parameter_warnings(
    body: Mapping[str, JSON], *, fetches_itself: bool = False, is_local: bool = False
) -> Sequence[ParameterWarning]:
    """Return the warnings about a request.

    Args:
        body: The JSON body of the request.
        fetches_itself: Whether the client fetches references that the API can't.
        is_local: Whether the API is on the local machine, so that references may be there as well.
    """
    if _CONCERNED.isdisjoint(body):
        return ()
    found = list[ParameterWarning]()
    if asked := [rule for name, rules in _BY_NEED.items() if body.get(name) is not None for rule in rules]:
        request = _Request.of(body)
        found = [ParameterWarning(rule.name, rule.text) for rule in asked if rule.holds(request)]
    if not fetches_itself:
        for place, reference in media_references(body):
            if isinstance(url := reference.get("url"), str) and not _is_reachable(url, is_local=is_local):
                text = (
                    f"{place}: the API fetches references from public https addresses only. Give an https URL, or send"
                    " the file itself with MediaRef.file(...), .bytes(...) or files.upload(...)"
                )
                return [*found, ParameterWarning("reference_url", text)]
    return found


def _is_reachable(url: str, *, is_local: bool) -> bool:
    """Tell whether the API may be able to fetch a URL, judged by its text; True for a text that isn't a URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    host = parts.hostname or ""
    if not host:
        return True
    is_numeric = host[-1].isdigit() or ":" in host
    if host == "localhost" or (is_numeric and addresses.is_loopback(host)):
        return is_local
    return parts.scheme != "http" and not (is_numeric and addresses.is_address(host) and not addresses.is_public(host))
