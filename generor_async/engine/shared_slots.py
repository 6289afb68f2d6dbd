"""The slots of a key that several processes use: `rules.slots` over a state that a store keeps."""

from typing import Any

from attrs import define

from generor_async.engine.shared import Shared
from generor_async.engine.store import LimitStore
from generor_async.rules.slots import Slots, SlotState
from generor_async.rules.usage import Lease
from generor_async.rules.wait import Wait
from generor_async.rules.weights import PLAIN, Kind, Named
from generor_async.values import JSON, Clock

__all__ = ["SharedSlots"]


@define
class _Kept:
    """Slots, and the weights that they count by."""

    slots: Slots

    def dump(self) -> JSON:
        """Return the state as plain data."""
        return {"slots": self.slots.dump(), "weights": self.slots.weights.dump()}

    def load(self, dumped: Any, now: float) -> None:  # noqa: ARG002 - what is too old lapses by itself
        """Take over a state."""
        self.slots.weights.load(dumped["weights"])
        self.slots.load(dumped["slots"])


class SharedSlots:
    """Does what `Slots` does, by the same rules; every moment is taken from the clock that processes have in common."""

    def __init__(self, slots: Slots, store: LimitStore, scope: str, clock: Clock) -> None:
        self._shared = Shared(_Kept(slots), store, scope, clock)
        self._clock = clock

    def reserve(self, now: float, kind: Kind = PLAIN) -> Lease | Wait:  # noqa: ARG002 - the shared time
        """Give a slot away, or say until when there is none."""
        return self._shared.reserve("jobs", lambda kept, at: kept.slots.reserve(at, kind))

    def accepted(self, lease: Lease, job_id: str, now: float) -> None:
        """Note that a submission has become a job; others see it as under way until something else is written."""
        at = self._at(now)
        self._shared.defer(lambda kept, _: kept.slots.accepted(lease, job_id, at))

    def refused(self, lease: Lease, now: float, retry_after: float, named: Named) -> None:
        """Note that a submission was refused because too much runs."""
        at = self._at(now)
        self._shared.note(lambda kept, _: kept.slots.refused(lease, at, retry_after, named))

    def lost(self, lease: Lease) -> None:
        """Note that no job came of a submission."""
        self._shared.note(lambda kept, _: kept.slots.lost(lease))

    def unknown(self, lease: Lease, now: float) -> None:
        """Note that a job may have come of a submission, or not."""
        at = self._at(now)
        self._shared.note(lambda kept, _: kept.slots.unknown(lease, at))

    def seen(self, job_id: str, now: float, *, asked: float, ended: bool, kind: Kind = PLAIN) -> None:
        """Note what a look at a job has shown that was sent at `asked`."""
        at, sent = self._at(now), self._at(asked)
        self._shared.note(lambda kept, _: kept.slots.seen(job_id, at, asked=sent, ended=ended, kind=kind))

    def unwatched(self, now: float, older_than: float) -> list[str]:  # noqa: ARG002 - the shared time
        """Return the jobs to look at so that slots become free, those of other processes as well."""
        return self._shared.look(lambda kept, at: kept.slots.unwatched(at, older_than))

    def state(self, now: float) -> SlotState:  # noqa: ARG002 - the shared time
        """Return the slots as they stand."""
        return self._shared.look(lambda kept, at: kept.slots.state(at))

    def _at(self, now: float) -> float:
        """Return a moment of this process's own clock by the one that processes have in common."""
        return now + self._clock.time() - self._clock.monotonic()
