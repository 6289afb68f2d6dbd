"""A recording of a simulator's requests in a file; a simulator started with the same file continues from there.

Requests that may change something are written with their times before they are answered, and so are other changes of
Generor's credits. Everything else follows from these and the seed, so that the process may be killed at any moment.
Reading requests, and those that a rate limit refuses, are not recorded; they count in no window after a restart.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import SystemRandom
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from generor_async.simulator.messages import Answer, DeferredAnswer, IncomingCall

__all__ = ["CreditChange", "Record", "RecordedEnd", "RecordedRequest", "Recording"]

VERSION: Final = 1
RECORDED_HEADERS: Final = ("Authorization", "Content-Type")
"""The only headers on which the answer to a recorded request depends."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
TOO_MANY: Final = 429
TIME_RECORD_INTERVAL: Final = 10.0
"""Simulated seconds between two records of the time."""


@frozen(kw_only=True)
class RecordedRequest:
    """A recorded request."""

    at: float
    method: str
    url: str
    """Path and query, as they were sent."""
    origin: str
    request_id: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    status: int | None
    """Status of the answer; None for a deferred answer."""


@frozen(kw_only=True)
class RecordedEnd:
    """The end of a request with a deferred answer."""

    number: int
    """The request's number, from 1."""
    at: float


@frozen(kw_only=True)
class CreditChange:
    """A change of Generor's credits by `Simulator.change_credits`."""

    at: float
    kind: str
    amount: int


Record: TypeAlias = RecordedRequest | RecordedEnd | CreditChange


class Recording:
    """A recording file, which is read when it is opened and then appended to.

    Raises ValueError if the file was begun with other options, or is no recording.
    """

    def __init__(self, path: Path, *, options: Mapping[str, str], seed: int | None, epoch: float) -> None:
        self._path = path
        self._options = dict(options)
        self.seed = SystemRandom().getrandbits(32) if seed is None else seed
        """The seed: the file's own if none was given."""
        self.epoch = epoch
        """Simulated Unix time at which the recording begins."""
        self.latest = epoch
        """The latest recorded time."""
        self._calls = 0
        self._records: list[Record] = []
        self._unwritten: list[Mapping[str, Any]] = []
        """Records from before the simulator was started."""
        if path.exists() and path.stat().st_size:
            self._read(seed)
        self._file: int | None = None

    def records(self) -> Iterator[Record]:
        """Yield the records read from the file; once."""
        records, self._records = self._records, []
        yield from records

    def open(self) -> None:
        """Open the file for appending."""
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        if not self._path.stat().st_size:
            self._write_head()
        unwritten, self._unwritten = self._unwritten, []
        for record in unwritten:
            self._write(record)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def restart(self, epoch: float) -> None:
        """Delete all records."""
        self.epoch = self.latest = epoch
        self._calls = 0
        self._records.clear()
        self._unwritten.clear()
        if self._path.exists():
            os.truncate(self._path, 0)
        if self._file is not None:
            self._write_head()

    def record_request(self, call: IncomingCall, url: str, answer: Answer | DeferredAnswer) -> int | None:
        """Record a request; return its number, or None for one that changes nothing."""
        if call.method in SAFE_METHODS or (isinstance(answer, Answer) and answer.status == TOO_MANY):
            self._record_time(call.now)
            return None
        self._calls += 1
        self.latest = max(self.latest, call.now)
        body = call.body
        self._write(
            {
                "call": self._calls,
                "at": call.now,
                "method": call.method,
                "url": url,
                "origin": call.origin,
                "request_id": call.request_id,
                "headers": {name: call.headers[name] for name in RECORDED_HEADERS if name in call.headers},
                "status": answer.status if isinstance(answer, Answer) else None,
                **({"text": body.decode()} if body.isascii() else {"base64": b64encode(body).decode()}),
            }
        )
        return self._calls

    def record_end(self, number: int, at: float) -> None:
        """Record the end of a request with a deferred answer."""
        self.latest = max(self.latest, at)
        self._write({"end": number, "at": at})

    def record_change(self, change: CreditChange) -> None:
        """Record a change of Generor's credits."""
        self.latest = max(self.latest, change.at)
        record = {"credits": change.kind, "at": change.at, "amount": change.amount}
        if self._file is None:
            self._unwritten.append(record)
        else:
            self._write(record)

    def _record_time(self, now: float) -> None:
        if now > self.latest + TIME_RECORD_INTERVAL:
            self.latest = now
            self._write({"time": now})

    def _write_head(self) -> None:
        self._write({"simulator": VERSION, "epoch": self.epoch, "seed": self.seed, "options": self._options})

    def _write(self, record: Mapping[str, Any]) -> None:
        assert self._file is not None, "it is open while the simulator runs"
        os.write(self._file, f"{json.dumps(record, separators=(',', ':'))}\n".encode())

    def _read(self, seed: int | None) -> None:
        with self._path.open("rb") as file:
            whole = 0
            for number, line in enumerate(file):
                if not line.endswith(b"\n"):  # the machine died as it was written
                    break
                whole += len(line)
                record = self._parse(line)
                if number:
                    self._add_record(record)
                else:
                    self._check_head(record, seed)
        os.truncate(self._path, whole)

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError):
            raise ValueError(f"{self._path} is no file of the simulator's") from None

    def _check_head(self, head: Mapping[str, Any], seed: int | None) -> None:
        if head.get("simulator") != VERSION:
            raise ValueError(f"{self._path} is no file of this version of the simulator")
        found = {**head["options"], **({} if seed is None else {"seed": repr(head["seed"])})}
        asked = {**self._options, **({} if seed is None else {"seed": repr(seed)})}
        for name, value in asked.items():
            if found.get(name) != value:
                raise ValueError(f"{self._path} was begun with {name}={found.get(name)}, not {value}")
        self.seed, self.epoch = head["seed"], head["epoch"]
        self.latest = self.epoch

    def _add_record(self, record: Mapping[str, Any]) -> None:
        self.latest = max(self.latest, record.get("at", record.get("time", 0.0)))
        if "end" in record:
            self._records.append(RecordedEnd(number=record["end"], at=record["at"]))
        elif "credits" in record:
            self._records.append(CreditChange(at=record["at"], kind=record["credits"], amount=record["amount"]))
        elif "call" in record:
            self._calls = record["call"]
            names = ("at", "method", "url", "origin", "request_id", "headers", "status")
            body = record["text"].encode() if "text" in record else b64decode(record["base64"])
            self._records.append(RecordedRequest(**{name: record[name] for name in names}, body=body))
