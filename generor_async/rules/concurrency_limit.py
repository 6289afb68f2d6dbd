"""What refusals teach of the ceiling of concurrent jobs, and of a server that frees slots late."""

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
    read_bool,
    read_past_or_never,
    time_reader,
)
from generor_async.values import JSON

__all__ = ["CONFIRM_SECONDS", "PROBE_BELOW", "PROBE_FIRST", "PROBE_MOST", "REPORTED_SECONDS", "ConcurrencyLimit"]


CONFIRM_SECONDS: Final = 5.0
"""Seconds after a single refusal until one more is tried: a stray one is no ceiling."""
PROBE_FIRST: Final = 30.0
"""Seconds until one more is tried after several."""
PROBE_GROWTH: Final = 2.0
"""By what that grows at each probe in vain."""
PROBE_MOST: Final = 120.0
"""Seconds between two probes, at most."""
REPORTED_SECONDS: Final = 1_800.0
"""Seconds for which a ceiling that a refusal has named is believed: it may have been raised since."""
PROBE_BELOW: Final = 16.0
"""Seconds until one more is tried where more is known to be possible: others may be gone again at any time."""
BELOW_GROWTH: Final = 1.1
REPORTED_GROWTH: Final = 1.03
"""By what that grows where a refusal has named how much is possible."""
BELOW_MOST: Final = 60.0
ENDED_PROBABILITY: Final = 0.5
"""How likely a job had ended when the first refusal came, for it not to count among those that we had then."""


@define
class ConcurrencyLimit:
    """How many units may run at once: told, named by a refusal, or taken from what we had when one was refused.

    One that is named is known, and for long nothing is tried beyond it. Below it, and where none is named, the ceiling
    is raised by trying one more. Only while all slots are taken does it teach anything that one more is accepted; then
    another is tried at once, until one is refused. Jobs that ended unseen made room as well: they are taken off when
    they are seen.
    """

    configured: int | None
    """What the caller knows: never exceeded."""
    is_part: bool = False
    """Whether only a part of the server's ceiling is ours: nobody asks then if one that was named has risen."""
    reported: int | None = field(default=None, init=False)
    """What a refusal has named last."""
    _reported_until: float = field(default=math.inf, init=False)
    """Until when that is believed."""
    value: int | None = field(init=False, default=Factory(lambda self: self.configured, takes_self=True))
    """None before the first refusal."""
    _least: int = field(default=1, init=False)
    """What was known before: ends that are seen late bring it no lower."""
    _highest: int = field(init=False, default=Factory(lambda self: self.configured or 0, takes_self=True))
    _learned_at: float = field(default=-math.inf, init=False)
    """When it was last learned from an answer."""
    _ended_probability: float = field(default=ENDED_PROBABILITY, init=False)
    _probe_interval: float = field(default=PROBE_FIRST, init=False)
    _probe_at: float = field(default=math.inf, init=False)
    confirming: bool = field(default=False, init=False)
    """Whether a single refusal is all that it rests on: one more is tried soon, and others while they are accepted."""
    _rising: bool = field(default=False, init=False)
    """Whether the last probe was accepted, so that the next is due."""
    _settling: bool = field(default=False, init=False)
    """Whether it is still to be seen if it has risen, or jobs had ended."""

    @property
    def upper_bound(self) -> float:
        """What is never exceeded."""
        return min(math.inf if most is None else most for most in (self.configured, self.reported))

    @property
    def next_probe(self) -> float:
        """When one more is to be tried."""
        if self.value == self.configured or (self.is_part and self.value == self.upper_bound):
            return math.inf
        return self._reported_until if self.value == self.upper_bound else self._probe_at

    def may_probe(self, now: float) -> bool:
        """Tell whether to try one more than there is room for."""
        if self.reported is not None and not self.is_part and now >= self._reported_until:
            self.reported, self._probe_at = None, now
        if self._settling and now >= self._probe_at:
            self._settling = False
            assert self.value is not None
            self._set_probe_interval(risen=self.value > self._least)
            self._least = self.value
            self._probe_at = self._learned_at + self._probe_interval
        return now >= self.next_probe

    def restrict(self, configured: int | None, part: float) -> None:
        """Keep to another number that the caller gives, and to a part of one that was reported."""
        self.configured, self.is_part = configured, self.is_part or part < 1
        if self.reported is not None:
            self.reported = max(1, math.floor(self.reported * part))
        if self.value is None:
            self.value = configured
            self._highest = max(self._highest, configured or 0)
        self._keep_to_upper_bound()

    def _keep_to_upper_bound(self) -> None:
        if self.value is not None and self.value > self.upper_bound:
            self.value = self._least = int(self.upper_bound)

    def report(self, limit: int, now: float) -> None:
        """Believe the ceiling that a refusal names."""
        self.reported, self._reported_until = limit, now + REPORTED_SECONDS
        self._keep_to_upper_bound()
        self._highest = max(self._highest, int(self.upper_bound))

    def reach_upper_bound(self, now: float) -> None:
        """Note that all that is known to be possible is ours."""
        self.value = self._least = int(self.upper_bound)
        self._learned_at, self._ended_probability = now, 0.0
        self.confirming = self._rising = self._settling = False

    def discard(self) -> None:
        """Note that much more was accepted soon after a single refusal: it was a stray one."""
        self.value = None if self.upper_bound == math.inf else int(self.upper_bound)
        self.confirming = self._rising = self._settling = False

    def learn(self, units: int, now: float, *, confirm: bool) -> None:
        """Take what we had for the ceiling, when one more was refused; a single refusal is to be confirmed soon."""
        assert units
        if self.value is not None:
            self._least = units
            self._highest = max(self._highest, self.value)
        self._probe_interval = PROBE_BELOW if units < self._highest else PROBE_FIRST
        self.value = units
        self._learned_at, self._probe_at = now, now + (CONFIRM_SECONDS if confirm else self._probe_interval)
        self.confirming, self._rising, self._settling = confirm, False, False

    def raise_to(self, units: int, now: float) -> None:
        """Note that more were accepted than it would allow."""
        assert self.value is not None
        if not self._rising:
            self._least = self.value
        self.value = int(min(units, self.upper_bound))
        self._learned_at = self._probe_at = now
        self._rising, self._ended_probability = True, 0.0

    def probe_refused(self, now: float) -> None:
        """Note that one more was refused; whether it had risen before shows when all jobs were looked at."""
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
        """Note one more refusal of several that were under way when it was learned: it needs no other."""
        self.value = units
        if self.confirming:
            self.confirming, self._probe_at = False, self._learned_at + self._probe_interval

    def job_ended(self, units: int, seen: float, now: float) -> None:
        """Note that a job was found to have ended that ran when it was `seen` last: perhaps before we learned this."""
        if (
            self.value is not None
            and self.value > self._least
            and self._learned_at - seen > self._ended_probability * (now - seen)
        ):
            self.value = max(self._least, self.value - units)

    def _set_probe_interval(self, *, risen: bool) -> None:
        """Try ever more rarely while it stays as it is: much so at its highest, hardly so where it has fallen."""
        assert self.value is not None
        self._highest = max(self._highest, self.value)
        if self.value < self._highest:
            growth = BELOW_GROWTH if self.reported is None else REPORTED_GROWTH
            self._probe_interval = PROBE_BELOW if risen else min(self._probe_interval * growth, BELOW_MOST)
        else:
            self._probe_interval = PROBE_FIRST if risen else min(self._probe_interval * PROBE_GROWTH, PROBE_MOST)

    def dump(self) -> JSON:
        """Return what was learned as JSON data."""
        return dump_fields(self, _LIMIT_FIELDS)

    def load(self, data: Any, now: float) -> None:
        """Take over what `dump` returned; what the caller knows holds in any case."""
        load_fields(self, data, _LIMIT_FIELDS, now)
        if self.configured is not None and (self.value is None or self.value > self.configured):
            self.value = self.configured


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
    "confirming": read_bool,
    "_rising": read_bool,
    "_settling": read_bool,
}
