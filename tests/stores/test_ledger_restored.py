"""Whole calls are written in the place of those with their numbers, and accounts hold what they count."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st
from stores.ledgers import ADA, ALL, Ledgers, SettableClock, new_row

from generor_async.rules.row_states import ROW_STATES
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord

CALL = CallRecord(
    number=7,
    id="heron",
    parameters={"prompt": "heron"},
    place="rows:1",
    state="accepted",
    attempt=2,
    request_id="r-2",
    submitted_at=10.0,
    longest=60.0,
    model="uni-1",
    estimated=2.0,
    counted=3.0,
    accounts=(ALL, ADA),
    cost=3.0,
    cost_source="listed",
    remote_ids=("job-1", "é"),
    ended_at=11.0,
    result={"files": ["a.png"]},
    problem={"message": "\ud800"},
    columns={"shelf": 1},
    text='{"prompt":"heron"}',
)


async def test_every_field_of_a_call_is_restored(ledger: Ledger) -> None:
    bare = CallRecord(number=9, id="crane", parameters={}, place="rows:2", state="ready", attempt=0, text="{}")
    await ledger.restore([CALL, bare])
    assert [asdict(call) for call in await ledger.get([9, 8, 7])] == [asdict(CALL), asdict(bare)]
    await ledger.restore([evolve(CALL, state="done", columns={}), evolve(bare, attempt=1)], [evolve(bare, counted=2.0)])
    after, other = await ledger.get([7, 9])
    assert asdict(after) == asdict(evolve(CALL, state="done", columns={}))
    assert (other.attempt, other.charged_before, other.unresolved_before) == (1, 2.0, 2.0)
    assert {id_: call.number for id_, call in (await ledger.find(["heron", "crane", "owl"])).items()} == {
        "heron": 7,
        "crane": 9,
    }
    await ledger.add([new_row("owl")])
    assert (await ledger.find(["owl"]))["owl"].number > 9


async def test_a_call_that_was_restored_without_parameters_gets_those_of_its_row(ledger: Ledger) -> None:
    await ledger.restore([evolve(CALL, parameters={}, text="", state="done")])
    await ledger.begin_reading()
    added = await ledger.add([new_row("heron", shape="wide")], again=False)
    assert (added.new, added.known, added.rejects) == (0, 1, ())
    (call,) = await ledger.get([CALL.number])
    assert (call.parameters, call.state) == ({"prompt": "heron", "shape": "wide"}, "done")


ATTEMPTS = st.builds(
    CallRecord,
    number=st.integers(1, 4),
    id=st.just(""),
    parameters=st.just({}),
    place=st.just("rows:1"),
    state=st.sampled_from(ROW_STATES),
    attempt=st.just(1),
    request_id=st.just("r"),
    counted=st.integers(0, 5).map(float),
    accounts=st.sampled_from([(), (ALL,), (ADA, ALL)]),
    cost=st.sampled_from([None, 2.0]),
).map(lambda call: evolve(call, id=f"row-{call.number}"))


@given(restored=st.lists(st.tuples(st.lists(ATTEMPTS, max_size=4), st.lists(ATTEMPTS, max_size=3)), max_size=4))
async def test_accounts_hold_what_restored_calls_and_attempts_count(
    ledgers: type[Ledgers],
    restored: Sequence[tuple[Sequence[CallRecord], Sequence[CallRecord]]],
) -> None:
    latest, earlier = dict[int, CallRecord](), list[CallRecord]()
    with TemporaryDirectory() as folder:
        opened = ledgers(Path(folder), SettableClock())
        ledger = await opened.open()
        for calls, attempts in restored:
            latest |= {call.number: call for call in calls}
            known_attempts = [attempt for attempt in attempts if attempt.number in latest]
            await ledger.restore(calls, known_attempts)
            earlier += known_attempts
        every = [*latest.values(), *earlier]
        for key in (ALL, ADA):
            counted = [call for call in every if key in call.accounts]
            account = await ledger.account(key)
            if account is None:
                assert not counted
                continue
            reserved = sum(call.counted for call in counted if call.cost is None and call.state != "done")
            assert (account.cap, account.reserved) == (None, reserved)
            assert account.reserved + account.spent == sum(call.counted for call in counted)
        await opened.close()
