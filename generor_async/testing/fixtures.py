"""What the fixtures of the pytest plugin are made of."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import pytest

from generor_async.engine.client import Client
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.simulator import Simulator
from generor_async.sync import Generor, Luma
from generor_async.values import Event

__all__ = ["generor", "generor_sync", "luma", "luma_sync", "simulator"]

SPEED = 60.0
"""Simulated seconds a second: a job takes half a second, and a second is left for an attempt that may take 60."""

closers: dict[object, AsyncGenerator[None, None]] = {}
"""Those that wait for their loops to end; a loop itself holds them weakly."""


def simulator(markers: Iterable[pytest.Mark]) -> Simulator:
    """Make the simulator that a test's markers ask for, the closest first; it isn't running yet."""
    options: dict[str, Any] = {"speed": SPEED}
    for mark in reversed(list(markers)):
        if mark.args:
            pytest.fail(f"the marker `simulator` takes keywords alone, not {mark.args[0]!r}", pytrace=False)
        options.update(mark.kwargs)
    try:
        return _made(options)
    except (TypeError, ValueError) as error:
        said = str(error)
    pytest.fail(f"the marker `simulator` asks for what there isn't: {said}", pytrace=False)


def _made(options: dict[str, Any]) -> Simulator:
    faults = options.pop("faults", ())
    made = Simulator(**options)
    for fault in faults:
        if isinstance(fault, str):
            made.faults.add_spec(fault)
        else:
            made.faults.add(**fault)
    return made


def generor(running: Simulator) -> AsyncGeneror:
    """Make a Generor client that closes itself."""
    closing = _Closing()
    closing.client = client = AsyncGeneror(**running.generor_options, on_event=closing)
    return client


def luma(running: Simulator) -> AsyncLuma:
    """Make a Luma client that closes itself."""
    closing = _Closing()
    closing.client = client = AsyncLuma(**running.luma_options, on_event=closing)
    return client


def generor_sync(running: Simulator) -> Generor:
    """Make a blocking Generor client."""
    return Generor(**running.generor_options)


def luma_sync(running: Simulator) -> Luma:
    """Make a blocking Luma client."""
    return Luma(**running.luma_options)


class _Closing:
    """Sees a client's first event in each event loop, and has the client closed as that loop ends.

    Fixtures are taken down when the test's event loop may have ended, and plain tests bring loops of their own. What
    every runner does at the end of a loop is to close the asynchronous generators that began in it.
    """

    client: Client

    def __init__(self) -> None:
        self._seen: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    def __call__(self, _event: Event) -> None:
        loop = asyncio.get_running_loop()
        if loop not in self._seen:
            self._seen.add(loop)
            place = object()
            closers[place] = closer = self._close_at_end(place)
            with suppress(StopIteration):  # it comes to its yield without a wait
                closer.__anext__().send(None)

    async def _close_at_end(self, place: object) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            del closers[place]
            await self.client.close()
