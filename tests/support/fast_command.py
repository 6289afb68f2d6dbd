"""The command `generor`, with clients whose time runs as fast as that of a simulator elsewhere.

python -m support.fast_command SPEED EPOCH batch run ...
"""

import sys

from support.clock import FastClock

from generor_async.cli import main
from generor_async.engine.clock import REAL_CLOCK

if __name__ == "__main__":
    fast = FastClock(float(sys.argv.pop(1)), float(sys.argv.pop(1)))
    for name in ("monotonic", "time", "sleep"):
        setattr(REAL_CLOCK, name, getattr(fast, name))
    main()
