"""Processes that end with an open client, or fork while one is in use."""

import os
import time

import pytest
from support.programs import begin, finished

from generor_async.simulator import Simulator


def test_a_program_with_an_unclosed_client_ends_with_a_warning(simulator: Simulator) -> None:
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
    warning, *_ = [line for line in err.splitlines() if not line.startswith("Executing <")]  # on a busy machine
    assert warning.endswith(f"ResourceWarning: unclosed Luma(base_url={simulator.luma_url!r})"), err
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
        time.sleep(0.01)
    code, _, err = finished(process)
    assert code == 0, err


LATE = {
    "a handler of atexit": "",
    "a finalizer": "late = Late()",
    "a walk": "walk = luma.generations.submit(prompt='A heron', model='ray-3.2', type='video').updates(); next(walk)",
    "pages": "walk = iter(luma.files.list()); next(walk, None)",
    "a with that never ends": "context = luma.__enter__(); late = Late()",
    "closing": "late = Late(luma.close)",
}


@pytest.mark.parametrize("late", LATE)
def test_a_call_during_shutdown_is_refused(simulator: Simulator, late: str) -> None:
    program = f"""
        import atexit

        def call():
            try:
                luma.files.list().collect()
            except BaseException as error:
                print(type(error).__name__, error)
            luma.close()

        if {late == "a handler of atexit"}:
            atexit.register(call)  # before the package's own handler: it is called after that
        from generor_async import Luma

        class Late:
            def __init__(self, call=call):
                self.call = call

            def __del__(self):
                self.call()

        luma = Luma()
        luma.files.upload(bytes.fromhex("89504e470d0a1a0a") + bytes(100))
        print("began")
        {LATE[late]}
    """
    code, out, err = finished(begin(simulator, program, "-Xdev"))
    assert code == 0, err
    refused = ["ClientClosedError the interpreter is ending, and the client was closed."]
    assert out.splitlines() == ["began", *(refused if "Late()" in LATE[late] or not LATE[late] else [])]
    assert "Error" not in err, err
    assert "never awaited" not in err, err


def test_a_later_finalizer_can_make_a_call(simulator: Simulator) -> None:
    program = """
        import gc, warnings
        from generor_async import Luma

        warnings.simplefilter("ignore")

        class Holder:
            def __init__(self, luma):
                self.luma = luma
                self.itself = self

            def __del__(self):
                print(self.luma.files.list().collect())

        gc.disable()
        luma = Luma()
        luma.files.list().collect()
        Holder(luma)
        del luma
        gc.collect()
    """
    code, out, err = finished(begin(simulator, program))
    assert (code, out, err) == (0, "[]\n", "")


def test_a_call_ends_when_its_event_loop_is_closed(simulator: Simulator) -> None:
    program = """
        from generor_async import Luma
        from generor_async.sync.calls import BlockingCall

        luma = Luma()
        luma.files.list().collect()
        call = BlockingCall(luma._impl.files.list().collect())
        call.registration = luma._bridge._registration
        luma.close()
        try:
            call.run(call.registration)
        except RuntimeError as error:
            call.stop(error)
            print(error, error.__notes__)
    """
    code, out, err = finished(begin(simulator, program, "-Wd"))
    assert (code, err) == (0, "")
    assert out == "Event loop is closed ['the call was cancelled when no request of it was under way']\n"


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

        luma = Luma(attempt_timeout=300, max_retries=0)  # a connection that is broken can't be made up for
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
