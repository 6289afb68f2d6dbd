"""The ids that attempts are known by: no two are the same, wherever they are made."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from generor_async.engine.ids import random_uuid


def test_an_id_is_a_uuid_of_version_4() -> None:
    made = UUID(random_uuid())
    assert (made.version, made.variant) == (4, "specified in RFC 4122")
    assert str(made) == str(made).lower()


def test_no_two_threads_make_the_same() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [making.result() for making in [threads.submit(random_uuid) for _ in range(20_000)]]
    assert len(set(made)) == len(made)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_process_makes_others_than_its_parent() -> None:
    """A store of random bytes, filled before the fork, would be the same in both."""
    made = [random_uuid()]
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.write(theirs, "".join(random_uuid() for _ in range(100)).encode())
        os._exit(0)
    os.close(theirs)
    made += [random_uuid() for _ in range(100)]
    with os.fdopen(ours, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    made += [told[at : at + 36] for at in range(0, len(told), 36)]
    assert len(set(made)) == len(made) == 201
