"""A server of S3 for tests: moto's, in a process of its own."""

import contextlib
import re
import subprocess
import time
import urllib.request
from collections.abc import Generator, Sequence
from pathlib import Path
from urllib.parse import quote

from attrs import frozen
from support.servers import free_port

__all__ = ["Moto", "running_moto"]


@frozen
class Moto:
    """A running server. It takes any credentials."""

    url: str

    def environment(self, secret: str) -> dict[str, str]:
        """Return the variables by which a program finds it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def create_bucket(self, name: str) -> None:
        """Create an empty bucket."""
        self._ask(name, "PUT")

    def delete_all(self) -> None:
        """Delete all buckets with their objects."""
        self._ask("moto-api/reset", "POST")

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of all objects."""
        found = list[str]()
        while page := re.findall(r"<Key>(.*?)</Key>", self._ask(f"{bucket}?list-type=2&start-after={_last(found)}")):
            found += page
        return found

    def uploads(self, bucket: str) -> list[str]:
        """Return the keys of all uploads that were neither completed nor aborted."""
        return re.findall(r"<Key>(.*?)</Key>", self._ask(f"{bucket}?uploads"))

    def _ask(self, path: str, method: str = "GET") -> str:
        request = urllib.request.Request(f"{self.url}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: str = response.read().decode()
            return answer


def _last(keys: Sequence[str]) -> str:
    return quote(keys[-1]) if keys else ""


@contextlib.contextmanager
def running_moto(command: str, log: Path, *, host: str = "127.0.0.1") -> Generator[Moto]:
    """Run the server until the end of the block."""
    port = free_port()
    with log.open("wb") as output:
        server = subprocess.Popen([command, "-H", host, "-p", str(port)], stdout=output, stderr=output)
        try:
            moto = Moto(f"http://{host}:{port}")
            _wait_until_ready(moto, server, log)
            yield moto
        finally:
            server.terminate()
            server.wait()


def _wait_until_ready(moto: Moto, server: "subprocess.Popen[bytes]", log: Path) -> None:
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{moto.url}/moto-api/", timeout=60).close()
            return
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
