"""Forked processes that may be killed; they start at once, as everything is imported already.

Only programs without threads may use them: a fork copies only the thread that forks.
"""

import os
import signal
import time
import traceback
from collections.abc import Callable

__all__ = ["die", "forked"]


def die() -> None:
    """End this process like `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def forked(begin: Callable[[], object], kill_after: float | None = None) -> bool:
    """Run a function in a forked process, killed after `kill_after` seconds; return whether it completed."""
    child = os.fork()
    if not child:
        code = 1
        try:
            begin()
            code = 0
        except BaseException:  # noqa: BLE001  # nobody else would show it: the process ends here
            traceback.print_exc()
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        return True
    assert os.WTERMSIG(status) == signal.SIGKILL
    return False
