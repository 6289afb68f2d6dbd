"""Whose answer it is, told from the request id that it echoes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from generor_async.rules.request_id_echo import CHANGED, FORGOTTEN, PROOF, RARE, REMEMBERED, Echoes


def ours(echoes: Echoes, sent: str, echoed: str | None, *, succeeded: bool = True) -> bool:
    return echoes.is_ours(sent, echoed, succeeded=succeeded)


def known(echoes: Echoes, times: int = PROOF) -> Echoes:
    """Have the server echo so many ids."""
    for number in range(times):
        echoes.sent(f"own-{number}")
        assert ours(echoes, f"own-{number}", f"own-{number}")
    return echoes


def test_an_answer_without_an_id_is_believed_until_the_server_has_echoed_ours_ten_times() -> None:
    assert ours(known(Echoes(), PROOF - 1), "a", None)
    assert not ours(known(Echoes()), "a", None)


def test_an_error_without_an_id_is_always_believed() -> None:
    echoes = known(Echoes())
    assert all(ours(echoes, "a", None, succeeded=False) for _ in range(PROOF))
    assert not ours(echoes, "a", None), "and teaches nothing"


def test_a_server_that_leaves_its_id_out_of_some_answers_is_believed_without() -> None:
    """However many others echo in between: one of its endpoints may be another program."""
    echoes = known(Echoes())
    answers = [ours(known(echoes, 5), "a", None) for _ in range(RARE + 2)]
    assert answers == [False] * RARE + [True, True]


def test_that_is_forgotten_after_a_thousand_echoes() -> None:
    echoes = known(Echoes())
    while not ours(echoes, "a", None):
        pass
    assert ours(known(echoes, FORGOTTEN - 1), "a", None)
    assert not ours(known(echoes, FORGOTTEN), "a", None)


def test_every_echo_counts_until_it_is_forgotten() -> None:
    echoes = known(Echoes())
    assert echoes.settled
    ours(echoes, "a", None)
    assert not known(echoes, FORGOTTEN - 1).settled
    assert known(echoes, 1).settled


def test_the_id_of_another_request_of_ours_is_never_believed() -> None:
    echoes = Echoes()
    echoes.sent("a")
    echoes.sent("b")
    assert not ours(echoes, "b", "a")


def test_an_id_that_nobody_here_has_sent_is_believed_until_the_server_has_echoed_ours_ten_times() -> None:
    assert ours(known(Echoes(), PROOF - 1), "a", "theirs")
    echoes = known(Echoes())
    assert not ours(echoes, "a", "theirs")
    assert ours(echoes, "b", "b")
    assert not ours(echoes, "c", "theirs again")


def test_an_id_in_other_letters_is_the_same() -> None:
    assert ours(known(Echoes()), "Order-1", " order-1")


def test_a_server_that_has_changed_its_ways_is_believed_again() -> None:
    echoes = known(Echoes())
    answers = [ours(echoes, "a", f"theirs-{number}") for number in range(CHANGED + 2)]
    assert answers == [False] * CHANGED + [True, True]
    assert not ours(known(echoes), "a", "theirs")


def test_ids_of_long_ago_are_forgotten() -> None:
    echoes = Echoes()
    for number in range(2 * REMEMBERED):
        echoes.sent(f"id-{number}")
        echoes.sent(f"id-{number}")
    assert ours(echoes, "a", "id-0"), "as unknown as any other"
    assert not ours(echoes, "a", f"id-{2 * REMEMBERED - 1}")


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
        if len(self.seen) - 1 - last > CHANGED:
            self.seen.clear()
        return self.seen.count("own") < PROOF

    def may_be_silent(self) -> bool:
        if self.gaps and self.gaps[-1] >= FORGOTTEN:
            self.gaps.clear()
        self.gaps.append(0)
        return len(self.gaps) > RARE or self.seen.count("own") < PROOF


KINDS = ["own", "own", "own", "none", "an error", "other", "unknown", "a thousand"]


@given(st.lists(st.sampled_from(KINDS), max_size=40))
@settings(deadline=None)
def test_it_decides_as_one_who_remembers_everything(kinds: list[str]) -> None:
    echoes, model = Echoes(), Remembering()
    model.ids.add("first")
    for number, kind in enumerate(kinds):
        sent = f"own-{number}"
        echoed = {"none": None, "an error": None, "other": "first", "unknown": f"theirs-{number}"}.get(kind, sent)
        for again in (sent, "first"):
            echoes.sent(again)
        for _ in range(FORGOTTEN if kind == "a thousand" else 1):
            decided = echoes.is_ours(sent, echoed, succeeded=kind != "an error")
            assert decided is model.is_ours(sent, echoed, succeeded=kind != "an error")
        assert not echoes.settled or kind not in {"none", "unknown"}
