"""The behaviour table: all that the simulator does, where it is said, and which test shows it.

`simulator/BEHAVIOUR.md` is made from it (`python -m generor_async.codegen.behaviour`); a test holds each row against
the tests and switches that it names.
"""

from generor_async.simulator.behaviour.generor import GENEROR
from generor_async.simulator.behaviour.luma import LUMA
from generor_async.simulator.behaviour.rows import Behaviour, Weight
from generor_async.simulator.behaviour.shared import SHARED

__all__ = ["BEHAVIOURS", "Behaviour", "Weight"]

BEHAVIOURS: dict[str, tuple[Behaviour, ...]] = {"Luma Agents API": LUMA, "Generor API": GENEROR, "Both": SHARED}
"""The rows, under the headings of BEHAVIOUR.md."""
