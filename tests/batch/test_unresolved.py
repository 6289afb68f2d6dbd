"""Judging unknown rows with accounts of every kind: in any time zone, with wrong dates, late, and shared."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.reconciliation.account_view import AccountView, CreationListing, ListedSpend
from generor_async.reconciliation.reconcile import judge_unknown_rows
from generor_async.reconciliation.unresolved import LAG
from generor_async.rules.creation_matching import GENERATE_SECONDS, Absent, Finding, Found, ListedCreation, StillUnknown
from generor_async.rules.reconcile import SNAPSHOT_INTERVAL
from generor_async.rules.time_zones import OFFSETS, corrected_dates
from generor_async.stores.records import CallRecord

EPOCH = 1_790_000_000.0
LONGEST = 60.0
END = 6_000.0
"""Seconds after which every call has ended and is listed."""


@frozen(kw_only=True)
class Call:
    """What really happened to a call; times are the server's seconds since the batch began."""

    prompt: str
    sent: int
    took: int
    charged: bool = True
    answered: bool = True
    own: bool = True
    deleted: bool = False
    """Whether its creation was deleted since."""
    listed: bool = True
    """Whether the transactions list its spend."""

    @property
    def ended(self) -> int:
        return self.sent + self.took


@frozen(kw_only=True)
class Account:
    """An account, and how it shows its times."""

    calls: Sequence[Call]
    zone: int = 0
    change: int = 0
    """Seconds by which its clock is changed at `changed`."""
    changed: int = 0
    skew: int = 0
    """Seconds that its clock is ahead of ours."""
    lag: int = 0
    names: bool = True
    """Whether a transaction names the creation."""
    liar: int | None = None
    """The creation with a wrong date, and the seconds by which it is wrong."""
    lie: int = 0
    lying_spend: bool = False
    """Whether the transaction's date is wrong instead."""

    def shown(self, number: int, moment: float, *, spend: bool) -> float:
        wrong = self.lie if number == self.liar and spend is self.lying_spend else 0
        return EPOCH + moment + self.zone + (self.change if self.change and moment >= self.changed else 0) + wrong

    def view(self, at: float, before: Sequence[float] = ()) -> AccountView:
        there = {number: call for number, call in enumerate(self.calls) if call.charged and call.ended + self.lag <= at}
        made = {
            number: self.shown(number, call.sent, spend=False) for number, call in there.items() if not call.deleted
        }
        # What was listed when the batch began is no spend of its.
        listed = {number: call for number, call in there.items() if call.sent >= 0 and call.listed}
        spent = {number: self.shown(number, call.ended, spend=True) for number, call in listed.items()}
        dated = corrected_dates(made)
        spends = [
            ListedSpend(creation_id=number if self.names else None, shown=when, zoned=False)
            for number, when in corrected_dates(spent).items()
        ]
        return AccountView(
            taken_at=EPOCH + at - self.skew,
            at=EPOCH + at,
            since=EPOCH - 3_600,
            creations=CreationListing(
                listed=[
                    ListedCreation(
                        creation_id=number, generator="joke", prompt=self.calls[number].prompt, created_at=when
                    )
                    for number, when in dated.items()
                ],
                zoned=frozenset(),
                whole=True,
            ),
            spends=spends,
            latest_change=max(spends, key=lambda one: one.shown, default=None),
            transactions_balance=-float(len(listed)),
            balances=[(EPOCH + moment, self._balance(moment)) for moment in (*before, at)],
        )

    def _balance(self, at: float) -> float:
        return -float(sum(call.charged and call.sent >= 0 and call.ended <= at for call in self.calls))

    def told(self, *moments: float) -> dict[int, Finding]:
        rows = [(call, self._row(number, call)) for number, call in enumerate(self.calls) if call.own]
        return judge_unknown_rows(
            [row for call, row in rows if not call.answered],
            [row for call, row in rows if call.answered],
            [self.view(at, moments[:number]) for number, at in enumerate(moments)],
            began=EPOCH - 300,
            server=lambda moment: moment + self.skew,
        )

    def _row(self, number: int, call: Call) -> CallRecord:
        return CallRecord(
            number=number,
            id=str(number),
            parameters={"slug": "joke", "prompt": call.prompt},
            place="",
            state="done" if call.answered else "unknown",
            attempt=1,
            submitted_at=EPOCH + call.sent - self.skew,
            longest=LONGEST,
            remote_ids=(str(number),) if call.answered else (),
            ended_at=EPOCH + call.ended - self.skew,
        )


prompts = st.sampled_from("abcdef")
lost_calls = st.builds(
    Call,
    prompt=prompts,
    sent=st.integers(0, 3_600),
    took=st.integers(0, int(GENERATE_SECONDS + LONGEST)),
    charged=st.booleans(),
    answered=st.just(False),
    deleted=st.sampled_from([False, False, False, True]),
)
answered_calls = st.builds(Call, prompt=prompts, sent=st.integers(0, 3_600), took=st.integers(1, 60))
foreign_calls = st.builds(Call, prompt=st.sampled_from("uvw"), sent=st.integers(0, 3_600), took=st.integers(1, 60))
others_calls = foreign_calls.map(lambda call: Call(prompt=call.prompt, sent=call.sent, took=call.took, own=False))


kept_calls = lost_calls.filter(lambda call: not call.deleted)


def accounts(lost: st.SearchStrategy[Call], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Account]:
    calls = st.tuples(
        st.lists(lost, min_size=1, max_size=6),
        st.lists(answered_calls, max_size=8),
        st.lists(others_calls, max_size=3),
    ).map(lambda parts: sorted([one for part in parts for one in part], key=lambda call: call.sent))
    known: dict[str, st.SearchStrategy[Any]] = {
        "calls": calls,
        "zone": st.sampled_from(OFFSETS[4:-4]),
        "skew": st.sampled_from([0, -7_200, 86_400]),
        "lag": st.integers(0, int(LAG)),
        "names": st.booleans(),
    }
    return st.builds(Account, **known, **more)


looks = st.lists(st.integers(0, int(END)), max_size=2).map(sorted)


def check_no_charged_row_is_released(account: Account, findings: dict[int, Finding]) -> None:
    """Of the rows with one prompt, no more may be released than were not charged."""
    calls = account.calls
    released = Counter(calls[number].prompt for number, finding in findings.items() if isinstance(finding, Absent))
    free = Counter(calls[number].prompt for number in findings if not calls[number].charged)
    assert released <= free


def check_found_creations_have_the_prompt(account: Account, findings: dict[int, Finding]) -> None:
    found = [(number, finding.creation_ids) for number, finding in findings.items() if isinstance(finding, Found)]
    assert len({ids for _, ids in found}) == len(found), "one to one"
    for number, (id_,) in found:
        assert account.calls[id_].prompt == account.calls[number].prompt
        assert not account.calls[id_].answered


@given(
    accounts(
        kept_calls, liar=st.none() | st.integers(0, 10), lie=st.integers(-50_000, 50_000), lying_spend=st.booleans()
    ),
    looks,
)
def test_in_any_zone_and_with_a_wrong_date_no_charged_row_is_released(account: Account, at: list[int]) -> None:
    findings = account.told(*at, END, END + SNAPSHOT_INTERVAL)
    check_no_charged_row_is_released(account, findings)
    check_found_creations_have_the_prompt(account, findings)


@given(accounts(lost_calls), looks)
def test_in_any_zone_and_with_deleted_creations_no_charged_row_is_released(account: Account, at: list[int]) -> None:
    findings = account.told(*at, END, END + SNAPSHOT_INTERVAL)
    check_no_charged_row_is_released(account, findings)
    check_found_creations_have_the_prompt(account, findings)


@given(accounts(kept_calls, change=st.sampled_from([3_600, -3_600]), changed=st.integers(0, 4_000)), looks)
def test_over_a_change_of_the_accounts_clock_no_charged_row_is_released(account: Account, at: list[int]) -> None:
    findings = account.told(*at, END, END + SNAPSHOT_INTERVAL)
    check_no_charged_row_is_released(account, findings)
    check_found_creations_have_the_prompt(account, findings)


wrong_dates: dict[str, st.SearchStrategy[Any]] = {
    "change": st.sampled_from([0, 0, 3_600, -3_600, 1_800, -1_800]),
    "changed": st.integers(0, 4_000),
    "liar": st.none() | st.integers(0, 10),
    "lie": st.integers(-50_000, 50_000) | st.integers(-4_000, 4_000),
    "lying_spend": st.booleans(),
}


@given(accounts(lost_calls, **wrong_dates), looks)
def test_with_deleted_creations_and_wrong_dates_no_charged_row_is_released(account: Account, at: list[int]) -> None:
    findings = account.told(*at, END, END + SNAPSHOT_INTERVAL)
    check_no_charged_row_is_released(account, findings)
    check_found_creations_have_the_prompt(account, findings)


quick_calls = st.builds(Call, prompt=st.just("z"), sent=st.integers(0, 3_600), took=st.integers(1, 60))


@given(
    st.lists(kept_calls, max_size=4, unique_by=lambda call: call.prompt),
    st.lists(quick_calls, min_size=6, max_size=10),
    st.sampled_from(OFFSETS),
    st.booleans(),
    st.none() | st.integers(0, 13),
    st.integers(-50_000, 50_000),
)
def test_with_some_answered_rows_all_are_settled_despite_a_wrong_date(
    lost: list[Call], answered: list[Call], zone: int, names: bool, liar: int | None, lie: int
) -> None:
    calls = sorted([*lost, *answered], key=lambda call: call.sent)
    if liar is not None and (liar >= len(calls) or not calls[liar].answered):
        liar = None
    account = Account(calls=calls, zone=zone, names=names, liar=liar, lie=lie)
    for number, finding in account.told(END, END + SNAPSHOT_INTERVAL).items():
        assert finding == (Found((number,)) if calls[number].charged else Absent())


def lost(**more: Any) -> list[Call]:
    return [Call(prompt=f"heron {number}", sent=20 * number, took=15, answered=False, **more) for number in range(20)]


def test_without_answered_rows_all_are_found_by_their_prompts() -> None:
    for zone in OFFSETS:
        for names in (True, False):
            findings = Account(calls=lost(), zone=zone, names=names).told(900.0)
            assert findings == {number: Found((number,)) for number in range(20)}


def test_earlier_creations_of_the_same_prompts_are_not_taken_for_the_batchs() -> None:
    """The same rows were run three hours ago; of this batch's calls some had an effect, or none."""
    before = [Call(prompt=call.prompt, sent=call.sent - 10_800, took=15, own=False) for call in lost()]
    for charged in (0, 1, 7, 20):
        calls = [*before, *lost()[:charged], *lost(charged=False)[charged:]]
        for names in (True, False):
            findings = Account(calls=calls, names=names).told(900.0, END, END + SNAPSHOT_INTERVAL)
            for number, finding in findings.items():
                assert finding == Found((number,)) or not isinstance(finding, Found)
            check_no_charged_row_is_released(Account(calls=calls), findings)


def busy(number: int, **more: Any) -> Account:
    """An account that others use all the time, and that lists everything four minutes late."""
    others = [Call(prompt="u", sent=sent, took=9, own=False) for sent in range(0, 4_000, 40 + number)]
    answered = [Call(prompt="z", sent=100 * each, took=10) for each in range(10)]
    lost = [
        Call(prompt=each, sent=105 * n, took=10, answered=False, charged=n % 2 == 0) for n, each in enumerate("abcd")
    ]
    calls = sorted([*others, *answered, *lost], key=lambda call: call.sent)
    return Account(calls=calls, lag=250, **more)


@pytest.mark.parametrize("number", range(0, 40, 3))
def test_rows_are_settled_by_earlier_balances_if_transactions_are_listed_late(number: int) -> None:
    account = busy(number)
    settled: dict[int, Finding] = {}
    for looks_taken in range(1, 30):
        found = account.told(*(1_700.0 + 60 * look for look in range(looks_taken)))
        settled |= {row: finding for row, finding in found.items() if not isinstance(finding, StillUnknown)}
    unknown = [row for row, call in enumerate(account.calls) if not call.answered]
    assert settled == {row: Found((row,)) if account.calls[row].charged else Absent() for row in unknown}


LOSSY = st.tuples(st.integers(0, 39), st.integers(0, 1_900), st.integers(1, 20), st.sampled_from([0, 7, 60]))


@examples(15)
@given(LOSSY, st.booleans())
def test_later_transactions_do_not_stand_in_for_one_never_listed(drawn: tuple[int, int, int, int], names: bool) -> None:
    """A call was charged, and the account shows neither its creation nor its spend; others spend as much each time."""
    number, sent, took, apart = drawn
    account = busy(number, names=names)
    hidden = Call(prompt="h", sent=sent, took=took, answered=False, deleted=True, listed=False)
    more = [Call(prompt="u", sent=4_000 + apart * each, took=1, own=False) for each in range(20 if apart else 0)]
    account = evolve(account, calls=sorted([*account.calls, hidden, *more], key=lambda call: call.sent))
    for looks_taken in (2, 10, 11, 12, 13):
        findings = account.told(*(sent + 1_300.0 + 60 * look for look in range(looks_taken)))
        assert isinstance(findings[account.calls.index(hidden)], StillUnknown)


GONE = Call(prompt="a", sent=1_000, took=10, answered=False, deleted=True)
ANSWERED = [Call(prompt="z", sent=100 * number, took=10) for number in range(20)]


def test_a_deleted_creation_with_a_wrongly_dated_spend_leaves_its_row_unknown() -> None:
    free = evolve(GONE, prompt="b", charged=False, deleted=False)
    for names in (True, False):
        for lie in range(-50_000, 50_000, 700):
            calls = sorted([GONE, free, *ANSWERED], key=lambda call: call.sent)
            account = Account(calls=calls, names=names, liar=calls.index(GONE), lie=lie, lying_spend=True)
            findings = account.told(END, END + SNAPSHOT_INTERVAL)
            check_no_charged_row_is_released(account, findings)
            assert isinstance(findings[calls.index(GONE)], StillUnknown)


@pytest.mark.parametrize("lie", [0, -1_500, 1_500])
def test_a_wrong_date_far_from_a_row_does_not_keep_it_unknown_if_spends_name_creations(lie: int) -> None:
    gone = evolve(GONE, sent=3_000)
    free = [evolve(GONE, prompt=prompt, sent=sent, charged=False) for prompt, sent in (("b", 0), ("c", 6_000))]
    calls = sorted([gone, *free, *(evolve(ANSWERED[0], sent=300 * n) for n in range(20))], key=lambda call: call.sent)
    account = Account(calls=calls, liar=calls.index(gone), lie=lie, lying_spend=True)
    findings = account.told(2 * END, 2 * END + SNAPSHOT_INTERVAL)
    assert isinstance(findings[calls.index(gone)], StillUnknown)
    assert [findings[calls.index(call)] for call in free] == [Absent(), Absent()]


def test_a_deleted_creation_leaves_its_row_unknown_with_an_unexplained_spend() -> None:
    gone = Call(prompt="a", sent=0, took=10, answered=False, deleted=True)
    answered = [Call(prompt="z", sent=100 * number, took=10) for number in range(1, 5)]
    (finding,) = Account(calls=[gone, *answered]).told(END, END + SNAPSHOT_INTERVAL).values()
    assert isinstance(finding, StillUnknown)
    assert "nothing else explains" in finding.reason
