"""Forked processes that may be killed: they begin at once, as everything is imported already.

For programs without threads alone: a fork takes only the thread along that forks.
"""

import os
import signal
import time
import traceback
from collections.abc import Callable

__all__ = ["die", "forked"]


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def forked(begin: Callable[[], object], kill_after: float | None = None) -> bool:
    """Run in a forked process, killed after so many seconds; return whether it came to its end."""
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
