"""The real clock."""

import time

from generor_async.engine.clock import REAL_CLOCK


async def test_the_real_clock_is_the_machines() -> None:
    assert REAL_CLOCK.speed == 1
    before = time.time()
    assert before <= REAL_CLOCK.time() <= time.time()
    before = REAL_CLOCK.monotonic()
    await REAL_CLOCK.sleep(0.02)
    assert REAL_CLOCK.monotonic() - before > 0.01
