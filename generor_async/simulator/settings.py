"""The simulator's settings: default, validator and description of each.

The fields of `Settings` are the arguments of `Simulator` and the options of `generor simulate`. A recording (`kept_in`)
can only be continued with the settings that it was begun with.
"""

import math
import os
from collections.abc import Callable, Sequence
from functools import update_wrapper
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, get_args

from attrs import Attribute, asdict, field, fields, frozen

from generor_async.simulator.control import ControlFrom
from generor_async.simulator.generor.access import TIERS, BadKeyOnPublic, WindowShown
from generor_async.simulator.luma.api import ChargeAt
from generor_async.simulator.luma.limit_rules import ConcurrencyWording, ResetMeaning, Weights
from generor_async.simulator.luma.models import Durations
from generor_async.simulator.luma.slots import ReleaseAt
from generor_async.simulator.request_windows import WindowKind

__all__ = ["LATEST_EPOCH", "Settings", "accept_settings", "check_range"]

P = ParamSpec("P")
S = TypeVar("S")
Validator = Callable[[Any, "Attribute[Any]", Any], None]

LATEST_EPOCH: Final = 1e11
"""Unix seconds: dates beyond the year 9999 can't be written, and years may yet be advanced."""
CHANGEABLE_ON_RESUME: Final = frozenset({"kept_in", "seed", "speed", "epoch", "host", "port", "control"})
"""Settings that may differ when a recording is continued."""


def check_range(
    name: str, value: object, *, above: float | None = None, least: float = -math.inf, most: float = math.inf
) -> None:
    """Raise ValueError unless the value is a number within the range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, not {type(value).__name__}")  # noqa: TRY004 - as whatever is wrong
    if above is not None and not (above < value < math.inf):
        raise ValueError(f"{name} must be greater than {above} and finite, not {value}")
    if not least <= value <= most:
        upper = "" if most == math.inf else f" and at most {most}"
        raise ValueError(f"{name} must be at least {least}{upper}, not {value}")


def _within(**bounds: float) -> Validator:
    """Return a validator for a number; None is valid where it is the default."""

    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if value is not None or attribute.default is not None:
            check_range(attribute.name, value, **bounds)

    return check


def _among(options: Sequence[str]) -> Validator:
    """Return a validator for one of several words."""

    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if value not in options:
            raise ValueError(f"{attribute.name} must be one of {', '.join(options)}, not {value!r}")

    return check


_POSITIVE: Final = _within(above=0)
_NOT_NEGATIVE: Final = _within(least=0)
_SHARE: Final = _within(least=0, most=1)


def _setting(text: str) -> dict[str, str]:
    """Return the metadata of a setting."""
    return {"help": text}


def _switch(text: str) -> dict[str, str]:
    """Return the metadata of a switch: a setting for what the documents leave open, explained in BEHAVIOUR.md."""
    return {"help": text, "panel": "What the documents leave open"}


@frozen(kw_only=True)
class Settings:
    """The settings of a simulator. Raises ValueError for values that can't be simulated."""

    host: str = field(default="127.0.0.1", metadata=_setting("The address to listen on."))
    port: int = field(
        default=0,
        validator=_within(least=0, most=65_535),
        metadata=_setting("The port to listen on; 0 takes any that is free."),
    )
    tier: str = field(
        default="pro",
        validator=_among(tuple(TIERS)),
        metadata=_setting(f"The Generor account's tier: {', '.join(TIERS)}."),
    )
    generor_credits: int = field(
        default=100_000, validator=_NOT_NEGATIVE, metadata=_setting("The Generor account's credits.")
    )
    luma_rpm: int = field(default=30, validator=_POSITIVE, metadata=_setting("Luma's requests per minute."))
    luma_jobs: int = field(default=10, validator=_POSITIVE, metadata=_setting("Luma's concurrent jobs."))
    luma_balance: float = field(
        default=1_000.0, validator=_NOT_NEGATIVE, metadata=_setting("The Luma client's US dollars.")
    )
    speed: float = field(
        default=1.0, validator=_POSITIVE, metadata=_setting("How many simulated seconds pass in a real one.")
    )
    epoch: float | None = field(
        default=None,
        validator=_within(least=0, most=LATEST_EPOCH),
        metadata=_setting("The Unix time at which simulated time begins, in seconds; without it, now."),
    )
    seed: int | None = field(default=7, metadata=_setting("What pictures, times and failures are drawn from."))
    failure_rate: float = field(
        default=0.0,
        validator=_SHARE,
        metadata=_setting("How often a generation fails by chance, from 0 to 1."),
    )
    moderation_rate: float = field(
        default=0.0,
        validator=_SHARE,
        metadata=_setting("How often moderation refuses a generation by chance, from 0 to 1."),
    )
    kept_in: str | os.PathLike[str] | None = field(
        default=None, metadata=_setting("A file in which to keep what happens; one that is there is gone on with.")
    )
    control: ControlFrom = field(
        default="loopback",
        validator=_among(get_args(ControlFrom)),
        metadata=_setting(
            "Who may use the endpoints under `/__sim__/`, this machine alone or whoever reaches the port:"
        ),
    )
    count_rejected: bool = field(
        default=False, metadata=_switch("Whether a request that is refused for want of quota uses some up.")
    )
    count_errors: bool = field(
        default=True, metadata=_switch("Whether a request that is refused for anything else uses up quota.")
    )
    exact_cost: bool = field(
        default=False,
        metadata=_switch("Whether `credit_cost` is what the call itself cost, and not the difference of two balances."),
    )
    generor_window: WindowKind = field(
        default="sliding",
        validator=_among(get_args(WindowKind)),
        metadata=_switch("Whether Generor's windows slide or stand side by side:"),
    )
    generor_window_shown: WindowShown = field(
        default="tightest",
        validator=_among(get_args(WindowShown)),
        metadata=_switch("Which of its windows Generor's headers tell of:"),
    )
    generor_failures_cost: bool = field(
        default=False, metadata=_switch("Whether a generation that fails costs credits.")
    )
    bad_key_on_public: BadKeyOnPublic = field(
        default="refuse",
        validator=_among(get_args(BadKeyOnPublic)),
        metadata=_switch("What becomes of a bad key where Generor needs none:"),
    )
    listing_lag: float = field(
        default=0.0,
        validator=_NOT_NEGATIVE,
        metadata=_switch("For how many seconds Generor's listings lack what was made."),
    )
    luma_window: WindowKind = field(
        default="sliding",
        validator=_among(get_args(WindowKind)),
        metadata=_switch("Whether Luma's minute slides or begins on the clock:"),
    )
    luma_weights: str | Weights = field(
        default="contract",
        metadata=_switch(
            "What requests count against Luma's limits: contract (1 each), measured, or MODEL/TYPE=UNITS with "
            "commas between."
        ),
    )
    luma_reset: ResetMeaning = field(
        default="oldest",
        validator=_among(get_args(ResetMeaning)),
        metadata=_switch(
            "What Luma says of the reset when it takes a request, that of its oldest one or a minute from now:"
        ),
    )
    luma_wording: ConcurrencyWording = field(
        default="limit",
        validator=_among(get_args(ConcurrencyWording)),
        metadata=_switch(
            "How Luma words that too many jobs are under way, with its limit, by units, or as in the contract:"
        ),
    )
    luma_release_at: ReleaseAt = field(
        default="end",
        validator=_among(get_args(ReleaseAt)),
        metadata=_switch("When a Luma job frees its slot, at its end or at the first poll after that:"),
    )
    luma_job_expiry: float = field(
        default=3_600.0,
        validator=_NOT_NEGATIVE,
        metadata=_switch("For how many seconds a Luma job holds its slot at most."),
    )
    luma_abuse_limit: int | None = field(
        default=None,
        validator=_POSITIVE,
        metadata=_switch("How many requests of any kind Luma takes a minute; without it, any number."),
    )
    luma_durations: Durations = field(
        default="brief",
        validator=_among(get_args(Durations)),
        metadata=_switch("How long Luma's jobs take, brief or as they were measured:"),
    )
    luma_charge_at: ChargeAt = field(
        default="submit",
        validator=_among(get_args(ChargeAt)),
        metadata=_switch("When Luma takes the price of a generation:"),
    )
    luma_refund_failures: bool = field(
        default=False,
        metadata=_switch("Whether Luma gives back what generations cost that failed as its FAQ says is refunded."),
    )
    suspended_may_read: bool = field(
        default=False,
        metadata=_switch("Whether a suspended or deactivated Luma client may still look at what it has."),
    )
    release_lag: float = field(
        default=0.0,
        validator=_NOT_NEGATIVE,
        metadata=_switch("For how many seconds a Luma job that has ended still holds its slot."),
    )
    others: Sequence[str] = field(
        default=(),
        metadata=_switch(
            "Let another user share a key's limits; may be given several times. API=KIND, and details (NAME=VALUE) "
            "after colons. KIND is steady (rate a minute), bursts (size, every), hog or jobs (slots); each may have a "
            "start and an end, in seconds. For example `luma=bursts:size=30:every=180`, or "
            "`luma=jobs:slots=2:end=300`."
        ),
    )

    def marker(self) -> dict[str, str]:
        """Return the settings that must be the same when a recording is continued."""
        given = asdict(self, recurse=False)
        return {each.name: repr(given[each.name]) for each in fields(Settings) if each.name not in CHANGEABLE_ON_RESUME}


def accept_settings(
    settings: Callable[P, Settings],
) -> Callable[[Callable[[S, Settings], None]], Callable[Concatenate[S, P], None]]:
    """Return an `__init__` that takes settings the signature of `Settings`."""

    def decorate(init: Callable[[S, Settings], None]) -> Callable[Concatenate[S, P], None]:
        def made(self: S, /, *args: P.args, **given: P.kwargs) -> None:
            init(self, settings(*args, **given))

        update_wrapper(made, init)
        first = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
        vars(made)["__signature__"] = Signature([first, *signature(settings).parameters.values()])
        return made

    return decorate
