"""Which changes of the queue's tables may be made while workers are at work.

procrastinate ships each change as a file whose name begins with its version, such as `03.04.00_01_pre_add_x.sql`. A
`pre` change leaves the version before it working. A `post` change may not: it waits until every worker has the version.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final

from attrs import frozen

__all__ = ["MigrationPlan", "Version", "is_newer", "parse_version", "plan_migrations"]

Version = tuple[int, ...]

_VERSION: Final = re.compile(r"\d+(?:\.\d+)*")
_POST: Final = "_post_"


@frozen
class MigrationPlan:
    """What to do, in this order."""

    apply: Sequence[str]
    """The files to apply now."""
    waiting: Sequence[str]
    """Those that wait until workers of older versions have ended, and those that come after them."""

    @property
    def is_usable(self) -> bool:
        """Whether this version works before what is waiting is applied."""
        return all(_POST in name for name in self.waiting)


def parse_version(text: str) -> Version:
    """Return the numbers of a version, such as (3, 4, 0) for `3.4.0` and for `03.04.00_01_pre_x.sql`."""
    found = _VERSION.match(text)
    return tuple(map(int, found[0].split("."))) if found else ()


def plan_migrations(names: Collection[str], applied: str, workers: Collection[Version]) -> MigrationPlan:
    """Return which files to apply.

    Args:
        names: All files of the installed version.
        applied: The last file that was applied.
        workers: The versions of the workers that are at work.
    """
    due = sorted(name for name in names if name > applied)
    for place, name in enumerate(due):
        if _POST in name and any(worker < parse_version(name) for worker in workers):
            return MigrationPlan(due[:place], due[place:])
    return MigrationPlan(due, ())


def is_newer(names: Collection[str], applied: str) -> bool:
    """Tell whether the tables were changed by a version after the installed one, in a way that it can't work with."""
    return _POST in applied and applied > max(names, default="")
