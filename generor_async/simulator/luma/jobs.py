"""Simulated Luma generations: drawn once at submission, then a function of the time.

No job runs: start, end and result follow from the seed and the job's number. `documented`:
the states, the four failure codes with their reasons, `output` empty until completed, presigned URLs afresh
with every GET. `client`: layers, the newer failure codes. `assumed`: most times, the wording of the newer
codes' reasons, the number of layers and what they are called, the ratio a model chooses (an edit keeps its
source's, when the source is one of the caller's generations), one MP4 even with `exr_export`.

In a prompt, `[[moderate]]` ends in `content_moderated`, and `[[fail:CODE]]` in CODE, whatever CODE is.
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from statistics import NormalDist
from struct import Struct
from typing import Any

from attrs import define, field, frozen

from generor_async.simulator import outputs
from generor_async.simulator.luma.answers import iso
from generor_async.simulator.luma.clients import Key
from generor_async.simulator.luma.media import MediaKind
from generor_async.simulator.luma.models import (
    DURATIONS,
    HDR,
    HDR_AND_EXR,
    MODELS,
    TEN_SECONDS,
    VIDEO_PRICES,
    Durations,
    Timing,
)
from generor_async.simulator.luma.request_rules import GenerationRequest
from generor_async.simulator.messages import uuid_of
from generor_async.simulator.storage import Bucket

__all__ = ["FAILURE_REASONS", "FailureRates", "JobMaker", "SimulatedJob", "failure_marker"]

FAILURE_REASONS: Mapping[str, str] = {
    "content_moderated": "Generation output was flagged by our content moderation system.",
    "generation_failed": "Generation failed",
    "budget_exhausted": "Insufficient credits to complete this generation.",
    "output_not_found": "Output artifacts not found",
    "image_too_large": "An input image is too large to process",
    "unsupported_format": "An input file has an unsupported format",
    "corrupt_input": "An input file could not be decoded",
    "invalid_request": "The model could not process this request",
    "rate_limited": "The model is over capacity, try again later",
}

QUEUE = Timing(1.0, 0.4)
LAYERS = (
    ("Foreground", "The hills closest to the viewer", "hard"),
    ("Subject", "The hills that the picture is about", "soft"),
    ("Midground", "The hills behind the subject", "hard"),
    ("Distance", "The hills on the horizon", "soft"),
)
"""Label, description and kind of edge, front to back; a job has the first few, and then the background."""
BACKGROUND = ("Background", "The sky behind everything else", "none")
FAILURE_MARKER = re.compile(r"\[\[fail:(\w+)\]\]")
RANDOM_PART = Struct("<16s6I")
"""The random part of a job: its id, and six numbers below 2**32."""
STANDARD = NormalDist()


@frozen(kw_only=True)
class FailureRates:
    """Shares of jobs that fail at random, between 0 and 1."""

    failure: float = 0.0
    moderation: float = 0.0


@define(kw_only=True, eq=False)
class SimulatedJob:
    """One generation, from submission on."""

    id: str
    owner: Key
    request: GenerationRequest = field(repr=False)
    created_at: float
    starts_at: float
    ends_at: float
    price: Decimal
    """US dollars."""
    seed: int
    ratio: str
    layers: tuple[tuple[str, str, str], ...]
    """Label, description and kind of edge of each layer, front to back; empty but for layering."""
    failure: str | None
    """The failure code it ends with, or None for success."""
    charged: bool = False
    unreported: Decimal = Decimal(0)
    """US dollars that were charged, but not yet reported to the ledger."""
    stored: bool = False
    """Whether its files are in the bucket."""

    @property
    def media(self) -> MediaKind:
        """The kind of media it makes."""
        return self.request.media

    def state(self, now: float) -> str:
        """Return the state at a time: one of the vendor's four."""
        if now < self.starts_at:
            return "queued"
        if now < self.ends_at:
            return "processing"
        return "completed" if self.failure is None else "failed"

    def to_json(self, *, now: float, origin: str, storage: Bucket) -> dict[str, Any]:
        """Return the API's JSON, with output URLs that are valid from now on."""
        state = self.state(now)
        code = self.failure if state == "failed" else None
        return {
            "id": self.id,
            "type": self.request.type,
            "state": state,
            "model": self.request.model,
            "created_at": iso(self.created_at),
            "output": self._output(now, origin, storage) if state == "completed" else [],
            "failure_reason": None if code is None else FAILURE_REASONS.get(code, "Generation failed"),
            "failure_code": code,
        }

    def _output(self, now: float, origin: str, storage: Bucket) -> list[dict[str, Any]]:
        files = self._files()
        if not self.stored:
            self.stored = True
            for path, content_type, make in files:
                storage.put(path, content_type, make)
        shown: list[dict[str, Any]] = [
            {"type": self.media, "url": storage.presign(path, now=now, origin=origin)} for path, _, _ in files
        ]
        for index, (entry, (label, description, edge)) in enumerate(zip(shown, self.layers, strict=False)):
            entry["layer"] = {"index": index, "label": label, "description": description, "alpha_hint": edge}
        return shown

    def _files(self) -> list[tuple[str, str, Callable[[], bytes]]]:
        """Yield path, content type and maker of each output file."""
        folder, request = f"generations/{self.id}", self.request
        if request.media == "video":
            make = partial(outputs.video, ratio=self.ratio, seed=self.seed)
            return [(f"{folder}/output.mp4", "video/mp4", make)]
        if self.layers:
            return [
                (f"{folder}/layer-{index}.png", "image/png", partial(self._draw_layer, index))
                for index in range(len(self.layers))
            ]
        form: outputs.ImageFormat = "jpeg" if request.output_format == "jpeg" else "png"
        make = partial(outputs.image, request.prompt, seed=self.seed, ratio=self.ratio, format=form)
        return [(f"{folder}/output.{'jpg' if form == 'jpeg' else form}", f"image/{form}", make)]

    def _draw_layer(self, index: int) -> bytes:
        return outputs.layer(
            self.request.prompt,
            seed=self.seed,
            ratio=self.ratio,
            index=index,
            count=len(self.layers),
            size=1024 if self.request.layer_resolution == "1k" else 2048,
        )


@define
class JobMaker:
    """Draws the random properties of jobs from the seed and the job's number."""

    seed: int
    rates: FailureRates
    durations: Durations
    number: int = 0

    def draw(self, request: GenerationRequest, owner: Key, *, now: float, source_ratio: str | None) -> SimulatedJob:
        """Return the next job without counting it: it stays the same until one is accepted."""
        # Dice from a hash take a third of the time that seeding a generator does.
        digest = blake2b(b"%d %d" % (self.seed, self.number + 1), digest_size=RANDOM_PART.size).digest()
        numbers: tuple[bytes, int, int, int, int, int, int] = RANDOM_PART.unpack(digest)
        name, queued, taken, chance, chosen, layered, seed = numbers
        model = MODELS[request.model]
        starts_at = now + _seconds(QUEUE, queued)
        measured = DURATIONS[self.durations].get((request.model, request.type))
        seconds = _seconds(measured or model.types[request.type], taken)
        layers = (*LAYERS[: 2 + layered % (len(LAYERS) - 1)], BACKGROUND) if request.type == "layering" else ()
        return SimulatedJob(
            id=uuid_of(name.hex()),
            owner=owner,
            request=request.without_refs(),
            created_at=now,
            starts_at=starts_at,
            ends_at=starts_at + seconds * (2 if request.video.duration == "10s" else 1),
            price=_price(request, layers=len(layers)),
            seed=seed,
            ratio=request.aspect_ratio or source_ratio or model.ratios[chosen % len(model.ratios)],
            layers=layers,
            failure=failure_marker(request.prompt) or self._chance_failure(_fraction(chance)),
        )

    def _chance_failure(self, chance: float) -> str | None:
        if chance < self.rates.moderation:
            return "content_moderated"
        return "generation_failed" if chance < self.rates.moderation + self.rates.failure else None


def _fraction(number: int) -> float:
    """Return a random number strictly between 0 and 1."""
    return (number + 0.5) / 2**32


def _seconds(timing: Timing, number: int) -> float:
    """Return a random duration in seconds."""
    return timing.median * math.exp(timing.sigma * STANDARD.inv_cdf(_fraction(number)))


def failure_marker(text: str) -> str | None:
    """Return the failure code that a prompt or a file name asks for; None without one."""
    if "[[moderate]]" in text:
        return "content_moderated"
    match = FAILURE_MARKER.search(text)
    return None if match is None else match[1]


def _price(request: GenerationRequest, *, layers: int) -> Decimal:
    """US dollars for one generation."""
    if request.media == "video":
        video = request.video
        dynamic_range = (HDR_AND_EXR if video.exr else HDR) if video.hdr else 1
        times = TEN_SECONDS[request.type] if video.duration == "10s" else 1
        return VIDEO_PRICES[request.type][video.resolution] * times * dynamic_range
    model = MODELS[request.model]
    one = model.price + model.per_input * len(request.refs)
    return one * layers * (2 if request.layer_resolution == "2k" else 1) if layers else one
