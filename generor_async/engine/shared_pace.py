"""The windows of a key that several processes share: `rules.pace` over a state that a store keeps."""

import math

from attrs import evolve

from generor_async.engine.shared_rules import KeyState, SharedRules, Urgency
from generor_async.rules.pace import Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.rules.window import Scope, WindowState

__all__ = ["SharedPace"]


class SharedPace:
    """Does what `Pace` does, over a shared state; all times in it are by the shared clock."""

    def __init__(self, shared: SharedRules) -> None:
        self._shared = shared

    def reserve(self, now: float, *, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> Permit | Wait:  # noqa: ARG002 - the shared time
        """Return a permit for one request, or a Wait."""
        return self._shared.reserve(
            "minute", lambda state, at: state.reserve(self._shared.process, at, request_type, bulk=smooth)
        )

    def give_back(self, permit: Permit) -> None:
        """Take back a permit whose request never left."""
        if permit.sent == math.inf:
            self._shared.note(lambda state, _: state.pace.give_back(permit), "soon")

    def sent(self, permit: Permit, now: float) -> None:
        """Record that a request leaves; other processes count it as about to leave until it is answered."""
        if permit.sent == math.inf:
            permit.sent = now
            self._shared.defer(lambda state, _: self._send(state, permit, now))

    def _send(self, state: KeyState, permit: Permit, now: float) -> None:
        permit.sent = math.inf  # this may be repeated
        state.pace.sent(permit, self._shared.shared_time(now))

    def received(self, permit: Permit, now: float, report: RateLimitReport | None, *, succeeded: bool) -> None:
        """Record an answer and the limits that it names."""
        stamped, shared = permit.sent < math.inf, self._shared

        def step(state: KeyState, _: float) -> None:
            if not stamped:
                permit.sent = math.inf  # this may be repeated
            named = report
            if report is not None and shared.tells_again:  # others will tell again of what else it has counted
                named = evolve(report, used=None, resets_in=None)
            state.pace.received(permit, shared.shared_time(now), named, succeeded=succeeded)

        self._shared.answered = True
        self._shared.note(step, self._urgency(report))

    def _urgency(self, report: RateLimitReport | None) -> Urgency:
        if self._shared.query(lambda state, _: state.pace.is_discovering):
            return "now"
        return "soon" if self._shared.query(lambda state, _: state.pace.is_news(report)) else "later"

    def refused(
        self, permit: Permit, now: float, retry_after: float, scope: Scope, report: RateLimitReport | None
    ) -> None:
        """Record a 429, at once: it concerns all processes."""
        self._shared.record(
            lambda state, _: state.pace.refused(permit, self._shared.shared_time(now), retry_after, scope, report)
        )

    def learn_limits(self, report: RateLimitReport) -> None:
        """Record the limits that are named by an answer to a request without a permit."""
        self._shared.answered = True
        self._shared.note(lambda state, _: state.pace.learn_limits(report), self._urgency(report))

    def hold(self, until: float, scope: Scope) -> None:
        """Block all requests until a moment."""
        self._shared.record(lambda state, _: state.pace.hold(self._shared.shared_time(until), scope))

    @property
    def unbound(self) -> bool:
        """Whether there is no limit to keep to."""
        return self._shared.query(lambda state, _: state.pace.unbound)

    @property
    def tier(self) -> str | None:
        """The tier that answers have named."""
        return self._shared.query(lambda state, _: state.pace.tier)

    def states(self, now: float) -> dict[Scope, WindowState]:
        """Return the windows; their times are by this process's own clock."""
        began = now - self._shared.shared_time(now)
        found = self._shared.query(lambda state, at: state.pace.states(at))
        return {scope: state.later(began) for scope, state in found.items()}
