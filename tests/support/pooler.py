"""PgBouncer before a PostgreSQL server."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Final, Literal

from support.servers import PostgresServer, Server, free_port, own_folder, running

__all__ = ["PoolMode", "Pooler", "running_pooler"]

PoolMode = Literal["session", "transaction", "statement"]
SETTINGS: Final = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
server_check_delay = 0
"""


class Pooler(Server):
    """PgBouncer, which gives each transaction whatever connection is free."""

    def url_of(self, url: str) -> str:
        """Return the URL that leads to a database through it."""
        return f"postgresql://postgres@{self.host}:{self.port}/{url.rpartition('/')[2]}"


@contextlib.contextmanager
def running_pooler(
    command: str, server: PostgresServer, folder: Path, *, mode: PoolMode = "transaction", size: int = 3
) -> Generator[Pooler]:
    """Run it until the end of the block, with so many connections to each database: less than who asks for one."""
    with own_folder() as own:
        port = free_port()
        settings = SETTINGS.format(host=server.host, port=server.port, own=port, folder=own, mode=mode, size=size)
        (own / "settings").write_text(settings)
        (own / "users").write_text('"postgres" ""\n')
        for name in ("settings", "users"):
            (own / name).chmod(0o644)
        with running(Pooler("127.0.0.1", port, own, folder / "pooler.log", [command, str(own / "settings")])) as pooler:
            yield pooler
