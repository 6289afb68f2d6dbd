"""A simulator of both APIs on a loopback port: no key, no network, no cost.

```python
async with Simulator(speed=60) as simulator:
    async with AsyncLuma(**simulator.luma_options) as luma:
        generation = await luma.generations.run(prompt="A lighthouse in a storm")
    assert not simulator.ledger.duplicates()
```
"""

from importlib.util import find_spec

if find_spec("PIL") is None:
    raise ModuleNotFoundError(
        "the simulator draws with Pillow, which isn't installed: pip install 'generor-async[simulator]'", name="PIL"
    )

from generor_async.simulator.clock import SimulatedClock
from generor_async.simulator.faults import Fault, Faults
from generor_async.simulator.ledger import Entry, Ledger
from generor_async.simulator.simulator import Simulator

__all__ = ["Entry", "Fault", "Faults", "Ledger", "SimulatedClock", "Simulator"]
