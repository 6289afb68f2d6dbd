"""What the Generor client keeps of its paid calls, and the results that it takes up again after a restart."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from generor_async import generor_account
from generor_async.api.generor.models import GENERATE_RESULT, GenerateResult
from generor_async.api.generor.operations import GENERATORS_GENERATE, creations_get
from generor_async.engine.options import Options
from generor_async.engine.session import Session
from generor_async.engine.state.calls import PaidCallType, StateCalls
from generor_async.engine.state.jobs import KeptCalls, UnknownCall
from generor_async.engine.state.opened import OpenedState
from generor_async.engine.state.paid_call import PaidResult, Terms
from generor_async.errors import ClientClosedError, OutcomeUnknownError
from generor_async.rules import arguments
from generor_async.rules.charges import valid_cost
from generor_async.rules.http_types import Operation
from generor_async.rules.response_ids import find_ids
from generor_async.rules.row_states import PAID_STATES, Finish, to_api_id
from generor_async.rules.vendors import GENEROR
from generor_async.stores.records import CallRecord
from generor_async.values import JSON, is_object, maybe

if TYPE_CHECKING:
    from generor_async.generor import AsyncGeneror

__all__ = ["GENEROR_CALLS", "GenerateJob", "GenerorJobs"]


class GenerateJob:
    """A `generate` that was paid for, and whose result nobody has taken yet."""

    __slots__ = ("_calls", "_generor", "_record")

    def __init__(self, generor: "AsyncGeneror", calls: StateCalls, record: CallRecord) -> None:
        self._generor = generor
        self._calls = calls
        self._record = record

    @property
    def creation_ids(self) -> tuple[int, ...]:
        """The creations that it has made."""
        return tuple(to_api_id(id_) for id_ in self._record.remote_ids)

    @property
    def context(self) -> JSON:
        """What was attached to it by `with_options(context=)`; None if nothing was."""
        return self._record.context

    async def result(self) -> GenerateResult:
        """Fetch its creations; it is then finished, unless it was made by `with_options(acknowledge=True)`.

        Returns:
            What `generate` would have returned: the creations, and the cost if it is known.

        Raises:
            APIError: A creation can't be fetched.
        """
        generor = self._generor
        found = await _fetch(generor._session, generor._options, self._record)  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        with suppress(ClientClosedError):  # the result is worth more than a note that it has arrived
            await self._calls.while_open("a note of a result", self._note_end)
        return found

    async def _note_end(self, state: OpenedState) -> None:
        await state.finish(self._record, Finish(at=state.time(), result=None))

    def __repr__(self) -> str:
        return f"GenerateJob({self.creation_ids})"


class GenerorJobs(KeptCalls):
    """The paid calls in the client's state: those that are unfinished or unknown after a restart."""

    __slots__ = ("_generor",)

    def __init__(self, generor: "AsyncGeneror", calls: StateCalls | None) -> None:
        super().__init__(calls)
        self._generor = generor

    async def unfinished(self) -> AsyncIterator[GenerateJob]:
        """Iterate over the calls of `generate` that were charged, and whose results nobody has got.

        They are those of processes of the same state that have ended, and those that were unknown and were found in
        the account.

        Yields:
            Each of them, with its `context`, in the order of their beginning.

        Raises:
            InvalidRequestError: The client has no state, or it can't be used.
        """
        calls = self._kept()
        await calls.while_open("jobs.unfinished", self._look)
        async for record in calls.each("jobs.unfinished", lambda state: state.calls(*PAID_STATES, owned=True)):
            yield GenerateJob(self._generor, calls, record)

    async def find(self, idempotency_key: str) -> GenerateJob | None:
        """Find the `generate` that was charged with an idempotency key, in whatever process of the state.

        Args:
            idempotency_key: The key, as in `with_options(idempotency_key=)`.

        Returns:
            The call with its `context`, whether its result was taken or not; None if no call with this key was
            charged, or it is still under way.

        Raises:
            InvalidRequestError: This can be no key, or the client has no state, or it can't be used.
            OutcomeUnknownError: A call with this key may have been charged, and the account doesn't tell.
        """
        record = await self._find(idempotency_key)
        return None if record is None else GenerateJob(self._generor, self._kept(), record)

    async def _look(self, state: OpenedState) -> Mapping[tuple[int, int], tuple[str, float | None]]:
        """Settle unknown calls by the account's creations and transactions."""
        return await generor_account.look(self._generor, state)

    async def acknowledge(self, creation_id: int) -> None:
        """Say that the result of a call of `with_options(acknowledge=True)` has arrived where it is needed.

        The call is then finished, and `unfinished()` doesn't return it any more. An id that the state doesn't know is
        taken for that of a call that was acknowledged before and deleted since: a wrong one leaves the right call
        unfinished.

        Args:
            creation_id: A creation that it has made.

        Raises:
            InvalidRequestError: This can be no id, or the client has no state.
        """
        await self._acknowledge(str(arguments.whole(creation_id, "creation_id")))

    async def settle(self, call: UnknownCall | str, *, creation_ids: Sequence[int] | None) -> None:
        """Settle an unknown call by what you know of it.

        Args:
            call: The call, or its id.
            creation_ids: The creations that it has made, which are then unfinished; None if it had no effect, so that
                a call with its idempotency key is made anew.

        Raises:
            InvalidRequestError: No unknown call has this id, or these can be no ids.
        """
        if creation_ids is not None:
            creation_ids = [arguments.whole(id_, f"creation_ids[{at}]") for at, id_ in enumerate(creation_ids)]
        await self._settle(call, None if creation_ids is None else list(map(str, creation_ids)))


def _terms(operation: Operation[Any], body: JSON) -> Terms:
    model = body.get("model_id") if is_object(body) else None
    return Terms(model="" if model is None else str(model), longest=operation.endpoint.timeout)


def _identify(operation: Operation[Any], body: JSON) -> Mapping[str, JSON]:
    """Return what tells a creation in the account's list from others; the prompt is deleted when the call has ended."""
    if operation.endpoint is not GENERATORS_GENERATE or not is_object(body):
        return {}
    names = ("prompt", "count", "privacy_mode", "model_id")
    known = {name: body[name] for name in names if isinstance(body.get(name), str | int)}
    return {"slug": operation.path.split("/")[2], **known}


def _describe(_: Operation[Any], result: Any) -> PaidResult:
    if not isinstance(result, GenerateResult):
        return PaidResult(ids=find_ids(str(result)), is_complete=True)
    creations = maybe(result.creations) or []
    ids = tuple(str(id_) for creation in creations if (id_ := maybe(creation.creation_id)) is not None)
    cost = valid_cost(maybe(result.credit_cost))
    return PaidResult(ids=ids, cost=cost, is_complete=True, raw=dict(result.raw))


def _job_end(_: Any) -> tuple[str, None]:
    """Return nothing: a `generate` has ended when it is answered."""
    return "", None


async def _fetch(session: Session, options: Options, record: CallRecord) -> GenerateResult:
    """Return the answer if it is kept, or one that is put together from the creations."""
    if is_object(record.result):
        return GENERATE_RESULT.lenient(record.result, "$.data", [])
    if not record.remote_ids:
        raise OutcomeUnknownError(
            "the earlier call was charged, and its answer named no creation",
            operation=record.operation or "",
            request_id=record.request_id or "",
            outcome="done",
        )
    creations = [await session.send(creations_get(to_api_id(id_)), options) for id_ in record.remote_ids]
    # What `generate` shows at the top of a creation stands in the generator's own data here.
    shown: list[JSON] = [{**(maybe(creation.generator_data) or {}), **creation.raw} for creation in creations]
    known: dict[str, JSON] = {"creations": shown}
    if record.cost is not None:
        known["credit_cost"] = record.cost
    return GENERATE_RESULT.lenient(known, "$.data", [])


GENEROR_CALLS: Final = PaidCallType(
    vendor=GENEROR,
    terms=_terms,
    quote=generor_account.quote,
    identify=_identify,
    describe=_describe,
    job_end=_job_end,
    fetch=_fetch,
    settle=generor_account.settle,
    begin=generor_account.begin,
    look=generor_account.look,
)
