"""Ctrl-C at any moment of a process's first blocking call ends it."""

import os

import pytest
from support.examples import runs
from support.programs import begin, finished

from generor_async.simulator import Simulator

TIMES = runs(30)
PROGRAM = f"""
    import gc, os, random, select, signal, sys, time
    import anyio.from_thread  # so that what is interrupted is the call, and not its imports
    from generor_async import Luma

    def call():
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.write(1, b".")
            with Luma() as luma:
                luma.generations.get("00000000-0000-0000-0000-000000000000")
        except KeyboardInterrupt:
            os._exit(2)

    gc.collect()  # Python loses an interrupt that comes in a finalizer: imports leave much to finalize
    dice, ended, late = random.Random(7), [], []
    for _ in range({TIMES}):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        begun, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(tell, 1)
            call()
            os._exit(3)
        os.close(tell)
        os.read(begun, 1)
        time.sleep(dice.uniform(0, 0.06))
        os.kill(child, signal.SIGINT)
        gone = os.pidfd_open(child)
        if not select.select([gone], [], [], 30)[0]:
            late.append(child)
            os.kill(child, signal.SIGKILL)
        ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os.close(gone)
        os.close(begun)
    print(sorted(set(ended)), len(late))
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no file descriptors for processes")
def test_an_interrupt_ends_a_call_that_has_just_begun(simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.generations.get", fault="stall", when="after_charge")
    code, out, err = finished(begin(simulator, PROGRAM), patience=900)
    assert (code, out, err) == (0, "[2] 0\n", "")


IMPORTS = """
    import sys, threading
    from generor_async import Luma

    def told(event, details):
        if event == "import" and threading.current_thread() is threading.main_thread():
            print(details[0])

    sys.addaudithook(told)
    with Luma() as luma:
        luma.generations.create(prompt="A heron")
"""


def test_handling_an_interrupt_imports_nothing(simulator: Simulator) -> None:
    # Python loses one that comes in a finalizer, and imports have one: that of their locks.
    assert finished(begin(simulator, IMPORTS)) == (0, "", "")
