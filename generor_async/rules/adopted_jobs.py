"""Decides whether ids that somebody gives rows can be those of the jobs, or creations, that their calls have made."""

from collections.abc import Collection, Mapping

from generor_async.rules.vendors import LUMA

__all__ = ["refusal"]


def refusal(jobs: Mapping[str, Collection[str]], *, api: str, owners: Mapping[str, str]) -> str | None:
    """Return why these ids, by the row's id, are refused; None if they aren't.

    `owners` are the rows that have jobs already, by the job's id, of rows that get none now.
    """
    given = dict(owners)
    for row, ids in jobs.items():
        for id_ in dict.fromkeys(ids):
            if api != LUMA.name and not (id_.isascii() and id_.isdecimal()):
                return f"{id_!r} is no id of a creation, which is a number"
            if not id_ or any(character.isspace() or character in "/?#" for character in id_):
                return f"{id_!r} is no id of a job"
            if given.setdefault(id_, row) != row:
                return f"{id_} is the job of the row {given[id_]!r}, and not of {row!r} as well"
        if api == LUMA.name and len(set(ids)) > 1:
            return f"a call makes one job, and {row!r} is given {len(set(ids))}"
    return None
