"""The ledger: requests, their costs, and answers that were lost."""

import json
from pathlib import Path

from attrs import fields

from generor_async.simulator.ledger import Entry, Ledger


def arrive(ledger: Ledger, name: str, *, status: int = 201, charged: float = 0.0, answered: bool = True) -> Entry:
    """Record the arrival of a request for `name`, with a request id of its own."""
    entry = ledger.open(
        at=0.0,
        api="luma",
        operation="luma.generations.create",
        method="POST",
        path="/v1/generations",
        request_id=f"{name}-{len(ledger.requests)}",
        content=name,
    )
    entry.status, entry.charged, entry.answered = status, charged, answered
    return entry


def test_requests_are_numbered_as_they_arrive() -> None:
    ledger = Ledger()
    first, second = arrive(ledger, "a"), arrive(ledger, "b")
    assert ledger.requests == (first, second)
    assert (first.number, second.number) == (1, 2)


def calls(*entries: Entry) -> list[tuple[int, int]]:
    return [(entry.call, entry.attempt) for entry in entries]


def test_what_came_to_nothing_and_comes_again_is_another_attempt_of_the_same_call() -> None:
    ledger = Ledger()
    failed = arrive(ledger, "a", status=503)
    other = arrive(ledger, "b", status=503)
    lost = arrive(ledger, "a", answered=False)
    entries = failed, other, lost, arrive(ledger, "a"), arrive(ledger, "b")
    assert calls(*entries) == [(1, 1), (2, 1), (1, 2), (1, 3), (2, 2)]


def test_what_was_answered_well_and_comes_again_is_a_new_call() -> None:
    ledger = Ledger()
    assert calls(*(arrive(ledger, "a") for _ in range(3))) == [(1, 1), (2, 1), (3, 1)]


def test_calls_side_by_side_that_ask_for_the_same_are_each_repeated_once() -> None:
    ledger = Ledger()
    slow = arrive(ledger, "a")
    slow.status = None
    failed = arrive(ledger, "a", status=503)
    assert calls(slow, failed) == [(1, 1), (2, 1)], "the first is still under way"
    slow.abandon()
    again = [arrive(ledger, "a", status=503), arrive(ledger, "a"), arrive(ledger, "a"), arrive(ledger, "a")]
    assert calls(*again) == [(1, 2), (2, 2), (1, 3), (6, 1)]


def test_charges_are_the_requests_that_cost_something() -> None:
    ledger = Ledger()
    arrive(ledger, "free")
    paid = arrive(ledger, "paid", charged=0.04)
    assert ledger.charges == (paid,)


def test_a_call_that_was_charged_twice_is_a_duplicate() -> None:
    ledger = Ledger()
    for name, charged in (("a", 1), ("a", 1), ("b", 1), ("b", 0), ("c", 1)):
        arrive(ledger, name, charged=charged, answered=False)
    assert ledger.duplicates() == (1,)


def test_unanswered_is_what_was_decided_and_never_delivered() -> None:
    ledger = Ledger()
    arrive(ledger, "a")
    lost = arrive(ledger, "b", charged=1, answered=False)
    under_way = arrive(ledger, "c", answered=False)
    under_way.status = None
    assert ledger.unanswered() == (lost,)


def test_unanswered_is_also_what_a_fault_cut_off_before_anything_was_decided() -> None:
    ledger = Ledger()
    cut_off = arrive(ledger, "a", answered=False)
    cut_off.status, cut_off.fault, cut_off.when = None, "reset", "before_charge"
    under_way = arrive(ledger, "b", answered=False)
    under_way.status, under_way.fault, under_way.when = None, "reset", "after_charge"
    assert ledger.unanswered() == (cut_off,)


def test_clearing_forgets_attempts_too() -> None:
    ledger = Ledger()
    arrive(ledger, "a", charged=1, answered=False)
    ledger.clear()
    assert (ledger.requests, ledger.charges) == ((), ())
    again = arrive(ledger, "a")
    assert (again.number, again.attempt) == (1, 1)


def test_it_is_exported_as_an_object_a_line_with_every_field() -> None:
    ledger = Ledger()
    for name in ("a", "b"):
        arrive(ledger, name, charged=0.0404).fault = "drip"
    lines = [json.loads(line) for line in ledger.to_jsonl().splitlines()]
    assert [line["request_id"] for line in lines] == ["a-0", "b-1"]
    assert lines[0].keys() == {field.name for field in fields(Entry)}
    assert Entry(**lines[0]) == ledger.requests[0]
    assert ledger.to_jsonl().endswith("}\n")


def test_an_empty_one_is_exported_as_nothing() -> None:
    assert Ledger().to_jsonl() == ""


def test_it_is_written_to_a_file_which_is_replaced(tmp_path: Path) -> None:
    ledger = Ledger()
    for _ in range(2):
        arrive(ledger, "é")
        ledger.write(tmp_path / "ledger.jsonl")
    assert (tmp_path / "ledger.jsonl").read_text("utf-8") == ledger.to_jsonl()
    assert len(ledger.to_jsonl().splitlines()) == 2
