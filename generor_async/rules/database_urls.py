"""Tells the URL of a database from a path, and whether it holds a password.

A command line is shown by `ps` to everybody on the machine, and is kept in a shell's history: a password belongs
elsewhere. A text that only looks as if it held one counts as if it did.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

__all__ = ["has_password", "is_database_url", "is_redis_url", "without_password"]

POSTGRES_SCHEMES: Final = ("postgresql", "postgres")
REDIS_SCHEMES: Final = ("redis", "rediss", "unix", "valkey", "valkeys")

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SECRET_NAME: Final = re.compile(r"passw|pwd|secret|scram", re.IGNORECASE)
"""Names of parameters whose values are passwords, such as libpq's `sslpassword` and redis-py's `ssl_password`."""
_PAIR: Final = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'?|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|)", re.DOTALL)
"""A parameter of a libpq connection string, `name = value`, whose value may be quoted."""
_PORT: Final = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d*)?")
"""A host with or without a port."""


def is_database_url(text: str) -> bool:
    """Tell whether a text is a URL of PostgreSQL, and not the path of a folder."""
    return _scheme(text) in POSTGRES_SCHEMES


def is_redis_url(text: str) -> bool:
    """Tell whether a text is a URL of Redis or Valkey."""
    return _scheme(text) in REDIS_SCHEMES


def has_password(text: str) -> bool:
    """Tell whether a URL or a libpq connection string (`host=db password=...`) holds a password, or seems to."""
    if not (found := _SCHEME.match(text)):
        return any(_is_secret(name, value.strip("'")) for name, value in _PAIR.findall(text))
    rest = text[found.end() :]
    authority, path, query = _parts(rest)
    userinfo, at, hosts = authority.rpartition("@")
    return (
        bool(at and userinfo.partition(":")[2])
        or not all(_PORT.fullmatch(host) for host in hosts.split(","))  # it may be cut within a password
        or (":" in authority and "@" in path)
        or any(_is_secret(name, value) for name, value in _query_pairs(query))
    )


def without_password(text: str) -> str:
    """Return a URL or a libpq connection string as a message may show it: without password and query."""
    if not (found := _SCHEME.match(text)):
        pairs = ((name, value) for name, value in _PAIR.findall(text) if not _SECRET_NAME.search(name))
        return " ".join(f"{name}={value}" for name, value in pairs)
    authority, path, _ = _parts(text[found.end() :])
    userinfo, at, hosts = authority.rpartition("@")
    if "@" in path or not all(_PORT.fullmatch(host) for host in hosts.split(",")):
        return f"{found[0]}..."
    return f"{found[0]}{userinfo.partition(':')[0]}{at}{hosts}{path}"


def _scheme(text: str) -> str:
    found = _SCHEME.match(text)
    return found[1].lower() if found else ""


def _parts(rest: str) -> tuple[str, str, str]:
    """Split what comes after a URL's scheme into authority, path and query."""
    before, _, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    return authority, slash + path, query


def _query_pairs(query: str) -> Iterable[tuple[str, str]]:
    for pair in re.split("[&#]", query):
        name, _, value = pair.partition("=")
        yield unquote(name), value


def _is_secret(name: str, value: str) -> bool:
    return bool(value and _SECRET_NAME.search(name))
