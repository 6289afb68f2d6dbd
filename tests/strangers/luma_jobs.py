"""Generations of the Luma Agents API: how they end, and what is shown of them."""

import re
from math import inf

import attrs

from strangers.luma_checks import credits_of, model_of, type_of
from strangers.records import Arrival, Books, Charge, Json
from strangers.storage import MP4, Storage, make_png
from strangers.worlds import LumaWorld, draw

REASONS = {
    "content_moderated": "Generation output was flagged by our content moderation system.",
    "budget_exhausted": "Insufficient credits to complete this generation.",
    "generation_failed": "Generation failed",
    "output_not_found": "Output artifacts not found",
}
DROPPED = 3600.0
"""Seconds after which a job is dropped from the count of slots (page)."""
OTHERWISE = 31.0
"""Seconds of a job of which the world says nothing (assumed)."""
REFUNDED = {"content_moderated", "generation_failed", "output_not_found"}
"""Failures whose credits come back (page)."""


@attrs.define(kw_only=True, eq=False)
class Job:
    """A generation; others' jobs have no charge, and nobody can look at them."""

    id: str = ""
    model: str
    type: str
    created: float
    ends: float
    units: int
    format: str = "png"
    failure: str | None = None
    charge: Charge | None = None
    polled_at_end: float | None = None

    def released(self, world: LumaWorld) -> float:
        """Return when its slots come free."""
        ends = self.ends
        if world.slot_freed == "late":
            ends += world.slot_late
        elif world.slot_freed == "poll" and self.charge:
            ends = inf if self.polled_at_end is None else self.polled_at_end
        return min(ends, self.created + DROPPED)


class Jobs:
    """All generations of this client.

    Markers in a prompt decide a job's fate: ``[fails:CODE]`` fails with that code, ``[seconds:N]`` takes so long,
    ``[stuck]`` never ends.
    """

    def __init__(self, world: LumaWorld, books: Books, storage: Storage) -> None:
        self._world = world
        self._books = books
        self._storage = storage
        self._running: list[Job] = []
        self.all: dict[str, Job] = {}

    def start(self, seen: Arrival, body: Json, units: int) -> Job:
        """Start a job; its price is reserved at once (page)."""
        prompt, kind, name = str(body["prompt"]), (model_of(body), type_of(body)), self._new_id()
        fails, seconds = re.search(r"\[fails:(\w+)\]", prompt), re.search(r"\[seconds:([\d.]+)\]", prompt)
        lasts = draw(self._world.durations.get(kind, OTHERWISE), self._books.rng)
        if seconds or "[stuck]" in prompt:
            lasts = float(seconds[1]) if seconds else inf
        job = Job(
            id=name,
            model=kind[0],
            type=kind[1],
            created=seen.at,
            ends=seen.at + lasts,
            units=units,
            format=str(body.get("output_format") or "png"),
            failure=fails[1] if fails else None,
            charge=Charge(at=seen.at, api="luma", request_id=seen.request_id, credits=credits_of(body), item=name),
        )
        self.all[name] = job
        self._running.append(job)
        return job

    def _new_id(self) -> str:
        return self._books.new_id() if self._world.ids == "uuid" else str(1001 + len(self.all))

    def refunds(self, now: float) -> float:
        """Return the credits that came back since the last call (page: for three of the failures)."""
        ended = [job for job in self._running if job.ends <= now]
        self._running = [job for job in self._running if job.ends > now]
        back = [job.charge for job in ended if job.charge and job.failure in REFUNDED]
        for charge in back:
            charge.refunded = True
        return sum(charge.credits for charge in back)

    def finished(self, now: float) -> list[str]:
        """Return the ids that a reference may name."""
        return [job.id for job in self.all.values() if job.ends <= now and not job.failure]

    def show(self, job: Job, now: float) -> Json:
        """Return the generation object (documented)."""
        ended, failed = job.ends <= now, job.ends <= now and job.failure is not None
        waiting = "queued" if now < job.created + self._world.queued_seconds else "processing"
        return {
            "id": job.id if self._world.ids == "uuid" else int(job.id),
            "type": job.type,
            "state": "failed" if failed else "completed" if ended else waiting,
            "model": job.model,
            "created_at": self._books.clock.stamp(job.created),
            "output": self._output(job, now) if ended and not failed else [],
            "failure_reason": REASONS.get(str(job.failure), f"Failed: {job.failure}") if failed else None,
            "failure_code": job.failure if failed else None,
        }

    def _output(self, job: Job, now: float) -> list[Json]:
        """Return the result with a fresh URL (documented); the bytes are PNG or MP4, whatever was asked for."""
        video = job.type.startswith("video")
        name = f"generations/{job.id}/{self._world.result_name}.{'mp4' if video else job.format}"
        media_type = "video/mp4" if video else f"image/{job.format}"
        self._storage.objects.setdefault(name, (media_type, MP4 if video else make_png(job.id)))
        url = self._storage.sign(name, now, self._world.url_seconds)
        return [{"type": "video" if video else "image", "url": url}]
