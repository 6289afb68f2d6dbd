"""The windows of a key that several processes use: `rules.pace` over a state that a store keeps."""

from generor_async.engine.shared_rules import SharedRules
from generor_async.rules.pace import Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.rules.window import Scope, WindowState

__all__ = ["SharedPace"]


class SharedPace:
    """Does what `Pace` does, by the same rules; every moment is taken from the clock that processes have in common."""

    def __init__(self, shared: SharedRules, *, with_slots: bool) -> None:
        self._shared = shared
        # What an answer says of the windows is written together with what it says of the slot.
        self._note = shared.defer if with_slots else shared.note

    def reserve(self, now: float, *, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> Permit | Wait:  # noqa: ARG002 - the shared time
        """Let one request of a kind go, or say until when none may."""
        what = "windows", request_type, smooth
        return self._shared.reserve(
            "minute", what, lambda state, at: state.pace.reserve(at, smooth=smooth, request_type=request_type)
        )

    def give_back(self, permit: Permit) -> None:
        """Take back a permit whose request never left."""
        self._shared.note(lambda state, _: state.pace.give_back(permit))

    def sent(self, permit: Permit, now: float) -> None:
        """Note that a request leaves this machine now; others count it as about to leave until it is answered."""
        if permit.sent is None:
            self._shared.defer(lambda state, _: state.pace.sent(permit, self._shared.at(now)))

    def received(self, permit: Permit, now: float, said: RateLimitReport | None, *, succeeded: bool) -> None:
        """Note an answer and what it says of the limits."""
        self._note(lambda state, _: state.pace.received(permit, self._shared.at(now), said, succeeded=succeeded))

    def refused(
        self, permit: Permit, now: float, retry_after: float, scope: Scope, said: RateLimitReport | None
    ) -> None:
        """Note a 429."""
        self._note(lambda state, _: state.pace.refused(permit, self._shared.at(now), retry_after, scope, said))

    def told(self, said: RateLimitReport) -> None:
        """Take over the limits that an answer names which was sent without a permit."""
        self._shared.note(lambda state, _: state.pace.told(said))

    def hold(self, until: float, scope: Scope) -> None:
        """Let nothing go before `until`."""
        self._shared.note(lambda state, _: state.pace.hold(self._shared.at(until), scope))

    @property
    def unbound(self) -> bool:
        """Whether there is nothing to keep to."""
        return self._shared.query(lambda state, _: state.pace.unbound)

    @property
    def tier(self) -> str | None:
        """The tier that answers have named."""
        return self._shared.query(lambda state, _: state.pace.tier)

    def states(self, now: float) -> dict[Scope, WindowState]:
        """Return the windows as they stand, by this process's own clock."""
        began = now - self._shared.at(now)
        found = self._shared.query(lambda state, at: state.pace.states(at))
        return {scope: state.later(began) for scope, state in found.items()}
