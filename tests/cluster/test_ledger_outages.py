"""A ledger in PostgreSQL while its database restarts, is cut off, or loses answers: nothing is done twice or lost."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from stores.ledgers import (
    ACCEPT,
    ALL,
    FAIL,
    FINISH,
    RULES,
    claimed,
    new_row,
    observed,
    reserved_and_spent,
    stored,
    submit,
    take,
)
from support.links import Link, LostCommit, link_to
from support.servers import PostgresServer

from generor_async.errors import JournalError, StaleRowError
from generor_async.rules.row_states import Accept, Download, Finish
from generor_async.stores.ledger import Ledger
from generor_async.stores.opening import open_ledger
from generor_async.stores.postgres import writer
from generor_async.stores.records import Account, TakenOver

AT_ONCE = 5


@pytest.fixture
async def link(postgres: PostgresServer) -> AsyncIterator[Link]:
    async with link_to(postgres.host, postgres.port) as link:
        yield link


@pytest.fixture
async def ledger(postgres: PostgresServer, postgres_url: str, link: Link) -> AsyncIterator[Ledger]:
    url = postgres_url.replace(f":{postgres.port}/", f":{link.port}/")
    ledger = await open_ledger(url, run="herons", rules=RULES, lease=2.0)
    yield ledger
    await ledger.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not condition():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("lost", ["arrives", "never arrives", "arrives late"])
async def test_a_commit_whose_answer_is_lost_is_done_once(ledger: Ledger, link: Link, lost: LostCommit) -> None:
    await ledger.open_account(ALL, 100.0)
    await ledger.add([new_row(id_) for id_ in "abc"])
    a, b, c = await ledger.claim(3)
    await take(ledger, c, submit(reserved=1.0))
    link.lost = [lost]
    found = await asyncio.gather(
        ledger.intend(a, submit(), [ALL]), ledger.intend(b, submit(), [ALL]), ledger.accept(c, ACCEPT)
    )
    assert not link.lost
    await link.deliver_late()
    assert list(found) == [None] * 3
    assert await ledger.account(ALL) == Account(*ALL, 100.0, 15.0, 0.0)
    assert [(call.state, call.attempt) for call in await stored(ledger)] == [
        ("submitting", 1),
        ("submitting", 1),
        ("accepted", 1),
    ]
    link.lost = [lost]
    await ledger.accept(a, Accept(remote_ids=("1",), cost=3.0))
    await link.deliver_late()
    assert await reserved_and_spent(ledger, "all") == (8.0, 3.0)


@pytest.mark.parametrize("lost", ["arrives", "never arrives", "arrives late"])
async def test_what_is_no_step_is_done_once_too(ledger: Ledger, link: Link, lost: LostCommit) -> None:
    link.lost = [lost]
    assert (await ledger.add([new_row(str(at)) for at in range(20)])).new == 20
    link.lost = [lost]
    first = {call.id for call in await ledger.claim(7)}
    assert len(first) == 7
    link.lost = [lost]
    assert await ledger.take_over() == TakenOver()
    link.lost = [lost]
    await ledger.begin_reading()
    link.lost = [lost, lost]
    assert (await ledger.add([new_row("19"), new_row("x")])).known == 1
    await link.deliver_late()
    assert (await ledger.counts())["leased"] == 7
    assert (await ledger.counts())["ready"] == 14
    assert first.isdisjoint(call.id for call in await ledger.claim(14))


async def test_the_look_at_a_lost_commit_may_be_lost_as_well(ledger: Ledger, link: Link) -> None:
    call = await claimed(ledger)
    link.lost = ["never arrives", "arrives", "never arrives", "arrives"]
    await take(ledger, call, submit())
    assert not link.lost
    assert await reserved_and_spent(ledger, "all") == (7.0, 0.0)
    link.lost = ["arrives", "never arrives", "arrives late", "arrives"]
    await take(ledger, call, ACCEPT, Download(), FINISH)
    await link.deliver_late()
    assert await reserved_and_spent(ledger, "all") == (0.0, 7.0)
    assert [found.state for found in await stored(ledger)] == ["done"]


async def test_operations_wait_while_the_link_is_cut(ledger: Ledger, link: Link) -> None:
    a = await claimed(ledger, submit())
    b = await claimed(ledger, id_="b")
    link.cut()
    waiting = [
        asyncio.ensure_future(operation)
        for operation in (
            take(ledger, a, ACCEPT, FAIL),
            take(ledger, b, submit()),
            ledger.renew(),
            ledger.counts(),
            ledger.claim(1),
        )
    ]
    await asyncio.sleep(0.2)
    assert not any(each.done() for each in waiting)
    link.heal()
    link.reset()
    await asyncio.gather(*waiting)
    assert {call.id: call.state for call in await stored(ledger)} == {"a": "failed", "b": "submitting"}
    assert await reserved_and_spent(ledger, "all") == (14.0, 0.0)


@pytest.mark.parametrize("immediate", [False, True])
async def test_operations_wait_while_the_database_restarts(
    postgres: PostgresServer, ledger: Ledger, immediate: bool
) -> None:
    await ledger.open_account(ALL, 1_000.0)
    await ledger.add([new_row(str(at)) for at in range(60)])
    made = list[str]()

    async def work() -> None:
        while calls := await ledger.claim(2):
            for call in calls:
                assert await ledger.intend(call, submit(call.id, 2.0), [ALL]) is None
                made.append(call.id)
                await take(ledger, call, Accept(remote_ids=(call.id,), cost=2.0), Download())
                await ledger.settle(call, Finish(at=1.0, result=None))

    working = asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await until(lambda: len(made) >= 10)
    await asyncio.to_thread(postgres.stop, immediate=immediate)
    before = len(made)
    await asyncio.sleep(0.2)
    answers = AT_ONCE  # that the database has sent, and nobody has read yet
    assert len(made) <= before + answers, "nothing is bought while the ledger can't be written"
    await asyncio.to_thread(postgres.start)
    await working
    assert sorted(made) == sorted(str(at) for at in range(60))
    assert await ledger.account(ALL) == Account(*ALL, 1_000.0, 0.0, 120.0)
    assert (await ledger.counts())["done"] == 60


async def test_a_database_that_stays_away_is_an_error_that_says_so(
    ledger: Ledger, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(writer, "POOL_SECONDS", 0.1)
    call = await claimed(ledger)
    before = await observed(ledger)
    link.cut()
    link.reset()
    with pytest.raises(JournalError, match=r"cannot be written to \(") as caught:
        await ledger.intend(call, submit(), [ALL])
    assert call.state == "leased"
    assert "Nothing is lost" in f"{caught.value}"
    with pytest.raises(JournalError, match="cannot be read"):
        await ledger.counts()
    link.heal()
    monkeypatch.undo()
    assert await observed(ledger) == before
    await take(ledger, call, submit())


@pytest.mark.parametrize("lost", ["arrives", "never arrives"])
async def test_after_an_operation_was_given_up_others_are_written(
    ledger: Ledger, link: Link, monkeypatch: pytest.MonkeyPatch, lost: LostCommit
) -> None:
    """It may be tried again: if it was written after all, the call has been moved."""
    call = await claimed(ledger)
    monkeypatch.setattr(writer, "WAIT_SECONDS", 0.0)
    nine: list[LostCommit] = ["never arrives"] * 9
    link.lost = [lost, *nine]
    with pytest.raises(JournalError):
        await ledger.intend(call, submit(), [ALL])
    link.lost = []
    monkeypatch.undo()
    assert call.state == "leased"
    if lost == "arrives":
        with pytest.raises(StaleRowError):
            await ledger.intend(call, submit(), [ALL])
    else:
        await take(ledger, call, submit())
    assert await reserved_and_spent(ledger, "all") == (7.0, 0.0)
    await ledger.close()
    with pytest.raises(JournalError, match="closed"):
        await ledger.renew()


async def test_a_session_that_is_frozen_in_a_transaction_lets_go_of_its_locks(
    postgres_url: str, ledger: Ledger, link: Link
) -> None:
    """Another worker on the same account goes on after the server has ended the session."""
    other = await open_ledger(postgres_url, run="owls", rules=RULES)
    mine, others = await claimed(ledger), await claimed(other)
    link.lost = ["arrives late"]  # it holds the locks of the account
    waiting = asyncio.ensure_future(take(ledger, mine, submit()))
    await until(lambda: bool(link.late))
    await take(other, others, submit())
    await waiting
    assert await reserved_and_spent(other, "all") == (14.0, 0.0)
    await other.close()
