"""Who may pass into the Generor API: keys, scopes, tiers and the three windows.

`documented`: keys and scopes, the tiers' figures, 15 requests a minute and IP address without a key, the
headers. `assumed`: every request counts, the refused ones too unless it is for want of quota; an unknown
key counts as none; of three windows the headers show the one that has the smallest share left; without a
key there is no X-RateLimit-Tier; an endpoint open to all refuses a bad key all the same.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from attrs import frozen

from generor_async.simulator.exchange import Answer, Call, Later
from generor_async.simulator.generor.fields import Fields
from generor_async.simulator.generor.records import ApiKey, User
from generor_async.simulator.generor.state import World
from generor_async.simulator.generor.wire import Refusal, failure, whole_number
from generor_async.simulator.limits import Window, WindowKind, admit_all

__all__ = ["SCOPES", "TIERS", "Ask", "Gate", "Handler", "Scope"]

Scope = Literal["read", "write", "generate"]
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
class Ask:
    """A request that was let in, and whose it is."""

    call: Call
    user: User | None
    """The key's owner; None without a key."""

    @property
    def now(self) -> float:
        """When it arrived, in simulated Unix time."""
        return self.call.now

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


Handler = Callable[[Ask], Answer | Later]
Given = TypeVar("Given")
Answered = TypeVar("Answered", bound=Answer | Later)


class Gate:
    """Looks at the key and counts the request, before anybody else sees it."""

    def __init__(self, world: World, *, window_kind: WindowKind, count_rejected: bool) -> None:
        self._world = world
        self._window_kind: WindowKind = window_kind
        self._count_rejected = count_rejected
        self._by_address: dict[str, tuple[Window, ...]] = {}

    def new_key(self, user: User, *, name: str, scopes: tuple[str, ...], now: float) -> ApiKey:
        """Make one more key for a user."""
        key = ApiKey(
            key_id=self._world.new_id(),
            key=KEY_PREFIX + self._world.token(KEY_LENGTH),
            user=user,
            name=name,
            scopes=scopes,
            created_at=now,
            windows=self._windows(*zip(TIERS[user.tier], (MINUTE, HOUR, DAY), strict=True)),
        )
        self._world.keys[key.key] = key
        return key

    def guard(self, handler: Handler, *, scope: Scope | None, key_needed: bool) -> Callable[[Call], Answer | Later]:
        """Put a handler behind the gate: what it refuses is worded, what it answers gets its headers."""

        def guarded(call: Call) -> Answer | Later:
            key = self._key_of(call)
            user = None if key is None else key.user
            headers, refusal = self._admit(call, key)
            refusal = refusal or _not_permitted(call, key, scope=scope, key_needed=key_needed)
            if refusal is not None:
                return _stamped(failure(refusal), headers, user)
            answer = _or_failure(handler, Ask(call=call, user=user))
            if isinstance(answer, Answer):
                return _stamped(answer, headers, user)
            finish = answer.finish
            return Later(answer.seconds, lambda now: _stamped(_or_failure(finish, now), headers, user))

        return guarded

    def _key_of(self, call: Call) -> ApiKey | None:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        key = self._world.keys.get(token.strip()) if scheme.lower() == "bearer" else None
        return None if key is None or key.revoked else key

    def _admit(self, call: Call, key: ApiKey | None) -> tuple[dict[str, str], Refusal | None]:
        """Count the request, and give the headers that every answer to it carries."""
        if key is None:
            windows = self._by_address.get(call.peer)
            if windows is None:
                windows = self._by_address[call.peer] = self._windows((WITHOUT_KEY, MINUTE))
        else:
            windows = key.windows
            key.last_used_at = call.now
        allowed, verdict = admit_all(windows, call.now)
        headers = {
            "X-RateLimit-Limit": str(verdict.limit),
            "X-RateLimit-Remaining": str(verdict.remaining),
            "X-RateLimit-Reset": str(math.ceil(verdict.reset_at)),
        }
        if key is not None:
            headers["X-RateLimit-Tier"] = key.user.tier
        if allowed:
            return headers, None
        headers["Retry-After"] = str(verdict.retry_after)
        message = f"Rate limit exceeded: retry after {verdict.retry_after} seconds"
        return headers, Refusal("RATE_LIMIT_EXCEEDED", message)

    def _windows(self, *sizes: tuple[int, float]) -> tuple[Window, ...]:
        return tuple(
            Window(limit, seconds, kind=self._window_kind, count_rejected=self._count_rejected)
            for limit, seconds in sizes
        )


def _or_failure(act: Callable[[Given], Answered], given: Given) -> Answered | Answer:
    """Let a handler act, and word its refusal if it refuses."""
    try:
        return act(given)
    except Refusal as refusal:
        return failure(refusal)


def _stamped(answer: Answer, headers: Mapping[str, str], user: User | None) -> Answer:
    """Put the window's headers and the caller's name on an answer."""
    return Answer(
        status=answer.status,
        json=answer.json,
        headers=headers,
        charged=answer.charged,
        caller=None if user is None else user.username,
    )


def _not_permitted(call: Call, key: ApiKey | None, *, scope: Scope | None, key_needed: bool) -> Refusal | None:
    if key is None:
        if "Authorization" in call.headers:
            return Refusal("UNAUTHORIZED", "Invalid API key: it is unknown, malformed or revoked")
        if key_needed:
            return Refusal("UNAUTHORIZED", "Missing API key: send it as 'Authorization: Bearer gnr_live_...'")
    elif scope is not None and key.scopes and scope not in key.scopes:
        return Refusal("FORBIDDEN", f"This API key lacks the scope '{scope}'")
    return None
