"""The limits of a key as users give and see them: `Limits` goes into a client, `RateLimits` comes out of it.

`engine.limit_keeper` keeps calls to them.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from attrs import field, frozen
from attrs.validators import optional

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, option_checks
from generor_async.rules.arguments import validator
from generor_async.rules.holds import Hold
from generor_async.rules.pace import TIERS
from generor_async.rules.slots import SlotState
from generor_async.rules.window import Scope, WindowState

__all__ = ["Limits", "RateLimits"]

_COUNT: Final = partial(option_checks.count, least=1)


@frozen(kw_only=True)
class RateLimits:
    """The limits of a key as they are known now; times are Unix seconds."""

    windows: Mapping[Scope, WindowState]
    share: float
    """The part of every limit that the client keeps to."""
    tier: str | None
    """Generor's tier, once an answer has named it."""
    queued: int
    """Calls that wait under the limits."""
    jobs: SlotState | None
    """Luma's slots for jobs, in units: most jobs take one, some take more."""
    held: Hold | None = None
    """The hold that a 429 has begun, with its reason; of several, the one that ends last."""
    away: str = ""
    """The last error of an outage for which calls wait; empty while there is none."""


def _as_path(store: str | os.PathLike[str] | None) -> Path | None:
    """Return the absolute path of a store's file; raise InvalidRequestError for anything else."""
    if store is None:
        return None
    advice = 'Give a file: store="limits.sqlite"'
    path = arguments.path(store, "store", "a file", advice=advice)
    if path == ":memory:":
        raise InvalidRequestError("store", "store=':memory:' is no file, and shares nothing", advice=advice)
    return Path(os.path.abspath(path))  # noqa: PTH100 - a link isn't followed: it may become another one


def _check_file(store: Path, _: str) -> None:
    """Raise InvalidRequestError for a file that can't be opened as a store."""
    from generor_async.engine.store import SQLiteStore  # noqa: PLC0415 - not needed to start

    SQLiteStore(store).close()


def _check_name(name: object, field_name: str) -> None:
    if not arguments.text(name, field_name).strip():
        raise InvalidRequestError(field_name, "name is blank", advice="Leave it out, or give one such as 'studio'")


@frozen(kw_only=True)
class Limits:
    """The limits of a key, as far as they are known beforehand, and who shares them.

    Clients of one API and one name keep to their limits together: they have one queue, and count what each of them
    sends. They share within a process, and with one `store` in all processes that use it. Without a name that is every
    client of the same address and key. What is given is believed until an answer says otherwise. Where clients of one
    name are given different numbers, the smallest holds for all of them, for as long as one of these clients lives.

    Args:
        tier: Generor's tier: free, basic, pro or enterprise.
        rpm: Requests per minute.
        jobs: How many of Luma's jobs may run at once: the dashboard shows it, and no header does. Once the server has
            shown that some jobs weigh more than others, it counts in units. Learned where it is not given.
        max_share: The part of every limit that these clients may use, above 0 and up to 1; the rest is left to others.
        store: A file in which to keep what is known of the limits: processes side by side then share them request by
            request, and one that starts again knows what the minute, the hour and the day still hold.
        name: Which clients share; by default a hash of address and key. Give one to the clients of several keys that
            belong to one account, or to a client that is to stay apart from others of its key.

    Raises:
        InvalidRequestError: A value that can never be right, or a `store` that can't be opened or is another's.
    """

    tier: str | None = field(default=None, validator=optional(validator(partial(option_checks.choice, options=TIERS))))
    rpm: int | None = field(default=None, validator=optional(validator(partial(_COUNT, of="requests per minute"))))
    jobs: int | None = field(default=None, validator=optional(validator(partial(_COUNT, of="jobs at once"))))
    max_share: float = field(
        default=1.0, validator=validator(partial(option_checks.at_least, least=0, above=True, at_most=1))
    )
    store: Path | None = field(default=None, converter=_as_path, validator=optional(validator(_check_file)))
    name: str | None = field(default=None, validator=optional(validator(_check_name)))
