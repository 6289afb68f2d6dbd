"""The ledger: what arrived, what it cost, and who never got an answer."""

from generor_async.simulator.ledger import Entry, Ledger


def arrive(ledger: Ledger, request_id: str, *, charged: float = 0.0, answered: bool = True) -> Entry:
    entry = ledger.open(
        at=0.0,
        api="luma",
        operation="luma.generations.create",
        method="POST",
        path="/v1/generations",
        request_id=request_id,
    )
    entry.status, entry.charged, entry.answered = 201, charged, answered
    return entry


def test_requests_are_numbered_as_they_arrive() -> None:
    ledger = Ledger()
    first, second = arrive(ledger, "a"), arrive(ledger, "b")
    assert ledger.requests == (first, second)
    assert (first.number, second.number) == (1, 2)


def test_attempts_are_counted_by_request_id() -> None:
    ledger = Ledger()
    assert [arrive(ledger, name).attempt for name in ("a", "b", "a", "a")] == [1, 1, 2, 3]


def test_charges_are_the_requests_that_cost_something() -> None:
    ledger = Ledger()
    arrive(ledger, "free")
    paid = arrive(ledger, "paid", charged=0.04)
    assert ledger.charges == (paid,)


def test_a_request_id_that_was_charged_twice_is_a_duplicate() -> None:
    ledger = Ledger()
    for name, charged in (("a", 1), ("a", 1), ("b", 1), ("b", 0), ("c", 1)):
        arrive(ledger, name, charged=charged)
    assert ledger.duplicates() == ("a",)


def test_unanswered_is_what_was_decided_and_never_delivered() -> None:
    ledger = Ledger()
    arrive(ledger, "a")
    lost = arrive(ledger, "b", charged=1, answered=False)
    under_way = arrive(ledger, "c", answered=False)
    under_way.status = None
    assert ledger.unanswered() == (lost,)
