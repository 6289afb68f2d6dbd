"""What a program that uses this package is tested with: time that is free, and fixtures for pytest.

```python
async def main() -> None:
    async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        await luma.generations.run(prompt="A lighthouse in a storm")  # half a minute, in no time


testing.run(main())
```

The fixtures `simulator`, `generor`, `luma`, `generor_sync` and `luma_sync` are there for every test once the package is
installed.
"""

from generor_async.testing.loop import VirtualTimeLoop, run

__all__ = ["VirtualTimeLoop", "run"]
