"""Changes of the queue's tables, while workers are at work."""

import pytest

from generor_async.rules.queue_migrations import is_newer, parse_version, plan_migrations

NAMES = [
    "03.04.00_01_pre_add.sql",
    "03.04.00_50_post_drop.sql",
    "03.11.00_01_pre_more.sql",
    "03.11.00_50_post_less.sql",
]


@pytest.mark.parametrize(
    ("text", "version"), [("3.10.0", (3, 10, 0)), (NAMES[0], (3, 4, 0)), ("3.10.0rc1", (3, 10, 0)), ("x", ())]
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_without_workers_all_is_applied_in_order() -> None:
    plan = plan_migrations(NAMES[::-1], NAMES[0], [])
    assert plan.apply == NAMES[1:]
    assert not plan.waiting
    assert plan.is_usable


def test_nothing_is_applied_twice() -> None:
    assert not plan_migrations(NAMES, NAMES[-1], [(3, 4, 0)]).apply


def test_a_change_that_would_break_a_worker_waits_for_it() -> None:
    plan = plan_migrations(NAMES, NAMES[1], [(3, 11, 0), (3, 10, 0)])
    assert plan.apply == [NAMES[2]]
    assert plan.waiting == [NAMES[3]]
    assert plan.is_usable
    assert plan_migrations(NAMES, NAMES[1], [(3, 11, 0)]).apply == NAMES[2:]


def test_what_comes_after_a_waiting_change_waits_as_well_and_is_needed() -> None:
    plan = plan_migrations(NAMES, NAMES[0], [(3, 3, 0)])
    assert not plan.apply
    assert plan.waiting == NAMES[1:]
    assert not plan.is_usable


def test_tables_of_a_later_version() -> None:
    assert not is_newer(NAMES, NAMES[-1])
    assert not is_newer(NAMES, "03.12.00_01_pre_new.sql")
    assert is_newer(NAMES, "03.12.00_50_post_new.sql")
