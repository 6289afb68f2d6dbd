"""Access control of the Generor API: keys, scopes, tiers and the three rate limit windows.

`documented`: keys and scopes, the tiers' figures, 15 requests a minute and IP address without a key, the
headers. `assumed`, each with a switch: every request counts, also a refused one unless a rate limit refused it; the
headers show the window with the smallest share left; a public endpoint refuses a bad key too. `assumed` without a
switch: an unknown key counts as none; without a key there is no X-RateLimit-Tier.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from attrs import frozen

from generor_async.simulator.generor.entities import ApiKey, User
from generor_async.simulator.generor.envelope import GenerorRefusal, failure, whole_number
from generor_async.simulator.generor.fields import Fields
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.messages import Answer, DeferredAnswer, IncomingCall
from generor_async.simulator.request_windows import RequestWindow, WindowKind, WindowVerdict, admit_all, tightest

__all__ = [
    "SCOPES",
    "TIERS",
    "AccessControl",
    "AccessRules",
    "AuthorizedRequest",
    "BadKeyOnPublic",
    "Handler",
    "Scope",
    "WindowShown",
]

Scope = Literal["read", "write", "generate"]
WindowShown = Literal["tightest", "minute"]
BadKeyOnPublic = Literal["refuse", "ignore"]
SCOPES: tuple[Scope, ...] = ("read", "write", "generate")
TIERS: Mapping[str, tuple[int, int, int]] = {
    "free": (30, 500, 5_000),
    "basic": (60, 2_000, 20_000),
    "pro": (120, 5_000, 50_000),
    "enterprise": (300, 20_000, 200_000),
}
"""Requests a minute, an hour and a day (documented)."""
WITHOUT_KEY = 15
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
KEY_PREFIX = "gnr_live_"
KEY_LENGTH = 40


@frozen(kw_only=True)
class AccessRules:
    """What the documents leave open about keys and windows."""

    window_kind: WindowKind = "sliding"
    count_rejected: bool = False
    """Whether a request that a rate limit refuses counts against it."""
    count_errors: bool = True
    """Whether a request that is refused for another reason counts."""
    window_shown: WindowShown = "tightest"
    """Which window the headers show."""
    bad_key_on_public: BadKeyOnPublic = "refuse"
    """How a public endpoint treats a bad key."""


@frozen(kw_only=True)
class AuthorizedRequest:
    """A request that passed the access control, and its user."""

    call: IncomingCall
    user: User | None
    """The key's owner; None without a key."""

    @property
    def now(self) -> float:
        """When it arrived, in simulated Unix time."""
        return self.call.now

    def lists(self, made_at: float) -> bool:
        """Tell whether a listing, which may lag, shows something made at a time."""
        return made_at + self.call.lag <= self.call.now

    @property
    def me(self) -> User:
        """The key's owner, on an operation that needs a key."""
        assert self.user is not None
        return self.user

    def fields(self) -> Fields:
        """Read the body."""
        return Fields.of_body(self.call.body)

    def id(self, name: str = "id") -> int | None:
        """Read an id from the path; None if it can't be one."""
        return whole_number(self.call.params[name])

    def query(self, name: str) -> str | None:
        """Read a query parameter; an empty one counts as absent."""
        return self.call.query.get(name) or None


Handler = Callable[[AuthorizedRequest], Answer | DeferredAnswer]
Given = TypeVar("Given")
Answered = TypeVar("Answered", bound=Answer | DeferredAnswer)


class AccessControl:
    """Checks the key and counts the request before its handler is called."""

    def __init__(self, state: GenerorState, rules: AccessRules) -> None:
        self._state = state
        self._rules = rules
        self._by_address: dict[str, tuple[RequestWindow, ...]] = {}

    def new_key(self, user: User, *, name: str, scopes: tuple[str, ...], now: float) -> ApiKey:
        """Create a key for a user."""
        key = ApiKey(
            key_id=self._state.new_id(),
            key=KEY_PREFIX + self._state.token(KEY_LENGTH),
            user=user,
            name=name,
            scopes=scopes,
            created_at=now,
            windows=self._windows(*zip(TIERS[user.tier], (MINUTE, HOUR, DAY), strict=True)),
        )
        self._state.keys[key.key] = key
        return key

    def guard(
        self, handler: Handler, *, scope: Scope | None, key_needed: bool
    ) -> Callable[[IncomingCall], Answer | DeferredAnswer]:
        """Wrap a handler with the access control, error answers and headers."""

        def guarded(call: IncomingCall) -> Answer | DeferredAnswer:
            key = self._key_of(call)
            user = None if key is None else key.user
            windows = self._windows_of(call, key)
            allowed, verdict = admit_all(windows, call.now)
            if not allowed:
                return _with_headers(_quota_refusal(verdict), self._headers(windows, verdict, call, key), user)
            headers = self._headers(windows, verdict, call, key)

            def told(answer: Answer) -> Answer:
                if answer.status < 400 or self._rules.count_errors:
                    return _with_headers(answer, headers, user)
                for window in windows:
                    window.uncount(call.now)
                return _with_headers(answer, self._headers(windows, tightest(windows, call.now), call, key), user)

            refusal = self._permission_refusal(call, key, scope=scope, key_needed=key_needed)
            answer = failure(refusal) if refusal else _catch_refusal(handler, AuthorizedRequest(call=call, user=user))
            if isinstance(answer, Answer):
                return told(answer)
            finish = answer.finish
            return DeferredAnswer(answer.seconds, lambda now: told(_catch_refusal(finish, now)))

        return guarded

    def limit_headers(self, call: IncomingCall) -> dict[str, str]:
        """Return the rate limit headers without counting the request."""
        key = self._key_of(call)
        windows = self._windows_of(call, key)
        return self._headers(windows, tightest(windows, call.now), call, key)

    def _key_of(self, call: IncomingCall) -> ApiKey | None:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        key = self._state.keys.get(token.strip()) if scheme.lower() == "bearer" else None
        return None if key is None or key.revoked else key

    def _windows_of(self, call: IncomingCall, key: ApiKey | None) -> tuple[RequestWindow, ...]:
        if key is not None:
            key.last_used_at = call.now
            return key.windows
        windows = self._by_address.get(call.peer)
        if windows is None:
            windows = self._by_address[call.peer] = self._windows((WITHOUT_KEY, MINUTE))
        return windows

    def _headers(
        self, windows: tuple[RequestWindow, ...], verdict: WindowVerdict, call: IncomingCall, key: ApiKey | None
    ) -> dict[str, str]:
        """Return the headers of any answer."""
        shown = (
            verdict if self._rules.window_shown == "tightest" else windows[0].verdict(call.now, allowed=verdict.allowed)
        )
        headers = {
            "X-RateLimit-Limit": str(shown.limit),
            "X-RateLimit-Remaining": str(shown.remaining),
            "X-RateLimit-Reset": str(math.ceil(shown.reset_at)),
        }
        if key is not None:
            headers["X-RateLimit-Tier"] = key.user.tier
        if not verdict.allowed:
            headers["Retry-After"] = str(verdict.retry_after)
        return headers

    def _windows(self, *sizes: tuple[int, float]) -> tuple[RequestWindow, ...]:
        kind, count_rejected = self._rules.window_kind, self._rules.count_rejected
        return tuple(
            RequestWindow(limit, seconds, kind=kind, count_rejected=count_rejected) for limit, seconds in sizes
        )

    def _permission_refusal(
        self, call: IncomingCall, key: ApiKey | None, *, scope: Scope | None, key_needed: bool
    ) -> GenerorRefusal | None:
        if key is None:
            ignored = self._rules.bad_key_on_public == "ignore" and not key_needed
            if "Authorization" in call.headers and not ignored:
                return GenerorRefusal("UNAUTHORIZED", "Invalid API key: it is unknown, malformed or revoked")
            if key_needed:
                return GenerorRefusal(
                    "UNAUTHORIZED", "Missing API key: send it as 'Authorization: Bearer gnr_live_...'"
                )
        elif scope is not None and key.scopes and scope not in key.scopes:
            return GenerorRefusal("FORBIDDEN", f"This API key lacks the scope '{scope}'")
        return None


def _quota_refusal(verdict: WindowVerdict) -> Answer:
    message = f"Rate limit exceeded: retry after {verdict.retry_after} seconds"
    return failure(GenerorRefusal("RATE_LIMIT_EXCEEDED", message))


def _catch_refusal(act: Callable[[Given], Answered], given: Given) -> Answered | Answer:
    """Call a handler, and turn a refusal into an answer."""
    try:
        return act(given)
    except GenerorRefusal as refusal:
        return failure(refusal)


def _with_headers(answer: Answer, headers: Mapping[str, str], user: User | None) -> Answer:
    """Add the window's headers and the caller's name to an answer."""
    answer.headers = headers
    answer.caller = None if user is None else user.username
    return answer
