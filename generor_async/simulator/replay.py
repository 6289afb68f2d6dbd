"""Replays a recording: repeats its requests before the simulator starts, and completes those that had no answer yet."""

from collections.abc import Callable

from attrs import define
from multidict import CIMultiDict
from yarl import URL

from generor_async.simulator.clock import SimulatedClock
from generor_async.simulator.ledger import Entry
from generor_async.simulator.messages import Answer, DeferredAnswer, IncomingCall
from generor_async.simulator.recording import CreditChange, RecordedEnd, RecordedRequest, Recording
from generor_async.simulator.routing import Router

__all__ = ["PendingAnswer", "Replay"]


@define(eq=False)
class Replay:
    """The replay of one recording, done once; raises ValueError if another version of the simulator recorded it."""

    _recording: Recording
    _router: Router
    _open_entry: Callable[[IncomingCall, str, str], Entry]
    """Adds a call of an API, with its query, to the ledger."""

    def run(self, change: Callable[[CreditChange], object]) -> "list[PendingAnswer]":
        """Repeat all requests and credit changes, and return the requests that have no answer yet."""
        begun, pending = list[PendingAnswer](), list[PendingAnswer]()
        for record in self._recording.records():
            if isinstance(record, CreditChange):
                change(record)
                continue
            if isinstance(record, RecordedEnd):
                one = begun[record.number - 1]
                one.end(record.at)
                pending.remove(one)
                continue
            one, answer = self._repeat(record, len(begun) + 1)
            begun.append(one)
            if isinstance(answer, DeferredAnswer):
                pending.append(one)
            elif answer.status != record.status:
                raise ValueError("this recording can't be continued: another version of the simulator wrote it")
        return pending

    def _repeat(self, record: RecordedRequest, number: int) -> "tuple[PendingAnswer, Answer | DeferredAnswer]":
        url = URL(record.url, encoded=True)
        match = self._router.find(record.method, url.raw_path)
        call = IncomingCall(
            operation=match.operation,
            method=record.method,
            path=url.raw_path,
            params=match.params,
            query=url.query,
            headers=CIMultiDict(record.headers),
            body=record.body,
            request_id=record.request_id,
            now=record.at,
            origin=record.origin,
        )
        entry = self._open_entry(call, match.mount.api, url.raw_query_string)
        answer = match.handle(call)
        one = PendingAnswer(number=number, entry=entry, deferred=answer if isinstance(answer, DeferredAnswer) else None)
        if isinstance(answer, Answer):
            entry.note_answer(answer)
        return one, answer


@define(kw_only=True, eq=False)
class PendingAnswer:
    """A request that had no answer when the previous simulator ended."""

    number: int
    """Its number in the recording, from 1."""
    entry: Entry
    deferred: DeferredAnswer | None

    def end(self, now: float) -> None:
        """Complete the operation."""
        assert self.deferred is not None
        self.entry.note_answer(self.deferred.finish(now))

    async def finish(self, clock: SimulatedClock, recording: Recording) -> None:
        """Complete the operation, and charge it, when it is due, although nobody waits for its answer."""
        assert self.deferred is not None
        await clock.sleep(self.entry.at + self.deferred.seconds - clock.time())
        now = clock.time()
        self.end(now)
        recording.record_end(self.number, now)
