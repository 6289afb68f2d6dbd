"""Helpers for testing programs that use this package: virtual time, and fixtures for pytest.

```python
async def main() -> None:
    async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        await luma.generations.run(prompt="A lighthouse in a storm")  # half a minute, in no time


testing.run(main())
```

Every test has the fixtures `simulator`, `generor`, `luma`, `generor_sync` and `luma_sync` once the package is
installed.
"""

from generor_async.testing.loop import VirtualTimeLoop, run

__all__ = ["VirtualTimeLoop", "run"]
