"""What a creation of Generor's may hold beside its id: files and texts, in all the places where they were seen."""

from collections.abc import Callable, Mapping

import attrs

from strangers.records import Json
from strangers.storage import MP4, make_png

__all__ = ["RESULTS", "File", "Form"]

OGG = b"OggS" + bytes(24)
WEBM = b"\x1a\x45\xdf\xa3\x8b\x42\x86\x81\x01\x42\x82\x84webm"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@attrs.frozen
class File:
    """A file under its path; ``private``: it is given to whoever sends the key."""

    media_type: str
    content: bytes
    private: bool = False


@attrs.frozen
class Form:
    """One way to tell of results: ``fields`` get the URLs of the files in the order of ``files``."""

    files: Mapping[str, File]
    fields: Callable[[list[str]], Json]
    texts: tuple[str, ...] = ()


def _one(path: str, file: File, fields: Callable[[str], Json]) -> Form:
    return Form({path: file}, lambda urls: fields(urls[0]))


PNG = File("image/png", make_png("result"))
OTHER = File("image/png", make_png("another result"))
VIDEO = File("video/mp4", MP4)
AUDIO = File("audio/ogg", OGG)

RESULTS: dict[str, Form] = {
    "image_url": _one("/users/42/img/heron.png", PNG, lambda url: {"image_url": url}),
    "image_urls": Form(
        {"/users/42/img/1.png": PNG, "/users/42/img/2.png": OTHER}, lambda urls: {"image_urls": list(urls)}
    ),
    "images": Form(
        {"/users/42/img/1.png": PNG, "/users/42/img/2.png": OTHER},
        lambda urls: {"images": [{"url": url, "width": 16, "height": 16} for url in urls]},
    ),
    "video_url": _one("/users/42/video/heron.mp4", VIDEO, lambda url: {"video_url": url}),
    "video_url in generator_data": _one(
        "/users/42/video/heron.mp4", VIDEO, lambda url: {"generator_data": {"video_url": url, "seconds": 5}}
    ),
    "audio_url": _one("/users/42/audio/heron.ogg", AUDIO, lambda url: {"audio_url": url}),
    "audio": _one("/users/42/audio/heron.ogg", AUDIO, lambda url: {"audio": url}),
    "audio in generator_data": _one(
        "/users/42/audio/heron.ogg", AUDIO, lambda url: {"generator_data": {"audio": {"url": url, "seconds": 5}}}
    ),
    "deep in generator_data": Form(
        {"/users/42/img/1.png": PNG, "/users/42/img/2.png": OTHER},
        lambda urls: {"generator_data": {"scenes": [{"panels": [{"image_url": url}]} for url in urls]}},
    ),
    "a text": Form({}, lambda _: {"text": "Why herons stand on one leg"}, ("Why herons stand on one leg",)),
    "a text and a picture": Form(
        {"/users/42/img/heron.png": PNG},
        lambda urls: {"text": "A heron", "image_url": urls[0]},
        ("A heron",),
    ),
    "a space": _one("/users/42/img/my heron.png", PNG, lambda url: {"image_url": url}),
    "letters of other alphabets": _one("/users/42/img/höron-鷺.png", PNG, lambda url: {"image_url": url}),
    "private": _one(
        "/users/42/img/secret.png", File("image/png", PNG.content, private=True), lambda url: {"image_url": url}
    ),
    "private video": _one(
        "/users/42/video/secret.mp4",
        File("video/mp4", MP4, private=True),
        lambda url: {"generator_data": {"video_url": url}},
    ),
    "audio without a suffix": _one("/users/42/files/17", AUDIO, lambda url: {"audio_url": url}),
    "webm without a suffix": _one("/users/42/files/18", File("video/webm", WEBM), lambda url: {"video_url": url}),
    "svg without a suffix": _one("/users/42/files/19", File("image/svg+xml", SVG), lambda url: {"image_url": url}),
    "nothing": Form({}, lambda _: {}),
}
SUFFIXES = {
    "audio without a suffix": {".ogg", ".oga"},
    "webm without a suffix": {".webm"},
    "svg without a suffix": {".svg"},
}
