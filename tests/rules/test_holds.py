"""Holds against a plain list of all 429s."""

from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.holds import LONG_HOLD, Hold, Holds, HoldScope

SCOPES: list[HoldScope] = ["minute", "hour", "day", "jobs", "abuse"]
steps = st.lists(st.tuples(st.floats(0, 100), st.sampled_from(SCOPES), st.floats(0.1, 500)), max_size=40)


@given(steps, st.floats(0, 1_000))
def test_the_longest_hold_of_each_limit_counts(history: list[tuple[float, HoldScope, float]], look: float) -> None:
    holds, now, said = Holds(), 0.0, list[Hold]()
    for later, scope, wait in history:
        now += later
        said.append(Hold(until=now + wait, scope=scope, reason=f"{wait}"))
        holds.add(said[-1], now)
    now += look
    held = [hold for hold in said if hold.until > now]
    longest = holds.longest(now)
    assert (longest is not None) == bool(held)
    assert longest is None or longest.until == max(hold.until for hold in held)
    for scope in SCOPES:
        others = [hold for hold in held if hold.scope != scope]
        found = holds.longest(now, but=scope)
        assert (found and found.until) == max((hold.until for hold in others), default=None)


def add(holds: Holds, now: float, until: float, scope: HoldScope = "minute") -> bool:
    return holds.add(Hold(until=until, scope=scope, reason=""), now)


def test_a_hold_of_more_than_a_minute_is_news_once() -> None:
    holds = Holds()
    assert not add(holds, 0.0, LONG_HOLD)
    assert add(holds, 0.0, 7_200.0)
    assert not add(holds, 0.1, 7_200.1), "the answers of calls that were under way together"
    assert not add(holds, 10.0, 100.0)
    assert add(holds, 0.2, 7_200.0, "abuse"), "another limit"
    assert add(holds, 7_190.0, 14_000.0), "the same again, and much longer"
    assert not add(holds, 20_000.0, 20_030.0)
    assert add(holds, 20_040.0, 20_140.0)


@given(steps)
def test_nothing_short_is_ever_news(history: list[tuple[float, HoldScope, float]]) -> None:
    holds, now = Holds(), 0.0
    for later, scope, wait in history:
        now += later
        if add(holds, now, now + wait, scope):
            assert wait > LONG_HOLD


def test_the_hold_of_everything_is_the_one_against_abuse() -> None:
    holds, others = Holds(), Holds()
    add(others, 0.0, 100.0, "day")
    assert "abuse" not in others.by_scope
    add(holds, 0.0, 5.0, "abuse")
    assert holds.by_scope["abuse"].rate_limit_scope == "unknown"
