"""Owners of a ledger are leases: who is gone is taken over, and who comes back finds its calls fenced."""

import pytest
from attrs import evolve
from stores.ledgers import (
    ACCEPT,
    ALL,
    FAIL,
    FINISH,
    RELEASE,
    UNKNOWN,
    OpenLedger,
    SettableClock,
    claimed,
    new_row,
    observed,
    shown,
    stored,
    submit,
    take,
)

from generor_async.errors import StaleRowError
from generor_async.rules.row_states import Accept, Defer, Download, Finish, RowStep
from generor_async.stores.ledger import LEASE_SECONDS, Ledger
from generor_async.stores.records import Account, CallRecord, TakenOver
from generor_async.values import is_object

NOBODY = TakenOver()


async def with_calls_in_each_state(ledger: Ledger) -> dict[str, CallRecord]:
    """Add a call in each state that belongs to an owner."""
    return {
        "leased": await claimed(ledger, id_="leased"),
        "deferred": await claimed(ledger, submit(), Defer(), id_="deferred"),
        "submitting": await claimed(ledger, submit(), id_="submitting"),
        "accepted": await claimed(ledger, submit(), ACCEPT, id_="accepted"),
        "downloading": await claimed(ledger, submit(), ACCEPT, Download(), id_="downloading"),
        "done": await claimed(ledger, submit(), ACCEPT, Download(), FINISH, id_="done"),
        "failed": await claimed(ledger, submit(), FAIL, id_="failed"),
        "unknown": await claimed(ledger, submit(), UNKNOWN, id_="unknown"),
    }


async def test_calls_of_an_owner_that_is_gone_are_taken_over(open_ledger: OpenLedger, clock: SettableClock) -> None:
    gone = await open_ledger()
    held = await with_calls_in_each_state(gone)
    account = await gone.account(ALL)
    clock.now += LEASE_SECONDS
    ledger = await open_ledger()
    assert await ledger.take_over() == TakenOver(ready=2, unknown=1, resumed=2)
    found = {call.id: call for call in await stored(ledger)}
    assert {id_: (call.state, call.owner) for id_, call in found.items()} == {
        "leased": ("ready", None),
        "deferred": ("ready", None),
        "submitting": ("unknown", None),
        "accepted": ("accepted", ledger.owner),
        "downloading": ("downloading", ledger.owner),
        "done": ("done", None),
        "failed": ("failed", None),
        "unknown": ("unknown", None),
    }
    assert await ledger.account(ALL) == account, "money is where it was"
    for id_ in ("done", "failed", "unknown"):
        assert shown(found[id_]) == shown(held[id_])
    problem = found["submitting"].problem
    assert is_object(problem)
    assert "r-1" in str(problem["message"]), "the vendor can find it by its id"
    assert [call.id async for call in ledger.scan(owned=True)] == ["accepted", "downloading"]
    assert [call.id for call in await ledger.claim(9)] == ["leased", "deferred"]
    assert await ledger.take_over() == NOBODY


async def test_paid_calls_stay_for_whoever_goes_on_with_them(open_ledger: OpenLedger, clock: SettableClock) -> None:
    gone = await open_ledger()
    held = await with_calls_in_each_state(gone)
    place = held["accepted"].place
    clock.now += LEASE_SECONDS
    idle, ledger = await open_ledger(), await open_ledger()
    assert await idle.take_over(resume=False) == TakenOver(ready=2, unknown=1, resumed=0)
    assert await idle.take_over(place=f"not {place}") == NOBODY
    assert await ledger.take_over(place=place) == TakenOver(ready=0, unknown=0, resumed=1)
    assert [call.id async for call in ledger.scan(owned=True)] == ["accepted"]
    assert await ledger.take_over() == TakenOver(ready=0, unknown=0, resumed=1)


async def test_one_that_comes_back_finds_its_calls_fenced_and_goes_on_with_others(
    open_ledger: OpenLedger, clock: SettableClock
) -> None:
    late = await open_ledger()
    held = await with_calls_in_each_state(late)
    clock.now += LEASE_SECONDS + 1.0
    ledger = await open_ledger()
    await ledger.take_over()
    await late.renew()
    before, account = await observed(ledger), await ledger.account(ALL)
    steps: dict[str, list[RowStep]] = {
        "leased": [submit("r-2"), RELEASE, FAIL],
        "deferred": [submit("r-2"), RELEASE],
        "submitting": [Accept(remote_ids=("1",), cost=3.0), Defer(), RELEASE, FAIL, UNKNOWN],
        "accepted": [Download(), RELEASE, FAIL, UNKNOWN],
        "downloading": [FINISH, UNKNOWN],
    }
    for id_, tried in steps.items():
        for step in tried:
            unchanged = shown(held[id_])
            with pytest.raises(StaleRowError):
                await take(late, held[id_], step)
            assert shown(held[id_]) == unchanged
    assert await observed(ledger) == before
    assert await ledger.account(ALL) == account
    assert [call.id for call in await late.claim(1)] == ["leased"], "its run has not ended"


async def test_a_call_that_was_taken_over_and_deleted_is_not_made_again(
    open_ledger: OpenLedger, clock: SettableClock
) -> None:
    """Its former owner still holds a lease of it in memory."""
    late = await open_ledger()
    call = await claimed(late)
    clock.now += LEASE_SECONDS + 1.0
    ledger = await open_ledger()
    assert await ledger.take_over() == TakenOver(ready=1)
    await ledger.begin_reading()
    assert await ledger.delete_unread() == (1, 0)
    for step in (submit(), RELEASE):
        with pytest.raises(StaleRowError):
            await take(late, call, step)
    assert await stored(ledger) == []
    assert await ledger.account(ALL) in {None, Account(*ALL)}
    assert (await ledger.add([new_row("b")])).new == 1
    assert [found.id for found in await stored(ledger)] == ["b"]
    with pytest.raises(StaleRowError):
        await take(late, call, submit())


@pytest.mark.parametrize("leap", [0.0, LEASE_SECONDS - 0.5])
async def test_calls_of_a_living_owner_are_left_alone(
    open_ledger: OpenLedger, clock: SettableClock, leap: float
) -> None:
    living = await open_ledger()
    held = await with_calls_in_each_state(living)
    clock.now += leap
    ledger = await open_ledger()
    before = await observed(ledger)
    assert await ledger.take_over() == NOBODY
    assert await observed(ledger) == before
    await take(living, held["leased"], submit())


async def test_a_lease_is_renewed_for_as_long_as_its_owner_lives(open_ledger: OpenLedger, clock: SettableClock) -> None:
    living, ledger = await open_ledger(), await open_ledger()
    call = await claimed(living, submit(), ACCEPT)
    for _ in range(10):
        clock.now += LEASE_SECONDS / 3
        await living.renew()
        assert await ledger.take_over() == NOBODY
    clock.now += LEASE_SECONDS
    assert await ledger.take_over() == TakenOver(resumed=1)
    with pytest.raises(StaleRowError):
        await living.accept(call, Download())


async def test_a_lease_that_has_ended_holds_until_somebody_takes_over(
    open_ledger: OpenLedger, clock: SettableClock
) -> None:
    late = await open_ledger()
    call = await claimed(late, submit())
    clock.now += 10 * LEASE_SECONDS
    await take(late, call, ACCEPT)
    await late.renew()
    ledger = await open_ledger()
    assert await ledger.take_over() == NOBODY
    await take(late, call, Download(), FINISH)


async def test_an_owner_does_not_take_over_from_itself(open_ledger: OpenLedger, clock: SettableClock) -> None:
    ledger = await open_ledger()
    held = await with_calls_in_each_state(ledger)
    clock.now += LEASE_SECONDS + 1.0
    assert await ledger.take_over() == await ledger.take_over(alone=True) == NOBODY
    await take(ledger, held["submitting"], ACCEPT)


async def test_an_owner_that_comes_back_after_it_was_pruned_has_a_lease_again(
    open_ledger: OpenLedger, clock: SettableClock
) -> None:
    late, ledger = await open_ledger(), await open_ledger()
    clock.now += 100 * LEASE_SECONDS
    await ledger.renew()
    await ledger.prune(LEASE_SECONDS)
    await late.renew()
    call = await claimed(late, submit())
    assert await ledger.take_over() == NOBODY
    await take(late, call, ACCEPT)


async def test_whoever_is_alone_takes_over_at_once(open_ledger: OpenLedger) -> None:
    gone = await open_ledger()
    held = await with_calls_in_each_state(gone)
    ledger = await open_ledger()
    assert await ledger.take_over(alone=True) == TakenOver(ready=2, unknown=1, resumed=2)
    with pytest.raises(StaleRowError):
        await take(gone, held["accepted"], Download())


async def test_an_owner_that_closes_the_ledger_has_ended(open_ledger: OpenLedger) -> None:
    gone, ledger = await open_ledger(), await open_ledger()
    await with_calls_in_each_state(gone)
    await gone.close()
    assert await ledger.take_over() == TakenOver(ready=2, unknown=1, resumed=2)


async def test_only_the_calls_of_the_own_run_are_taken_over(open_ledger: OpenLedger, clock: SettableClock) -> None:
    for run in ("herons", "owls"):
        await claimed(await open_ledger(run=run))
    clock.now += LEASE_SECONDS
    herons, owls = await open_ledger(run="herons"), await open_ledger(run="owls")
    assert await herons.take_over(alone=True) == TakenOver(ready=1)
    assert (await owls.counts())["leased"] == 1
    assert await owls.take_over() == TakenOver(ready=1)


async def test_who_took_over_is_taken_over_in_turn(open_ledger: OpenLedger, clock: SettableClock) -> None:
    call = await claimed(await open_ledger(), submit(), ACCEPT)
    owners = [await open_ledger() for _ in range(3)]
    for owner in owners:
        clock.now += LEASE_SECONDS
        await owner.renew()
        assert await owner.take_over() == TakenOver(resumed=1)
        assert [one.owner for one in await owner.get([call.number])] == [owner.owner]
        await owner.take_over()
    (found,) = await owners[-1].get([call.number])
    await take(owners[-1], found, Download(), Finish(at=30.0, result=None))
    with pytest.raises(StaleRowError):
        await take(owners[0], evolve(call, owner=owners[0].owner), Download())


# --- clocks -----------------------------------------------------------------------------------------------------------


async def test_a_lease_from_before_the_clock_was_set_back_counts_from_when_it_is_noticed(
    open_ledger: OpenLedger, clock: SettableClock
) -> None:
    await claimed(await open_ledger())
    clock.now -= 10_000.0
    ledger = await open_ledger()
    assert await ledger.take_over() == NOBODY
    clock.now += LEASE_SECONDS - 0.5
    await ledger.renew()
    assert await ledger.take_over() == NOBODY
    clock.now += 0.5
    assert await ledger.take_over() == TakenOver(ready=1)


async def test_a_lease_that_was_renewed_after_the_clock_was_set_back_counts_from_then(
    open_ledger: OpenLedger, clock: SettableClock
) -> None:
    gone, ledger = await open_ledger(), await open_ledger()
    await claimed(gone)
    clock.now -= 10_000.0
    await gone.renew()
    clock.now += LEASE_SECONDS
    assert await ledger.take_over() == TakenOver(ready=1)


async def test_a_living_owner_outlives_a_clock_that_is_set_back(open_ledger: OpenLedger, clock: SettableClock) -> None:
    living, ledger = await open_ledger(), await open_ledger()
    call = await claimed(living)
    for leap in (-10_000.0, 20.0, 20.0, 20.0, -500.0, 59.0):
        clock.now += leap
        assert await ledger.take_over() == NOBODY
        await living.renew()
    await take(living, call, submit())


async def test_a_clock_that_is_set_forward_ends_leases_and_costs_no_money(
    open_ledger: OpenLedger, clock: SettableClock
) -> None:
    """Whoever lives is fenced, and its calls are unknown: nothing is made twice."""
    living, ledger = await open_ledger(), await open_ledger()
    call = await claimed(living, submit())
    clock.now += 86_400.0
    assert await ledger.take_over() == TakenOver(unknown=1)
    with pytest.raises(StaleRowError):
        await living.accept(call, ACCEPT)
    assert await ledger.account(ALL) == Account(*ALL, None, 7.0)
    (found,) = await stored(ledger)
    await take(living, found, ACCEPT)  # it has learned what came of it, and says so
    assert await living.take_over() == NOBODY
