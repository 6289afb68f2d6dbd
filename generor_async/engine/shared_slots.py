"""The slots of a key that several processes use: `rules.slots` over a state that a store keeps."""

from generor_async.engine.shared_rules import SharedRules
from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.slots import SlotState
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RefusalNumbers, RequestType

__all__ = ["SharedSlots"]


class SharedSlots:
    """Does what `Slots` does, by the same rules; every moment is taken from the clock that processes have in common."""

    def __init__(self, shared: SharedRules) -> None:
        self._shared = shared

    def reserve(self, now: float, request_type: RequestType = DEFAULT_TYPE, *, smooth: bool = False) -> JobSlot | Wait:  # noqa: ARG002 - the shared time
        """Give a slot away, with a permit of the rate limit, or say until when there is none."""
        return self._shared.reserve(
            "jobs", lambda state, at: state.reserve_job(self._shared.process, at, request_type, bulk=smooth)
        )

    def give_back(self, permit: JobSlot) -> None:
        """Take back a slot that was not used, and its permit."""
        self._shared.note(lambda state, _: state.give_back_job(permit), "soon")

    def accepted(self, lease: JobSlot, job_id: str, now: float) -> None:
        """Note that a submission has become a job."""
        self._shared.note(lambda state, _: state.slots.accepted(lease, job_id, self._shared.shared_time(now)))

    def refused(self, lease: JobSlot, now: float, retry_after: float, numbers: RefusalNumbers) -> None:
        """Note that a submission was refused because too much runs, at once: it concerns all processes."""
        self._shared.record(
            lambda state, _: state.slots.refused(lease, self._shared.shared_time(now), retry_after, numbers)
        )

    def release(self, lease: JobSlot) -> None:
        """Note that no job came of a submission."""
        self._shared.note(lambda state, _: state.slots.release(lease), "soon")

    def keep_unresolved(self, lease: JobSlot, now: float) -> None:
        """Note that a job may have come of a submission, or not."""
        self._shared.note(lambda state, _: state.slots.keep_unresolved(lease, self._shared.shared_time(now)))

    def record_poll(
        self, job_id: str, now: float, *, asked: float, ended: bool, request_type: RequestType = DEFAULT_TYPE
    ) -> None:
        """Note what a poll of a job has shown that was sent at `asked`."""
        at, sent = self._shared.shared_time(now), self._shared.shared_time(asked)
        self._shared.note(
            lambda state, _: state.slots.record_poll(job_id, at, asked=sent, ended=ended, request_type=request_type),
            "soon" if ended and self._shared.others_need_slots else "later",
        )

    def stale_jobs(self, now: float, older_than: float) -> list[str]:  # noqa: ARG002 - the shared time
        """Return the jobs to poll so that slots become free, those of other processes as well."""
        return self._shared.query(lambda state, at: state.slots.stale_jobs(at, older_than))

    def state(self, now: float) -> SlotState:  # noqa: ARG002 - the shared time
        """Return the slots as they stand."""
        return self._shared.query(lambda state, at: state.slots.state(at))
