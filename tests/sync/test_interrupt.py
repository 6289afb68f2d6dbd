"""Ctrl-C during a call: the call is cancelled, and the notes of the error agree with the ledger."""

import signal
import threading
from collections.abc import AsyncGenerator
from subprocess import Popen

import pytest
from support.programs import begin, finished

from generor_async import AttemptEnded, Event, Luma
from generor_async.simulator import Simulator

CREATE = """
    from generor_async import Luma

    with Luma() as luma:
        print("calling")
        luma.generations.create(prompt="A heron")
"""


def interrupted(process: Popen[str], simulator: Simulator, *, requests: int, lines: int = 1) -> str:
    """Press Ctrl-C when so many requests have arrived, and lines are printed; return what the program prints then."""
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline() == "calling\n"
    waiting = threading.Event()
    while len(simulator.ledger.requests) < requests:
        waiting.wait(0.01)
    waiting.wait(0.2)  # until it waits in the midst of it
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == -signal.SIGINT
    assert err.count("Traceback") == 1, err
    assert "KeyboardInterrupt" in err
    assert "ResourceWarning" not in err
    return err


def test_an_interrupted_paid_call_that_was_sent_is_unknown(simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.generations.create", fault="stall", when="after_charge")
    err = interrupted(begin(simulator, CREATE, "-Wd"), simulator, requests=1)
    (charge,) = simulator.ledger.charges
    assert f"luma.generations.create (request id {charge.request_id}) was cut off after it was sent: " in err
    assert "whether it took effect is unknown" in err
    assert len(simulator.ledger.requests) == 1


@pytest.mark.simulator(speed=1, luma_rpm=1)
def test_an_interrupted_paid_call_in_the_queue_is_cancelled(simulator: Simulator) -> None:
    program = """
        from generor_async import Luma

        from generor_async import Throttled

        def hear(event):
            if isinstance(event, Throttled):
                print("calling", flush=True)

        with Luma(on_event=hear) as luma:
            luma.generations.create(prompt="A heron")
            luma.generations.create(prompt="A second heron")
    """
    err = interrupted(begin(simulator, program, "-Wd"), simulator, requests=1)
    assert "the call was cancelled when no request of it was under way" in err
    assert len(simulator.ledger.charges) == 1


@pytest.mark.simulator(speed=1, luma_rpm=1_000)
def test_an_interrupted_map_names_each_job(simulator: Simulator) -> None:
    program = """
        from itertools import count

        from generor_async import JobSubmitted, Luma

        def hear(event):
            if isinstance(event, JobSubmitted):
                print("calling", flush=True)

        with Luma(on_event=hear) as luma:
            for outcome in luma.generations.map(({"prompt": f"Heron {n}"} for n in count()), concurrency=3):
                pass
    """
    err = interrupted(begin(simulator, program, "-Wd"), simulator, requests=3, lines=3)
    assert len(simulator.ledger.charges) == 3
    for job_id in simulator.luma.generations:
        assert job_id in err


@pytest.mark.simulator(speed=1)
def test_an_interrupted_wait_names_the_job(simulator: Simulator) -> None:
    program = """
        from generor_async import Luma

        with Luma() as luma:
            told = lambda _: print("calling", flush=True)
            luma.generations.run(prompt="Waves", model="ray-3.2", type="video", on_submitted=told)
    """
    err = interrupted(begin(simulator, program, "-Wd"), simulator, requests=1)
    (job_id,) = simulator.luma.generations
    assert f"job {job_id} goes on" in err
    assert len(simulator.ledger.charges) == 1


def test_a_call_that_finished_before_the_interrupt_says_so(simulator: Simulator) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def press(event: Event) -> None:
        if isinstance(event, AttemptEnded):
            signal.pthread_kill(main, signal.SIGINT)

    with Luma(**simulator.luma_options, on_event=press) as luma, pytest.raises(KeyboardInterrupt) as raised:
        luma.generations.create(prompt="A heron")
    (note,) = raised.value.__notes__
    (charge,) = simulator.ledger.charges
    (job_id,) = simulator.luma.generations
    assert note.startswith(f"the call had finished: Generation(id={job_id!r}")
    assert charge.answered


def test_an_iterator_is_closed_where_its_item_came_before_the_interrupt(simulator: Simulator) -> None:
    main, closed = threading.main_thread().ident or 0, list[bool]()

    async def items() -> AsyncGenerator[int, None]:
        try:
            yield 1
            signal.pthread_kill(main, signal.SIGINT)
            yield 2
        finally:
            closed.append(True)

    with Luma(**simulator.luma_options) as luma:
        iterator = luma._bridge.iterate(items())  # pyright: ignore[reportPrivateUsage] # no public iterator ends in time
        assert next(iterator) == 1
        with pytest.raises(KeyboardInterrupt) as caught:
            next(iterator)
        assert caught.value.__notes__ == ["the call had finished: (2,)"]
        assert closed


def test_a_call_that_failed_before_the_interrupt_says_so(simulator: Simulator) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def press(event: Event) -> None:
        if isinstance(event, AttemptEnded):
            signal.pthread_kill(main, signal.SIGINT)

    with Luma(**simulator.luma_options, on_event=press) as luma, pytest.raises(KeyboardInterrupt) as raised:
        luma.generations.get("00000000-0000-0000-0000-000000000000")
    (note,) = raised.value.__notes__
    assert note.startswith("the call had failed: NotFoundError: ")


def test_the_next_call_succeeds(simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.generations.create", fault="stall", when="after_charge", times=1)

    def press() -> None:
        while not simulator.ledger.requests:
            pass
        assert threading.main_thread().ident is not None
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    pressing = threading.Thread(target=press)
    with Luma(**simulator.luma_options) as luma:
        pressing.start()
        with pytest.raises(KeyboardInterrupt) as raised:
            luma.generations.create(prompt="A heron")
        pressing.join()
        assert raised.value.__notes__
        assert luma.generations.create(prompt="A second heron").state == "queued"
