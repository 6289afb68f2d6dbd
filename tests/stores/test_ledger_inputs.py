"""Rows of an input in a ledger: new and known ones, duplicates, rejects, and rows that would be bought again."""

import pytest
from stores.ledgers import (
    ACCEPT,
    FAIL,
    FINISH,
    PROBLEM,
    RELEASE,
    UNKNOWN,
    OpenLedger,
    claimed,
    new_row,
    shown,
    stored,
    submit,
    take,
)

from generor_async.rules.file_fingerprint import CompletedRead, FileFingerprint
from generor_async.rules.row_states import Accept, Download, Fail, Finish, MarkUnknown, Release, RowStep
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import AddResult, Duplicate, Failure, FoundCall, Reject
from generor_async.values import JSON

PROBLEMS: list[JSON] = [
    {"message": "first", "error": "GenerationFailedError", "code": "moderated"},
    {"message": "other", "error": "APIStatusError"},
    {"message": "second", "error": "GenerationFailedError", "code": "moderated"},
]
FILE = CompletedRead(content=FileFingerprint(size=3, digest="ab"), terms="é", said=("a notice",))
DONE: list[RowStep] = [submit(), ACCEPT, Download(), FINISH]


async def ids(ledger: Ledger) -> list[str]:
    return [call.id for call in await stored(ledger)]


async def test_rows_are_added_once_and_read_in_input_order(ledger: Ledger) -> None:
    assert await ledger.add([new_row("b"), new_row("a", columns={"Note": "é"})]) == AddResult(new=2, known=0)
    assert await ledger.add([]) == AddResult(new=0, known=0)
    await ledger.begin_reading()
    assert await ledger.add([new_row("a"), new_row("c"), new_row("b")]) == AddResult(new=1, known=2)
    assert [(call.id, call.state, call.attempt, call.columns) for call in await stored(ledger)] == [
        ("b", "ready", 0, {}),
        ("a", "ready", 0, {"Note": "é"}),
        ("c", "ready", 0, {}),
    ]
    assert sorted(call.number for call in await stored(ledger)) == [call.number for call in await stored(ledger)]


async def test_equal_meaning_is_known_and_another_meaning_of_a_row_that_was_called_is_rejected(ledger: Ledger) -> None:
    await claimed(ledger, submit())
    await ledger.begin_reading()
    assert await ledger.add([new_row("a", style=None)]) == AddResult(new=0, known=1)
    added = await ledger.add([new_row("a", "rows:9", style="manga")])
    assert (added.new, added.known) == (0, 0)
    (reject,) = added.rejects
    assert (reject.place, reject.text) == ("rows:9", '{"prompt":"a","style":"manga"}')
    assert "rows:a" in reject.reason
    assert "'a'" in reject.reason
    assert [one async for one in ledger.rejects()] == [], "the reader adds it, with the others"
    assert (await stored(ledger))[0].parameters == {"prompt": "a"}


async def test_a_waiting_row_takes_the_latest_parameters_of_its_id_once_a_reading(ledger: Ledger) -> None:
    await ledger.add([new_row("a", "rows:1")])
    await ledger.begin_reading()
    assert await ledger.add([new_row("a", "rows:2", style="manga")]) == AddResult(new=0, known=1)
    assert len((await ledger.add([new_row("a", "rows:3", style="none")])).rejects) == 1
    (call,) = await ledger.claim(9)
    assert (call.parameters, call.place, call.text) == (
        {"prompt": "a", "style": "manga"},
        "rows:2",
        '{"prompt":"a","style":"manga"}',
    )


async def test_a_row_that_comes_again_in_one_reading_is_a_duplicate(ledger: Ledger) -> None:
    rows = [new_row("a", "rows:1"), new_row("b", "rows:2"), new_row("a", "rows:3", columns={"No": 3})]
    added = await ledger.add(rows)
    (call, _) = await stored(ledger)
    duplicate = Duplicate(place="rows:3", number=call.number, first="rows:1", columns={"No": 3})
    assert added == AddResult(new=2, known=0, duplicates=(duplicate,))
    assert [one async for one in ledger.duplicates()] == [duplicate]
    assert await ledger.column_names() == ["No"]
    assert call.columns == {}
    await ledger.begin_reading()
    assert [one async for one in ledger.duplicates()] == []
    assert await ledger.add(rows) == AddResult(new=0, known=2, duplicates=(duplicate,))


async def test_a_reject_of_the_same_place_is_replaced(ledger: Ledger) -> None:
    one, two = (Reject(place=f"rows:{at}", text="{ é", reason="it is not JSON") for at in (1, 2))
    await ledger.add_rejects([one, two])
    await ledger.add_rejects([one])
    assert sorted([reject.place async for reject in ledger.rejects()]) == ["rows:1", "rows:2"]
    await ledger.begin_reading()
    assert [reject async for reject in ledger.rejects()] == []


# --- bought again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "is_withheld"),
    [
        ([], False),  # it may still be deleted, as this reading doesn't see it
        ([RELEASE], False),
        ([submit()], True),
        ([submit(), RELEASE], True),
        ([submit(), ACCEPT], True),
        (DONE, True),
        ([submit(), UNKNOWN], True),
        ([submit(), FAIL], False),
    ],
)
async def test_a_row_that_requests_what_an_earlier_reading_bought_under_another_id_is_withheld(
    ledger: Ledger, steps: list[RowStep], is_withheld: bool
) -> None:
    await ledger.add([new_row("a")])
    if steps:
        (call,) = await ledger.claim(1)
        await take(ledger, call, *steps)
    await ledger.begin_reading()
    new = new_row("b", prompt="a", style="manga")
    added = await ledger.add([new], again=False)
    assert list(added.withheld) == ([new] if is_withheld else [])
    assert added.new == (not is_withheld)
    assert "b" not in await ids(ledger) or not is_withheld
    assert (await ledger.add([new])).new == is_withheld, "wanted"


async def test_what_this_reading_sees_under_its_own_id_withholds_nothing(ledger: Ledger) -> None:
    await claimed(ledger, *DONE)
    await ledger.begin_reading()
    assert await ledger.add([new_row("b", prompt="a"), new_row("a")], again=False) == AddResult(new=1, known=1)


async def test_rows_of_this_reading_and_of_other_runs_withhold_nothing(open_ledger: OpenLedger) -> None:
    herons, owls = await open_ledger(run="herons"), await open_ledger(run="owls")
    await claimed(herons, *DONE)
    for ledger in (owls, await open_ledger(run="herons")):  # the last one has not begun to read anew
        await ledger.add([new_row("x", prompt="x")], again=False)
        assert (await ledger.add([new_row("b", prompt="a"), new_row("c", prompt="a")], again=False)).new == 2


# --- which rows a reading has seen ------------------------------------------------------------------------------------


async def test_only_rows_that_this_reading_has_seen_are_claimed_if_asked_for(ledger: Ledger) -> None:
    await ledger.add([new_row(id_) for id_ in "abcd"])
    await ledger.begin_reading()
    assert list(await ledger.claim(9, seen=True)) == []
    await ledger.add([new_row(id_) for id_ in "dbe"])
    assert [call.id for call in await ledger.claim(2, seen=True)] == ["b", "d"]
    assert [call.id for call in await ledger.claim(9, seen=True)] == ["e"]
    assert [call.id for call in await ledger.claim(9)] == ["a", "c"]


@pytest.mark.parametrize("again", [True, False])
async def test_what_another_owner_has_added_is_not_seen(open_ledger: OpenLedger, again: bool) -> None:
    ledger, other = await open_ledger(), await open_ledger()
    await ledger.add([new_row("a")])
    await other.add([new_row("b")], again=again)
    await ledger.add([new_row("c")], again=again)
    assert [call.id for call in await ledger.claim(9, seen=True)] == ["a", "c"]
    assert [call.id for call in await other.claim(9, seen=True)] == ["b"]


async def test_rows_of_a_file_that_is_unchanged_are_all_seen(ledger: Ledger) -> None:
    await ledger.add([new_row("a")])
    await ledger.begin_reading()
    await ledger.skip_reading()
    assert await ledger.delete_unread() == (0, 0)
    assert [call.id for call in await ledger.claim(9, seen=True)] == ["a"]


async def test_unread_rows_are_deleted_unless_a_call_was_made_for_them(ledger: Ledger) -> None:
    steps_by_id: dict[str, list[RowStep]] = {
        "released": [RELEASE],
        "called": [submit(), RELEASE],
        "done": DONE,
        "failed": [submit(), FAIL],
        "unknown": [submit(), UNKNOWN],
        "leased": [],
    }
    for id_, steps in steps_by_id.items():
        await ledger.add([new_row(id_)])
        (call,) = await ledger.claim(1)
        await take(ledger, call, *steps)
        if call.state == "ready":  # another attempt, which is released before it comes to an intent
            (call,) = await ledger.claim(1)
    for call in [call async for call in ledger.scan("leased")]:
        if call.id != "leased":
            await take(ledger, call, Release(at=1.0, problem=PROBLEM))
    await ledger.add([new_row(id_) for id_ in ("never", "seen")])
    await ledger.add([new_row("never", "rows:again")])
    await ledger.begin_reading()
    await ledger.add([new_row("seen"), new_row("new")])
    assert await ledger.delete_unread() == (2, 1)
    assert await ids(ledger) == ["called", "done", "failed", "unknown", "leased", "seen", "new"]
    assert await ledger.delete_unread() == (0, 1)


async def test_rows_that_this_reading_added_and_nobody_claimed_are_discarded(open_ledger: OpenLedger) -> None:
    ledger, other = await open_ledger(), await open_ledger()
    owls = await open_ledger(run="owls")
    await ledger.add([new_row("old")])
    await ledger.begin_reading()
    await ledger.add([new_row(id_) for id_ in ("old", "a", "b", "c")])
    await other.add([new_row("of another owner")])
    await owls.add([new_row("of another run")])
    await ledger.add([new_row("d"), new_row("d", "rows:again")])
    (_, call) = await ledger.claim(2)
    await take(ledger, call, RELEASE)
    assert await ledger.discard_unclaimed() == 3
    assert await ids(ledger) == ["old", "a", "of another owner"]
    assert await ids(owls) == ["of another run"]
    assert [one async for one in ledger.duplicates()] == []
    assert await ledger.discard_unclaimed() == 0


async def test_rows_may_be_added_again_after_they_were_discarded(ledger: Ledger) -> None:
    await ledger.add([new_row("old")])
    await ledger.begin_reading()
    await ledger.add([new_row("a"), new_row("b")])
    assert await ledger.discard_unclaimed() == 2
    assert await ledger.add([new_row("old"), new_row("b"), new_row("a")]) == AddResult(new=2, known=1)
    assert await ids(ledger) == ["old", "b", "a"]
    assert [call.id for call in await ledger.claim(9, seen=True)] == ["old", "b", "a"]


async def test_rows_of_an_owner_that_only_went_on_reading_are_not_discarded_by_another(open_ledger: OpenLedger) -> None:
    ledger = await open_ledger()
    await ledger.add([new_row("a")])
    await ledger.close()
    again = await open_ledger()
    await again.add([new_row("a"), new_row("b")])
    assert await again.discard_unclaimed() == 1
    assert await ids(again) == ["a"]


@pytest.mark.parametrize(
    ("steps", "is_noted"),
    [([], False), ([submit(), FAIL], False), ([submit(), UNKNOWN], False), (DONE, True)],
)
async def test_a_file_was_read_whole_unless_it_lacks_a_row_that_may_still_be_bought(
    open_ledger: OpenLedger, steps: list[RowStep], is_noted: bool
) -> None:
    ledger, owls = await open_ledger(), await open_ledger(run="owls")
    await claimed(owls, id_="of another run")
    await claimed(ledger, *steps)
    await ledger.begin_reading()
    await ledger.add([new_row("b")])
    await ledger.end_reading(FILE)
    assert await ledger.read_whole() == (FILE if is_noted else None)
    assert await owls.read_whole() is None
    await ledger.begin_reading()
    assert await ledger.read_whole() is None
    await ledger.add([new_row("a"), new_row("b")])
    await ledger.end_reading(FILE)
    assert await ledger.read_whole() == FILE


# --- reading it back --------------------------------------------------------------------------------------------------


async def test_many_calls_are_scanned_by_pages_in_input_order(open_ledger: OpenLedger) -> None:
    ledger, owls = await open_ledger(), await open_ledger(run="owls")
    for start in range(0, 1_700, 100):
        await ledger.add([new_row(str(at)) for at in range(start, start + 100)])
        await owls.add([new_row(str(at)) for at in range(start, start + 10)])
    calls = await ledger.claim(1_200)
    for call in calls[::3]:
        await take(ledger, call, submit(f"r-{call.id}"))
    assert await ids(ledger) == [str(at) for at in range(1_700)]
    assert [call.id async for call in ledger.scan("submitting")] == [call.id for call in calls[::3]]
    assert [call.id async for call in ledger.scan("ready", "submitting")] == sorted(
        [*(call.id for call in calls[::3]), *(str(at) for at in range(1_200, 1_700))], key=int
    )
    assert [call.id async for call in ledger.scan(owned=True)] == [call.id for call in calls]
    assert [call.id async for call in ledger.scan("leased", owned=True)] == [
        call.id for call in calls if call.state == "leased"
    ]
    assert [call async for call in owls.scan(owned=True)] == []
    numbers = {call.id: call.number async for call in ledger.scan()}
    assert await ledger.find(["3", "1699", "none"]) == {
        "3": FoundCall(numbers["3"], "submitting", {"prompt": "3"}),
        "1699": FoundCall(numbers["1699"], "ready", {"prompt": "1699"}),
    }


async def test_a_scan_sees_each_call_once_while_calls_are_moved(ledger: Ledger) -> None:
    await ledger.add([new_row(str(at)) for at in range(1_200)])
    seen = list[str]()
    async for call in ledger.scan("ready", "leased"):
        seen.append(call.id)
        if len(seen) % 100 == 0:
            await ledger.claim(70)
    assert seen == [str(at) for at in range(1_200)]


async def test_failures_are_counted_by_error_and_code(ledger: Ledger) -> None:
    for at, problem in enumerate(PROBLEMS):
        await claimed(ledger, Fail(at=1.0, problem=problem), id_=str(at))
    assert list(await ledger.failures()) == [
        Failure(error="GenerationFailedError", code="moderated", message="first", rows=2),
        Failure(error="APIStatusError", code="", message="other", rows=1),
    ]


async def test_text_of_any_kind_comes_back_as_it_was(ledger: Ledger) -> None:
    odd = "é \U0001f426 ' \" \\ \x00 \n \u2028 %s ; --"
    await ledger.add([new_row(odd, odd, columns={odd: odd}, **{odd: [odd, None, 1.5, 2**60, True]})])
    (call,) = await ledger.claim(1)
    await take(ledger, call, submit(odd), accounts=[(odd, odd)])
    await ledger.accept(call, Accept(remote_ids=(odd, "1")))
    await ledger.accept(call, Download())
    await ledger.settle(call, Finish(at=1.0, result={odd: odd}))
    (found,) = await stored(ledger)
    assert shown(found) == shown(call)
    assert (found.id, found.place, found.columns) == (odd, odd, {odd: odd})
    assert found.parameters == {"prompt": odd, odd: [odd, None, 1.5, 2**60, True]}
    assert await ledger.account((odd, odd)) is not None
    assert await ledger.has_call(found.number, odd)


async def test_half_a_surrogate_pair_is_kept(ledger: Ledger) -> None:
    """As in the name of a file that isn't UTF-8."""
    await claimed(ledger, submit(), MarkUnknown(at=1.0, problem={"message": "\udcff"}))
    assert [call.problem for call in await stored(ledger)] == [{"message": "\udcff"}]
    await ledger.write_note("file", "\udcff")
    assert await ledger.read_note("file") == "\udcff"


@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_the_latest_calls_are_named_first(ledger: Ledger, limit: int) -> None:
    for at, id_ in enumerate("abc"):
        steps: list[RowStep] = [submit(id_), Accept(remote_ids=(id_,)), Download(), Finish(at=9.0 - at, result=None)]
        await claimed(ledger, *steps, id_=id_)
    assert [id_ for _, id_ in await ledger.last_done(limit)] == list("cba")[-limit:]
    assert [call.remote_ids for call in await ledger.unlisted_calls(limit)] == [(id_,) for id_ in "abc"[-limit:]]
    assert [call.remote_ids for call in await ledger.unlisted_calls(limit, place="rows:b")] == [("b",)]
    assert await ledger.count_answered(limit) == min(limit, 3)
    assert await ledger.last_activity(None) == 10.0
    assert await ledger.last_activity(10.0) == 9.0
    assert await ledger.has_calls()


async def test_an_empty_ledger_has_nothing(ledger: Ledger) -> None:
    assert set((await ledger.counts()).values()) == {0}
    assert await ids(ledger) == []
    assert list(await ledger.claim(3)) == []
    assert await ledger.find(["a"]) == {}
    assert await ledger.find([]) == {}
    assert await ledger.parameter_names() == (0, [])
    assert list(await ledger.failures()) == []
    assert list(await ledger.charges()) == []
    assert await ledger.last_activity(None) == await ledger.unresolved_credits() == await ledger.refundable(["x"]) == 0
    assert [page async for page in ledger.stored_files()] == []
    assert await ledger.account(("all", "")) is None
    assert not await ledger.has_calls()
    assert ledger.problem() is None
    await ledger.refund(["x"])
    await ledger.correct_costs({}, "listed")
