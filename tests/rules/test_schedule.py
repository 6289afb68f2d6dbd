"""When to look at a job again."""

from itertools import islice

from generor_async.rules.schedule import spacings


def test_a_job_is_looked_at_as_often_as_the_documents_ask() -> None:
    assert list(islice(spacings(at_once=False), 5)) == [2, 3, 5, 5, 5]


def test_a_job_of_which_nothing_is_known_is_looked_at_first() -> None:
    assert list(islice(spacings(at_once=True), 4)) == [0, 2, 3, 5]
