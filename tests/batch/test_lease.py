"""How long a process may send calls after it has last renewed its lease."""

import sys
import time
from typing import Any

import pytest
from stores.ledger_model import MemoryStore

from generor_async.batch.lease import CLOCK, Lease, seconds_since_boot
from generor_async.errors import JournalError


class Boot:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class SlowStore:
    """A ledger whose renewals take some seconds, or fail."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.takes = 0.0
        self.error: Exception | None = None

    async def renew(self) -> None:
        self.boot.now += self.takes
        if self.error is not None:
            raise self.error


def may_send(lease: Lease) -> bool:
    return lease.is_valid


async def test_a_lease_lasts_from_before_it_was_asked_for() -> None:
    boot = Boot()
    store: Any = SlowStore(boot)
    lease = Lease(store, 30.0, boot)
    assert not may_send(lease), "it was not renewed yet"
    store.takes = 5.0
    await lease.renew()
    boot.now = 126.9
    assert may_send(lease)
    boot.now = 127.1
    assert not may_send(lease), "a tenth is left for clocks of different pace"
    store.takes = 28.0
    await lease.renew()
    assert not may_send(lease), "the answer took too long"


async def test_a_renewal_that_fails_lengthens_nothing() -> None:
    boot = Boot()
    store: Any = SlowStore(boot)
    lease = Lease(store, 30.0, boot)
    await lease.renew()
    store.error = JournalError("away")
    boot.now = 126.0
    with pytest.raises(JournalError):
        await lease.renew()
    assert may_send(lease)
    boot.now = 128.0
    assert not may_send(lease)


async def test_it_is_renewed_three_times_while_it_lasts() -> None:
    store = MemoryStore(lambda: 0.0)
    rules: Any = None
    assert Lease(store.open(rules=rules), 30.0).pause == 10.0


def test_it_counts_the_time_in_which_the_machine_is_suspended() -> None:
    if sys.platform == "linux":
        assert CLOCK == "CLOCK_BOOTTIME"
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert before <= seconds_since_boot() <= time.clock_gettime(time.CLOCK_BOOTTIME)
    else:
        assert CLOCK == "monotonic"
