"""Processes: they end with a client open, and fork with one in use."""

import os

import pytest
from support.programs import begin, finished

from generor_async.simulator import Simulator


def test_a_program_that_closes_nothing_ends_and_is_told_so(simulator: Simulator) -> None:
    program = """
        import atexit, threading

        atexit.register(lambda: print([thread.name for thread in threading.enumerate()]))
        from generor_async import Luma

        client = Luma()
        print(client.generations.run(prompt="A heron").state)
    """
    code, out, err = finished(begin(simulator, program, "-Xdev"))
    assert code == 0, err
    assert out.splitlines() == ["completed", "['MainThread']"]
    assert err.splitlines()[0].endswith(f"ResourceWarning: unclosed Luma(base_url={simulator.luma_url!r})"), err
    assert "Unclosed" not in err, "aiohttp's connections are closed"


def test_a_program_ends_while_a_daemon_thread_is_in_a_call(simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.generations.create", fault="stall", when="after_charge")
    program = """
        import sys, threading, time
        from generor_async import Luma

        client = Luma()
        threading.Thread(target=client.generations.create, kwargs={"prompt": "A heron"}, daemon=True).start()
        sys.stdin.readline()
    """
    process = begin(simulator, program)
    while not simulator.ledger.requests:
        pass
    code, _, err = finished(process)
    assert code == 0, err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize(
    "child",
    ["pass", "luma.generations.create(prompt='A heron')", "del luma, busy; gc.collect()", "luma.close()"],
    ids=["does nothing", "calls", "lets go", "closes"],
)
def test_a_forked_child_starts_its_own_loop_and_leaves_the_parents_alone(simulator: Simulator, child: str) -> None:
    simulator.faults.add(operation="luma.generations.get", fault="stall", when="after_charge", times=1)
    program = f"""
        import gc, os, sys, threading
        from generor_async import Luma

        luma = Luma(attempt_timeout=3, max_retries=0)  # a connection that is broken can't be made up for
        made = luma.generations.create(prompt="A heron")
        busy = threading.Thread(target=luma.generations.get, args=[made.id], daemon=True)
        busy.start()
        if luma.files.list().collect() or os.fork() == 0:
            {child}
            sys.exit()
        print(os.wait()[1])
        for _ in range(2):
            print(luma.files.list().collect())
        luma.files.list().collect()
        print(luma.generations.get(made.id).id == made.id)
        os._exit(0)
    """
    code, out, err = finished(begin(simulator, program, "-Wd", "-Wignore::DeprecationWarning"))
    assert code == 0, err
    assert out.splitlines() == ["0", "[]", "[]", "True"]
    assert len(simulator.ledger.charges) == 1 + ("create" in child)
    if "create" in child:
        assert err.splitlines()[0].endswith(f"ResourceWarning: unclosed Luma(base_url={simulator.luma_url!r})")
    else:
        assert err == ""
