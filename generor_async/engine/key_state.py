"""The state of one key's limits that processes share: all rules together, and what is decided between them."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from attrs import field, frozen

from generor_async.engine.limits import Limits
from generor_async.rules.holds import Holds
from generor_async.rules.pace import OwnPending, Pace
from generor_async.rules.permit import Permit
from generor_async.rules.processes import Processes
from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.slots import Slots
from generor_async.rules.turns import Turns
from generor_async.rules.wait import Wait
from generor_async.rules.weights import RequestType
from generor_async.values import JSON, Priority

__all__ = ["KeyState", "Own", "Step", "Waiting", "ended_of"]

T = TypeVar("T")

Waiting: TypeAlias = tuple[Priority, RequestType, int]
"""The priority and the type of the first call of a queue, and how many calls wait there."""
Own: TypeAlias = tuple[OwnPending, dict[int, JobSlot]]
"""The pending requests and the submissions of one process."""


@frozen
class KeyState:
    """The rules of one key, or of several keys that share their limits."""

    pace: Pace
    slots: Slots
    turns: Turns = field(factory=Turns)
    """The processes whose requests wait for a window."""
    job_turns: Turns = field(factory=Turns)
    """The processes whose submissions wait for a slot."""
    holds: Holds = field(factory=Holds)
    """The holds that 429s have begun, by this process's own clock."""
    processes: Processes = field(factory=Processes)
    """The processes that have written."""

    def restrict(self, limits: Limits) -> None:
        """Apply the limits that one more client was given as well."""
        self.pace.restrict(tier=limits.tier, rpm=limits.rpm, share=limits.max_share)
        self.slots.restrict(limits.jobs, limits.max_share)

    def dump(self) -> JSON:
        """Return the rules' state as plain data; holds and processes have a `dump` of their own."""
        slots = self.slots
        return {
            "windows": self.pace.dump(),
            "slots": slots.dump(),
            "weights": slots.weights.dump(),
            "turns": self.turns.dump(),
            "job_turns": self.job_turns.dump(),
        }

    def load(self, dumped: Any, now: float) -> None:
        """Replace the rules' state by a dumped one."""
        self.pace.load(dumped["windows"], now)
        self.slots.weights.load(dumped["weights"])
        self.slots.load(dumped["slots"], now)
        self.turns.load(dumped["turns"], now)
        self.job_turns.load(dumped["job_turns"], now)

    # --- what is this process's own -------------------------------------------------------------------------------

    def own(self) -> Own:
        """Return what this process has under way, for `set_own` and `restore_own`."""
        return self.pace.own_pending(), self.slots.own_submissions()

    def set_own(self, owns: list[Own]) -> None:
        """Say what of the next state to `load` is this process's own, or was."""
        self.pace.set_own_pending(
            ({number: each for (pending, _), _ in owns for number, each in pending.items()}, owns[-1][0][1])
        )
        self.slots.set_own_submissions({number: slot for _, slots in owns for number, slot in slots.items()})

    def restore_own(self, own: Own, ended: list[Own]) -> None:
        """Add what this process has under way to a state that lacks it, and remove what has `ended`."""
        (pending, _), submissions = own
        for (ended_pending, _), ended_submissions in ended:
            for number in ended_pending.keys() - pending.keys():
                self.pace.forget_pending(number)
            for number in ended_submissions.keys() - submissions.keys():
                self.slots.release(ended_submissions[number])
        self.pace.restore_own_pending(own[0])
        self.slots.restore_own_submissions(submissions)

    def divide(self, parts: int, at: float) -> None:
        """Keep to one of so many parts of all limits: the other processes can't be heard of."""
        self.pace.divide(parts)
        self.slots.divide(parts, at)

    def reunite(self) -> None:
        """Keep to the whole limits again."""
        self.pace.reunite()
        self.slots.reunite()

    # --- permits and slots ----------------------------------------------------------------------------------------

    def reserve(self, process: str, at: float, request_type: RequestType, *, bulk: bool) -> Permit | Wait:
        """Give a process a permit for one request, or return until when there is none."""
        wait = self._check(process, at, request_type, bulk=bulk)
        return wait or self._permit(process, at, request_type, bulk=bulk)

    def reserve_job(self, process: str, at: float, request_type: RequestType, *, bulk: bool) -> JobSlot | Wait:
        """Give a process a slot together with a permit of the rate limit, so that no slot waits for the window.

        Where slots are known to be few, it is left to the process whose turn it is.
        """
        wait = self._check(process, at, request_type, bulk=bulk)
        if wait is not None:
            return wait
        found = self._reserve_slot(process, at, request_type)
        if not isinstance(found, Wait):
            found.permit = self._permit(process, at, request_type, bulk=bulk)
            self.job_turns.granted(process, bulk=bulk)
        return found

    def give_back_job(self, slot: JobSlot) -> None:
        """Take back a slot that was not used, and its permit."""
        self.slots.release(slot)
        if slot.permit is not None:
            self.pace.give_back(slot.permit)

    def _check(self, process: str, at: float, request_type: RequestType, *, bulk: bool) -> Wait | None:
        wait = self.pace.check(at, bulk, request_type)
        if wait is not None or not bulk:
            return wait
        until = self.turns.leave_room(process, at, self.pace.left)
        return None if until is None else Wait(until, "minute", sooner=True)

    def _permit(self, process: str, at: float, request_type: RequestType, *, bulk: bool) -> Permit:
        permit = self.pace.reserve(at, bulk, request_type)
        assert not isinstance(permit, Wait)
        self.turns.granted(process, bulk=bulk)
        return permit

    def _reserve_slot(self, process: str, at: float, request_type: RequestType) -> JobSlot | Wait:
        found, ceiling = self.slots.reserve(at, request_type), self.slots.ceiling
        if isinstance(found, Wait) or ceiling is None:
            return found
        until = self.job_turns.yield_until(process, at, free=ceiling - self.slots.used)
        if until is None:
            self.job_turns.serve(process)
            return found
        self.slots.release(found)
        return Wait(until, "jobs", sooner=True)

    def wait_for_window(self, process: str, at: float, first: Waiting, *, served: bool) -> int:
        """Record that calls of a process wait for a window, with the first of them; return how many are before it."""
        urgent, units = first[0] == "interactive", self.pace.weights.of(first[1])
        return self.turns.wait(process, at, served=served, urgent=urgent, units=units, calls=first[2])

    def wait_for_slot(self, process: str, at: float, first: Waiting) -> None:
        """Record that submissions of a process wait for a slot, with the first of them."""
        urgent, units = first[0] == "interactive", self.pace.weights.of(first[1])
        self.job_turns.wait(process, at, served=False, urgent=urgent, units=units, calls=first[2])


def ended_of(before: Own, after: Own) -> Own | None:
    """Return what was under way before and is not after; None where that is nothing."""
    (pending, number), submissions = before
    ended = {each: pending[each] for each in pending.keys() - after[0][0].keys()}
    ended_submissions = {each: submissions[each] for each in submissions.keys() - after[1].keys()}
    return ((ended, number), ended_submissions) if ended or ended_submissions else None


Step: TypeAlias = Callable[[KeyState, float], T]
"""Changes the state, given the time. It may be repeated on a state that was loaded again."""
