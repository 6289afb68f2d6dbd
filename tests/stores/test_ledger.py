"""The contract of a ledger: what each step writes, what accounts hold, and who may take a step."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve
from stores.ledgers import (
    ACCEPT,
    ADA,
    ALL,
    FAIL,
    FINISH,
    PROBLEM,
    RELEASE,
    UNKNOWN,
    OpenLedger,
    claimed,
    new_row,
    observed,
    reserved_and_spent,
    shown,
    stored,
    submit,
    take,
)

from generor_async.errors import StaleRowError
from generor_async.rules.charges import ChargedCalls, CostSource
from generor_async.rules.row_states import (
    Accept,
    Defer,
    Download,
    Fail,
    Release,
    RowState,
    RowStep,
)
from generor_async.stores.ledger import NO_RUN, Ledger
from generor_async.stores.records import Account, CallRecord, NewCall
from generor_async.values import JSON

NEXT: dict[RowState, RowStep] = {
    "leased": submit(),
    "submitting": ACCEPT,
    "accepted": Download(),
    "downloading": FINISH,
}


# --- steps ------------------------------------------------------------------------------------------------------------


async def test_a_call_takes_all_steps_to_done_and_is_read_as_it_was_written(ledger: Ledger) -> None:
    call = await claimed(ledger)
    assert (call.state, call.attempt, call.owner, call.parameters) == ("leased", 1, ledger.owner, {"prompt": "a"})
    for step, state in (
        (submit(), "submitting"),
        (Accept(remote_ids=("1", "é"), cost=24.0, likely=20.0, alone=True), "accepted"),
        (Download(), "downloading"),
        (FINISH, "done"),
    ):
        await take(ledger, call, step, accounts=[ADA, ALL])
        assert call.state == state
        (found,) = await stored(ledger)
        assert [shown(found)] == [shown(one) for one in await ledger.get([call.number])]
        assert shown(found) == shown(call)
    assert (call.owner, call.counted, call.cost, call.cost_source, call.ended_at) == (None, 20.0, 24.0, "alone", 30.0)
    assert call.accounts == (ALL, ADA), "in sorted order"
    assert await ledger.charges() == [ChargedCalls(model="uni-1", estimated=6.0, cost=24.0, source="alone")]


@pytest.mark.parametrize("lost", ["state", "attempt", "owner"])
@pytest.mark.parametrize(
    ("steps", "step"),
    [
        ([], submit()),
        ([], RELEASE),
        ([submit()], ACCEPT),
        ([submit()], Defer()),
        ([submit()], UNKNOWN),
        ([submit(), ACCEPT], Download()),
        ([submit(), ACCEPT], FAIL),
        ([submit(), ACCEPT, Download()], FINISH),
    ],
)
async def test_a_step_on_a_call_that_somebody_else_has_moved_writes_nothing(
    ledger: Ledger, lost: str, steps: list[RowStep], step: RowStep
) -> None:
    call = await claimed(ledger, *steps)
    moved = evolve(call)
    if lost == "attempt":
        moved.attempt = 2
    elif lost == "owner":
        moved.owner = 77
    else:  # the copy is older than the call's latest step
        await take(ledger, call, NEXT[call.state])
    before = await observed(ledger), await ledger.account(ALL)
    unchanged = shown(moved)
    with pytest.raises(StaleRowError):
        await take(ledger, moved, step)
    assert (await observed(ledger), await ledger.account(ALL)) == before
    assert shown(moved) == unchanged


async def test_an_illegal_step_is_an_assertion_error(ledger: Ledger) -> None:
    call = await claimed(ledger)
    with pytest.raises(AssertionError):
        await ledger.accept(call, ACCEPT)
    await take(ledger, call, RELEASE)
    with pytest.raises(AssertionError):
        await ledger.intend(call, submit())


@pytest.mark.parametrize("count", [2, 6, 40, 600])
async def test_a_stale_step_does_not_spoil_others_of_the_same_moment(ledger: Ledger, count: int) -> None:
    await ledger.add([new_row(str(at)) for at in range(count)])
    calls, stale = list(await ledger.claim(count)), sorted({1, count - 1})
    for at in stale:
        calls[at].attempt = 9
    found = await asyncio.gather(*(ledger.intend(call, submit(), [ALL]) for call in calls), return_exceptions=True)
    assert [at for at, result in enumerate(found) if isinstance(result, StaleRowError)] == stale
    assert [result for result in found if result is not None] == [found[at] for at in stale]
    assert (await ledger.counts())["submitting"] == count - len(stale)
    assert await reserved_and_spent(ledger, "all") == (7.0 * (count - len(stale)), 0.0)


async def test_of_two_steps_on_one_call_at_the_same_moment_one_is_written(ledger: Ledger) -> None:
    await ledger.add([new_row(str(at)) for at in range(40)])
    calls = list(await ledger.claim(40))
    other = evolve(calls[7])
    found = await asyncio.gather(
        *(ledger.intend(call, submit(), [ALL]) for call in [*calls, other]), return_exceptions=True
    )
    assert {type(found[7]), type(found[40])} == {type(None), StaleRowError}
    assert {calls[7].state, other.state} == {"submitting", "leased"}
    assert await reserved_and_spent(ledger, "all") == (280.0, 0.0)


async def test_steps_of_many_calls_write_the_same_as_steps_of_one(ledger: Ledger) -> None:
    await ledger.add([new_row(str(at)) for at in range(40)])
    calls = await ledger.claim(40)
    for step in (submit(), Accept(remote_ids=("1", "é"), cost=24.0), Download(), FINISH):
        await asyncio.gather(*(take(ledger, call, step) for call in calls))
        assert [shown(call) for call in calls] == [shown(call) for call in await stored(ledger)]
    assert await reserved_and_spent(ledger, "all") == (0.0, 960.0)


async def test_a_cancelled_caller_waits_until_its_step_is_written(ledger: Ledger) -> None:
    call = await claimed(ledger)
    step = asyncio.ensure_future(ledger.intend(call, submit(), [ALL]))
    await asyncio.sleep(0)
    is_written = step.done()
    step.cancel()
    if not is_written:
        with pytest.raises(asyncio.CancelledError):
            await step
    assert call.state == "submitting"
    assert [shown(one) for one in await ledger.get([call.number])] == [shown(call)]
    assert await reserved_and_spent(ledger, "all") == (7.0, 0.0)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
async def test_what_is_cancelled_is_done_whole_or_not_at_all(open_ledger: OpenLedger, turns: int) -> None:
    gone, ledger = await open_ledger(), await open_ledger()
    await claimed(gone, submit())
    await claimed(gone, submit(), ACCEPT, id_="b")
    operations: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: ledger.take_over(alone=True),
        lambda: ledger.add([new_row("c"), new_row("d"), new_row("d", "again")]),
        lambda: ledger.open_account(ADA, 3.0),
        lambda: ledger.write_note("plan", 1),
        ledger.begin_reading,
        ledger.delete_unread,
    ]
    for operation in operations:
        before = await observed(ledger), await ledger.account(ADA), await ledger.notes()
        task = asyncio.ensure_future(operation())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        found = await observed(ledger), await ledger.account(ADA), await ledger.notes()
        await operation()
        after = await observed(ledger), await ledger.account(ADA), await ledger.notes()
        assert found in (before, after) or operation is operations[1], "what was added is a duplicate the second time"
        assert [call.id for call in await stored(ledger)][2:] in ([], ["c", "d"])


async def test_calls_of_a_cancelled_claim_are_returned_by_the_next(ledger: Ledger) -> None:
    await ledger.add([new_row(id_) for id_ in "abc"])
    claim = asyncio.ensure_future(ledger.claim(2))
    await asyncio.sleep(0)
    got = list(claim.result()) if claim.done() else []
    claim.cancel()
    if not got:
        with pytest.raises(asyncio.CancelledError):
            await claim
    for limit in (1, 5):
        got += await ledger.claim(limit)
    assert [call.id for call in got] == ["a", "b", "c"]
    assert [call.attempt for call in got] == [1, 1, 1]


async def test_readers_see_whole_transactions_while_others_write(open_ledger: OpenLedger) -> None:
    writer, reader = await open_ledger(), await open_ledger()
    await writer.open_account(ALL, 1_000.0)
    await writer.add([new_row(str(at)) for at in range(120)])

    async def write() -> None:
        for call in await writer.claim(120):
            await take(writer, call, submit(reserved=5.0), Accept(remote_ids=(), cost=5.0), Download(), FINISH)

    writing = asyncio.ensure_future(write())
    looks = 0
    while not writing.done() or not looks:
        assert sum((await reader.counts()).values()) == 120
        account = await reader.account(ALL)
        assert account is not None
        assert account.reserved + account.spent <= 600.0
        assert [call.id async for call in reader.scan()] == [str(at) for at in range(120)]
        looks += 1
        await asyncio.sleep(0)
    await writing
    assert await reserved_and_spent(reader, "all") == (0.0, 600.0)


async def test_calls_are_claimed_once_and_in_input_order(ledger: Ledger) -> None:
    await ledger.add([new_row(str(at)) for at in range(50)])
    pages = await asyncio.gather(*(ledger.claim(7) for _ in range(9)))
    assert [call.id for page in pages for call in page] == [str(at) for at in range(50)]
    assert list(await ledger.claim(1)) == []


async def test_two_owners_never_claim_the_same_call(open_ledger: OpenLedger) -> None:
    owners = [await open_ledger() for _ in range(3)]
    await owners[0].add([new_row(str(at)) for at in range(60)])
    pages = await asyncio.gather(*(owner.claim(7) for _ in range(4) for owner in owners))
    assert sorted(int(call.id) for page in pages for call in page) == list(range(60))
    assert {call.owner for page in pages for call in page} == {owner.owner for owner in owners}


async def test_a_released_call_is_claimed_as_another_attempt_and_keeps_the_money_of_the_first(ledger: Ledger) -> None:
    call = await claimed(ledger, submit("r-1"), Release(at=20.0, problem=PROBLEM, cost=None))
    (released,) = await stored(ledger)
    assert (released.state, released.owner, released.counted, released.problem) == ("ready", None, 7.0, PROBLEM)
    (again,) = await ledger.claim(1)
    assert (again.id, again.attempt, again.counted, again.request_id, again.problem) == ("a", 2, 0.0, None, None)
    assert (again.charged_before, again.unresolved_before) == (7.0, 7.0)
    assert again.accounts == ()
    await take(ledger, again, submit("r-2", 5.0), Accept(remote_ids=("2",), cost=4.0), accounts=[ADA])
    assert await reserved_and_spent(ledger, "all") == (7.0, 0.0)
    account = await ledger.account(ADA)
    assert account is not None
    assert (account.reserved, account.spent) == (0.0, 4.0)
    assert await ledger.unresolved_credits() == 7.0
    assert [await ledger.has_call(call.number, id_) for id_ in ("r-1", "r-2", "r-3")] == [True, True, False]
    call.state, call.owner = "submitting", ledger.owner
    with pytest.raises(StaleRowError):
        await ledger.accept(call, ACCEPT)


async def test_an_attempt_that_never_came_to_an_intent_is_not_kept(ledger: Ledger) -> None:
    await claimed(ledger, RELEASE)
    (again,) = await ledger.claim(1)
    assert (again.attempt, again.charged_before) == (2, 0.0)
    await take(ledger, again, submit(), Defer(), submit("r-2", 3.0))
    assert (again.attempt, again.request_id, again.counted) == (2, "r-2", 3.0)
    assert await reserved_and_spent(ledger, "all") == (3.0, 0.0)


async def test_a_call_that_is_deferred_may_be_made_on_other_accounts(ledger: Ledger) -> None:
    call = await claimed(ledger, submit(), Defer(), accounts=[ALL])
    for accounts in ([ADA], [], [ALL, ADA], []):
        await take(ledger, call, submit(), accounts=accounts)
        assert call.accounts == tuple(accounts)
        assert [shown(one) for one in await ledger.get([call.number])] == [shown(call)]
        for key in (ALL, ADA):
            account = await ledger.account(key)
            assert account is None or account.reserved == (7.0 if key in accounts else 0.0)
        await take(ledger, call, Defer())


async def test_money_is_where_the_call_has_it_and_not_where_a_copy_that_is_older_says(ledger: Ledger) -> None:
    call = await claimed(ledger, submit(), accounts=[])
    older = evolve(call)
    await take(ledger, call, Defer(), submit(), accounts=[ALL])
    await take(ledger, older, Accept(remote_ids=(), cost=3.0))
    assert await reserved_and_spent(ledger, "all") == (0.0, 3.0)


# --- accounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "reserved", "spent"),
    [
        ([], 7.0, 0.0),
        ([Defer()], 0.0, 0.0),
        ([RELEASE], 0.0, 0.0),
        ([Release(at=20.0, problem=PROBLEM, cost=None)], 7.0, 0.0),
        ([Release(at=20.0, problem=PROBLEM, cost=2.0)], 0.0, 2.0),
        ([UNKNOWN], 7.0, 0.0),
        ([FAIL], 7.0, 0.0),
        ([Fail(at=20.0, problem=PROBLEM, cost=0.0)], 0.0, 0.0),
        ([Fail(at=20.0, problem=PROBLEM, cost=3.0)], 0.0, 3.0),
        ([ACCEPT], 7.0, 0.0),
        ([Accept(remote_ids=(), cost=5.0)], 0.0, 5.0),
        ([Accept(remote_ids=(), cost=0.0)], 0.0, 0.0),
        ([Accept(remote_ids=(), cost=5.0, likely=4.0)], 0.0, 4.0),
        ([Accept(remote_ids=(), cost=24.0)], 0.0, 24.0),
        ([ACCEPT, FAIL], 7.0, 0.0),
        ([ACCEPT, Release(at=20.0, problem=PROBLEM, cost=None)], 7.0, 0.0),
        ([ACCEPT, UNKNOWN], 7.0, 0.0),
        ([ACCEPT, Download()], 7.0, 0.0),
        ([ACCEPT, Download(), UNKNOWN], 7.0, 0.0),
        ([ACCEPT, Download(), FINISH], 0.0, 7.0),
        ([Accept(remote_ids=(), cost=5.0), Download(), FINISH], 0.0, 5.0),
        ([Accept(remote_ids=(), cost=5.0), Download(), UNKNOWN], 0.0, 5.0),
        ([UNKNOWN, Accept(remote_ids=("7",), cost=5.0)], 0.0, 5.0),
        ([UNKNOWN, RELEASE], 0.0, 0.0),
        ([FAIL, RELEASE], 0.0, 0.0),
        ([FAIL, Release(at=20.0, problem=PROBLEM, cost=None)], 7.0, 0.0),
    ],
)
async def test_accounts_hold_what_their_calls_count(
    ledger: Ledger, steps: list[RowStep], reserved: float, spent: float
) -> None:
    await ledger.open_account(ALL, 10.0)
    call = await claimed(ledger, submit(), *steps, accounts=[ADA, ALL, ADA])
    assert await ledger.account(ALL) == Account("all", "", 10.0, reserved, spent)
    assert await ledger.account(ADA) == Account("user/ada", "2026-11", None, reserved, spent), "made by the intent"
    assert call.counted == reserved + spent
    assert await ledger.unresolved_credits() == reserved
    if call.state == "ready":
        await ledger.claim(1)  # the attempt becomes an earlier one
        assert await ledger.account(ALL) == Account("all", "", 10.0, reserved, spent)


async def test_an_intent_without_room_on_one_account_reserves_on_none(ledger: Ledger) -> None:
    keys = [("a", ""), ("b", ""), ("b", "2026"), ("c", "")]
    await ledger.open_account(("a", ""), 100.0)
    await ledger.open_account(("b", "2026"), 6.5)
    call = await claimed(ledger)
    before = await observed(ledger)
    assert await ledger.intend(call, submit(), keys[::-1]) == Account("b", "2026", 6.5)
    assert await observed(ledger) == before
    assert (call.state, call.accounts, call.counted) == ("leased", (), 0.0)
    assert await ledger.account(("a", "")) == Account("a", "", 100.0)
    assert [await ledger.account((scope, "")) for scope in "bc"] == [None, None], "nothing was made"
    await ledger.open_account(("b", "2026"), 7.0)
    assert await ledger.intend(call, submit(), keys) is None
    assert [await ledger.account(key) for key in keys] == [
        Account("a", "", 100.0, 7.0),
        Account("b", "", None, 7.0),
        Account("b", "2026", 7.0, 7.0),
        Account("c", "", None, 7.0),
    ]


async def test_of_several_accounts_without_room_the_first_in_sorted_order_is_named(ledger: Ledger) -> None:
    for scope in "cab":
        await ledger.open_account((scope, ""), 1.0)
    call = await claimed(ledger)
    assert await ledger.intend(call, submit(), [("c", ""), ("b", "")]) == Account("b", "", 1.0)


async def test_a_stale_intent_is_stale_whether_its_accounts_have_room_or_not(ledger: Ledger) -> None:
    call = await claimed(ledger)
    call.attempt = 2
    for cap in (1.0, 100.0):
        await ledger.open_account(ALL, cap)
        with pytest.raises(StaleRowError):
            await ledger.intend(call, submit(), [ALL])
        assert await ledger.account(ALL) == Account("all", "", cap)


async def test_a_cap_counts_what_is_spent_and_reserved_and_may_be_changed(ledger: Ledger) -> None:
    await ledger.add([new_row(id_) for id_ in "abcd"])
    a, b, c, d = await ledger.claim(4)
    assert await ledger.open_account(ALL, 10.0) == Account("all", "", 10.0)
    await take(ledger, a, submit(reserved=4.0), Accept(remote_ids=(), cost=3.0))
    await take(ledger, b, submit(reserved=4.0))
    assert await ledger.intend(c, submit(reserved=4.0), [ALL]) == Account("all", "", 10.0, 4.0, 3.0)
    await take(ledger, c, submit(reserved=3.0))
    assert await ledger.open_account(ALL, 5.0) == Account("all", "", 5.0, 7.0, 3.0), "what was reserved stays"
    assert await ledger.intend(d, submit(reserved=0.5), [ALL]) == Account("all", "", 5.0, 7.0, 3.0)
    assert await ledger.open_account(ALL, None) == Account("all", "", None, 7.0, 3.0)
    await take(ledger, d, submit(reserved=1_000.0))


async def test_sums_of_cents_leave_room_for_the_last_intent(ledger: Ledger) -> None:
    """Ten times 0.1 is less than 1 as floats, and 0.1 + 0.2 more than 0.3."""
    await ledger.add([new_row(str(at)) for at in range(14)])
    calls = await ledger.claim(14)
    await ledger.open_account(ALL, 1.0)
    await ledger.open_account(ADA, 0.3)
    for call in calls[:10]:
        await take(ledger, call, submit(reserved=0.1))
    assert await ledger.intend(calls[10], submit(reserved=0.1), [ALL]) is not None
    await take(ledger, calls[11], submit(reserved=0.1), accounts=[ADA])
    await take(ledger, calls[12], submit(reserved=0.2), accounts=[ADA])
    assert await ledger.intend(calls[13], submit(reserved=0.01), [ADA]) is not None


async def test_many_intents_of_one_moment_fill_an_account_to_the_credit(ledger: Ledger) -> None:
    await ledger.add([new_row(str(at)) for at in range(100)])
    await ledger.open_account(ALL, 333.0)
    calls = await ledger.claim(100)
    found = await asyncio.gather(*(ledger.intend(call, submit(reserved=7.0), [ALL, ADA]) for call in calls))
    assert found.count(None) == 47
    assert await ledger.account(ALL) == Account("all", "", 333.0, 329.0)
    assert await reserved_and_spent(ledger, "all") == (329.0, 0.0)
    assert [call.state for call in calls].count("submitting") == 47
    assert (await ledger.counts())["submitting"] == 47


async def test_intents_of_one_moment_on_different_accounts_do_not_hold_each_other_up(ledger: Ledger) -> None:
    users = [(f"user/{name}", "") for name in ("ada", "o'hara", 'say "é"')]
    await ledger.add([new_row(str(at)) for at in range(60)])
    calls = await ledger.claim(60)
    for user in users[:2]:
        await ledger.open_account(user, 50.0)
    found = await asyncio.gather(
        *(ledger.intend(call, submit(reserved=5.0), [users[at % 3], ALL]) for at, call in enumerate(calls))
    )
    assert found.count(None) == 10 + 10 + 20
    assert [await ledger.account(user) for user in users] == [
        Account(*users[0], 50.0, 50.0),
        Account(*users[1], 50.0, 50.0),
        Account(*users[2], None, 100.0),
    ]
    assert [call.accounts for call in await stored(ledger) if call.accounts] == [
        call.accounts for call in calls if call.accounts
    ]


async def test_corrected_costs_and_refunds_move_the_money_of_their_accounts(ledger: Ledger) -> None:
    await ledger.add([new_row(id_) for id_ in "abc"])
    a, b, c = await ledger.claim(3)
    await take(ledger, a, submit(), Accept(remote_ids=("1",), cost=5.0), accounts=[ALL, ADA])
    await take(ledger, b, submit(), ACCEPT, Download(), FINISH)
    await take(ledger, c, submit(), ACCEPT, FAIL)
    await ledger.correct_costs({a.number: 6.5, b.number: 8.0}, "listed")
    assert await ledger.account(ALL) == Account("all", "", None, 7.0, 14.5)
    assert await ledger.account(ADA) == Account(*ADA, None, 0.0, 6.5)
    assert [(call.cost, call.counted, call.cost_source) for call in await stored(ledger)][:2] == [
        (6.5, 6.5, "listed"),
        (8.0, 8.0, "listed"),
    ]
    assert await ledger.refundable(["timeout", "moderated"]) == 7.0
    await ledger.refund(["timeout"])
    assert await reserved_and_spent(ledger, "all") == (7.0, 14.5)
    await ledger.refund(["moderated"])
    assert await reserved_and_spent(ledger, "all") == (0.0, 14.5)
    await ledger.refund(["moderated"])
    assert await reserved_and_spent(ledger, "all") == (0.0, 14.5), "once"


async def test_a_transaction_of_an_earlier_attempt_does_not_settle_the_one_under_way(ledger: Ledger) -> None:
    accept = Accept(remote_ids=("1",), cost=5.0)
    await claimed(ledger, submit(), accept, UNKNOWN, Release(at=20.0, problem=PROBLEM, cost=None))
    assert not await ledger.unlisted_calls(10)


async def test_refunds_reach_earlier_attempts_on_the_accounts_of_those(ledger: Ledger) -> None:
    call = await claimed(ledger, submit(), ACCEPT, FAIL, Release(at=20.0, problem=PROBLEM, cost=None))
    (again,) = await ledger.claim(1)
    await take(ledger, again, submit(reserved=3.0), accounts=[ADA])
    assert await ledger.refundable(["moderated"]) == 7.0
    await ledger.refund(["moderated"])
    assert await reserved_and_spent(ledger, "all") == (0.0, 0.0)
    assert [one.charged_before for one in await ledger.get([call.number])] == [0.0]
    assert await ledger.unresolved_credits() == 3.0


async def test_what_an_account_has_spent_can_be_set_by_a_better_source(ledger: Ledger) -> None:
    await ledger.open_account(ALL, 20.0)
    call = await claimed(ledger, submit(), Accept(remote_ids=("1",), cost=5.0))
    await ledger.set_spent(ALL, 9.0)
    assert await ledger.account(ALL) == Account("all", "", 20.0, 0.0, 9.0)
    await ledger.correct_costs({call.number: 6.0}, "listed")
    assert await ledger.account(ALL) == Account("all", "", 20.0, 0.0, 10.0)
    await ledger.add([new_row("b")])
    (other,) = await ledger.claim(1)
    assert await ledger.intend(other, submit(reserved=10.5), [ALL]) == Account("all", "", 20.0, 0.0, 10.0)


async def test_accounts_of_past_periods_are_deleted_and_calls_that_count_on_them_may_end(ledger: Ledger) -> None:
    past, later = ("all", "until 2026-11-29"), ("all", "until 2026-11-30")
    for key in (past, later):
        await ledger.open_account(key, 20.0)
    call = await claimed(ledger, submit(), UNKNOWN, accounts=[past, later])
    assert await ledger.prune_accounts("until ", "until 2026-11-30") == 1
    assert await ledger.account(past) is None
    await ledger.accept(call, Accept(remote_ids=("1",), cost=5.0))
    assert await ledger.account(later) == Account(*later, 20.0, 0.0, 5.0)
    await ledger.correct_costs({call.number: 6.0}, "listed")
    assert await ledger.account(past) is None
    await ledger.open_account(ALL, None)
    assert await ledger.prune_accounts("until ", "until 2027") == 1
    assert await ledger.account(ALL) is not None


async def test_accounts_are_those_of_all_runs_and_refunds_those_of_one(open_ledger: OpenLedger) -> None:
    herons, owls = await open_ledger(run="herons"), await open_ledger(run="owls")
    await herons.open_account(ALL, 15.0)
    for ledger in (herons, owls):
        await claimed(ledger, submit(), ACCEPT, FAIL)
    assert await herons.account(ALL) == await owls.account(ALL) == Account("all", "", 15.0, 14.0)
    assert await herons.refundable(["moderated"]) == 7.0
    await herons.refund(["moderated"])
    assert await owls.account(ALL) == Account("all", "", 15.0, 7.0)


# --- runs, notes, logs ------------------------------------------------------------------------------------------------


async def test_runs_of_one_store_see_nothing_of_each_other(open_ledger: OpenLedger) -> None:
    herons, owls = await open_ledger(run="herons"), await open_ledger(run="owls")
    empty = await observed(owls)
    await claimed(herons, submit(), Accept(remote_ids=("1",), cost=5.0))
    await herons.add([new_row("b"), new_row("b", "rows:9", columns={"No": 1})])
    await herons.write_note("balance", {"total": 12.5})
    assert await observed(owls) == empty
    assert await owls.read_note("balance") is None
    assert (await owls.add([new_row("a", prompt="another")])).new == 1, "keys are those of a run"
    assert [call.id for call in await owls.claim(9)] == ["a"]
    assert (await herons.counts())["ready"] == 1


async def test_a_note_is_replaced_and_outlives_its_writer(open_ledger: OpenLedger) -> None:
    ledger = await open_ledger()
    assert await ledger.read_note("balance") is None
    for total in (12.5, 11.5):
        await ledger.write_note("balance", {"total": total, "é": [None, True]})
    await ledger.close()
    assert await (await open_ledger()).read_note("balance") == {"total": 11.5, "é": [None, True]}


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, RowStep]] = []
        self.costs: list[tuple[Mapping[int, float], CostSource]] = []
        self.notes: list[tuple[str, JSON]] = []

    def append(self, steps: Iterable[tuple[CallRecord, RowStep]]) -> None:
        self.steps += [(call.id, step) for call, step in steps]

    def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        self.costs.append((costs, source))

    def write_note(self, name: str, value: JSON) -> None:
        self.notes.append((name, value))


async def test_a_log_is_told_of_what_was_committed_and_of_nothing_else(open_ledger: OpenLedger) -> None:
    log = Log()
    ledger = await open_ledger(log=log)
    await ledger.open_account(ADA, 1.0)
    call = await claimed(ledger, submit())
    stale = evolve(call, attempt=7)
    with pytest.raises(StaleRowError):
        await ledger.accept(stale, ACCEPT)
    other = await claimed(ledger, id_="b")
    assert await ledger.intend(other, submit(), [ADA]) is not None
    await take(ledger, call, ACCEPT)
    await ledger.correct_costs({call.number: 3.0}, "listed")
    await ledger.write_note("balance", 1)
    assert log.steps == [("a", submit()), ("a", ACCEPT)]
    assert log.costs == [({call.number: 3.0}, "listed")]
    assert log.notes == [("balance", 1)]


# --- calls that are no rows -------------------------------------------------------------------------------------------


def new_call(id_: str = "k", **given: Any) -> NewCall:
    """Return a call that is no row."""
    return NewCall(id=id_, operation="generations.create", parameters={"digest": 7}, place="https://api", **given)


async def test_a_call_that_is_no_row_is_leased_once_and_read_as_it_was_written(open_ledger: OpenLedger) -> None:
    ledger, other = await open_ledger(run=NO_RUN), await open_ledger(run=NO_RUN)
    call, is_leased = await ledger.lease(new_call(user="ada", context={"channel": [7, "é"]}))
    assert is_leased
    assert (call.state, call.attempt, call.owner, call.parameters) == ("leased", 1, ledger.owner, {"digest": 7})
    assert (call.operation, call.user, call.context) == ("generations.create", "ada", {"channel": [7, "é"]})
    assert call.place == "https://api"
    assert [shown(found) for found in await stored(ledger)] == [shown(call)]
    for again in (ledger, other):
        found, is_leased = await again.lease(new_call(user="bob", context="else"))
        assert (shown(found), is_leased) == (shown(call), False)
    await take(ledger, call, submit(), ACCEPT)
    found, is_leased = await other.lease(new_call())
    assert (found.state, found.remote_ids, is_leased) == ("accepted", ("job-1",), False)
    await take(ledger, call, FINISH)
    assert (await other.lease(new_call()))[0].state == "done", "its outputs are not stored here"


async def test_a_ready_call_that_is_no_row_is_leased_again_with_its_earlier_attempt_counted(
    open_ledger: OpenLedger,
) -> None:
    ledger = await open_ledger(run=NO_RUN)
    call, _ = await ledger.lease(new_call(context=1))
    await take(ledger, call, submit(), UNKNOWN, Release(at=30.0, problem=PROBLEM, cost=None))
    again, is_leased = await ledger.lease(new_call(user="ada", context=2))
    assert is_leased
    assert (again.state, again.attempt, again.number, again.owner) == ("leased", 2, call.number, ledger.owner)
    assert (again.request_id, again.problem, again.counted, again.charged_before) == (None, None, 0.0, 7.0)
    assert (again.user, again.context) == ("ada", 2)
    with pytest.raises(StaleRowError):
        await ledger.release(evolve(call, state="unknown", owner=None), RELEASE)


async def test_of_many_who_lease_a_call_at_once_one_gets_it(open_ledger: OpenLedger) -> None:
    ledgers = [await open_ledger(run=NO_RUN) for _ in range(3)]
    found = await asyncio.gather(*(each.lease(new_call()) for _ in range(20) for each in ledgers))
    assert [is_leased for _, is_leased in found].count(True) == 1
    assert {call.number for call, _ in found} == {found[0][0].number}


async def test_a_call_that_is_no_row_belongs_to_its_run_alone(open_ledger: OpenLedger) -> None:
    jobs, batch = await open_ledger(run=NO_RUN), await open_ledger()
    await jobs.lease(new_call("a"))
    assert (await batch.add([new_row("a")])).new == 1
    assert [call.id for call in await batch.claim(9)] == ["a"]
    assert [call.operation async for call in jobs.scan()] == ["generations.create"]
