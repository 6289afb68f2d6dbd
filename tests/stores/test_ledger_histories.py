"""Random histories of several owners and runs: a ledger does what the model in memory does."""

import asyncio
import tempfile
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final, TypeVar, get_args

from attrs import define, evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from stores.ledger_model import MemoryStore
from stores.ledgers import MEMORY, RULES, Ledgers, SettableClock, new_row, observed, shown, stored
from support.examples import runs

from generor_async.errors import StaleRowError
from generor_async.rules.charges import CostSource
from generor_async.rules.file_fingerprint import CompletedRead, FileFingerprint
from generor_async.rules.row_states import (
    ROW_STATES,
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowStep,
    Submit,
    is_legal,
)
from generor_async.stores.ledger import NO_RUN, Ledger
from generor_async.stores.records import Account, AccountKey, CallRecord, NewCall, NewRow, Reject
from generor_async.values import JSON

T = TypeVar("T")
AMOUNTS: Final = [0.0, 0.5, 1.0, 2.5, 4.0]
"""Credits whose sums are exact as floats."""
COSTS: Final = [None, None, *AMOUNTS]
KEYS: Final[list[AccountKey]] = [("all", ""), ("user/ada", ""), ("user/ada", "2026-11-30"), ("run", "")]
UNCAPPED: Final[AccountKey] = ("uncapped", "")
CAPS: Final = [None, 0.0, 3.0, 5.5, 10.0]
PROBLEMS: Final[list[JSON]] = [
    {"message": "refused", "error": "APIStatusError"},
    {"message": "no", "error": "GenerationFailedError", "code": "moderated"},
    {"message": "late", "error": "GenerationFailedError", "code": "timeout"},
]
RESULTS: Final[list[JSON]] = [None, {"files": ["é.png"]}, {"files": ["1.png", "2.png"], "ids": [1, 2]}]
FILE: Final = CompletedRead(content=FileFingerprint(size=1, digest="00"), terms="")
NOTES: Final = ["balance", "plan"]
LEAPS: Final = [-500.0, -61.0, -30.0, 0.0, 0.0, 1.0, 20.0, 59.0, 60.0, 61.0, 500.0]
READINGS: Final = ["begin_reading", "discard_unclaimed", "delete_unread", "skip_reading", "end_reading"]
STEP_TYPES: Final[list[RowStep]] = [
    Submit(at=0.0, request_id="", model="", estimated=0.0, reserved=0.0),
    Accept(remote_ids=()),
    Download(),
    Finish(at=0.0, result=None),
    Fail(at=0.0, problem={}),
    MarkUnknown(at=0.0, problem={}),
    Release(at=0.0, problem={}),
    Defer(),
]
LEGAL: Final = {state: [type(step) for step in STEP_TYPES if is_legal(state, step)] for state in ROW_STATES}
"""The types of steps that a call in each state may take, the one that leads on first."""


@define(eq=False)
class Owner:
    """An owner of the model's store, and one of the other."""

    run: str
    model: Ledger
    real: Ledger
    is_closed: bool = False


@define(eq=False)
class Handle:
    """A call as a caller holds it, of the model and of the other."""

    run: str
    model: CallRecord
    real: CallRecord


class Histories(RuleBasedStateMachine):
    """Does everything on the model and on another ledger, and compares what can be seen."""

    implementation: ClassVar[type[Ledgers]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.clock = SettableClock()
        self.runner = asyncio.Runner()
        self.model = MemoryStore(self.clock)
        self.real = self.implementation(Path(self.folder.name), self.clock)
        self.owners: list[Owner] = []
        self.handles: list[Handle] = []
        self.events = 0

    def teardown(self) -> None:
        self.wait(self.real.close())
        self.runner.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        """Begin with two owners of one run, which has calls."""
        for _ in range(2):
            self.open(NO_RUN)
        self.add(self.owners[0], [row(id_, f"rows:{id_}") for id_ in "abcde"], again=True)

    @rule(dice=st.builds(Random, st.integers(0, 2**32)))
    def act(self, dice: Random) -> None:
        """Do something at random: drawn at once, as hypothesis leaves out some rules of most histories."""
        actions = [self.go_on, self.claim, self.change_owners, self.read_the_input, self.change_money_and_notes]
        (action,) = dice.choices([*actions, self.hold_a_call_twice, self.lease], [4, 2, 2, 2, 2, 1, 1])
        action(dice)

    def change_owners(self, dice: Random) -> None:
        self.clock.now += dice.choice(LEAPS)
        owner = self.owner(dice)
        match dice.choice(["open", "renew", "take over", "take over", "alone", "close"]):
            case "open" if len(self.owners) < 6:
                self.open(dice.choice([NO_RUN, "herons"]))
            case "renew":
                self.both(owner, "renew")
            case "take over":
                self.both(owner, "take_over", resume=dice.random() < 0.7, place=dice.choice([None, "rows:a", "rows:b"]))
            case "alone":
                self.both(owner, "take_over", alone=True)
            case "close" if sum(not each.is_closed for each in self.owners if each.run == owner.run) > 1:
                self.both(owner, "close")
                owner.is_closed = True
            case _:
                pass

    def read_the_input(self, dice: Random) -> None:
        owner = self.owner(dice)
        match dice.choice([*READINGS, "add", "add", "add", "add", "reject"]):
            case "add":
                self.add(owner, [some_row(dice) for _ in range(dice.randint(1, 6))], again=dice.random() < 0.5)
            case "reject":
                place = dice.choice(["rows:a", "rows:9"])
                self.both(owner, "add_rejects", [Reject(place=place, text=f"{{ {self.moment()}", reason="not JSON")])
            case "end_reading":
                self.both(owner, "end_reading", FILE)
            case reading:
                self.both(owner, reading)

    def claim(self, dice: Random) -> None:
        owner, limit, seen = self.owner(dice), dice.randint(1, 4), dice.random() < 0.4
        claimed = [self.wait(ledger.claim(limit, seen=seen)) for ledger in (owner.model, owner.real)]
        self.handles += [self.handle(owner.run, *pair) for pair in zip(*claimed, strict=True)]
        self.go_on(dice)

    def lease(self, dice: Random) -> None:
        owner, id_ = self.owner(dice), dice.choice("vwxyz")
        call = NewCall(id=id_, operation="create", parameters={"prompt": id_}, context=dice.choice([None, [1]]))
        found = [self.wait(ledger.lease(call)) for ledger in (owner.model, owner.real)]
        assert found[0][1] == found[1][1]
        handle = self.handle(owner.run, found[0][0], found[1][0])
        self.check(handle)
        self.handles.append(handle)
        self.go_on(dice)

    def go_on(self, dice: Random) -> None:
        """Take some steps."""
        for _ in range(dice.randint(1, 8)):
            self.take_step(dice)
        if dice.random() < 0.5:
            self.take_steps_at_once(dice)

    def hold_a_call_twice(self, dice: Random) -> None:
        """Begin with a call that was read, as those do who resume or reconcile one, or keep what may become stale."""
        owner = self.owner(dice)
        if self.handles and dice.random() < 0.5:
            handle = dice.choice(self.handles)
            self.handles.append(Handle(handle.run, evolve(handle.model), evolve(handle.real)))
        elif calls := self.wait(stored(owner.model)):
            at = dice.randrange(len(calls))
            self.handles.append(self.handle(owner.run, calls[at], self.wait(stored(owner.real))[at]))

    def change_money_and_notes(self, dice: Random) -> None:
        owner, key = self.owner(dice), dice.choice(KEYS)
        match dice.choice(["cap", "cap", "spent", "refund", "correct", "note", "prune", "prune accounts"]):
            case "cap":
                self.both(owner, "open_account", key, dice.choice(CAPS))
            case "spent":
                self.both(owner, "set_spent", key, dice.choice(AMOUNTS))
            case "refund":
                self.both(owner, "refund", dice.sample(["moderated", "timeout"], dice.randint(0, 2)))
            case "correct":
                self.correct_costs(owner, dice)
            case "prune":
                self.both(owner, "prune", self.clock.now - dice.randint(0, self.events + 1))
            case "prune accounts":
                self.both(owner, "prune_accounts", "2026", dice.choice(["2026-11-30", "2026-12"]))
            case _:
                self.both(owner, "write_note", dice.choice(NOTES), dice.choice([None, 1, {"é": [1.5]}]))

    @invariant()
    def everything_is_the_same(self) -> None:
        for owner in {each.run: each for each in self.owners if not each.is_closed}.values():
            model, real = (self.wait(observed(ledger)) for ledger in (owner.model, owner.real))
            for seen, is_real in ((model, False), (real, True)):
                assert seen.pop("get")
                for call in seen["calls"].values():
                    call["owner"] = self.index_of(call["owner"], real=is_real)
            for name, expected in {**model.pop("calls"), **model}.items():
                assert {**real, **real["calls"]}[name] == expected, name
            for name in NOTES:
                self.both(owner, "read_note", name)
            for key in (*KEYS, UNCAPPED):
                self.both(owner, "account", key)

    # --- what rules do ------------------------------------------------------------------------------------------------

    def wait(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(operation)

    def both(self, owner: Owner, name: str, *args: Any, **options: Any) -> Any:
        """Do the same on both, and return the result, which must be the same."""
        expected = self.wait(getattr(owner.model, name)(*args, **options))
        assert self.wait(getattr(owner.real, name)(*args, **options)) == expected, name
        return expected

    def owner(self, dice: Random) -> Owner:
        """Choose who does something."""
        return dice.choice([owner for owner in self.owners if not owner.is_closed])

    def open(self, run: str) -> None:
        self.owners.append(Owner(run, self.model.open(run=run, rules=RULES), self.wait(self.real.open(run=run))))

    def index_of(self, owner: int | None, *, real: bool) -> int | None:
        """Return which of the owners has this number."""
        if owner is None:
            return None
        return [(each.real if real else each.model).owner for each in self.owners].index(owner)

    def handle(self, run: str, model: CallRecord, real: CallRecord) -> Handle:
        handle = Handle(run, model, real)
        self.check(handle)
        return handle

    def check(self, handle: Handle) -> None:
        """Compare what both have told the holder of a call."""
        model, real = shown(handle.model), shown(handle.real)
        model["owner"] = self.index_of(handle.model.owner, real=False)
        real["owner"] = self.index_of(handle.real.owner, real=True)
        assert real == model

    def add(self, owner: Owner, rows: list[NewRow], *, again: bool) -> None:
        expected, found = (self.wait(ledger.add(rows, again=again)) for ledger in (owner.model, owner.real))
        assert (found.new, found.known) == (expected.new, expected.known)
        assert [(one.place, one.text) for one in found.rejects] == [(one.place, one.text) for one in expected.rejects]
        assert all(one.reason for one in found.rejects)
        duplicates = ([evolve(one, number=0) for one in result.duplicates] for result in (found, expected))
        assert next(duplicates) == next(duplicates)
        assert list(found.withheld) == list(expected.withheld)

    def take_step(self, dice: Random) -> None:
        """Take a step, mostly as the call's owner, and sometimes as another."""
        movable = [each for each in self.handles if LEGAL[each.model.state]]
        if not movable:
            return
        handle = dice.choice(movable)
        by, step = self.doer(dice, handle), self.some_step(dice, handle)
        keys = dice.choices(KEYS, k=dice.randint(0, 4)) if isinstance(step, Submit) else []
        if dice.random() < 0.1:
            before = handle.real.state
            self.wait(cancelled(outcome(by.real, handle.real, step, keys), turns=dice.randint(0, 3)))
            if handle.real.state != before:
                assert self.wait(outcome(by.model, handle.model, step, keys)) is None
        else:
            expected = self.wait(outcome(by.model, handle.model, step, keys))
            assert self.wait(outcome(by.real, handle.real, step, keys)) == expected
        self.check(handle)

    def take_steps_at_once(self, dice: Random) -> None:
        """Take steps of several calls, which a ledger may write together; their intents find room."""
        handles = {each.model.number: each for each in self.handles if LEGAL[each.model.state]}
        chosen = dice.sample(sorted(handles), min(len(handles), 5))
        steps = [
            (handle, self.doer(dice, handle), self.some_step(dice, handle), [UNCAPPED] if dice.random() < 0.7 else [])
            for handle in map(handles.__getitem__, chosen)
        ]
        found = self.wait(gathered([outcome(by.real, handle.real, step, keys) for handle, by, step, keys in steps]))
        for (handle, by, step, keys), result in zip(steps, found, strict=True):
            assert self.wait(outcome(by.model, handle.model, step, keys)) == result
            self.check(handle)

    def doer(self, dice: Random, handle: Handle) -> Owner:
        able = [owner for owner in self.owners if owner.run == handle.run and not owner.is_closed]
        own = [owner for owner in able if owner.model.owner == handle.model.owner]
        return dice.choice(own if own and dice.random() < 0.9 else able)

    def some_step(self, dice: Random, handle: Handle) -> RowStep:
        at, amount, cost, problem = self.moment(), dice.choice(AMOUNTS), dice.choice(COSTS), dice.choice(PROBLEMS)
        (step_type,) = dice.choices(LEGAL[handle.model.state], [3, 1, 1, 1, 1][: len(LEGAL[handle.model.state])])
        if step_type is Submit:
            id_, model, longest = f"r-{dice.randint(1, 3)}", dice.choice(["uni-1", "ray"]), dice.choice([0.0, 60.0])
            estimated = dice.choice(AMOUNTS)
            return Submit(at=at, request_id=id_, model=model, estimated=estimated, reserved=amount, longest=longest)
        if step_type is Accept:
            ids, likely = dice.choice([("job-1",), ("1", "é")]), dice.choice(COSTS)
            return Accept(remote_ids=ids, cost=cost, likely=likely, alone=dice.random() < 0.5)
        if step_type is Finish:
            return Finish(at=at, result=dice.choice(RESULTS))
        if step_type is MarkUnknown:
            return MarkUnknown(at=at, problem=problem)
        if step_type is Fail:
            return Fail(at=at, problem=problem, cost=cost)
        if step_type is Release:
            return Release(at=at, problem=problem, cost=cost)
        return Defer() if step_type is Defer else Download()

    def moment(self) -> float:
        self.events += 1
        return float(self.events)

    def correct_costs(self, owner: Owner, dice: Random) -> None:
        charged = {call.id for call in self.wait(stored(owner.model)) if call.cost is not None or call.state == "done"}
        chosen = {id_ for id_ in sorted(charged) if dice.random() < 0.5}
        cost, source = dice.choice(AMOUNTS), dice.choice(get_args(CostSource))
        for ledger in (owner.model, owner.real):
            numbers = [call.number for call in self.wait(stored(ledger)) if call.id in chosen]
            self.wait(ledger.correct_costs(dict.fromkeys(numbers, cost), source))


def row(id_: str, place: str, *, style: str | None = None, columns: dict[str, JSON] | None = None) -> NewRow:
    """Return a row; those whose ids are three letters apart have one prompt."""
    return new_row(id_, place, columns=columns, prompt="xyz"[ord(id_) % 3], style=style)


def some_row(dice: Random) -> NewRow:
    """Return a row, mostly one that others may have added, too."""
    columns: list[dict[str, JSON]] = [{}, {}, {"Note": "é"}, {"No": 3}]
    id_ = dice.choice("abcdefgh")
    place = f"rows:{id_ if dice.random() < 0.7 else dice.randint(1, 3)}"
    return row(id_, place, style=dice.choice([None, None, "manga"]), columns=dice.choice(columns))


async def outcome(ledger: Ledger, call: CallRecord, step: RowStep, keys: Sequence[AccountKey]) -> Account | str | None:
    """Take a step; return what it returned, or that the call was stale."""
    try:
        match step:
            case Submit():
                return await ledger.intend(call, step, keys)
            case Accept() | Download():
                await ledger.accept(call, step)
            case Finish() | Fail() | MarkUnknown():
                await ledger.settle(call, step)
            case Release() | Defer():
                await ledger.release(call, step)
    except StaleRowError:
        return "stale"
    return None


async def cancelled(operation: Coroutine[Any, Any, object], *, turns: int) -> None:
    """Cancel an operation after so many turns of the event loop."""
    task = asyncio.ensure_future(operation)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def gathered(operations: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of it at once."""
    return await asyncio.gather(*operations)


def test_random_histories_are_those_of_the_model(ledgers: type[Ledgers]) -> None:
    machine = type("Histories", (Histories,), {"implementation": ledgers})
    run_state_machine_as_test(machine, settings=settings(max_examples=runs(20), stateful_step_count=40))
