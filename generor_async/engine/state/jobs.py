"""What a client's state tells: which jobs are unfinished, of which calls nobody knows what came, and what is kept."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from attrs import field, frozen

from generor_async.engine.state.calls import StateCalls
from generor_async.engine.state.opened import OpenedState
from generor_async.errors import InvalidRequestError, StaleRowError
from generor_async.rules import kept_names, option_checks
from generor_async.rules.row_states import Accept, Release
from generor_async.stores.records import CallRecord
from generor_async.values import JSON, is_object

__all__ = ["KeptCalls", "UnknownCall"]

NO_EFFECT: Final[JSON] = {"message": "it was settled by hand: it had no effect"}


@frozen(kw_only=True)
class UnknownCall:
    """A paid call that may have been charged, and of which nobody knows what came of it."""

    id: str
    """Its id in the state, for `settle`."""
    operation: str
    """The operation, such as `luma.generations.create`."""
    context: JSON = field(repr=False)
    """What was attached to it by `with_options(context=)`."""
    idempotency_key: str | None
    """Its idempotency key; None if it has none."""
    request_id: str
    """The X-Request-Id of its first attempt, to quote to the vendor."""
    sent_at: datetime
    """When it was sent, in UTC."""
    credits: float | None
    """Its price in credits, if it was charged; None if the price isn't known."""
    reason: str
    """Why nothing is known of it."""
    check_at: datetime | None = None
    """When another look at the account may settle it, in UTC; None if none will."""


class KeptCalls:
    """The calls in the client's state; base of `client.jobs` of both APIs."""

    __slots__ = ("_calls",)

    def __init__(self, calls: StateCalls | None) -> None:
        self._calls = calls

    async def unknown(self) -> AsyncIterator[UnknownCall]:
        """Iterate over the paid calls that may have been charged, and of which nobody knows what came of them.

        They are those whose answer was lost, and those that were under way in a process that was killed. They are kept
        until they are settled.

        Yields:
            Each of them, in the order of their beginning.

        Raises:
            InvalidRequestError: The client has no state, or it can't be used.
        """
        calls = self._kept()

        async def look(state: OpenedState) -> Mapping[tuple[int, int], tuple[str, float | None]]:
            await state.end_abandoned()
            return await self._look(state)

        reasons = await calls.while_open("jobs.unknown", look)
        async for record in calls.each("jobs.unknown", lambda state: state.calls("unknown")):
            yield _unknown_call(record, *reasons.get((record.number, record.attempt), (None, None)))

    async def prune(self, *, older_than: float) -> int:
        """Delete the calls that ended long ago, and with them their idempotency keys.

        Those that ended more than the client's `keep_days` ago are deleted by themselves. Calls that have not ended,
        and unknown ones, are kept.

        Args:
            older_than: Seconds since their end.

        Returns:
            How many were deleted.

        Raises:
            InvalidRequestError: An argument can never be right, or the client has no state.
        """
        calls, seconds = self._kept(), option_checks.duration(older_than, "older_than")
        return await calls.while_open("jobs.prune", lambda state: state.prune(seconds))

    def _kept(self) -> StateCalls:
        if self._calls is None:
            raise InvalidRequestError(
                "state",
                "this client keeps no calls",
                advice="Give it a state: AsyncLuma(state='calls.sqlite'), for example",
            )
        return self._calls

    async def _find(self, idempotency_key: str) -> CallRecord | None:
        return await self._kept().find(kept_names.idempotency_key(idempotency_key, "idempotency_key"))

    async def _acknowledge(self, id_: str) -> None:
        await self._kept().while_open("jobs.acknowledge", lambda state: state.acknowledge(id_))

    async def _look(self, state: OpenedState) -> Mapping[tuple[int, int], tuple[str, float | None]]:  # noqa: ARG002 - of each API
        """Settle unknown calls by what the account shows, where the API shows it.

        Return for others, by number and attempt, why they are unknown, and when the next look may settle them.
        """
        return {}

    async def _settle(self, call: UnknownCall | str, ids: Sequence[str] | None) -> None:
        """Settle an unknown call: by the ids of what it has made, or, without them, as one that had no effect."""
        id_ = call.id if isinstance(call, UnknownCall) else call
        await self._kept().while_open("jobs.settle", lambda state: _settle(state, id_, ids))


async def _settle(state: OpenedState, id_: str, ids: Sequence[str] | None) -> None:
    ledger, record = await state.ledger(), await state.find(id_)
    if record is None or record.state != "unknown":
        raise InvalidRequestError("call", "no unknown call has this id", advice="Look at client.jobs.unknown()")
    try:
        if ids is None:
            await ledger.release(record, Release(at=state.time(), problem=NO_EFFECT))
        else:
            await ledger.accept(record, Accept(remote_ids=tuple(ids)))
    except StaleRowError:
        raise InvalidRequestError("call", "somebody else has settled it meanwhile") from None


def _unknown_call(record: CallRecord, why: str | None, check_at: float | None) -> UnknownCall:
    _, keyed, key = record.id.partition(" ")
    problem: Any = record.problem if is_object(record.problem) else {}
    return UnknownCall(
        id=record.id,
        operation=record.operation or "",
        context=record.context,
        idempotency_key=key if keyed else None,
        request_id=record.request_id or "",
        sent_at=datetime.fromtimestamp(record.submitted_at or 0.0, UTC),
        credits=record.counted or None,
        reason="; ".join(filter(None, [str(problem.get("message") or ""), why])),
        check_at=None if check_at is None else datetime.fromtimestamp(check_at, UTC),
    )
