"""The control endpoints: what they show and change, and which callers they refuse."""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from attrs import frozen
from support.faulty import CREATE, LIST, SPEED, ask, simulated

from generor_async.simulator import Ledger, Simulator
from generor_async.simulator.control import ControlEndpoints
from generor_async.simulator.messages import Answer, IncomingCall


@frozen
class Controller:
    """Calls the control endpoints of a simulator."""

    simulator: Simulator
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the JSON, if there is any."""
        url = f"{self.simulator.url}/__sim__{path}"
        async with self.session.request(method, url, json=body, headers=headers) as reply:
            return reply.status, await reply.json() if reply.status != 204 else None

    async def text(self, path: str, **headers: str) -> tuple[str, str]:
        """Return the content type and the text."""
        async with self.session.get(f"{self.simulator.url}/__sim__{path}", headers=headers) as reply:
            return reply.content_type, await reply.text()


@pytest.fixture
async def control() -> AsyncIterator[Controller]:
    async with simulated() as simulator, aiohttp.ClientSession() as session:
        yield Controller(simulator, session)


async def test_the_state_is_returned(control: Controller) -> None:
    simulator = control.simulator
    await ask(simulator, CREATE)
    status, state = await control.call("GET", "/state")
    assert status == 200
    assert state["time"] == pytest.approx(simulator.clock.time(), abs=1000)
    assert state["speed"] == SPEED
    assert state["generor"]["base_url"] == simulator.generor_url
    assert state["generor"]["api_key"] == simulator.generor_key
    assert (state["generor"]["tier"], state["generor"]["credits"]) == ("enterprise", 100_000)
    assert state["luma"]["base_url"] == simulator.luma_url
    assert state["luma"]["api_key"] == simulator.luma_key
    assert (state["luma"]["balance"], state["luma"]["generations"]) == (999.9596, 1)
    assert state["ledger"] == {"requests": 1, "charges": 1, "duplicates": 0, "unanswered": 0}
    assert state["faults"] == state["others"] == []


async def test_credits_can_be_changed_without_a_call(control: Controller) -> None:
    changed = await control.call("POST", "/credits", {"type": "daily_bonus", "amount": 250})
    assert changed == (201, {"change": 250, "credits": 100_250})
    assert (await control.call("POST", "/credits", {"type": "spend", "amount": 500}))[1]["credits"] == 99_750


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"amount": 5}, 'The body must be {"type": "daily_bonus", "amount": credits}.'),
        ({"type": "spend", "amount": 0}, "amount must be a whole number of credits, 1 at the least, not 0."),
        ({"type": "spend", "amount": "5"}, "amount must be a whole number of credits, 1 at the least, not '5'."),
    ],
)
async def test_an_invalid_change_is_a_400_with_a_message(control: Controller, change: Any, sentence: str) -> None:
    assert await control.call("POST", "/credits", change) == (400, {"error": sentence})
    status, told = await control.call("POST", "/credits", {"type": ["theft"], "amount": 5})
    assert status == 400
    assert "not ['theft']" in told["error"]


async def test_control_requests_leave_no_trace(control: Controller) -> None:
    for _ in range(3):
        await control.call("GET", "/state")
        await control.call("GET", "/nothing")
    control.simulator.faults.add(fault="reset")
    assert (await control.call("GET", "/state"))[1]["ledger"]["requests"] == 0
    assert not control.simulator.ledger.requests
    assert next(iter(control.simulator.faults)).met == 0


async def test_foreign_users_can_be_added_listed_and_removed() -> None:
    async with simulated(speed=0.001, luma_rpm=30) as simulator, aiohttp.ClientSession() as session:
        control = Controller(simulator, session)
        status, added = await control.call("POST", "/others", {"api": "luma", "kind": "bursts", "size": 29, "end": 60})
        assert (status, added["kind"], added["details"]["size"], added["admitted"]) == (201, "bursts", 29, 0)
        assert (await control.call("POST", "/others", {"spec": "luma=jobs:slots=10"}))[0] == 201
        _, listed = await control.call("GET", "/others")
        assert [(other["kind"], other["admitted"]) for other in listed["others"]] == [("bursts", 29), ("jobs", 0)]
        assert (await ask(simulator, CREATE)).status == 429
        assert await control.call("DELETE", "/others") == (204, None)
        assert await control.call("GET", "/others") == (200, {"others": []})
        told = await ask(simulator, CREATE)
        assert (told.status, "x-ratelimit-remaining" in told.headers) == (429, True)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"api": "luma"}, "the body must name an api and a kind, or be a spec."),
        ({"api": "luma", "kind": ["hog"]}, "kind must be a string, not ['hog']."),
        ({"spec": 3}, "spec must be a string, not 3."),
        ({"spec": "luma=hog", "end": 3}, "the body must name an api and a kind, or be a spec."),
        ({"api": "luma", "kind": "hog", "rate": 3}, "hog takes no detail 'rate'; there are: weight, start, end."),
    ],
)
async def test_invalid_foreign_users_are_a_400(control: Controller, other: Any, sentence: str) -> None:
    assert await control.call("POST", "/others", other) == (400, {"error": sentence})
    assert len(control.simulator.others) == 0


async def test_control_requests_do_not_change_random_numbers() -> None:
    async def ids(*, looks: int) -> list[str]:
        async with simulated(seed=5) as simulator, aiohttp.ClientSession() as session:
            for _ in range(looks):
                await Controller(simulator, session).call("GET", "/state")
            async with session.get(f"{simulator.luma_url}/files") as reply:
                return [reply.headers["X-Request-Id"]]

    assert await ids(looks=0) == await ids(looks=3)


async def test_the_ledger_is_shown_with_the_answers_to_its_questions(control: Controller) -> None:
    control.simulator.faults.add(operation=CREATE, fault="close", when="after_charge")
    for _ in range(2):
        await ask(control.simulator, CREATE)
    await ask(control.simulator, LIST)
    _, ledger = await control.call("GET", "/ledger")
    assert [entry["operation"] for entry in ledger["requests"]] == [CREATE, CREATE, LIST]
    assert [entry["fault"] for entry in ledger["requests"]] == ["close", "close", None]
    assert (ledger["charges"], ledger["duplicates"], ledger["unanswered"]) == ([1, 2], [1], [1, 2])


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/ledger?format=jsonl", "*/*"), ("/ledger", "application/jsonl"), ("/ledger", "application/x-ndjson")],
)
async def test_the_ledger_can_be_json_lines(control: Controller, path: str, accept: str) -> None:
    for _ in range(2):
        await ask(control.simulator, LIST)
    kind, text = await control.text(path, Accept=accept)
    assert kind == "application/jsonl"
    assert text == control.simulator.ledger.to_jsonl()


async def test_the_format_parameter_takes_precedence_over_accept(control: Controller) -> None:
    kind, _ = await control.text("/ledger?format=json", Accept="application/jsonl")
    assert kind == "application/json"
    assert await control.call("GET", "/ledger?format=csv") == (
        400,
        {"error": "format must be json or jsonl, not 'csv'."},
    )


@pytest.mark.parametrize(
    "rule",
    [
        {"spec": "luma.*=429:limit=jobs:2x"},
        {"operation": "luma.*", "fault": "429", "limit": "jobs", "times": 2},
    ],
)
async def test_a_fault_is_added_listed_and_cleared(control: Controller, rule: dict[str, Any]) -> None:
    status, added = await control.call("POST", "/faults", rule)
    assert (status, added["fault"], added["times"], added["details"]["limit"]) == (201, "429", 2, "jobs")
    assert (await ask(control.simulator, LIST)).status == 429
    _, listed = await control.call("GET", "/faults")
    assert [(fault["fault"], fault["struck"]) for fault in listed["faults"]] == [("429", 1)]
    assert await control.call("DELETE", "/faults") == (204, None)
    assert (await ask(control.simulator, LIST)).status == 200


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"fault": "rest"}, "no fault is called 'rest'; the nearest: reset, refuse, early_reset."),
        ({"fault": "reset", "operation": 5}, "operation must be a string, not 5."),
        ({"fault": "reset", "when": ["x"]}, "when must be a string, not ['x']."),
        ({"fault": ["reset"]}, "fault must be a string, not ['reset']."),
        ({"fault": "reset", "self": 1}, "reset takes no detail 'self'; it takes none."),
        ({"operation": "*"}, "the body must name a fault, or be a spec."),
        ({"spec": "x"}, "'x' is not OPERATION=FAULT, such as luma.generations.create=reset:after_charge:3x."),
        ({"spec": "*=reset", "times": 1}, "the body must name a fault, or be a spec."),
        ([], "The body must be a JSON object."),
    ],
)
async def test_an_invalid_fault_is_a_400_with_a_message(control: Controller, rule: Any, sentence: str) -> None:
    assert await control.call("POST", "/faults", rule) == (400, {"error": sentence})
    assert len(control.simulator.faults) == 0


async def test_a_refusal_of_connections_ends_by_itself(control: Controller) -> None:
    await control.call("POST", "/faults", {"fault": "refuse"})
    with pytest.raises(aiohttp.ClientConnectorError):
        await control.call("GET", "/state")
    control.simulator.advance(10)
    while control.simulator.faults.refusals:
        await control.simulator.clock.sleep(1)
    assert (await control.call("GET", "/state"))[0] == 200


async def test_the_clock_is_moved_on(control: Controller) -> None:
    before = control.simulator.clock.time()
    status, state = await control.call("POST", "/clock", {"advance": 86_400})
    assert status == 200
    assert state["time"] - before == pytest.approx(86_400, abs=1_000)


@pytest.mark.parametrize("body", [{}, {"advance": "1"}, {"advance": True}, {"advance": 1, "x": 2}, {"seconds": 1}])
async def test_a_wrong_clock_request_gets_advice(control: Controller, body: object) -> None:
    assert await control.call("POST", "/clock", body) == (400, {"error": 'The body must be {"advance": seconds}.'})


@pytest.mark.parametrize("seconds", [-1, 1e300])
async def test_the_clock_goes_neither_back_nor_to_the_end_of_time(control: Controller, seconds: float) -> None:
    status, told = await control.call("POST", "/clock", {"advance": seconds})
    assert status == 400
    assert told["error"].startswith("seconds must be at least 0 and at most ")


async def test_a_body_that_is_no_json_is_a_400(control: Controller) -> None:
    for body in (b"nope", b"[" * 100_000, b"\xff"):
        async with control.session.post(f"{control.simulator.url}/__sim__/clock", data=body) as reply:
            assert (reply.status, await reply.json()) == (400, {"error": "The body must be a JSON object."})


async def test_a_reset_begins_anew(control: Controller) -> None:
    simulator = control.simulator
    luma_key, generor_key = simulator.luma_key, simulator.generor_key
    first = (await ask(simulator, CREATE)).json["id"]
    simulator.generor.account.wallet.spend(50)
    simulator.faults.add(operation=LIST, fault="reset")
    before = simulator.clock.time()
    assert await control.call("POST", "/reset") == (204, None)
    assert not simulator.ledger.requests
    assert not simulator.luma.generations
    assert len(simulator.faults) == 0
    assert simulator.generor.account.wallet.total == 100_000
    assert (simulator.luma_key, simulator.generor_key) == (luma_key, generor_key)
    assert simulator.clock.time() >= before
    assert (await ask(simulator, LIST)).status == 200
    assert (await ask(simulator, CREATE)).json["id"] == first
    assert (await control.call("GET", "/state"))[0] == 200


async def test_an_unknown_endpoint_gets_a_list_of_endpoints(control: Controller) -> None:
    status, told = await control.call("GET", "/nothing")
    assert status == 404
    for path in ("state", "ledger", "faults", "others", "clock", "reset"):
        assert f"/__sim__/{path}" in told["error"]
    assert await control.call("PUT", "/state") == (405, {"error": "This endpoint does not take that method."})
    async with control.session.post(f"{control.simulator.url}/__sim__/clock", data=BytesIO(b" " * 1_048_577)) as reply:
        assert (reply.status, await reply.json()) == (413, {"error": "The body must be at most 1,048,576 bytes."})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "", "[", "a]:1"]
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/state"), ("POST", "/reset"), ("GET", "/nothing")])
async def test_a_foreign_name_is_refused(control: Controller, host: str, method: str, path: str) -> None:
    await ask(control.simulator, LIST)
    status, told = await control.call(method, path, Host=host)
    assert status == 403
    assert told["error"].startswith("The control endpoints are at localhost or 127.0.0.1, not at ")
    assert len(control.simulator.ledger.requests) == 1


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "127.0.0.1", "127.9.9.9:80", "[::1]:8080", "[::ffff:127.0.0.1]"]
)
async def test_a_name_of_this_machine_is_answered(control: Controller, host: str) -> None:
    assert (await control.call("GET", "/state", Host=host))[0] == 200


async def test_a_foreign_name_changes_nothing_for_the_apis(control: Controller) -> None:
    async with control.session.get(f"{control.simulator.url}/api/v1/models", headers={"Host": "evil.example"}) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_is_refused(control: Controller, origin: str) -> None:
    assert await control.call("POST", "/reset", Origin=origin) == (
        403,
        {"error": "The control endpoints don't answer web pages of another origin."},
    )
    assert (await control.call("GET", "/state", Origin=control.simulator.url))[0] == 200


def asked(control: ControlEndpoints, *, peer: str, host: str = "127.0.0.1") -> int:
    """Return the status of a request for the state as if it came from another machine."""
    (route,) = (route for route in control.routes if (route.method, route.template) == ("GET", "/ledger"))
    call = IncomingCall(operation="", method="GET", path="", request_id="", now=0, headers={"Host": host}, peer=peer)
    answer = route.handle(call)
    assert isinstance(answer, Answer)
    return answer.status


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("127.0.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.7", 403),
        ("::ffff:10.0.0.7", 403),
        ("2001:db8::1", 403),
        ("", 403),
    ],
)
def test_a_caller_on_another_machine_is_refused(peer: str, status: int) -> None:
    simulator = Simulator()
    assert asked(ControlEndpoints(simulator, answers="loopback", host="0.0.0.0"), peer=peer) == status


def test_with_the_switch_they_answer_anywhere() -> None:
    simulator = Simulator(control="anywhere")
    assert isinstance(simulator.ledger, Ledger)
    assert (
        asked(ControlEndpoints(simulator, answers="anywhere", host="0.0.0.0"), peer="10.0.0.7", host="simulator:8080")
        == 200
    )


def test_a_name_that_was_chosen_as_host_is_one_of_this_machines() -> None:
    control = ControlEndpoints(Simulator(), answers="loopback", host="My-Laptop.local")
    assert asked(control, peer="127.0.0.1", host="my-laptop.local:8080") == 200


async def test_the_switch_is_the_simulators() -> None:
    async with Simulator(control="anywhere") as simulator, aiohttp.ClientSession() as session:
        assert (await Controller(simulator, session).call("GET", "/state", Host="simulator:8080"))[0] == 200
        # A page elsewhere is refused all the same.
        assert (await Controller(simulator, session).call("POST", "/reset", Origin="http://evil.example"))[0] == 403
    with pytest.raises(ValueError, match="control must be one of loopback, anywhere, not 'everywhere'"):
        Simulator(control="everywhere")  # type: ignore[arg-type]
