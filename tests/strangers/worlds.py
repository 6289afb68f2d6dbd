"""The switches: all that the documents leave open, or where documents and reports differ.

Every time is in seconds since the server's start. A default is what the vendor documents; where two public
programs measured something else, it is what they measured.
"""

from collections.abc import Mapping
from math import inf
from random import Random
from typing import Literal, TypeAlias

import attrs

from strangers.records import Answer

Kind: TypeAlias = tuple[str, str]
"""A model and a type, such as ``("uni-1", "image")``."""


@attrs.frozen
class Spread:
    """A duration that differs from job to job: lognormal around a median."""

    median: float
    sigma: float = 0.15


Duration: TypeAlias = float | Spread


def draw(duration: Duration, rng: Random) -> float:
    """Return seconds: the fixed number, or one from the spread."""
    if isinstance(duration, Spread):
        return duration.median * rng.lognormvariate(0.0, duration.sigma)
    return duration


@attrs.frozen
class Span:
    """A time from ``start`` up to, but without, ``end``."""

    start: float = 0.0
    end: float = inf

    def holds(self, now: float) -> bool:
        """Return whether a moment lies in it."""
        return self.start <= now < self.end


@attrs.frozen(kw_only=True)
class Outage(Span):
    """A time in which requests are answered by an error.

    ``scope``: every request, every POST, or only a POST that names a picture by URL (documented for Luma's 503).
    ``html``: a page of the gateway before the API instead of the API's own JSON (assumed).
    ``after``: the request is carried out and charged, and only its answer is replaced (assumed).
    """

    status: int = 502
    scope: Literal["post", "all", "url"] = "post"
    html: bool = False
    after: bool = False


@attrs.frozen(kw_only=True)
class Others(Span):
    """Other users of the same key: ``size`` requests at once, again ``every`` so many seconds.

    ``Others(every=2)`` is a steady rate of 30 a minute, ``Others(size=20, every=60)`` sends bursts. Who insists
    sends a refused request again after Retry-After, until it is admitted. ``seconds`` is how long a job of theirs
    holds its slots (Luma); at 0 they hold none.
    """

    size: int = 1
    every: float = inf
    insist: bool = False
    model: str = "uni-1"
    type: str = "image"
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class Held(Span):
    """Others hold ``count`` job slots during this time."""

    count: int


@attrs.frozen(kw_only=True)
class World:
    """Switches that both APIs have.

    ``window_phase``: where a fixed window's boundary lies, in seconds after a whole minute, hour or day (UTC).
    ``reset_on_success``: what X-RateLimit-Reset means on a success: a whole window from now (page), or the end of
    the oldest request. On a 429 it is always the oldest request's end (documented for Luma).
    ``round_up``: whole seconds in headers are rounded up (page: after Retry-After a place is free) or down.
    ``store_down``: the store of the limits is down: nothing is refused, and no X-RateLimit-* is sent (page).
    ``hogs``: somebody takes every free place of the window, the moment it comes free.
    ``odd_paid``: paid requests that were carried out are answered in one of the ways of ``odd_paid.py``.
    ``refuses``: paid requests are answered by this, and neither carried out nor charged.
    ``odd_pages``, ``odd_catalogue``: lists have one of the forms of ``odd_pages.py``; the latter those that have no
    pages.
    """

    window_kind: Literal["sliding", "fixed"] = "sliding"
    window_phase: float = 0.0
    reset_on_success: Literal["window", "oldest"] = "window"
    reset_format: Literal["unix", "relative", "milliseconds", "absent"] = "unix"
    retry_after: Literal["seconds", "date", "absent"] = "seconds"
    round_up: bool = True
    store_down: tuple[Span, ...] = ()
    outages: tuple[Outage, ...] = ()
    others: tuple[Others, ...] = ()
    hogs: tuple[Span, ...] = ()
    odd_paid: str = ""
    refuses: Answer | None = None
    odd_pages: str = ""
    odd_catalogue: str = ""


WEIGHTS: Mapping[Kind, int] = {("uni-1-max", "image_edit"): 3}
"""Units of limits that a request takes; any other takes 1 (measured; for video, assumed)."""

DURATIONS: Mapping[Kind, Duration] = {
    ("uni-1", "image"): Spread(31.0),
    ("uni-1", "image_edit"): Spread(65.0, 0.05),
    ("uni-1-max", "image"): Spread(45.0),
    ("uni-1-max", "image_edit"): Spread(93.0),
    ("ray-3.2", "video"): Spread(90.0, 0.3),
    ("ray-3.2", "video_edit"): Spread(500.0, 0.3),
    ("ray-3.2", "video_reframe"): Spread(500.0, 0.3),
}
"""How long jobs take: images and edits measured, ``uni-1-max`` images assumed, video by the vendor's page."""


@attrs.frozen(kw_only=True)
class LumaWorld(World):
    """Switches of the Luma Agents API.

    ``per_minute``, ``slots``: 30 and 10 (page, measured).
    ``window_weights``, ``slot_weights``: units of each kind, 1 where not named; ``{}`` counts plain requests.
    ``counted_refusals``: which refusals take their units of the window as well (assumed: none).
    ``concurrent_wording``: the contract's, or one of the two that were met.
    ``concurrent_retry_after``: 60 (documented), or none.
    ``abuse_per_minute``: ceiling over all calls (page: thousands).
    ``slot_freed``: when the job ends (page), when it is next polled after its end, or ``slot_late`` seconds late.
    ``balance``: credits that are left.
    ``account``: state of key and client, for the 401 and 403 of the documents.
    ``late_wording``: texts of 402, 413 and 503 as on later pages.
    ``firewall``: answers 403 and HTML to GETs whose User-Agent begins with Python (measured once).
    ``odd``, ``odd_looks``: those looks at each job are answered in one of the ways of ``odd.py``.
    ``ids``: of jobs; UUIDs are documented.
    ``echo``: what X-Request-Id of an answer is: the request's own (documented), the one of the request before it,
    one that nobody sent, or nothing.
    ``result_name``: of results in the storage; it stands in the URL as it is.
    """

    per_minute: int = 30
    slots: int = 10
    window_weights: Mapping[Kind, int] = attrs.field(factory=lambda: WEIGHTS)
    slot_weights: Mapping[Kind, int] = attrs.field(factory=lambda: WEIGHTS)
    counted_refusals: frozenset[Literal["invalid", "concurrent", "window"]] = frozenset()
    concurrent_wording: Literal["contract", "limit", "capacity"] = "capacity"
    concurrent_retry_after: int | None = 60
    abuse_per_minute: int = 3000
    slot_freed: Literal["end", "poll", "late"] = "end"
    slot_late: float = 5.0
    held: tuple[Held, ...] = ()
    durations: Mapping[Kind, Duration] = attrs.field(factory=lambda: DURATIONS)
    queued_seconds: float = 2.0
    url_seconds: int = 3600
    ingest_seconds: float = 2.0
    balance: float = inf
    account: Literal["active", "suspended", "deactivated", "revoked", "expired"] = "active"
    late_wording: bool = False
    firewall: bool = False
    odd: str = ""
    odd_looks: tuple[bool, ...] = ()
    ids: Literal["uuid", "number"] = "uuid"
    echo: Literal["own", "previous", "foreign", "none"] = "own"
    result_name: str = "output"


TIERS: Mapping[str, tuple[int, int, int]] = {
    "free": (30, 500, 5_000),
    "basic": (60, 2_000, 20_000),
    "pro": (120, 5_000, 50_000),
    "enterprise": (300, 20_000, 200_000),
}
"""Requests a minute, an hour and a day (documented)."""


@attrs.frozen
class Event:
    """A change of the balance that is no call of the key's: ``kind`` is a type of transaction (documented)."""

    at: float
    kind: str
    amount: int


@attrs.frozen(kw_only=True)
class GenerorWorld(World):
    """Switches of the Generor API.

    ``window_kind``: fixed, since the documented example of X-RateLimit-Reset is a whole minute (assumed).
    ``limits``: a minute, an hour, a day; None: those of the tier.
    ``tier_spelling``: text of X-RateLimit-Tier; None: as documented; empty: no such header.
    ``scopes``: of the key; none are all (documented).
    ``counts_refused``: a 429 counts like any request (assumed: no).
    ``refusal_shows``: which window the headers of a 429 describe (assumed).
    ``durations``: seconds of /generate by the model's type (documented: 5-30, 10-60, several minutes).
    ``cost_factor``: what is charged for each credit of the estimate (documented: they may differ).
    ``cost_told``: what ``credit_cost`` is: the balance before the call less the one after (documented), what the call
    itself cost, or nothing.
    ``events``: what else happens on the account.
    ``charged_at``, ``listed_from``: whether a creation costs, and shows up, at the start or at the end (assumed).
    ``gateway_timeout``: a longer call is answered 504 in HTML, goes on and is charged (assumed); None: never.
    ``results``: what creations hold, as in ``results.py``; empty: what is documented.
    ``urls``: whether those of results are whole, or begin with the path (both documented).
    ``zone``: seconds by which times, which name no zone, are ahead of UTC (assumed); ``zone_changes``: when they are by
    how many more.
    ``misdated``: by how many seconds the dates of these creations are wrong, counted from 0.
    ``unlisted``: fields that lists leave out.
    """

    window_kind: Literal["sliding", "fixed"] = "fixed"
    tier: Literal["free", "basic", "pro", "enterprise"] = "free"
    limits: tuple[int, int, int] | None = None
    tier_spelling: str | None = None
    scopes: frozenset[Literal["read", "write", "generate"]] = frozenset()
    counts_refused: bool = False
    refusal_shows: Literal["refusing", "minute"] = "refusing"
    durations: Mapping[str, Duration] = attrs.field(factory=lambda: {"text": 12.0, "image": 24.0, "video": 120.0})
    balance: int = 1250
    cost_factor: float = 1.0
    cost_told: Literal["difference", "own", "nothing"] = "own"
    events: tuple[Event, ...] = ()
    charged_at: Literal["start", "end"] = "end"
    listed_from: Literal["start", "end"] = "start"
    gateway_timeout: float | None = None
    results: str = ""
    urls: Literal["whole", "path"] = "whole"
    zone: float = 0.0
    zone_changes: Mapping[float, float] = attrs.field(factory=dict[float, float])
    misdated: Mapping[int, float] = attrs.field(factory=dict[int, float])
    unlisted: frozenset[str] = frozenset()
