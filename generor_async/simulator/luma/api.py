"""The simulated Luma Agents API: its operations on clients, keys, limits, jobs and files.

Sources: the vendor's error page (`documented`) and the official client's types (`client`). The rest is `assumed`, as
each module says. Here that is the order of the checks of a submission: key, the client's standing, requests per minute
(so that every request with a good key counts), fields, concurrent jobs, balance, media. Switches: a request that the
minute's limit refuses doesn't count, one that is refused for another reason does; the charge is made at submission and
kept when the job fails; a suspended client can't read either. `limit_rules.py` and `slots.py` have more switches.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

from generor_async.simulator.luma.answers import COMMON_HEADERS, LumaRefusal, json_object
from generor_async.simulator.luma.clients import ApiClient, Key, KeyRing, Standing
from generor_async.simulator.luma.files import FileEndpoints
from generor_async.simulator.luma.jobs import FailureRates, JobMaker, SimulatedJob
from generor_async.simulator.luma.limit_rules import LimitRules
from generor_async.simulator.luma.media import MediaChecker
from generor_async.simulator.luma.models import Durations
from generor_async.simulator.luma.request_rules import GenerationRequest, read_request
from generor_async.simulator.luma.slots import SlotCounter
from generor_async.simulator.messages import Answer, IncomingCall, Route
from generor_async.simulator.storage import Bucket

__all__ = ["ChargeAt", "LumaApi"]

ChargeAt = Literal["submit", "completion"]

REFUNDED = frozenset({"content_moderated", "generation_failed", "output_not_found"})
"""Failure codes that are refunded according to the FAQ (page)."""


class LumaApi:
    """The Luma Agents API: `routes` are to be served, `client` and `generations` can be inspected.

    Besides the valid `key`, `keys` has one of each refused kind: `revoked` (that of the vendor's example), `expired`,
    `suspended`, `deactivated`; also `poor`, of a client without money, and `other`, of another valid client.
    """

    def __init__(
        self,
        *,
        seed: int,
        storage: Bucket,
        rpm: int = 30,
        jobs: int = 10,
        balance: float = 1000.0,
        rules: LimitRules,
        charge_at: ChargeAt = "submit",
        refund_failures: bool = False,
        suspended_may_read: bool = False,
        durations: Durations = "brief",
        failure_rate: float = 0.0,
        moderation_rate: float = 0.0,
    ) -> None:
        self.storage = storage
        self.charge_at: ChargeAt = charge_at
        self.refund_failures = refund_failures
        """Whether jobs that fail with a code of `REFUNDED` are refunded."""
        self.suspended_may_read = suspended_may_read
        """Whether a suspended or deactivated client may still read."""
        self.generations: dict[str, SimulatedJob] = {}
        """All generations by id, oldest first."""
        self._unsettled: defaultdict[ApiClient, list[tuple[float, int, SimulatedJob]]] = defaultdict(list)
        self._rules = rules
        self._rpm, self._slots, self._balance = rpm, jobs, balance
        self._ring = KeyRing(seed=seed)
        self._maker = JobMaker(seed, FailureRates(failure=failure_rate, moderation=moderation_rate), durations)
        self._files = FileEndpoints(seed=seed, storage=storage)
        self._media = MediaChecker(storage=storage, jobs=self.generations, files=self._files.files)
        self.client = self.add_client("main")
        self.key = self.add_key(self.client)
        self.keys = {"main": self.key, **self._refused_keys()}
        self.routes = self._make_routes()

    def add_client(
        self,
        name: str,
        *,
        rpm: int | None = None,
        jobs: int | None = None,
        balance: float | None = None,
        standing: Standing = "active",
    ) -> ApiClient:
        """Add an API client; the defaults are those of the API."""
        rpm = self._rpm if rpm is None else rpm
        balance = self._balance if balance is None else balance
        return ApiClient(
            name=name,
            window=self._rules.window(rpm),
            abuse=self._rules.abuse_window(),
            jobs=self._slots if jobs is None else jobs,
            slots=SlotCounter(self._rules.slots),
            balance=Decimal(str(balance)),
            standing=standing,
        )

    def add_key(
        self,
        client: ApiClient,
        *,
        token: str | None = None,
        revoked: bool = False,
        expires_at: float | None = None,
    ) -> str:
        """Create a key for a client, and return it."""
        return self._ring.add(client, token=token, revoked=revoked, expires_at=expires_at).token

    def active(self, client: ApiClient, now: float) -> int:
        """Return the number of slots that a client's own generations occupy."""
        return client.slots.peek(now)

    def limit_headers(self, call: IncomingCall) -> dict[str, str]:
        """Return the main client's rate limit headers without counting the request."""
        return self._rules.headers(self.client.window.peek(call.now), now=call.now)

    def limit_message(self, limit: str) -> str:
        """Return the message of a 429 to the main client for the limit `rpm`, `jobs` or `abuse`."""
        return self._rules.message(limit, jobs=self.client.jobs)

    def refuse(self, status: int, detail: str) -> Callable[[IncomingCall], Answer]:
        """Return a handler for unknown routes: it needs no key, but counts against the abuse limit."""

        def refused(call: IncomingCall) -> Answer:
            key, caller = self._ring.known(call), None
            try:
                if key is not None:
                    caller = key.client.name
                    self._check_abuse(key.client, call)
            except LumaRefusal as refusal:
                return _refusal_answer(refusal, caller)
            return _refusal_answer(LumaRefusal(status, detail), caller)

        return refused

    def _refused_keys(self) -> dict[str, str]:
        main = self.client
        return {
            "revoked": self.add_key(main, token="luma-api-revoked_key_12345", revoked=True),  # noqa: S106
            "expired": self.add_key(main, expires_at=0.0),
            "suspended": self.add_key(self.add_client("suspended", standing="suspended")),
            "deactivated": self.add_key(self.add_client("deactivated", standing="deactivated")),
            "poor": self.add_key(self.add_client("poor", balance=0.0)),
            "other": self.add_key(self.add_client("other")),
        }

    def _make_routes(self) -> list[Route]:
        files = self._files
        table: list[tuple[str, str, str, Callable[[Key, IncomingCall], Answer]]] = [
            ("generations.create", "POST", "/generations", self._create),
            ("generations.get", "GET", "/generations/{generation_id}", self._get),
            ("files.create", "POST", "/files", files.create),
            ("files.complete", "POST", "/files/{file_id}/complete", files.complete),
            ("files.get", "GET", "/files/{file_id}", files.get),
            ("files.list", "GET", "/files", files.list),
            ("files.delete", "DELETE", "/files/{file_id}", files.delete),
        ]
        return [
            Route(f"luma.{operation}", method, template, self._guarded(handle))
            for operation, method, template, handle in table
        ]

    def _guarded(self, handle: Callable[[Key, IncomingCall], Answer]) -> Callable[[IncomingCall], Answer]:
        """Wrap a handler with the check of the key and the common headers."""

        def guarded(call: IncomingCall) -> Answer:
            caller = None
            try:
                key = self._ring.find(call)
                caller = key.client.name
                self._check_abuse(key.client, call)
                reads = call.method == "GET" and self.suspended_may_read
                key.check(call.now, standing_matters=not reads)
                answer = handle(key, call)
            except LumaRefusal as refusal:
                return _refusal_answer(refusal, caller)
            answer.headers = {**answer.headers, **COMMON_HEADERS}
            answer.caller = caller
            return answer

        return guarded

    def _check_abuse(self, client: ApiClient, call: IncomingCall) -> None:
        """Count a request of any kind against the abuse limit, and refuse it if there are too many."""
        if client.abuse is None or call.limits_down:
            return
        verdict = client.abuse.admit(call.now)
        if not verdict.allowed:
            detail = self._rules.message("abuse", jobs=client.jobs)
            raise LumaRefusal(429, detail, {"Retry-After": str(verdict.retry_after)})

    def _create(self, key: Key, call: IncomingCall) -> Answer:
        body = _read_or_refusal(call)
        weight = 1 if isinstance(body, LumaRefusal) else self._rules.weight_of(body)
        if call.limits_down:
            return self._created(self._accept(key, call, body, weight), call, {})
        window, now = key.client.window, call.now
        verdict = window.admit(now, weight)
        headers = self._rules.headers(verdict, now=now)
        if not verdict.allowed:
            detail = self._rules.message("rpm", jobs=key.client.jobs)
            raise LumaRefusal(429, detail, {"Retry-After": str(verdict.retry_after), **headers})
        try:
            job = self._accept(key, call, body, weight)
        except LumaRefusal:
            if not self._rules.count_errors:
                window.uncount(now, weight)
            raise
        return self._created(job, call, headers)

    def _created(self, job: SimulatedJob, call: IncomingCall, headers: Mapping[str, str]) -> Answer:
        shown = job.to_json(now=call.now, origin=call.origin, storage=self.storage)
        return Answer(status=201, json=shown, headers=headers, charged=_take_unreported_charge(job))

    def _accept(self, key: Key, call: IncomingCall, body: dict[str, Any] | LumaRefusal, weight: int) -> SimulatedJob:
        """Accept a job, or refuse it for any reason but the minute's limit."""
        client, now = key.client, call.now
        if isinstance(body, LumaRefusal):
            raise body
        request = read_request(body)
        self._settle(client, now)
        if not call.limits_down:
            self._check_slots(client, weight, now)
        job = self._maker.draw(request, key, now=now, source_ratio=self._source_ratio(request))
        if client.balance < job.price:
            raise LumaRefusal(402, "Insufficient credits. Please add credits to continue.")
        self._media.check(request.refs, request.prompt, key, call)
        self._maker.number += 1
        self.generations[job.id] = job
        heapq.heappush(self._unsettled[client], (job.ends_at, self._maker.number, job))
        if not call.limits_down:
            client.slots.occupy(job.id, weight, created_at=now, ends_at=job.ends_at)
        if self.charge_at == "submit":
            _charge(job)
        return job

    def _check_slots(self, client: ApiClient, weight: int, now: float) -> None:
        """Refuse a job if too few slots are free."""
        if client.slots.used(now) + client.slots.held_by_others + weight > client.jobs:
            detail = self._rules.message("jobs", jobs=client.jobs, weight=weight)
            raise LumaRefusal(429, detail, {"Retry-After": "60"})

    def _get(self, key: Key, call: IncomingCall) -> Answer:
        self._settle(key.client, call.now)
        job = self.generations.get(call.params["generation_id"])
        if job is None or job.owner is not key:
            raise LumaRefusal(404, "Generation not found")
        if job.ends_at <= call.now:
            key.client.slots.note_poll(job.id, call.now)
        shown = job.to_json(now=call.now, origin=call.origin, storage=self.storage)
        return Answer(status=200, json=shown, charged=_take_unreported_charge(job))

    def _settle(self, client: ApiClient, now: float) -> None:
        """Charge completed jobs and refund failed ones, in the order in which they ended, as the switches say."""
        unsettled = self._unsettled[client]
        while unsettled and unsettled[0][0] <= now:
            _, _, job = heapq.heappop(unsettled)
            state = job.state(now)
            if self.refund_failures and job.charged and state == "failed" and job.failure in REFUNDED:
                _refund(job)
            if self.charge_at == "completion" and state == "completed":
                _charge(job)

    def _source_ratio(self, request: GenerationRequest) -> str | None:
        """Return the ratio of the generation that is the source; None if the source is none."""
        source = request.source
        job = self.generations.get(source.value) if source is not None and source.kind == "generation_id" else None
        return None if job is None else job.ratio


def _refusal_answer(refusal: LumaRefusal, caller: str | None) -> Answer:
    """Return the answer of a refusal."""
    headers = {**refusal.headers, **COMMON_HEADERS}
    return Answer(status=refusal.status, json={"detail": refusal.detail}, headers=headers, caller=caller)


def _read_or_refusal(call: IncomingCall) -> dict[str, Any] | LumaRefusal:
    """Read the body, or return its refusal, as a limit may refuse the request first."""
    try:
        return json_object(call)
    except LumaRefusal as refusal:
        return refusal


def _charge(job: SimulatedJob) -> None:
    """Charge a job's price; a job that can't be paid at its end fails."""
    client = job.owner.client
    if client.balance < job.price:
        job.failure = "budget_exhausted"
        return
    client.balance -= job.price
    job.charged = True
    job.unreported = job.price


def _refund(job: SimulatedJob) -> None:
    """Refund a failed job; the ledger has a negative charge."""
    job.owner.client.balance += job.price
    job.charged = False
    job.unreported -= job.price


def _take_unreported_charge(job: SimulatedJob) -> float:
    """Return what was charged for a job since the last report, as the ledger has each charge once."""
    amount, job.unreported = job.unreported, Decimal(0)
    return float(amount)
