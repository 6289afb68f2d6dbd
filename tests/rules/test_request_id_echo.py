"""Responses belong to the request whose id they echo."""

from hypothesis import given, settings
from hypothesis import strategies as st

from generor_async.rules.request_id_echo import (
    ECHOES_TO_FORGET,
    ECHOES_TO_TRUST,
    MISSING_TO_DISTRUST,
    REQUEST_IDS_KEPT,
    UNKNOWN_TO_DISTRUST,
    EchoTracker,
)


def ours(echoes: EchoTracker, sent: str, echoed: str | None, *, succeeded: bool = True) -> bool:
    return echoes.is_ours(sent, echoed, succeeded=succeeded)


def known(echoes: EchoTracker, times: int = ECHOES_TO_TRUST) -> EchoTracker:
    """Have the server echo so many ids."""
    for number in range(times):
        echoes.sent(f"own-{number}")
        assert ours(echoes, f"own-{number}", f"own-{number}")
    return echoes


def test_an_answer_without_an_id_is_believed_until_the_server_has_echoed_ours_ten_times() -> None:
    assert ours(known(EchoTracker(), ECHOES_TO_TRUST - 1), "a", None)
    assert not ours(known(EchoTracker()), "a", None)


def test_an_error_without_an_id_is_always_believed() -> None:
    echoes = known(EchoTracker())
    assert all(ours(echoes, "a", None, succeeded=False) for _ in range(ECHOES_TO_TRUST))
    assert not ours(echoes, "a", None), "and teaches nothing"


def test_a_server_that_leaves_its_id_out_of_some_answers_is_believed_without() -> None:
    """However many others echo in between: one of its endpoints may be another program."""
    echoes = known(EchoTracker())
    answers = [ours(known(echoes, 5), "a", None) for _ in range(MISSING_TO_DISTRUST + 2)]
    assert answers == [False] * MISSING_TO_DISTRUST + [True, True]


def test_that_is_forgotten_after_a_thousand_echoes() -> None:
    echoes = known(EchoTracker())
    while not ours(echoes, "a", None):
        pass
    assert ours(known(echoes, ECHOES_TO_FORGET - 1), "a", None)
    assert not ours(known(echoes, ECHOES_TO_FORGET), "a", None)


def test_every_echo_counts_until_it_is_forgotten() -> None:
    echoes = known(EchoTracker())
    assert echoes.settled
    ours(echoes, "a", None)
    assert not known(echoes, ECHOES_TO_FORGET - 1).settled
    assert known(echoes, 1).settled


def test_the_id_of_another_request_of_ours_is_never_believed() -> None:
    echoes = EchoTracker()
    echoes.sent("a")
    echoes.sent("b")
    assert not ours(echoes, "b", "a")


def test_an_id_that_nobody_here_has_sent_is_believed_until_the_server_has_echoed_ours_ten_times() -> None:
    assert ours(known(EchoTracker(), ECHOES_TO_TRUST - 1), "a", "theirs")
    echoes = known(EchoTracker())
    assert not ours(echoes, "a", "theirs")
    assert ours(echoes, "b", "b")
    assert not ours(echoes, "c", "theirs again")


def test_an_id_in_other_letters_is_the_same() -> None:
    assert ours(known(EchoTracker()), "Order-1", " order-1")


def test_a_server_that_has_changed_its_ways_is_believed_again() -> None:
    echoes = known(EchoTracker())
    answers = [ours(echoes, "a", f"theirs-{number}") for number in range(UNKNOWN_TO_DISTRUST + 2)]
    assert answers == [False] * UNKNOWN_TO_DISTRUST + [True, True]
    assert not ours(known(echoes), "a", "theirs")


def test_ids_of_long_ago_are_forgotten() -> None:
    echoes = EchoTracker()
    for number in range(2 * REQUEST_IDS_KEPT):
        echoes.sent(f"id-{number}")
        echoes.sent(f"id-{number}")
    assert ours(echoes, "a", "id-0"), "as unknown as any other"
    assert not ours(echoes, "a", f"id-{2 * REQUEST_IDS_KEPT - 1}")


class Remembering:
    """Remembers everything that happened, and counts it anew each time."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.seen: list[str] = []
        self.gaps: list[int] = []
        """How many echoes have come since each answer without an id."""

    def is_ours(self, sent: str, echoed: str | None, *, succeeded: bool) -> bool:
        self.ids.add(sent)
        if echoed is None:
            return not succeeded or self.may_be_silent()
        if echoed == sent:
            self.seen.append("own")
            self.gaps = [gap + 1 for gap in self.gaps]
            return True
        if echoed in self.ids:
            return False
        self.seen.append("unknown")
        last = max((number for number, kind in enumerate(self.seen) if kind == "own"), default=-1)
        if len(self.seen) - 1 - last > UNKNOWN_TO_DISTRUST:
            self.seen.clear()
        return self.seen.count("own") < ECHOES_TO_TRUST

    def may_be_silent(self) -> bool:
        if self.gaps and self.gaps[-1] >= ECHOES_TO_FORGET:
            self.gaps.clear()
        self.gaps.append(0)
        return len(self.gaps) > MISSING_TO_DISTRUST or self.seen.count("own") < ECHOES_TO_TRUST


KINDS = ["own", "own", "own", "none", "an error", "other", "unknown", "a thousand"]


@given(st.lists(st.sampled_from(KINDS), max_size=40))
@settings(deadline=None)
def test_it_decides_as_one_who_remembers_everything(kinds: list[str]) -> None:
    echoes, model = EchoTracker(), Remembering()
    model.ids.add("first")
    for number, kind in enumerate(kinds):
        sent = f"own-{number}"
        echoed = {"none": None, "an error": None, "other": "first", "unknown": f"theirs-{number}"}.get(kind, sent)
        for again in (sent, "first"):
            echoes.sent(again)
        for _ in range(ECHOES_TO_FORGET if kind == "a thousand" else 1):
            decided = echoes.is_ours(sent, echoed, succeeded=kind != "an error")
            assert decided is model.is_ours(sent, echoed, succeeded=kind != "an error")
        assert not echoes.settled or kind not in {"none", "unknown"}
