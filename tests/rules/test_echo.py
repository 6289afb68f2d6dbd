"""Whose answer it is, told from the request id that it echoes."""

from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.echo import CHANGED, PROOF, REMEMBERED, Echoes


def known(echoes: Echoes, times: int = PROOF) -> Echoes:
    """Have the server echo so many ids."""
    for number in range(times):
        echoes.sent(f"own-{number}")
        assert echoes.is_ours(f"own-{number}", f"own-{number}")
    return echoes


def test_an_answer_that_echoes_nothing_is_ours() -> None:
    assert known(Echoes()).is_ours("a", None)


def test_the_id_of_another_request_of_ours_is_never_believed() -> None:
    echoes = Echoes()
    echoes.sent("a")
    echoes.sent("b")
    assert not echoes.is_ours("b", "a")


def test_an_id_that_nobody_here_has_sent_is_believed_until_the_server_has_echoed_ours_ten_times() -> None:
    assert known(Echoes(), PROOF - 1).is_ours("a", "theirs")
    echoes = known(Echoes())
    assert not echoes.is_ours("a", "theirs")
    assert echoes.is_ours("b", "b")
    assert not echoes.is_ours("c", "theirs again")


def test_an_id_in_other_letters_is_the_same() -> None:
    assert known(Echoes()).is_ours("Order-1", " order-1")


def test_a_server_that_has_changed_its_ways_is_believed_again() -> None:
    echoes = known(Echoes())
    answers = [echoes.is_ours("a", f"theirs-{number}") for number in range(CHANGED + 2)]
    assert answers == [False] * CHANGED + [True, True]
    assert not known(echoes).is_ours("a", "theirs")


def test_ids_of_long_ago_are_forgotten() -> None:
    echoes = Echoes()
    for number in range(2 * REMEMBERED):
        echoes.sent(f"id-{number}")
        echoes.sent(f"id-{number}")
    assert echoes.is_ours("a", "id-0"), "as unknown as any other"
    assert not echoes.is_ours("a", f"id-{2 * REMEMBERED - 1}")


class Remembering:
    """Remembers everything that happened, and counts it anew each time."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.seen: list[str] = []

    def is_ours(self, sent: str, echoed: str | None) -> bool:
        self.ids.add(sent)
        if echoed is None:
            return True
        if echoed == sent:
            self.seen.append("own")
            return True
        if echoed in self.ids:
            return False
        self.seen.append("unknown")
        last = len(self.seen) - 1 - "".join(kind[0] for kind in reversed(self.seen)).find("o")
        if "own" not in self.seen:
            last = -1
        if len(self.seen) - 1 - last > CHANGED:
            self.seen.clear()
        return self.seen.count("own") < PROOF


@given(st.lists(st.sampled_from(["own", "own", "own", "none", "other", "unknown"]), max_size=60))
def test_it_decides_as_one_who_remembers_everything(kinds: list[str]) -> None:
    echoes, model = Echoes(), Remembering()
    echoes.sent("first")
    model.ids.add("first")
    for number, kind in enumerate(kinds):
        sent = f"own-{number}"
        echoed = {"own": sent, "none": None, "other": "first", "unknown": f"theirs-{number}"}[kind]
        echoes.sent(sent)
        assert echoes.is_ours(sent, echoed) is model.is_ours(sent, echoed)
        assert not echoes.settled or kind in {"own", "none", "other"}
