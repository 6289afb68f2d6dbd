"""Where a store is: a file, a URL that may hold a password, or a client that is connected already."""

import re
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from generor_async.rules.database_urls import has_password, without_password
from generor_async.values import Masked

__all__ = ["LimitPlace", "RedisClient", "ServerUrl"]

_USER: Final = re.compile(r"(?<=://)[^/]*@")


class ServerUrl(Masked):
    """The URL of a server. Its repr leaves out user, password and query; a pickle leaves out a password."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The URL as messages may show it."""
        return _USER.sub("", without_password(self))

    @property
    def is_ambiguous(self) -> bool:
        """Whether a password seems to hold characters that end a part of a URL: a part of it would be the host."""
        before, _, _ = self.partition("://")[2].rpartition("@")
        return without_password(self).endswith("://...") or "#" in before or "?" in before.partition("/")[0]

    def __repr__(self) -> str:
        return repr(self.name)

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[Any, ...]]:
        return ServerUrl, (without_password(self) if has_password(self) else str(self),)


class RedisClient(Protocol):
    """A client of Redis that blocks: `redis.Redis`, as Sentinel makes it too, or `redis.RedisCluster`."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, and return the answer."""
        ...


LimitPlace: TypeAlias = Path | ServerUrl | RedisClient
"""Where a store of limits is."""
