"""The control endpoints, for other processes: tests in other languages, browsers, curl.

    GET    /__sim__/state     time, money, limits, keys, rules
    GET    /__sim__/ledger    every request that arrived; as JSON Lines with ?format=jsonl or Accept
    GET    /__sim__/faults    the rules, and how often each has struck
    POST   /__sim__/faults    add one: {"operation": ..., "fault": ..., "when": ..., "times": ..., <details>}, or
                              {"spec": "luma.generations.create=reset:after_charge:0.05"}
    DELETE /__sim__/faults    remove them all
    GET    /__sim__/others    the other users of the keys, and how they fared
    POST   /__sim__/others    add one: {"api": ..., "kind": ..., <details>}, or {"spec": "luma=bursts:size=30"}
    DELETE /__sim__/others    let them all leave
    POST   /__sim__/credits   change Generor's account: {"type": "daily_bonus", "amount": 250}, or any other type of
                              transaction, such as the "spend" of another user
    POST   /__sim__/clock     {"advance": seconds}
    POST   /__sim__/reset     begin anew: both APIs, ledger and faults; time goes on

They need no key, count against no limit, meet no faults, and are not in the ledger. They only answer callers on this
machine that use a name of this machine: requests of a web page from elsewhere are refused, also if its host name
resolves to the loopback address (DNS rebinding).
"""

import json
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any, Literal, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

from attrs import asdict, frozen

from generor_async.simulator.faults import Fault, Faults
from generor_async.simulator.foreign_users import ForeignUser, ForeignUsers
from generor_async.simulator.ledger import Ledger
from generor_async.simulator.messages import Answer, IncomingCall, Route

__all__ = ["PREFIX", "ControlEndpoints", "ControlFrom"]

PREFIX = "/__sim__"
LOCALHOST = frozenset({"localhost", "localhost."})
JSONL_TYPES = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")

ControlFrom: TypeAlias = Literal["loopback", "anywhere"]
"""Who may use the control endpoints: callers on this machine, or whoever reaches the port."""


class ControlledSimulator(Protocol):
    """The part of the simulator that the endpoints use."""

    @property
    def ledger(self) -> Ledger:
        """Every request that arrived."""
        ...

    @property
    def faults(self) -> Faults:
        """The injected faults."""
        ...

    @property
    def others(self) -> ForeignUsers:
        """The other users of the keys."""
        ...

    def change_credits(self, kind: str, amount: int) -> int:
        """Change the credits of the Generor account; raises ValueError."""
        ...

    def advance(self, seconds: float) -> None:
        """Advance the clock; raises ValueError."""
        ...

    def reset(self) -> None:
        """Start again with empty APIs."""
        ...

    def state(self, origin: str | None = None) -> dict[str, Any]:
        """Return the state of the simulator."""
        ...


@frozen
class _ControlRefusal(Exception):  # noqa: N818  # what a caller is told, not an error of the program
    """An error answer: its status and its message."""

    status: int
    sentence: str


class ControlEndpoints:
    """The control endpoints of one simulator."""

    def __init__(self, subject: ControlledSimulator, *, answers: ControlFrom, host: str) -> None:
        self._subject = subject
        self._answers = answers
        self._host = host.lower()
        self.routes = [
            self._route("GET", "/state", self._state),
            self._route("GET", "/ledger", self._ledger),
            self._route("GET", "/faults", self._list_faults),
            self._route("POST", "/faults", self._add_fault),
            self._route("DELETE", "/faults", self._clear_faults),
            self._route("GET", "/others", self._list_others),
            self._route("POST", "/others", self._add_other),
            self._route("DELETE", "/others", self._clear_others),
            self._route("POST", "/credits", self._change_credits),
            self._route("POST", "/clock", self._move_clock),
            self._route("POST", "/reset", self._reset),
        ]

    def refuse(self, status: int, sentence: str) -> Callable[[IncomingCall], Answer]:
        """Return a handler that refuses requests of allowed callers."""

        def refused(_: IncomingCall) -> Answer:
            raise _ControlRefusal(status, sentence)

        return self._guarded(refused)

    def _route(self, method: str, path: str, handle: Callable[[IncomingCall], Answer]) -> Route:
        return Route(f"control{path.replace('/', '.')}.{method.lower()}", method, path, self._guarded(handle))

    def _guarded(self, handle: Callable[[IncomingCall], Answer]) -> Callable[[IncomingCall], Answer]:
        def guarded(call: IncomingCall) -> Answer:
            try:
                self._check(call)
                return handle(call)
            except _ControlRefusal as refusal:
                return Answer(status=refusal.status, json={"error": refusal.sentence})

        return guarded

    def _check(self, call: IncomingCall) -> None:
        """Refuse callers on other machines, and requests of web pages."""
        host, origin = call.headers.get("Host", ""), call.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise _ControlRefusal(403, "The control endpoints don't answer web pages of another origin.")
        if self._answers == "anywhere":
            return
        if not _is_loopback(call.peer):
            told = 'let them answer anywhere with Simulator(control="anywhere") or --control anywhere'
            raise _ControlRefusal(403, f"The control endpoints answer callers on this machine only; {told}.")
        name = _host_name(host)
        if not (name in LOCALHOST or name == self._host or _is_loopback(name)):
            raise _ControlRefusal(403, f"The control endpoints are at localhost or 127.0.0.1, not at {name[:100]!r}.")

    def _state(self, call: IncomingCall) -> Answer:
        return Answer(status=200, json=self._subject.state(call.origin))

    def _ledger(self, call: IncomingCall) -> Answer:
        ledger = self._subject.ledger
        form = call.query.get("format", "jsonl" if _wants_jsonl(call) else "json")
        if form == "jsonl":
            return Answer(status=200, body=ledger.to_jsonl().encode(), headers={"Content-Type": JSONL_TYPES[0]})
        if form != "json":
            raise _ControlRefusal(400, f"format must be json or jsonl, not {form[:100]!r}.")
        return Answer(
            status=200,
            json={
                "requests": [asdict(entry) for entry in ledger.requests],
                "charges": [entry.number for entry in ledger.charges],
                "duplicates": ledger.duplicates(),
                "unanswered": [entry.number for entry in ledger.unanswered()],
            },
        )

    def _list_faults(self, _: IncomingCall) -> Answer:
        return Answer(status=200, json={"faults": [fault.to_json() for fault in self._subject.faults]})

    def _add_fault(self, call: IncomingCall) -> Answer:
        try:
            added = _add(self._subject.faults, _json_object(call))
        except ValueError as error:
            raise _ControlRefusal(400, f"{error}.") from None
        return Answer(status=201, json=added.to_json())

    def _clear_faults(self, _: IncomingCall) -> Answer:
        self._subject.faults.clear()
        return Answer(status=204)

    def _list_others(self, _: IncomingCall) -> Answer:
        return Answer(status=200, json={"others": [other.to_json() for other in self._subject.others]})

    def _add_other(self, call: IncomingCall) -> Answer:
        try:
            added = _add_other(self._subject.others, _json_object(call))
        except ValueError as error:
            raise _ControlRefusal(400, f"{error}.") from None
        return Answer(status=201, json=added.to_json())

    def _clear_others(self, _: IncomingCall) -> Answer:
        self._subject.others.clear()
        return Answer(status=204)

    def _change_credits(self, call: IncomingCall) -> Answer:
        given = _json_object(call)
        if given.keys() != {"type", "amount"}:
            raise _ControlRefusal(400, 'The body must be {"type": "daily_bonus", "amount": credits}.')
        try:
            change = self._subject.change_credits(given["type"], given["amount"])
        except ValueError as error:
            raise _ControlRefusal(400, f"{error}.") from None
        return Answer(status=201, json={"change": change, "credits": self._subject.state()["generor"]["credits"]})

    def _move_clock(self, call: IncomingCall) -> Answer:
        given = _json_object(call)
        seconds = given.get("advance")
        if list(given) != ["advance"] or isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise _ControlRefusal(400, 'The body must be {"advance": seconds}.')
        try:
            self._subject.advance(seconds)
        except ValueError as error:
            raise _ControlRefusal(400, f"{error}.") from None
        return self._state(call)

    def _reset(self, _: IncomingCall) -> Answer:
        self._subject.reset()
        return Answer(status=204)


def _add(faults: Faults, given: Mapping[str, Any]) -> Fault:
    """Add the rule in a request body; raises ValueError."""
    _check_strings(given, "spec", "operation", "fault", "when")
    if list(given) == ["spec"]:
        return faults.add_spec(given["spec"])
    if "fault" not in given:
        raise ValueError("the body must name a fault, or be a spec")
    return faults.add(**given)


def _add_other(others: ForeignUsers, given: Mapping[str, Any]) -> ForeignUser:
    """Add the foreign user in a request body; raises ValueError."""
    _check_strings(given, "spec", "api", "kind")
    if list(given) == ["spec"]:
        return others.add_spec(given["spec"])
    if "api" not in given or "kind" not in given:
        raise ValueError("the body must name an api and a kind, or be a spec")
    details = {name: value for name, value in given.items() if name not in {"api", "kind"}}
    return others.add(given["api"], given["kind"], **details)


def _check_strings(given: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if not isinstance(given.get(name, ""), str):
            raise ValueError(f"{name} must be a string, not {given[name]!r}")  # noqa: TRY004  # it is the value of a JSON field


def _json_object(call: IncomingCall) -> dict[str, Any]:
    try:
        value = json.loads(call.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _ControlRefusal(400, "The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def _wants_jsonl(call: IncomingCall) -> bool:
    accepted = call.headers.get("Accept", "")
    return any(kind in accepted for kind in JSONL_TYPES)


def _host_name(host: str) -> str:
    """Return the host of a Host header, without the port; empty if it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback
