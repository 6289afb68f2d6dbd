"""What the Luma Agents client keeps of its paid calls, and the jobs that it takes up again after a restart."""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from generor_async.api.luma import operations
from generor_async.api.luma.models import Generation
from generor_async.engine.options import Options
from generor_async.engine.session import Session
from generor_async.engine.state.calls import PaidCallType, StateCalls
from generor_async.engine.state.jobs import KeptCalls, UnknownCall
from generor_async.engine.state.paid_call import PaidResult, Terms
from generor_async.luma_resources import Job
from generor_async.rules import lifecycle
from generor_async.rules.http_types import Operation, path_segment
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT, price
from generor_async.rules.response_ids import find_ids
from generor_async.rules.row_states import PAID_STATES, Fail, Finish
from generor_async.rules.vendors import LUMA
from generor_async.stores.records import CallRecord
from generor_async.values import JSON, is_object, maybe

if TYPE_CHECKING:
    from generor_async.luma import AsyncLuma

__all__ = ["LUMA_CALLS", "LumaJobs"]


class LumaJobs(KeptCalls):
    """The jobs and calls in the client's state: those that are unfinished or unknown after a restart."""

    __slots__ = ("_luma",)

    def __init__(self, luma: "AsyncLuma", calls: StateCalls | None) -> None:
        super().__init__(calls)
        self._luma = luma

    async def unfinished(self) -> AsyncIterator[Job]:
        """Iterate over the jobs that were submitted and whose end nobody has seen, or acknowledged, yet.

        They are this process's own, and those of processes of the same state that have ended: each of these belongs to
        the process that asks first. Those that another living process has submitted are left to it.

        Yields:
            Each job, with its `context`, in the order of submission.

        Raises:
            InvalidRequestError: The client has no state, or it can't be used.
        """
        calls = self._kept()
        async for record in calls.each("jobs.unfinished", lambda state: state.calls(*PAID_STATES, owned=True)):
            if record.remote_ids:
                yield self._job(record)

    async def find(self, idempotency_key: str) -> Job | None:
        """Find the job that was submitted with an idempotency key, in whatever process of the state.

        Args:
            idempotency_key: The key, as in `with_options(idempotency_key=)`.

        Returns:
            The job with its `context`, whether it has ended or not; None if no call with this key has submitted one,
            or the call is still under way. Nothing is sent.

        Raises:
            InvalidRequestError: This can be no key, or the client has no state, or it can't be used.
            OutcomeUnknownError: A call with this key may have been charged, and nobody knows what came of it.
        """
        record = await self._find(idempotency_key)
        return None if record is None else self._job(record)

    def _job(self, record: CallRecord) -> Job:
        self._luma._jobs.job_exists(record.remote_ids[0])  # pyright: ignore[reportPrivateUsage] # the state vouches for it
        return self._luma.generations._kept_job(record.remote_ids[0], record.context)  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here

    async def acknowledge(self, job_id: str) -> None:
        """Say that the result of a job of `with_options(acknowledge=True)` has arrived where it is needed.

        The job is then finished, and `unfinished()` doesn't return it any more. An id that the state doesn't know is
        taken for a job that was acknowledged before and deleted since: a wrong one leaves the right job unfinished.

        Args:
            job_id: The job's id.

        Raises:
            InvalidRequestError: This can be no id, or the client has no state.
        """
        path_segment(job_id, "job_id")
        await self._acknowledge(job_id)

    async def settle(self, call: UnknownCall | str, *, job_id: str | None) -> None:
        """Settle an unknown call by what the vendor's dashboard, or its support, says of it.

        Args:
            call: The call, or its id.
            job_id: The job that it has submitted, which is then unfinished; None if it had no effect, so that a call
                with its idempotency key is made anew.

        Raises:
            InvalidRequestError: No unknown call has this id, or this can be no id of a job.
        """
        if job_id is not None:
            path_segment(job_id, "job_id")
        await self._settle(call, None if job_id is None else [job_id])


def _terms(_: Operation[Any], body: JSON) -> Terms:
    if not is_object(body):
        return Terms()
    found, model = price(body), str(body.get("model") or "")
    return Terms(model=model, credits=None if found is None else found.dollars / DOLLARS_A_CREDIT, fixed=True)


async def _quote(_: Any, __: Any, ___: Operation[Any], ____: JSON, terms: Terms) -> Terms:
    """Return the terms as they are: Luma makes no estimates."""
    return terms


def _identify(_: Operation[Any], __: JSON) -> Mapping[str, JSON]:
    """Return nothing: Luma lists no jobs by which a request could be found."""
    return {}


def _describe(_: Operation[Any], result: Any) -> PaidResult:
    if isinstance(result, Generation):
        return PaidResult(ids=(result.id,))
    return PaidResult(ids=find_ids(str(result)), is_complete=True)


def _job_end(generation: Any) -> tuple[str, Finish | Fail | None]:
    """Return the id of a polled generation, and the step that its end is.

    A failed one keeps what it has reserved: that most failures are refunded is only what the vendor's FAQ says.
    """
    state = maybe(generation.state)
    if not lifecycle.LUMA_JOB.is_terminal(state):
        return generation.id, None
    if state != "failed":
        return generation.id, Finish(at=0.0, result=None)
    code = maybe(generation.failure_code)
    problem: JSON = {"message": "the job failed", "error": "GenerationFailedError", "code": code}
    return generation.id, Fail(at=0.0, problem=problem)


async def _fetch(session: Session, options: Options, record: CallRecord) -> Generation:
    return await session.send(operations.generations_get(record.remote_ids[0]), options)


LUMA_CALLS: Final = PaidCallType(
    vendor=LUMA,
    terms=_terms,
    quote=_quote,
    identify=_identify,
    describe=_describe,
    job_end=_job_end,
    fetch=_fetch,
)
