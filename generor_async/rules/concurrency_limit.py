"""Learns the limit of concurrent jobs from refusals.

A limit that a refusal names is known, and for half an hour nothing exceeds it. Below it, and where none is named, the
limit is raised by probes: one submission more than allowed, at growing intervals. A probe teaches something only while
all slots are in use. Jobs that ended before we saw it made room as well, so they are subtracted when they are seen.
"""

import math
from typing import Any, Final

from attrs import Factory, define, field

from generor_async.rules.state_json import (
    StateReader,
    dump_fields,
    float_reader,
    int_reader,
    load_fields,
    optional_reader,
    read_flag,
    read_past_or_never,
    time_reader,
)
from generor_async.values import JSON

__all__ = ["CONFIRM_SECONDS", "PROBE_BELOW", "PROBE_FIRST", "PROBE_MOST", "REPORTED_SECONDS", "ConcurrencyLimit"]


CONFIRM_SECONDS: Final = 5.0
"""Seconds from a single refusal to the first probe: it may have been an accident."""
PROBE_FIRST: Final = 30.0
"""Seconds from several refusals to the first probe."""
PROBE_GROWTH: Final = 2.0
"""Growth of the interval with each refused probe."""
PROBE_MOST: Final = 120.0
"""Longest interval between two probes, in seconds."""
REPORTED_SECONDS: Final = 1_800.0
"""Seconds for which a named limit is believed: it may be raised later."""
PROBE_BELOW: Final = 16.0
"""Interval of probes below a limit that was higher before, in seconds: others may leave at any time."""
BELOW_GROWTH: Final = 1.1
REPORTED_GROWTH: Final = 1.03
"""Growth of that interval below a named limit."""
BELOW_MOST: Final = 60.0
ENDED_PROBABILITY: Final = 0.5
"""Probability of having ended before the refusal, from which on a job is subtracted from the limit."""


@define
class ConcurrencyLimit:
    """How many units may run at once: configured, named by a refusal, or the units in use at a refusal."""

    configured: int | None
    """The caller's limit, which is never exceeded."""
    share: float = 1.0
    """The part of a named limit that we may use; below 1, a named limit is not probed."""
    reported: int | None = field(default=None, init=False)
    """The limit that a refusal named last."""
    _reported_until: float = field(default=math.inf, init=False)
    """Until when it is believed."""
    value: int | None = field(init=False, default=Factory(lambda self: self.configured, takes_self=True))
    """None before the first refusal."""
    _least: int = field(default=1, init=False)
    """Lower bound: jobs that are seen to have ended later don't lower the value further."""
    _highest: int = field(init=False, default=Factory(lambda self: self.configured or 0, takes_self=True))
    _learned_at: float = field(default=-math.inf, init=False)
    """When it was last learned from a response."""
    _ended_probability: float = field(default=ENDED_PROBABILITY, init=False)
    _probe_interval: float = field(default=PROBE_FIRST, init=False)
    _probe_at: float = field(default=math.inf, init=False)
    confirming: bool = field(default=False, init=False)
    """Whether it is based on a single refusal, so that a probe follows soon."""
    _rising: bool = field(default=False, init=False)
    """Whether the last probe was accepted, so that the next is due."""
    _settling: bool = field(default=False, init=False)
    """Whether it is still unknown if the limit was raised or jobs had ended."""

    @property
    def upper_bound(self) -> float:
        """The configured limit, or our share of the named one, which is never exceeded."""
        configured = math.inf if self.configured is None else self.configured
        return configured if self.reported is None else min(configured, max(1, math.floor(self.reported * self.share)))

    @property
    def next_probe(self) -> float:
        """When the next probe is due."""
        if self.value == self.configured or (self.share < 1 and self.value == self.upper_bound):
            return math.inf
        return self._reported_until if self.value == self.upper_bound else self._probe_at

    def may_probe(self, now: float) -> bool:
        """Tell whether a submission may exceed the limit as a probe."""
        if self.reported is not None and self.share == 1 and now >= self._reported_until:
            self.reported, self._probe_at = None, now
        if self._settling and now >= self._probe_at:
            self._settling = False
            assert self.value is not None
            self._set_probe_interval(risen=self.value > self._least)
            self._least = self.value
            self._probe_at = self._learned_at + self._probe_interval
        return now >= self.next_probe

    def restrict(self, configured: int | None, share: float) -> None:
        """Keep to another number and share that the caller gives."""
        self.configured, self.share = configured, share
        if self.value is None:
            self.value = configured
            self._highest = max(self._highest, configured or 0)
        self._keep_to_upper_bound()

    def _keep_to_upper_bound(self) -> None:
        if self.value is not None and self.value > self.upper_bound:
            self.value = self._least = int(self.upper_bound)

    def report(self, limit: int, now: float) -> None:
        """Believe the limit that a refusal names."""
        self.reported, self._reported_until = limit, now + REPORTED_SECONDS
        self._keep_to_upper_bound()
        self._highest = max(self._highest, int(self.upper_bound))

    def reach_upper_bound(self, now: float) -> None:
        """Record that we use all of the upper bound."""
        self.value = self._least = int(self.upper_bound)
        self._learned_at, self._ended_probability = now, 0.0
        self.confirming = self._rising = self._settling = False

    def discard(self) -> None:
        """Forget a limit learned from a single refusal, because much more was accepted soon after."""
        self.value = None if self.upper_bound == math.inf else int(self.upper_bound)
        self.confirming = self._rising = self._settling = False

    def learn(self, units: int, now: float, *, confirm: bool) -> None:
        """Set the limit to the units in use at a refusal; `confirm` probes soon, after a single refusal."""
        assert units
        if self.value is not None:
            self._least = units
            self._highest = max(self._highest, self.value)
        self._probe_interval = PROBE_BELOW if units < self._highest else PROBE_FIRST
        self.value = units
        self._learned_at, self._probe_at = now, now + (CONFIRM_SECONDS if confirm else self._probe_interval)
        self.confirming, self._rising, self._settling = confirm, False, False

    def raise_to(self, units: int, now: float) -> None:
        """Raise the limit, because more units were accepted."""
        assert self.value is not None
        if not self._rising:
            self._least = self.value
        self.value = int(min(units, self.upper_bound))
        self._learned_at = self._probe_at = now
        self._rising, self._ended_probability = True, 0.0

    def probe_refused(self, now: float) -> None:
        """Record that a probe was refused; later polls tell whether the limit had risen before."""
        assert self.value is not None
        self.confirming = False
        if self._rising:
            self._rising, self._settling = False, True
            self._learned_at, self._probe_at = now, now + min(self._probe_interval, PROBE_BELOW)
        else:
            self._least = self.value
            self._set_probe_interval(risen=False)
            self._probe_at = now + self._probe_interval

    def lower_to(self, units: int) -> None:
        """Lower the limit after another refusal of those under way when it was learned: that confirms it."""
        self.value = units
        if self.confirming:
            self.confirming, self._probe_at = False, self._learned_at + self._probe_interval

    def job_ended(self, units: int, seen: float, now: float) -> None:
        """Subtract a job that ended at an unknown moment after `seen`, if that was probably before the refusal."""
        if (
            self.value is not None
            and self.value > self._least
            and self._learned_at - seen > self._ended_probability * (now - seen)
        ):
            self.value = max(self._least, self.value - units)

    def _set_probe_interval(self, *, risen: bool) -> None:
        """Lengthen the interval while the limit is unchanged: by much at its highest value, by little below it."""
        assert self.value is not None
        self._highest = max(self._highest, self.value)
        if self.value < self._highest:
            growth = BELOW_GROWTH if self.reported is None else REPORTED_GROWTH
            self._probe_interval = PROBE_BELOW if risen else min(self._probe_interval * growth, BELOW_MOST)
        else:
            self._probe_interval = PROBE_FIRST if risen else min(self._probe_interval * PROBE_GROWTH, PROBE_MOST)

    def dump(self) -> JSON:
        """Return the state as JSON data; without a value that is only configured, which is for this process alone."""
        dumped = dict(zip(_LIMIT_FIELDS, dump_fields(self, _LIMIT_FIELDS), strict=True))
        if self._learned_at == -math.inf and self.value == self.configured:
            dumped["value"] = None
        return list(dumped.values())

    def load(self, data: Any, now: float) -> None:
        """Restore what `dump` returned; the configured limit and the share stay in force."""
        load_fields(self, data, _LIMIT_FIELDS, now)
        if self.value is None:
            self.value = self.configured
        self._keep_to_upper_bound()


_UNITS: Final = int_reader(1)
_LIMIT_FIELDS: Final[dict[str, StateReader]] = {
    "reported": optional_reader(_UNITS),
    "_reported_until": time_reader(REPORTED_SECONDS, never=math.inf),
    "value": optional_reader(_UNITS),
    "_least": _UNITS,
    "_highest": int_reader(),
    "_learned_at": read_past_or_never,
    "_ended_probability": float_reader(0.0, 1.0),
    "_probe_interval": float_reader(0.0, PROBE_MOST),
    "_probe_at": time_reader(PROBE_MOST, never=math.inf),
    "confirming": read_flag,
    "_rising": read_flag,
    "_settling": read_flag,
}
