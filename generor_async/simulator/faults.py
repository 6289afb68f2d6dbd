"""Fault injection: rules that say what fails, for which operations, how often, and before or after the charge.

```python
simulator.faults.add(operation="luma.generations.create", fault="reset", when="after_charge", times=1)
simulator.faults.add(operation="generor.*", fault="503", rate=0.05, shape="gateway")
simulator.faults.add_spec("luma.generations.create=reset:after_charge:0.05")
```

With `when="before_charge"` the operation isn't run: nothing changes, nothing is charged. With `"after_charge"` it is
run and charged, and its answer is lost or broken. A fault that loses or breaks an answer does so before the charge
with a gateway's 502.

A rule applies to every request for its operations, or to a `rate` of them, and at most `times`. Each rule has its own
random numbers, one for each of those requests in order of arrival: the same seed and requests meet the same faults.
If several rules apply, the first one strikes.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Protocol

from attrs import define, field

from generor_async.simulator.fault_kinds import KINDS, WHENS, FaultDetail, FaultKind, NumberDetail, When

__all__ = ["Fault", "Faults", "Port", "read_details", "read_value"]

TIMES = NumberDetail(default=None, least=1, whole=True)
RATE = NumberDetail(default=None, above=0, most=1)
SEED = NumberDetail(default=None, whole=True)


class Port(Protocol):
    """The listening port, which a fault can close."""

    def follow(self) -> None:
        """Close or open the port, as the rules demand, before this returns."""
        ...


@define(kw_only=True, eq=False)
class Fault:
    """One rule: a fault, the operations that it applies to, and how often it has struck."""

    operation: str
    """A dotted name or a pattern, as given."""
    fault: str
    when: When | None
    """None for a fault that loses no answer."""
    times: int | None
    rate: float | None
    seed: int | str
    details: Mapping[str, Any]
    """All details of the kind, with defaults for those not given."""
    operations: frozenset[str] = field(repr=False)
    """The names of the operations that it can strike."""
    met: int = 0
    """How many requests for its operations have arrived since it was added."""
    struck: int = 0
    """How many of them it struck; a refused connection is no request, and not counted."""
    _rng: Random = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._rng = Random(f"fault {self.seed}")  # noqa: S311  # a simulation, to be repeated

    def strikes(self) -> bool:
        """Decide whether the rule strikes the next request for one of its operations."""
        self.met += 1
        if self.times is not None and self.struck >= self.times:
            return False
        if self.rate is not None and self._rng.random() >= self.rate:
            return False
        self.struck += 1
        return True

    def to_json(self) -> dict[str, Any]:
        """Return the JSON for the control endpoints."""
        return {
            "operation": self.operation,
            "fault": self.fault,
            "when": self.when,
            "times": self.times,
            "rate": self.rate,
            "seed": self.seed,
            "details": dict(self.details),
            "met": self.met,
            "struck": self.struck,
        }


class Faults:
    """All rules; iterating yields them in the order in which they were added."""

    def __init__(self, operations: Collection[str], *, seed: int) -> None:
        self._operations = tuple(sorted(operations))
        self._seed = seed
        self._added = 0
        self._rules: tuple[Fault, ...] = ()
        self.armed: Mapping[str, tuple[Fault, ...]] = {}
        """The rules by operation; empty where there are no rules."""
        self.port: Port | None = None
        """The port, which follows `refuse` rules; None while the simulator isn't running."""

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def add(
        self,
        /,
        *,
        operation: str = "*",
        fault: str,
        when: When | None = None,
        times: int | None = None,
        rate: float | None = None,
        seed: int | None = None,
        **details: Any,
    ) -> Fault:
        """Add a rule; it holds from the next request on.

        Args:
            operation: A dotted name, or a pattern such as `luma.*`.
            fault: The kind of fault, see `KINDS`.
            when: `before_charge` or `after_charge`; by default before.
            times: How often the rule strikes at most; by default always.
            rate: The share of the requests that it strikes, from 0 to 1; by default all.
            seed: The seed of its random numbers; by default from the simulator's seed and the rule's number.
            **details: Those of the kind.

        Returns:
            The rule.

        Raises:
            ValueError: The fault, the operation or a detail is unknown.
        """
        kind = KINDS.get(fault)
        if kind is None:
            raise ValueError(f"no fault is called {fault!r}{_nearest(fault, KINDS)}")
        rule = Fault(
            operation=operation,
            fault=fault,
            when=_read_when(fault, kind, when),
            times=_read(TIMES, "times", times),
            rate=_read(RATE, "rate", rate),
            seed=f"{self._seed} {self._added + 1}" if seed is None else _read(SEED, "seed", seed),
            details=read_details(fault, kind.details, details),
            operations=self._matched(operation, fault, kind),
        )
        if fault == "refuse" and (operation, times, rate) != ("*", None, None):
            raise ValueError("refuse takes no operation, times or rate: what is refused never says what it is for")
        limit = rule.details.get("limit", "rpm")
        if limit != "rpm" and not all(name.startswith("luma.") for name in rule.operations):
            raise ValueError(f"limit {limit!r} is Luma's alone: choose an operation of luma, not {operation!r}")
        self._added += 1
        self._keep((*self._rules, rule))
        return rule

    def add_spec(self, spec: str) -> Fault:
        """Add a rule written as `OPERATION=FAULT`, with parts after colons in any order.

        Args:
            spec: The rule. A part is `before_charge` or `after_charge`, a rate such as `0.05`, a count such as `3x`, or
                `NAME=VALUE` for the seed or a detail.

        Returns:
            The rule.

        Raises:
            ValueError: The text is no such rule; it says why in a sentence.
        """
        operation, equals, rest = spec.partition("=")
        fault, *parts = rest.split(":")
        if not (operation and equals and fault):
            raise ValueError(f"{spec!r} is not OPERATION=FAULT, such as luma.generations.create=reset:after_charge:3x")
        given: dict[str, Any] = {}
        for part in parts:
            name, value = _read_part(part)
            if name in given:
                raise ValueError(f"{spec!r} gives {name} twice")
            given[name] = value
        return self.add(operation=operation, fault=fault, **given)

    def clear(self) -> None:
        """Remove all rules; the port is open when this returns."""
        self._keep(())

    def remove(self, fault: Fault) -> None:
        """Remove one rule, if it is still there.

        Args:
            fault: What `add` or `add_spec` returned.
        """
        self._keep(tuple(rule for rule in self._rules if rule is not fault))

    def strike(self, operation: str) -> Fault | None:
        """Return the rule that strikes a request, if any."""
        for rule in self.armed.get(operation, ()):
            if rule.strikes():
                return rule
        return None

    @property
    def refusals(self) -> tuple[Fault, ...]:
        """The rules that keep the port closed."""
        return tuple(rule for rule in self._rules if rule.fault == "refuse")

    def _keep(self, rules: tuple[Fault, ...]) -> None:
        refusing = self.refusals
        armed: dict[str, tuple[Fault, ...]] = {}
        for rule in rules:
            for operation in rule.operations if rule.fault != "refuse" else ():
                armed[operation] = (*armed.get(operation, ()), rule)
        # Replaced, not changed: the server may be reading them in another thread.
        self._rules, self.armed = rules, armed
        if self.port is not None and self.refusals != refusing:
            self.port.follow()

    def _matched(self, pattern: str, fault: str, kind: FaultKind) -> frozenset[str]:
        named = [name for name in self._operations if fnmatchcase(name, pattern)]
        if not named:
            raise ValueError(f"no operation is called {pattern!r}{_nearest(pattern, self._operations)}")
        matched = frozenset(name for name in named if kind.can_strike(name))
        if not matched:
            possible = "what has a body" if kind.in_body else ", ".join(kind.operations)
            raise ValueError(f"{fault} cannot strike {pattern!r}, only {possible}")
        return matched


def _nearest(given: str, known: Collection[str]) -> str:
    """Return the closest known names, as the end of a sentence."""
    close = get_close_matches(given, known, n=3, cutoff=0.5)
    return f"; the nearest: {', '.join(close)}" if close else f"; there are: {', '.join(known)}"


def _read_when(fault: str, kind: FaultKind, when: When | None) -> When | None:
    if when is None:
        return kind.whens[0] if kind.whens else None
    if not kind.whens:
        raise ValueError(f"{fault} takes no `when`: it loses no answer")
    if when not in kind.whens:
        raise ValueError(f"when must be {' or '.join(kind.whens)}, not {when!r}")
    return when


def _read(detail: FaultDetail, name: str, value: Any) -> Any:
    return None if value is None else detail.read(name, value)


def read_details(name: str, known: Mapping[str, FaultDetail], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all details of a kind, with defaults for those not given."""
    for detail in given:
        if detail not in known:
            told = _nearest(detail, known) if known else "; it takes none"
            raise ValueError(f"{name} takes no detail {detail!r}{told}")
    return {
        detail: kind.read(detail, given[detail]) if detail in given else kind.default for detail, kind in known.items()
    }


def _read_part(part: str) -> tuple[str, Any]:
    """Return the argument that a part of a spec stands for, and its value."""
    name, equals, value = part.partition("=")
    if equals and name not in {"operation", "fault", "when", "times", "rate"}:
        return name, read_value(value)
    if part in WHENS:
        return "when", part
    if part.endswith("x") and part[:-1].isdecimal():
        return "times", int(part[:-1])
    rate = read_value(part)
    if isinstance(rate, int | float):
        return "rate", rate
    close = get_close_matches(part, WHENS, n=1)
    meant = f"did you mean {close[0]}?" if close else "it may be before_charge, after_charge, 0.05, 3x or name=value"
    raise ValueError(f"{part!r} says nothing about a fault: {meant}")


def read_value(text: str) -> int | float | str | None:
    """Parse a value from the command line: `none`, a number, or a word."""
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
