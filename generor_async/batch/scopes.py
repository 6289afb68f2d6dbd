"""The scopes that a Generor key needs for a batch, and a check of them."""

from collections.abc import Iterable
from typing import Final

from generor_async.api.generor.models import ApiKey
from generor_async.errors import PermissionDeniedError
from generor_async.rules.vendors import GENEROR
from generor_async.values import Secret

__all__ = ["ADVICE", "NEEDED", "missing_scopes", "missing_scopes_error"]

NEEDED: Final = ("read", "generate")
"""A batch reads balance, transactions and creations, and generates rows."""
ADVICE: Final = (
    "A batch needs a key with the scopes 'read' and 'generate'; nothing was charged."
    f" Make one {GENEROR.key_source}, and set {GENEROR.key_variable} to it"
)


def missing_scopes(needed: Iterable[str], *, key: Secret | None, listed: Iterable[ApiKey]) -> tuple[str, ...]:
    """Return the scopes that a key surely lacks, by the account's list of keys.

    A key without scopes has all of them (documented). Keys with the same prefix can't be told apart, so a scope of any
    of them may be this one's.
    """
    if key is None:
        return ()
    candidates = [one for one in listed if _has_prefix(key, (one.prefix or "").rstrip(".…*"))]
    if not candidates or any(not one.scopes for one in candidates):
        return ()
    return tuple(scope for scope in needed if not any(scope in (one.scopes or ()) for one in candidates))


def _has_prefix(key: Secret, prefix: str) -> bool:
    return len(prefix) > len(GENEROR.key_prefix) and key.reveal().startswith(prefix)


def missing_scopes_error(missing: Iterable[str]) -> PermissionDeniedError:
    """Make the error for a key that lacks scopes."""
    names = " and ".join(f"'{scope}'" for scope in missing)
    return PermissionDeniedError(
        f"the API key lacks the scope {names}",
        status_code=403,
        operation="generor.generators.generate",
        outcome="not_sent",
        advice=ADVICE,
    )
