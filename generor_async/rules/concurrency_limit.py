"""What refusals teach of the ceiling of concurrent jobs, and of a server that frees slots late."""

import math
from bisect import bisect_right
from typing import Any, Final

from attrs import Factory, define, field

from generor_async.rules.state_json import (
    MOST,
    Reader,
    amount,
    dump_fields,
    flag,
    load_fields,
    maybe,
    moment,
    past,
    past_or_never,
    whole,
)
from generor_async.values import JSON

__all__ = [
    "CONFIRM",
    "LAG_STEPS",
    "NAMED_SECONDS",
    "PROBE_BELOW",
    "PROBE_FIRST",
    "PROBE_MOST",
    "PROMPT_ENOUGH",
    "ConcurrencyLimit",
    "ReleaseLag",
]

LAG_STEPS: Final = (1.0, 3.0)
"""By how many seconds later a slot is taken to be freed, at each refusal in a row."""
LAG_MOST: Final = 15.0
"""Seconds after the end of a job beyond which its slot is taken to be free."""
LAG_LEAST: Final = 0.5
"""Seconds of lag that are not worth a wait."""
LAG_PART: Final = 0.75
"""The part of a learned lag that is tried when it is tested."""
PROMPT_ENOUGH: Final = 5
"""How many slots that were free at once show that there is no lag."""
ENDS_KEPT: Final = 30.0
"""Seconds for which ends are remembered: longer than any lag that is believed."""

CONFIRM: Final = 5.0
"""Seconds after a single refusal until one more is tried: a stray one is no ceiling."""
PROBE_FIRST: Final = 30.0
"""Seconds until one more is tried after several."""
PROBE_GROWTH: Final = 2.0
"""By what that grows at each probe in vain."""
PROBE_MOST: Final = 120.0
"""Seconds between two probes, at most."""
NAMED_SECONDS: Final = 1_800.0
"""Seconds for which a ceiling that a refusal has named is believed: it may have been raised since."""
PROBE_BELOW: Final = 16.0
"""Seconds until one more is tried where more is known to be possible: others may be gone again at any time."""
BELOW_GROWTH: Final = 1.1
NAMED_GROWTH: Final = 1.03
"""By what that grows where a refusal has named how much is possible."""
BELOW_MOST: Final = 60.0
DOUBT: Final = 0.5
"""How likely a job had ended when the first refusal came, for it not to count among those that we had then."""


@define
class ConcurrencyLimit:
    """How many units may run at once: told, named by a refusal, or taken from what we had when one was refused.

    One that is named is known, and for long nothing is tried beyond it. Below it, and where none is named, the ceiling
    is raised by trying one more. Only while all slots are taken does it teach anything that one more is accepted; then
    another is tried at once, until one is refused. Jobs that ended unseen made room as well: they are taken off when
    they are seen.
    """

    told: int | None
    """What the caller knows: never exceeded."""
    is_part: bool = False
    """Whether only a part of the server's ceiling is ours: nobody asks then if one that was named has risen."""
    named: int | None = field(default=None, init=False)
    """What a refusal has named last."""
    _named_until: float = field(default=math.inf, init=False)
    """Until when that is believed."""
    value: int | None = field(init=False, default=Factory(lambda self: self.told, takes_self=True))
    """None before the first refusal."""
    _least: int = field(default=1, init=False)
    """What was known before: ends that are seen late bring it no lower."""
    _highest: int = field(init=False, default=Factory(lambda self: self.told or 0, takes_self=True))
    _asked: float = field(default=-math.inf, init=False)
    """When it was last learned from an answer."""
    _doubt: float = field(default=DOUBT, init=False)
    _gap: float = field(default=PROBE_FIRST, init=False)
    _due: float = field(default=math.inf, init=False)
    confirming: bool = field(default=False, init=False)
    """Whether a single refusal is all that it rests on: one more is tried soon, and others while they are accepted."""
    _climbing: bool = field(default=False, init=False)
    """Whether the last probe was accepted, so that the next is due."""
    _settling: bool = field(default=False, init=False)
    """Whether it is still to be seen if it has risen, or jobs had ended."""

    @property
    def most(self) -> float:
        """What is never exceeded."""
        return min(math.inf if most is None else most for most in (self.told, self.named))

    @property
    def next_probe(self) -> float:
        """When one more is to be tried."""
        if self.value == self.told or (self.is_part and self.value == self.most):
            return math.inf
        return self._named_until if self.value == self.most else self._due

    def may_probe(self, now: float) -> bool:
        """Tell whether to try one more than there is room for."""
        if self.named is not None and not self.is_part and now >= self._named_until:
            self.named, self._due = None, now
        if self._settling and now >= self._due:
            self._settling = False
            assert self.value is not None
            self._space(risen=self.value > self._least)
            self._least = self.value
            self._due = self._asked + self._gap
        return now >= self.next_probe

    def restrict(self, told: int | None, part: float) -> None:
        """Keep to another number that is told, and to a part of one that was named."""
        self.told, self.is_part = told, self.is_part or part < 1
        if self.named is not None:
            self.named = max(1, math.floor(self.named * part))
        if self.value is None:
            self.value = told
            self._highest = max(self._highest, told or 0)
        self._keep_to_most()

    def _keep_to_most(self) -> None:
        if self.value is not None and self.value > self.most:
            self.value = self._least = int(self.most)

    def name(self, limit: int, now: float) -> None:
        """Believe the ceiling that a refusal names."""
        self.named, self._named_until = limit, now + NAMED_SECONDS
        self._keep_to_most()
        self._highest = max(self._highest, int(self.most))

    def reach(self, now: float) -> None:
        """Note that all that is known to be possible is ours."""
        self.value = self._least = int(self.most)
        self._asked, self._doubt = now, 0.0
        self.confirming = self._climbing = self._settling = False

    def refute(self) -> None:
        """Note that much more was accepted soon after a single refusal: it was a stray one."""
        self.value = None if self.most == math.inf else int(self.most)
        self.confirming = self._climbing = self._settling = False

    def believe(self, units: int, now: float, *, confirm: bool) -> None:
        """Take what we had for the ceiling, when one more was refused; a single refusal is to be confirmed soon."""
        assert units
        if self.value is not None:
            self._least = units
            self._highest = max(self._highest, self.value)
        self._gap = PROBE_BELOW if units < self._highest else PROBE_FIRST
        self.value = units
        self._asked, self._due = now, now + (CONFIRM if confirm else self._gap)
        self.confirming, self._climbing, self._settling = confirm, False, False

    def rise(self, units: int, now: float) -> None:
        """Note that more were accepted than it would allow."""
        assert self.value is not None
        if not self._climbing:
            self._least = self.value
        self.value = int(min(units, self.most))
        self._asked = self._due = now
        self._climbing, self._doubt = True, 0.0

    def stop(self, now: float) -> None:
        """Note that one more was refused; whether it had risen before shows when all jobs were looked at."""
        assert self.value is not None
        self.confirming = False
        if self._climbing:
            self._climbing, self._settling = False, True
            self._asked, self._due = now, now + min(self._gap, PROBE_BELOW)
        else:
            self._least = self.value
            self._space(risen=False)
            self._due = now + self._gap

    def lower(self, units: int) -> None:
        """Note one more refusal of several that were under way when it was learned: it needs no other."""
        self.value = units
        if self.confirming:
            self.confirming, self._due = False, self._asked + self._gap

    def ended(self, units: int, seen: float, now: float) -> None:
        """Note that a job was found to have ended that ran when it was `seen` last: perhaps before we learned this."""
        if self.value is not None and self.value > self._least and self._asked - seen > self._doubt * (now - seen):
            self.value = max(self._least, self.value - units)

    def _space(self, *, risen: bool) -> None:
        """Try ever more rarely while it stays as it is: much so at its highest, hardly so where it has fallen."""
        assert self.value is not None
        self._highest = max(self._highest, self.value)
        if self.value < self._highest:
            growth = BELOW_GROWTH if self.named is None else NAMED_GROWTH
            self._gap = PROBE_BELOW if risen else min(self._gap * growth, BELOW_MOST)
        else:
            self._gap = PROBE_FIRST if risen else min(self._gap * PROBE_GROWTH, PROBE_MOST)

    def dump(self) -> JSON:
        """Return what was learned as JSON data."""
        return dump_fields(self, _OF_CEILING)

    def load(self, data: Any, now: float) -> None:
        """Take over what `dump` returned; what the caller knows holds in any case."""
        load_fields(self, data, _OF_CEILING, now)
        if self.told is not None and (self.value is None or self.value > self.told):
            self.value = self.told


@define
class ReleaseLag:
    """How long the server holds the slot of a job that has ended.

    A refusal although there should be room is taken for lag at first, twice in a row, and not where slots used to be
    free at once. What is learned holds for every job, and is tested now and then by going sooner.
    """

    seconds: float = 0.0
    """The lag that is counted with: more than `known` while refusals ask for it, less while it is tested."""
    known: float = 0.0
    """The lag that has worked."""
    _ends: list[float] = field(factory=list[float], init=False)
    _doubts: int = field(default=0, init=False)
    _prompt: int = field(default=0, init=False)
    """How many slots in a row were free at once."""
    _test_in: int = field(default=0, init=False)
    _test_every: int = field(default=0, init=False)
    _untested: bool = field(default=False, init=False)
    """Whether it may be that there is none: then the first test does without."""

    def ended(self, now: float, units: int = 1) -> None:
        """Note that a job of ours has ended, which weighed so many units."""
        self._ends += [now] * units
        if self._ends[0] < now - 2 * ENDS_KEPT:
            del self._ends[: bisect_right(self._ends, now - ENDS_KEPT)]

    def held(self, now: float, seconds: float) -> int:
        """Count the units of jobs that ended less than so many seconds ago."""
        return len(self._ends) - bisect_right(self._ends, now, key=seconds.__add__)

    def next_free(self, now: float) -> float:
        """Return when the next of these units is free."""
        held = self.held(now, self.seconds)
        return self._ends[-held] + self.seconds if held else math.inf

    @property
    def doubting(self) -> bool:
        """Whether refusals in a row are being taken for lag."""
        return self._doubts > 0

    def explains(self, began: float, room: int, *, early: bool) -> bool:
        """Tell whether lag may be the reason for a refusal; if so, count with more of it.

        `began` is when the submission was let go, `room` how many units ought to be free, and `early` whether one of
        these counts as free only because the lag is being tested.
        """
        if early:
            self.seconds = self.known
            self._test_every *= 2
            self._test_in = self._test_every
            return True
        longest = began - self._ends[-room] if room <= len(self._ends) else math.inf
        if longest > LAG_MOST or self._doubts == len(LAG_STEPS) or self._prompt >= PROMPT_ENOUGH:
            self.seconds, self._doubts, self._prompt = self.known, 0, 0
            return False
        self.seconds = longest + LAG_STEPS[self._doubts]
        self._doubts += 1
        return True

    def worked(self, *, early: bool, prompt: bool) -> None:
        """Note that a submission was accepted."""
        self._prompt += prompt
        if self._doubts:
            if not self.known:
                self._untested, self._test_every = True, max(1, 2 * self._test_every)
            self._learned()
        elif early:
            if not self.seconds:
                self._test_every //= 2
            self._learned()
        elif self.seconds and self.seconds == self.known:
            self._test_in -= 1
            if self._test_in <= 0:
                shorter = 0.0 if self._untested else self.known * LAG_PART
                self.seconds = shorter if shorter > LAG_LEAST else 0.0
                self._untested = False

    def _learned(self) -> None:
        if self._doubts:
            self._doubts = self._prompt = 0
        self.known = self.seconds
        self._test_in = self._test_every

    def dump(self) -> JSON:
        """Return what was learned as JSON data."""
        return [list(self._ends), *dump_fields(self, _OF_LAG)]

    def load(self, data: Any, now: float) -> None:
        """Take over what `dump` returned."""
        ends, *kept = data
        load_fields(self, kept, _OF_LAG, now)
        self._ends = sorted(past(end, now) for end in ends)


_UNITS: Final = whole(1)
_OF_CEILING: Final[dict[str, Reader]] = {
    "named": maybe(_UNITS),
    "_named_until": moment(NAMED_SECONDS, never=math.inf),
    "value": maybe(_UNITS),
    "_least": _UNITS,
    "_highest": whole(),
    "_asked": past_or_never,
    "_doubt": amount(0.0, 1.0),
    "_gap": amount(0.0, PROBE_MOST),
    "_due": moment(PROBE_MOST, never=math.inf),
    "confirming": flag,
    "_climbing": flag,
    "_settling": flag,
}
_SECONDS: Final = amount(0.0, LAG_MOST + LAG_STEPS[-1])
_OF_LAG: Final[dict[str, Reader]] = {
    "seconds": _SECONDS,
    "known": _SECONDS,
    "_doubts": whole(0, len(LAG_STEPS)),
    "_prompt": whole(),
    "_test_in": whole(-MOST),
    "_test_every": whole(),
    "_untested": flag,
}
