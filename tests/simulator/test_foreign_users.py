"""Other users of the keys: what they use of the limits, by any clock, and that they change nothing else."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.simulator import Simulator
from generor_async.simulator.foreign_users import ForeignUsers, SharedLimits
from generor_async.simulator.luma.slots import SlotCounter, SlotRules
from generor_async.simulator.request_windows import RequestWindow, WindowKind
from generor_async.testing import run

EPOCH = 1_775_649_600.0


@define
class World:
    """Other users who share a window and slots, without a server."""

    window: RequestWindow
    now: float = EPOCH
    slots: SlotCounter = field(factory=lambda: SlotCounter(SlotRules()))
    others: ForeignUsers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.others = ForeignUsers(seed=7, time=lambda: self.now)
        self.others.share({"luma": SharedLimits((self.window,), self.slots)})

    def catch_up(self, at: float) -> int:
        """Move the time, and return what is left of the window."""
        self.now = EPOCH + at
        self.others.catch_up(self.now)
        return self.window.peek(self.now).remaining


def world(limit: int = 60, kind: WindowKind = "sliding", *specs: str) -> World:
    made = World(RequestWindow(limit, 60.0, kind=kind))
    for spec in specs:
        made.others.add_spec(spec)
    return made


# What they take.


def test_a_steady_user_uses_a_number_of_requests_each_minute() -> None:
    steady = world(60, "sliding", "luma=steady:rate=15:start=30:end=630")
    assert steady.catch_up(29.9) == 60
    left = [steady.catch_up(at) for at in range(90, 631, 5)]
    assert set(left) <= {44, 45, 46}
    (other,) = steady.others
    assert (other.admitted, other.refused) == (150, 0)
    assert steady.catch_up(690.1) == 60


def test_a_burst_takes_so_many_at_once_and_another_comes_when_it_is_due() -> None:
    bursts = world(60, "sliding", "luma=bursts:size=30:every=180:start=10")
    assert [bursts.catch_up(at) for at in (9.9, 10, 69.9, 70, 189.9, 190, 250)] == [60, 30, 30, 60, 60, 30, 60]


def test_who_insists_asks_again_until_everything_is_let_in() -> None:
    bursts = world(10, "sliding", "luma=bursts:size=25:every=1000")
    seen = [(bursts.catch_up(at), next(iter(bursts.others)).admitted) for at in (0, 59, 60, 120, 180)]
    assert seen == [(0, 10), (0, 10), (0, 20), (5, 25), (10, 25)]
    assert next(iter(bursts.others)).refused == 15 + 5


def test_who_gives_up_takes_only_what_is_free() -> None:
    bursts = world(10, "sliding", "luma=bursts:size=25:every=1000:refused=give_up")
    assert bursts.catch_up(60) == 10
    (other,) = bursts.others
    assert (other.admitted, other.refused) == (10, 15)


def test_a_hog_takes_every_place_and_leaves() -> None:
    hog = world(10, "sliding", "luma=hog:start=30:end=210")
    for at in range(0, 30, 10):
        hog.catch_up(at)
        hog.window.admit(EPOCH + at)
    assert hog.catch_up(29.9) == 7
    assert [hog.catch_up(at) for at in range(30, 210)] == [0] * 180
    # Seven places that it took at 30 are free each minute from then on, and one each at 0, 10 and 20.
    assert [hog.catch_up(at) for at in (210, 239, 240, 250, 259, 260)] == [7, 7, 8, 9, 9, 10]


def test_a_hog_takes_a_fixed_window_as_it_opens() -> None:
    hog = world(10, "fixed", "luma=hog:start=50:end=130")
    hog.catch_up(40)
    hog.window.admit(EPOCH + 40)
    assert [hog.catch_up(at) for at in (49, 50, 60, 119, 120, 179, 180)] == [9, 0, 0, 0, 0, 0, 10]
    assert next(iter(hog.others)).admitted == 9 + 10 + 10


def test_a_hog_whose_requests_never_fit_does_no_harm() -> None:
    hog = world(2, "sliding", "luma=hog:weight=3")
    assert hog.catch_up(600) == 2


def test_others_hold_slots_from_one_time_to_another() -> None:
    held = world(60, "sliding", "luma=jobs:slots=2:start=5:end=300", "luma=jobs:slots=3:start=100")
    seen = list[int]()
    for at in (4, 5, 99, 100, 299, 300, 1e6):
        held.catch_up(at)
        seen.append(held.slots.held_by_others)
    assert seen == [0, 2, 2, 5, 5, 3, 3]
    assert held.catch_up(1e6) == 60


def test_requests_of_others_may_weigh_more() -> None:
    assert world(60, "sliding", "luma=bursts:size=4:weight=3").catch_up(0) == 48


def test_others_can_be_removed_and_what_they_used_stays_used() -> None:
    there = world(60, "sliding", "luma=bursts:size=20:every=60", "luma=jobs:slots=2")
    assert there.catch_up(1) == 40
    there.others.clear()
    assert (len(there.others), there.slots.held_by_others) == (0, 0)
    assert [there.catch_up(at) for at in (2, 60, 120)] == [40, 60, 60]


# With any clock.

SPECS = (
    "luma=steady:rate=40:start=3",
    "luma=steady:rate=100:refused=insist:end=200",
    "luma=bursts:size=20:every=45:start=7",
    "luma=bursts:size=9:every=20:refused=give_up:weight=2",
    "luma=hog:start=90:end=180",
    "luma=jobs:slots=2:start=10:end=50",
)
FINE = [step / 4 for step in range(4 * 240)]


@examples(20)
@given(
    st.lists(st.sampled_from(SPECS), min_size=1, max_size=4, unique=True),
    st.sampled_from(["sliding", "fixed"]),
    st.sets(st.sampled_from(FINE), max_size=12),
)
def test_it_is_the_same_whenever_it_is_worked_out(specs: Sequence[str], kind: WindowKind, looks: set[float]) -> None:
    seldom, often = world(30, kind, *specs), world(30, kind, *specs)
    for at in FINE:
        left = often.catch_up(at)
        if at in looks or at == FINE[-1]:
            assert seldom.catch_up(at) == left
            assert [other.to_json() for other in seldom.others] == [other.to_json() for other in often.others]
            assert seldom.slots.held_by_others == often.slots.held_by_others


@examples(20)
@given(st.integers(1, 50), st.integers(1, 40), st.sampled_from([1, 5, 30]))
def test_requests_of_others_are_counted_as_those_of_the_key_itself(limit: int, size: int, every: int) -> None:
    foreign, own = world(limit, "sliding", f"luma=bursts:size={size}:every={every}:refused=give_up"), world(limit)
    for at in range(200):
        left = foreign.catch_up(at)
        if at % every == 0:
            for _ in range(size):
                own.window.admit(EPOCH + at)
        assert own.catch_up(at) == left


def test_ages_pass_at_once() -> None:
    long_ago = world(60, "sliding", "luma=steady:rate=30", "luma=bursts:size=3:every=10", "luma=hog:end=1e9")
    assert long_ago.catch_up(1e9 - 1) == 0
    assert sum(other.admitted for other in long_ago.others) < 100_000


def test_ages_pass_and_others_go_on_as_before() -> None:
    steady = world(60, "sliding", "luma=steady:rate=30")
    assert [steady.catch_up(at) for at in (60, 1e8, 1e9, 1e9 + 3_600)] == pytest.approx([30] * 4, abs=1)


def test_each_user_keeps_its_times_when_another_comes() -> None:
    def admitted(*specs: str) -> list[int]:
        steady = world(1000, "sliding", "luma=steady:rate=20", *specs)
        told = list[int]()
        for at in range(120):
            steady.catch_up(at)
            told.append(next(iter(steady.others)).admitted)
        return told

    assert admitted() == admitted("luma=bursts", "luma=steady:rate=50")


# What isn't possible.


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("steady", "'steady' is not API=KIND, such as luma=bursts:size=30:every=180"),
        ("luma=", "other users are steady, bursts, hog, jobs, not ''"),
        ("luma=many", "other users are steady, bursts, hog, jobs, not 'many'"),
        ("lumen=hog", "other users are of luma or generor, not of 'lumen'"),
        ("luma=hog:end", "'luma=hog:end' is not API=KIND, such as luma=bursts:size=30:every=180"),
        ("luma=hog:end=1:end=2", "'luma=hog:end=1:end=2' gives a detail twice"),
        ("luma=hog:size=3", "hog takes no detail 'size'; there are: weight, start, end"),
        ("luma=steady:rate=0", "rate must be a number, above 0 and at most 6,000, not 0"),
        ("luma=bursts:size=1.5", "size must be a whole number, at least 1 and at most 6,000, not 1.5"),
        ("luma=bursts:refused=cry", "refused must be give_up or insist, not 'cry'"),
        ("luma=hog:start=soon", "start must be a number, at least 0, not 'soon'"),
        ("generor=jobs:slots=2", "generor has no limit of jobs that others could hold"),
    ],
)
def test_others_that_can_not_be_are_a_sentence(spec: str, sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        Simulator(others=[spec])
    assert str(raised.value) == sentence


def test_a_spec_says_the_same_as_arguments() -> None:
    one, other = world(), world()
    written = one.others.add_spec("luma=bursts:size=30:every=90.5:start=10:end=none:refused=give_up")
    given_ = other.others.add("luma", "bursts", size=30, every=90.5, start=10, end=None, refused="give_up")
    assert written.to_json() == given_.to_json()
    assert math.isinf(given_.ends)


# At the server.


async def submit(session: aiohttp.ClientSession, simulator: Simulator) -> tuple[int, Any]:
    headers, url = {"Authorization": f"Bearer {simulator.luma_key}"}, f"{simulator.luma_url}/generations"
    async with session.post(url, json={"prompt": "A heron"}, headers=headers) as reply:
        await reply.read()
        return reply.status, reply.headers


async def naively(simulator: Simulator, calls: int) -> None:
    """Send everything at once, and sleep for each Retry-After."""
    async with aiohttp.ClientSession() as session:
        for _ in range(calls):
            status, headers = await submit(session, simulator)
            while status == 429:
                await asyncio.sleep(int(headers["Retry-After"]))
                status, headers = await submit(session, simulator)


def in_virtual_time(calls: int, *, after: float = 0.0, **options: Any) -> list[float]:
    """Run a naive loop in virtual time; return the seconds from its start to each admission."""

    async def main() -> list[float]:
        async with Simulator(epoch=EPOCH, luma_jobs=1_000, **options) as simulator:
            await asyncio.sleep(after)
            await naively(simulator, calls)
            return [entry.at - EPOCH - after for entry in simulator.ledger.charges]

    return run(main())


def test_beside_others_calls_take_as_long_as_the_windows_make_them() -> None:
    alone = in_virtual_time(150, luma_rpm=60)
    beside = in_virtual_time(150, luma_rpm=60, others=["luma=bursts:size=30:every=180"])
    behind_a_hog = in_virtual_time(150, luma_rpm=60, others=["luma=hog:end=180"])
    assert alone[-1] == pytest.approx(120, abs=1)
    assert beside[29:31] + beside[-1:] == pytest.approx([0, 60, 120], abs=1)
    assert behind_a_hog[:1] + behind_a_hog[-1:] == pytest.approx([180, 300], abs=1)
    steady = in_virtual_time(180, luma_rpm=60, after=120, others=["luma=steady:rate=15:refused=insist"])
    assert steady[44] == pytest.approx(0, abs=1)
    assert steady[-1] == pytest.approx(180, abs=2)


def test_the_same_seed_gives_the_same_course() -> None:
    specs = ["luma=steady:rate=9:refused=insist", "luma=bursts:size=10:every=50"]
    courses = [in_virtual_time(60, luma_rpm=30, after=99, seed=seed, others=specs) for seed in (1, 1, 2)]
    assert courses[0] == courses[1] != courses[2]


async def test_others_are_not_in_the_ledger_and_cost_nothing() -> None:
    async with Simulator(speed=0.001, luma_rpm=30, tier="free") as simulator, aiohttp.ClientSession() as session:
        simulator.others.add("luma", "bursts", size=20)
        simulator.others.add("generor", "bursts", size=20)
        status, headers = await submit(session, simulator)
        assert (status, headers["X-RateLimit-Remaining"]) == (201, "9")
        me = {"Authorization": f"Bearer {simulator.generor_key}"}
        async with session.get(f"{simulator.generor_url}/users/me", headers=me) as reply:
            assert (reply.status, reply.headers["X-RateLimit-Remaining"]) == (200, "9")
        assert [entry.operation for entry in simulator.ledger.requests] == [
            "luma.generations.create",
            "generor.users.me",
        ]
        assert [entry.charged for entry in simulator.ledger.charges] == [0.0404]
        assert float(simulator.luma.client.balance) == pytest.approx(1_000 - 0.0404)


async def test_others_take_of_all_windows_of_generor() -> None:
    async with Simulator(speed=0.001, tier="free", others=["generor=bursts:size=30:every=60"]) as simulator:
        for _ in range(20):
            simulator.advance(60)
        async with aiohttp.ClientSession() as session:
            me = {"Authorization": f"Bearer {simulator.generor_key}"}
            async with session.get(f"{simulator.generor_url}/users/me", headers=me) as reply:
                assert (reply.status, reply.headers["X-RateLimit-Limit"]) == (429, "500")
        assert next(iter(simulator.others)).admitted == 500


async def test_resetting_brings_back_the_first_others_alone() -> None:
    first = ["luma=bursts:size=20:every=60", "luma=jobs:slots=9"]
    async with Simulator(speed=0.001, others=first) as simulator, aiohttp.ClientSession() as session:
        simulator.others.add("luma", "hog")
        assert (await submit(session, simulator))[0] == 429
        simulator.reset()
        assert [(other.kind, other.admitted) for other in simulator.others] == [("bursts", 0), ("jobs", 0)]
        assert [(await submit(session, simulator))[0] for _ in range(2)] == [201, 429]
        assert simulator.luma.client.window.peek(simulator.clock.time()).remaining == 8


def test_others_may_be_added_while_the_server_runs_in_another_thread() -> None:
    with Simulator(speed=0.001, luma_rpm=60) as simulator:
        headers = {"Authorization": f"Bearer {simulator.luma_key}"}
        for number in range(1, 11):
            simulator.others.add("luma", "bursts", size=3, every=1e6)
            submission = Request(f"{simulator.luma_url}/generations", b'{"prompt": "A heron"}', headers)
            with urlopen(submission) as reply:
                assert int(reply.headers["X-RateLimit-Remaining"]) == 60 - 4 * number
