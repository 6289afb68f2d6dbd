"""The rules of faults: which requests they apply to, how often, and the errors for invalid ones."""

from typing import Any

import pytest
from support.faulty import CREATE, LIST, ask, simulated

from generor_async.simulator.fault_kinds import KINDS
from generor_async.simulator.faults import Faults

OPERATIONS = (
    CREATE,
    LIST,
    "luma.generations.get",
    "generor.creations.list",
    "generor.generators.generate",
    "storage.get",
    "storage.head",
)


@pytest.fixture
def faults() -> Faults:
    return Faults(OPERATIONS, seed=7)


def struck(faults: Faults, operation: str = CREATE, *, requests: int = 100) -> list[int]:
    """Let requests arrive, and return the numbers of those with a fault."""
    return [number for number in range(requests) if faults.strike(operation)]


def test_there_are_none_at_first(faults: Faults) -> None:
    assert (len(faults), list(faults), faults.armed) == (0, [], {})
    assert not struck(faults)


def test_without_times_or_rate_a_fault_always_strikes(faults: Faults) -> None:
    faults.add(fault="reset")
    assert struck(faults, requests=20) == list(range(20))


def test_a_fault_strikes_its_operation_alone(faults: Faults) -> None:
    faults.add(operation=CREATE, fault="reset")
    assert not struck(faults, LIST)
    assert not struck(faults, "")
    assert len(struck(faults, CREATE)) == 100


@pytest.mark.parametrize(
    ("pattern", "operations"),
    [
        ("*", set(OPERATIONS)),
        ("luma.*", {CREATE, LIST, "luma.generations.get"}),
        ("*.list", {LIST, "generor.creations.list"}),
        ("luma.generations.?et", {"luma.generations.get"}),
    ],
)
def test_a_pattern_stands_for_every_operation_that_it_matches(
    faults: Faults, pattern: str, operations: set[str]
) -> None:
    assert faults.add(operation=pattern, fault="reset").operations == operations


def test_a_fault_in_the_body_leaves_answers_alone_that_have_none(faults: Faults) -> None:
    assert faults.add(operation="storage.*", fault="truncate").operations == {"storage.get"}
    assert faults.add(operation="storage.*", fault="reset").operations == {"storage.get", "storage.head"}


def test_times_is_how_often_it_strikes_at_most(faults: Faults) -> None:
    rule = faults.add(fault="reset", times=3)
    assert struck(faults) == [0, 1, 2]
    assert (rule.met, rule.struck) == (100, 3)


def test_rate_is_the_share_of_requests_that_it_strikes(faults: Faults) -> None:
    faults.add(fault="reset", rate=0.05)
    assert 400 < len(struck(faults, requests=10_000)) < 600


def test_rate_and_times_hold_together(faults: Faults) -> None:
    unlimited = Faults(OPERATIONS, seed=7)
    unlimited.add(fault="reset", rate=0.3)
    faults.add(fault="reset", rate=0.3, times=2)
    assert struck(faults) == struck(unlimited)[:2]


def test_the_same_seed_strikes_the_same_requests() -> None:
    def run(*, simulator: int = 7, seed: int | None = None) -> list[int]:
        faults = Faults(OPERATIONS, seed=simulator)
        faults.add(fault="reset", rate=0.3, seed=seed)
        return struck(faults)

    assert run() == run()
    assert run(seed=1) == run(seed=1) == run(seed=1, simulator=8)
    assert len({tuple(numbers) for numbers in (run(), run(seed=1), run(seed=2), run(simulator=8))}) == 4


def test_each_rule_has_its_own_random_numbers(faults: Faults) -> None:
    faults.add(operation=CREATE, fault="reset", rate=0.3)
    faults.add(operation=LIST, fault="reset", rate=0.3)
    assert struck(faults, CREATE) != struck(faults, LIST)


def test_the_first_rule_that_strikes_is_the_one(faults: Faults) -> None:
    first, second = faults.add(fault="reset", times=1), faults.add(fault="close")
    assert [faults.strike(CREATE) for _ in range(3)] == [first, second, second]


def test_clearing_removes_every_rule(faults: Faults) -> None:
    faults.add(fault="reset")
    faults.clear()
    assert not struck(faults)
    assert not faults.armed


def test_removing_one_leaves_the_others(faults: Faults) -> None:
    gone, stays = faults.add(fault="reset"), faults.add(fault="close")
    faults.remove(gone)
    assert list(faults) == [stays]
    assert faults.strike(CREATE) is stays


def test_the_list_has_the_counts_of_each_rule(faults: Faults) -> None:
    faults.add(operation="luma.*", fault="drip", when="after_charge", times=2, rate=1, seed=3, pieces=4)
    struck(faults, requests=5)
    (rule,) = faults
    assert rule.to_json() == {
        "operation": "luma.*",
        "fault": "drip",
        "when": "after_charge",
        "times": 2,
        "rate": 1,
        "seed": 3,
        "details": {"pieces": 4, "pause": 1.0},
        "met": 5,
        "struck": 2,
    }


@pytest.mark.parametrize(
    ("fault", "when"), [("reset", "before_charge"), ("429", "before_charge"), ("skewed_clock", None)]
)
def test_without_when_a_fault_comes_before_the_charge_if_it_loses_an_answer(
    faults: Faults, fault: str, when: str | None
) -> None:
    assert faults.add(fault=fault).when == when


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"operation": "luma.generation.create", "fault": "reset"},
            "no operation is called 'luma.generation.create'; the nearest: luma.generations.create, ",
        ),
        ({"operation": "lumen.*", "fault": "reset"}, "no operation is called 'lumen.*'; "),
        ({"fault": "rest"}, "no fault is called 'rest'; the nearest: reset, refuse"),
        ({"fault": "?"}, "no fault is called '?'; there are: refuse, reset, close, "),
        ({"fault": "reset", "when": "later"}, "when must be before_charge or after_charge, not 'later'"),
        ({"fault": "stale_listing", "when": "after_charge"}, "stale_listing takes no `when`: it loses no answer"),
        ({"fault": "reset", "times": 0}, "times must be a whole number, at least 1, not 0"),
        ({"fault": "reset", "times": 1.5}, "times must be a whole number, at least 1, not 1.5"),
        ({"fault": "reset", "times": True}, "times must be a whole number, at least 1, not True"),
        ({"fault": "reset", "rate": 0}, "rate must be a number, above 0 and at most 1, not 0"),
        ({"fault": "reset", "rate": float("nan")}, "rate must be a number, above 0 and at most 1, not nan"),
        ({"fault": "reset", "rate": 2}, "rate must be a number, above 0 and at most 1, not 2"),
        ({"fault": "reset", "seed": "x"}, "seed must be a whole number, not 'x'"),
        ({"fault": "reset", "bytes": 3}, "reset takes no detail 'bytes'; it takes none"),
        ({"fault": "drip", "peices": 3}, "drip takes no detail 'peices'; the nearest: pieces"),
        ({"fault": "drip", "pieces": 1}, "pieces must be a whole number, at least 2, not 1"),
        ({"fault": "drip", "pause": "long"}, "pause must be a number, above 0, not 'long'"),
        ({"fault": "truncate", "keep": 1}, "keep must be a number, at least 0 and below 1, not 1"),
        ({"fault": "stall", "sent": "all"}, "sent must be nothing or headers, not 'all'"),
        ({"fault": "503", "shape": "html"}, "shape must be api or gateway, not 'html'"),
        ({"fault": "503", "retry_after": "1\r\nX: y"}, "retry_after must be "),
        ({"fault": "429", "limit": "jobs"}, "limit 'jobs' is Luma's alone: choose an operation of luma, not '*'"),
        ({"operation": CREATE, "fault": "expired_url"}, "expired_url cannot strike 'luma.generations.create', "),
        ({"operation": "storage.head", "fault": "huge"}, "huge cannot strike 'storage.head', only what has a body"),
        ({"operation": CREATE, "fault": "refuse"}, "refuse takes no operation, times or rate: "),
        ({"fault": "refuse", "times": 2}, "refuse takes no operation, times or rate: "),
    ],
)
def test_an_invalid_fault_is_refused_and_not_added(faults: Faults, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        faults.add(**given)
    assert str(raised.value).startswith(sentence)
    assert len(faults) == 0


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("reset", "'reset' is not OPERATION=FAULT, such as "),
        ("=reset", "'=reset' is not OPERATION=FAULT, such as "),
        ("*=", "'*=' is not OPERATION=FAULT, such as "),
        ("*=reset:", "'' says nothing about a fault: "),
        ("*=reset:after_chrge", "'after_chrge' says nothing about a fault: did you mean after_charge?"),
        ("*=reset:times=3", "'times=3' says nothing about a fault: "),
        ("*=reset:3x:4x", "'*=reset:3x:4x' gives times twice"),
        ("*=reset:5", "rate must be a number, above 0 and at most 1, not 5"),
    ],
)
def test_an_invalid_spec_is_refused_and_not_added(faults: Faults, spec: str, sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        faults.add_spec(spec)
    assert str(raised.value).startswith(sentence)
    assert len(faults) == 0


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ("*=reset", {"operation": "*", "fault": "reset"}),
        (
            "luma.*=reset:after_charge:0.05",
            {"operation": "luma.*", "fault": "reset", "when": "after_charge", "rate": 0.05},
        ),
        ("*=reset:3x:before_charge", {"fault": "reset", "times": 3, "when": "before_charge"}),
        ("*=503:shape=gateway:seed=5:1", {"fault": "503", "shape": "gateway", "seed": 5, "rate": 1}),
        ("*=429:retry_after=none", {"fault": "429", "retry_after": None}),
        ("*=drip:pause=0.5:pieces=3", {"fault": "drip", "pause": 0.5, "pieces": 3}),
    ],
)
def test_a_spec_says_the_same_as_arguments(spec: str, given: dict[str, Any]) -> None:
    one, other = Faults(OPERATIONS, seed=1), Faults(OPERATIONS, seed=1)
    assert one.add_spec(spec).to_json() == other.add(**given).to_json()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_takes_its_own_defaults(name: str) -> None:
    for detail, known in KINDS[name].details.items():
        if known.default is not None or name in {"403", "500", "502", "503", "504"}:
            assert known.read(detail, known.default) == known.default


async def test_the_simulator_has_every_operation_of_both_apis_and_no_endpoint_of_its_own() -> None:
    async with simulated() as simulator:
        operations = simulator.faults.add(fault="reset").operations
        assert {CREATE, "generor.feed.list", "storage.put", "generor.files.head"} <= operations
        assert not any(name.startswith("control") for name in operations)


async def test_the_same_seed_and_requests_meet_the_same_faults_on_the_wire() -> None:
    async def run(seed: int) -> list[bool]:
        async with simulated("luma.*=close:0.5", seed=seed) as simulator:
            return [bool((await ask(simulator, LIST)).data) for _ in range(12)]

    assert await run(7) == await run(7)
    assert await run(7) != await run(8)
