"""Text as PostgreSQL can store it: it has no character NUL.

`accounts` of a call is JSON that SQL reads, so its names are escaped before they are encoded.
"""

from typing import Any, Final

from psycopg import adapters
from psycopg.adapt import AdaptersMap, Buffer, Loader
from psycopg.types.string import StrDumperUnknown

from generor_async.stores.records import AccountKey

__all__ = ["ADAPTERS", "escaped", "escaped_keys", "unescaped_keys"]

ESCAPE: Final = "\x1a"
NUL: Final = "\x1a0"
ITSELF: Final = "\x1a1"


def escaped(text: str) -> str:
    """Return a text without NUL, from which `unescaped` makes the same again."""
    if "\0" in text or ESCAPE in text:
        return text.replace(ESCAPE, ITSELF).replace("\0", NUL)
    return text


def unescaped(text: str) -> str:
    """Return the text that was escaped."""
    return text.replace(NUL, "\0").replace(ITSELF, ESCAPE) if ESCAPE in text else text


def escaped_keys(keys: tuple[AccountKey, ...]) -> tuple[AccountKey, ...]:
    """Return the accounts of a call as its column `accounts` has them."""
    return tuple((escaped(scope), escaped(period)) for scope, period in keys)


def unescaped_keys(keys: Any) -> tuple[AccountKey, ...]:
    """Return the accounts of a call from its column `accounts`."""
    return tuple((unescaped(scope), unescaped(period)) for scope, period in keys)


class _Dumper(StrDumperUnknown):
    """Sends a text that is escaped."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(escaped(obj))


class _Loader(Loader):
    """Reads a text that was escaped."""

    def load(self, data: Buffer) -> str:
        return unescaped(str(data, "utf-8"))


ADAPTERS: Final = AdaptersMap(adapters)
"""How values are sent and read on our connections."""
ADAPTERS.register_dumper(str, _Dumper)
ADAPTERS.register_loader("text", _Loader)
