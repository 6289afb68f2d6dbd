"""The objects behind the fixtures of the pytest plugin."""

from collections.abc import Iterable
from typing import Any

import pytest

from generor_async.engine.client import Client
from generor_async.engine.loops import LoopBound, PerLoop
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.simulator import Simulator
from generor_async.sync import Generor, Luma

__all__ = ["generor", "generor_sync", "luma", "luma_sync", "simulator"]

SPEED = 60.0
"""Simulated seconds per real second: a job takes half a second, and an attempt with a timeout of 60 has one second."""


def simulator(markers: Iterable[pytest.Mark]) -> Simulator:
    """Return a simulator with the options of a test's markers, the closest first; it isn't running yet."""
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
    """Return a Generor client that is closed with its event loop."""
    client = AsyncGeneror(**running.generor_options, on_event=lambda _: _keep(client))
    return client


def luma(running: Simulator) -> AsyncLuma:
    """Return a Luma client that is closed with its event loop."""
    client = AsyncLuma(**running.luma_options, on_event=lambda _: _keep(client))
    return client


def generor_sync(running: Simulator) -> Generor:
    """Return a blocking Generor client."""
    return Generor(**running.generor_options)


def luma_sync(running: Simulator) -> Luma:
    """Return a blocking Luma client."""
    return Luma(**running.luma_options)


class _Used(LoopBound):
    """The clients that were used in an event loop, which are closed when the loop ends.

    Fixtures can't close them: the test's event loop may have ended by then, and plain tests create their own loops.
    """

    def __init__(self) -> None:
        self.clients: set[Client] = set()


used = PerLoop(_Used)


def _keep(client: Client) -> None:
    """Keep a client until the running event loop ends."""
    used.get().clients.add(client)
