"""The command `generor`, with clients whose time runs as fast as that of a simulator elsewhere.

python -m support.fast_command SPEED EPOCH batch run ...
"""

import sys

from support.clock import hasten

from generor_async.cli import main

if __name__ == "__main__":
    hasten(float(sys.argv.pop(1)), float(sys.argv.pop(1)))
    main()
