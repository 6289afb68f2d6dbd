"""What the official client does with money when answers are lost: the ledger tells, and tells it of ours as well.

Each case waits more than a real second for the official client's retries, so all of them run at once.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import luma_agents
import pytest
from attrs import frozen
from official.clients import FORMS, Form, Luma, Official, opened

from generor_async import AsyncLuma, OutcomeUnknownError
from generor_async.simulator import Simulator
from generor_async.simulator.ledger import Entry

PRICE = 0.0404
PATIENCE = 0.5
"""Real seconds after which the clients give up an attempt that stalls."""
FAST = 500.0
LOST = ("reset", "close", "truncate", "stall", "504")
"""Faults under which an answer that was decided on doesn't arrive, or one that tells nothing in its place."""


@frozen
class Scene:
    """Something that goes wrong, as faults, and what the official client is asked for meanwhile."""

    faults: tuple[str, ...]
    ask: Callable[[Luma], object] = lambda luma: luma.generations.create(prompt="A heron")
    timeout: float = 30.0


@frozen
class Aftermath:
    """What the official client gave or raised in the end, and what the ledger has of it."""

    result: object
    requests: tuple[Entry, ...]
    duplicates: tuple[int, ...]
    balance: float

    @property
    def charges(self) -> list[float]:
        return [entry.charged for entry in self.requests if entry.charged]


SCENES: Mapping[str, Scene] = {
    **{fault: Scene((f"luma.generations.create={fault}:after_charge:3x",)) for fault in LOST if fault != "stall"},
    "stall": Scene(("luma.generations.create=stall:after_charge:3x",), timeout=PATIENCE),
    "lost once": Scene(("luma.generations.create=reset:after_charge:1x",)),
    "lost before": Scene(("luma.generations.create=reset:before_charge:1x",)),
    "busy": Scene(("luma.generations.create=502:1x",)),
    "unreadable": Scene(("luma.generations.create=wrong_type:after_charge:1x",)),
    "told to wait": Scene(("luma.generations.create=429:1x:retry_after=61",)),
    "file": Scene(
        ("luma.files.create=reset:after_charge:2x",),
        lambda luma: luma.files.create(mime_type="image/png", size_bytes=1),
    ),
}


def play(case: tuple[Form, str]) -> Aftermath:
    form, scene = case[0], SCENES[case[1]]
    with Simulator() as simulator, opened(form) as client:
        official = client.at(simulator)
        for spec in scene.faults:
            simulator.faults.add_spec(spec)
        result = attempt(official, scene)
        ledger = simulator.ledger
        return Aftermath(result, ledger.requests, ledger.duplicates(), float(simulator.luma.client.balance))


def attempt(official: Official, scene: Scene) -> object:
    try:
        return official.wait(scene.ask(official.luma.with_options(timeout=scene.timeout)))
    except luma_agents.APIError as error:
        return error


@pytest.fixture(scope="module")
def aftermaths() -> Mapping[tuple[Form, str], Aftermath]:
    cases: list[tuple[Form, str]] = [(form, name) for form in FORMS for name in SCENES]
    with ThreadPoolExecutor(len(cases)) as pool:
        return dict(zip(cases, pool.map(play, cases), strict=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", LOST)
def test_a_create_whose_answers_are_lost_is_charged_three_times(
    aftermaths: Mapping[tuple[Form, str], Aftermath], form: Form, fault: str
) -> None:
    after = aftermaths[form, fault]
    assert isinstance(after.result, luma_agents.APIError)
    assert after.charges == [PRICE] * 3
    assert after.balance == pytest.approx(1_000 - 3 * PRICE)
    assert [(entry.fault, entry.when) for entry in after.requests] == [(fault, "after_charge")] * 3


@pytest.mark.parametrize("form", FORMS)
def test_nothing_marks_its_retries_as_the_same_call_and_the_ledger_finds_them_all_the_same(
    aftermaths: Mapping[tuple[Form, str], Aftermath], form: Form
) -> None:
    after = aftermaths[form, "reset"]
    assert len({entry.request_id for entry in after.requests}) == 3
    assert [(entry.call, entry.attempt) for entry in after.requests] == [(1, 1), (1, 2), (1, 3)]
    assert after.duplicates == (1,)


@pytest.mark.parametrize("form", FORMS)
def test_a_create_whose_answer_is_lost_once_is_charged_twice_and_one_job_is_never_heard_of(
    aftermaths: Mapping[tuple[Form, str], Aftermath], form: Form
) -> None:
    after = aftermaths[form, "lost once"]
    assert isinstance(after.result, luma_agents.types.Generation)
    assert after.charges == [PRICE] * 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["lost before", "busy"])
def test_a_create_that_fails_before_the_charge_is_tried_again_and_charged_once(
    aftermaths: Mapping[tuple[Form, str], Aftermath], form: Form, name: str
) -> None:
    after = aftermaths[form, name]
    assert isinstance(after.result, luma_agents.types.Generation)
    assert [entry.charged for entry in after.requests] == [0, PRICE]


@pytest.mark.parametrize("form", FORMS)
def test_a_page_in_place_of_a_paid_answer_passes_for_a_generation(
    aftermaths: Mapping[tuple[Form, str], Aftermath], form: Form
) -> None:
    after = aftermaths[form, "unreadable"]
    assert isinstance(after.result, str)
    assert after.charges == [PRICE]


@pytest.mark.parametrize("form", FORMS)
def test_a_retry_after_of_more_than_a_minute_is_not_waited_for(
    aftermaths: Mapping[tuple[Form, str], Aftermath], form: Form
) -> None:
    after = aftermaths[form, "told to wait"]
    refused, taken = after.requests
    assert (refused.status, taken.status) == (429, 201)
    assert taken.at - refused.at < 30


@pytest.mark.parametrize("form", FORMS)
def test_a_file_whose_answers_are_lost_is_made_three_times(
    aftermaths: Mapping[tuple[Form, str], Aftermath], form: Form
) -> None:
    after = aftermaths[form, "file"]
    assert [entry.status for entry in after.requests] == [201] * 3


async def ours(fault: str, **details: Any) -> tuple[Simulator, BaseException | None]:
    async with Simulator(speed=FAST) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        simulator.faults.add(operation="luma.generations.create", fault=fault, times=3, **details)
        try:
            await luma.with_options(timeout=1_000, attempt_timeout=PATIENCE * FAST).generations.create(prompt="A heron")
        except OutcomeUnknownError as error:
            return simulator, error
        return simulator, None


@pytest.mark.parametrize("fault", [*LOST, "wrong_type"])
async def test_our_client_is_charged_once_and_says_that_it_does_not_know(fault: str) -> None:
    simulator, error = await ours(fault, when="after_charge")
    (entry,) = simulator.ledger.requests
    assert entry.charged == PRICE
    assert isinstance(error, OutcomeUnknownError)
    assert error.request_id == entry.request_id


async def test_our_client_waits_for_as_long_as_it_is_told() -> None:
    simulator, error = await ours("429", retry_after=61)
    assert error is None
    at = [entry.at for entry in simulator.ledger.requests]
    assert len(at) == 4
    assert all(later - earlier >= 61 for earlier, later in pairwise(at))
    assert [entry.charged for entry in simulator.ledger.charges] == [PRICE]
