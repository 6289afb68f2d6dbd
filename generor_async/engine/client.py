"""The base of both async clients: how they are made, viewed with other options, and closed."""

import math
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import aiohttp

import generor_async  # noqa: TC001 - whoever evaluates annotations finds its names
from generor_async.engine import auth, settings
from generor_async.engine.clock import REAL_CLOCK
from generor_async.engine.options import Options
from generor_async.engine.proxies import env_proxy, given_proxy
from generor_async.engine.settings import ClientSettings
from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, option_checks
from generor_async.rules.http_types import Endpoint, Operation
from generor_async.rules.vendors import Vendor
from generor_async.values import JSON, UNSET, Clock, Priority, RetrySafety, Secret, Unset

if TYPE_CHECKING:
    from generor_async.engine.assembly import Assembly
    from generor_async.engine.call_scope import CallResult
    from generor_async.engine.downloads import DownloadCallback, Downloads
    from generor_async.engine.jobs import JobWaiter
    from generor_async.engine.lifetime import Lifetime
    from generor_async.engine.media import ImageFetcher
    from generor_async.engine.output_stream import Delivery, OutputStream
    from generor_async.engine.plain_http import PlainHttp
    from generor_async.engine.session import Session
    from generor_async.engine.state.calls import PaidCallType
    from generor_async.engine.transfer import Output
    from generor_async.engine.uploads import Uploads
    from generor_async.engine.writers import Writer

__all__ = ["Client"]

T = TypeVar("T")


class Assembling:
    """Assembles the parts that a client and its views share, once, when one of them is first used in any thread."""

    def __init__(self, client_type: "type[Client]", settings: ClientSettings) -> None:
        self.settings = settings
        self._client_type = client_type
        self._lock = threading.Lock()
        self._assembly: Assembly | None = None

    def get(self) -> "Assembly":
        """Return the parts."""
        from generor_async.engine.assembly import assemble  # noqa: PLC0415 - most of the package, not needed to start

        with self._lock:
            if self._assembly is None:
                self._assembly = assemble(self._client_type, self.settings)
            return self._assembly


class Client:
    """Base of `AsyncGeneror` and `AsyncLuma`.

    A client may be made at module level: its parts are imported and made when it is entered or first used, and its
    connections are opened at first use, once for each event loop. Use it as `async with`, or call `close()`. After its
    `async with` a client is closed, and every call a ClientClosedError, until it is entered again.

    Args:
        api_key: The key; by default the environment's `GENEROR_API_KEY` or `LUMA_AGENTS_API_KEY`.
        base_url: The API's address; by default the environment's `GENEROR_BASE_URL` or `LUMA_BASE_URL`, or else the
            vendor's own.
        allow_insecure: Take a plain http address that is not on this machine.
        timeout: Seconds for one logical call, over attempts, waits and polls; by default it depends on the call.
            No end is spelled `math.inf`.
        queue_timeout: Seconds for which one call may wait under the API's limits, over all its attempts, when no
            `timeout` is given. Where a 429 has calls wait for longer than a given `timeout` or `queue_timeout` leaves,
            all of them raise RateLimitError at once, with its `retry_after`; without either they wait, and the log has
            a warning.
        attempt_timeout: Seconds for one attempt; by default it depends on the call.
        max_retries: Attempts after the first, not counting those that a limit of the API refused: these are waited
            for while time lasts. With 0 the first refusal is raised, whatever it is.
        max_connections: Sockets for calls that may be repeated, and as many for those that may not.
        max_reply_bytes: The largest JSON answer that is read, after decompression.
        connector: An `aiohttp.BaseConnector` of your own, never closed here. Calls that must not be repeated then
            leave on whatever connection it has.
        proxy: The URL of an HTTP proxy; for a SOCKS proxy, give a connector.
        ssl: As aiohttp has it.
        trust_env: Take the proxy from the environment: `HTTPS_PROXY`, or else `ALL_PROXY`; `NO_PROXY` is honoured.
        inline_on_503: When the API can't fetch images by URL ("Image URL ingestion unavailable"), fetch those of the
            request here and send them as base64. No credentials go along, and only public addresses are asked, after
            DNS and every redirect; an API on this machine lets this machine be asked as well. Not through a proxy.
        inline_on_422: The same when a host has refused the API an image ("failed to fetch URL"): some hosts refuse
            programs. The refused request cost nothing.
        on_event: A plain function that gets every event, as after `events.subscribe`.
        clock: Where time comes from.
        limits: What is known of the key's limits, and who shares them; by default all clients of the address and key.
        state: The path of a file that keeps the client's paid calls, so that after a crash or a restart it is known
            what was paid for: see `jobs`. Processes of one machine may share it, and those of several machines a
            `postgresql://` URL. None keeps nothing.
        keep_days: For how many days the state keeps calls that have ended, and with them their idempotency keys.
        keep_results: Keep the answers of Generor's `generate` in the state, and not only the ids of its creations.
        budgets: What users, groups of users, or all of them may spend; they are kept in the `state`. A paid call that
            one of them has no room for is a BudgetExceededError, and one without a known price an InvalidRequestError.
            Calls of a batch don't count.
        send_user: Send the user that `with_options(user=)` names along as `user_id`, when a generation is submitted or
            a file uploaded without a `user_id` of its own; Luma alone takes one. It is no part of what an idempotency
            key or a row of a batch is compared by.

    Raises:
        InvalidRequestError: An argument can never be right.
        MissingAPIKeyError: A client of Luma has no key.
    """

    _vendor: ClassVar[Vendor]
    _needs_key: ClassVar[bool] = False
    _takes_user: ClassVar[bool] = False
    """Whether the API has a field for the user."""

    _assembled: bool = False
    """Whether the client has its parts; until then `__getattr__` assembles them."""
    if TYPE_CHECKING:
        _session: Session
        _lifetime: Lifetime
        _plain_http: PlainHttp
        _downloads: Downloads
        _uploads: Uploads
        _images: ImageFetcher | None

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        allow_insecure: bool = False,
        timeout: float | Unset = UNSET,
        queue_timeout: float = math.inf,
        attempt_timeout: float | Unset = UNSET,
        max_retries: int = 4,
        max_connections: int = 100,
        max_reply_bytes: int = 8 * 1024 * 1024,
        connector: aiohttp.BaseConnector | None = None,
        inline_on_503: bool = False,
        inline_on_422: bool = False,
        proxy: str | None = None,
        ssl: SSLContext | aiohttp.Fingerprint | bool | None = None,
        trust_env: bool = False,
        on_event: "Callable[[generor_async.Event], object] | None" = None,
        clock: Clock = REAL_CLOCK,
        limits: "generor_async.Limits | None" = None,
        state: str | PathLike[str] | None = None,
        keep_days: float = 30.0,
        keep_results: bool = False,
        budgets: "Sequence[generor_async.Budget]" = (),
        send_user: bool = False,
    ) -> None:
        api_key = auth.as_secret(api_key)
        base_url, proxy = auth.masked_texts(base_url), auth.masked_texts(proxy)
        state = auth.masked_url(state)
        settings.check_key(api_key)
        arguments.boolean(allow_insecure, "allow_insecure")
        arguments.boolean(trust_env, "trust_env")
        vendor = self._vendor
        address = auth.resolve_base_url(vendor, base_url, allow_insecure=allow_insecure)
        key = auth.resolve_key(vendor, api_key, address)
        if key is None and self._needs_key:
            raise auth.missing_key(vendor)
        if arguments.boolean(send_user, "send_user") and not self._takes_user:
            raise InvalidRequestError("send_user", "this API has no field for a user", advice="Leave it out")
        given = {"timeout": timeout, "attempt_timeout": attempt_timeout}
        self._options = Options().changed(
            max_retries=max_retries,
            queue_timeout=queue_timeout,
            send_user=send_user,
            **{name: value for name, value in given.items() if value is not UNSET},
        )
        proxy = env_proxy(address) if trust_env and proxy is None else given_proxy(proxy)
        made_with = ClientSettings(
            base_url=address,
            key=key,
            max_connections=max_connections,
            max_reply_bytes=max_reply_bytes,
            connector=connector,
            proxy=proxy,
            ssl=ssl,
            inline=settings.inlining(inline_on_503=inline_on_503, inline_on_422=inline_on_422, proxy=proxy),
            on_event=on_event,
            clock=clock,
            limits=limits,
            state=settings.state_settings(state, keep_days=keep_days, keep_results=keep_results, budgets=budgets),
        )
        self._clock = clock
        self._is_used = False
        self._assembling = Assembling(type(self), made_with)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Assemble the client when one of its parts is first asked for."""
            if "_assembling" in self.__dict__ and not self._assembled:
                self._assemble()
            return object.__getattribute__(self, name)

    def __dir__(self) -> list[str]:
        if "_assembling" in self.__dict__ and not self._assembled:
            self._assemble()
        return list(super().__dir__())

    def _assemble(self) -> None:
        """Take over the parts that all views share, and make the resources of this one."""
        parts = self._assembling.get()
        self._session = parts.session
        self._lifetime = parts.session.lifetime
        self._plain_http = parts.plain_http
        self._downloads = parts.downloads
        self._uploads = parts.uploads
        self._images = parts.images
        self._bind(parts.jobs)
        self._assembled = True  # the last: another thread may be here as well

    def _bind(self, jobs: "JobWaiter[Any]") -> None:
        """Make the resources that send through this client; `jobs` is the JobWaiter that all views share."""
        raise NotImplementedError

    @staticmethod
    def _paid_calls() -> "PaidCallType":
        """Return what the paid calls of this API are like, for a client with a state."""
        raise NotImplementedError

    @staticmethod
    def _make_job_waiter(session: "Session", options: Options) -> "JobWaiter[Any]":
        """Return what waits for the jobs of this API."""
        raise NotImplementedError

    def with_options(
        self,
        *,
        timeout: float | Unset = UNSET,
        queue_timeout: float | Unset = UNSET,
        attempt_timeout: float | Unset = UNSET,
        max_retries: int | Unset = UNSET,
        priority: Priority | Unset = UNSET,
        extra_headers: Mapping[str, str] | Unset = UNSET,
        extra_query: Mapping[str, str] | Unset = UNSET,
        extra_body: Mapping[str, Any] | Unset = UNSET,
        on_progress: "Callable[[generor_async.GenerateProgress], object] | Unset | None" = UNSET,
        request_id: str | Unset = UNSET,
        context: JSON | Unset = UNSET,
        idempotency_key: str | Unset | None = UNSET,
        acknowledge: bool | Unset = UNSET,
        check_parameters: bool | Unset = UNSET,
        user: str | Unset | None = UNSET,
        price: float | Unset | None = UNSET,
    ) -> Self:
        """Return a view of this client whose calls have other options; it shares connections and limits.

        Args:
            timeout: Seconds for one logical call, over attempts, waits and polls.
            queue_timeout: Seconds for which one call may wait under the API's limits, when no `timeout` is given.
            attempt_timeout: Seconds for one attempt.
            max_retries: Attempts after the first.
            priority: Which calls go first when they queue for a limit: `interactive` before `normal`, and that before
                `bulk`, which spreads evenly over time.
            extra_headers: Headers to send as well.
            extra_query: Query parameters to send as well.
            extra_body: Fields of the JSON body to send as well, or instead.
            on_progress: A function that is told every second how far a `generate` is likely to have come, by the API's
                own estimate; None for none.
            request_id: The X-Request-Id of the first attempt. The view then serves one call.
            context: Anything that is JSON, such as `{"channel": 7}`, of at most 64 KiB: the client's `state` keeps it
                with each paid call, and `jobs.unfinished()` returns it.
            idempotency_key: A paid call with this key is made once: a second one, in any process of the client's
                `state`, gets the first one's result while that is under way and for `keep_days`. One that failed at no
                cost is made anew; one whose outcome nobody knows is an OutcomeUnknownError until it is settled by
                `jobs.settle`; other parameters under the same key are refused. None for no key.
            acknowledge: Keep paid calls in `jobs.unfinished()` until `jobs.acknowledge` says that their results have
                arrived where they are needed: a program that is killed before then finds them again.
            check_parameters: Refuse what a generator would drop silently of the `parameters` of `generate` and
                `estimate`: names that its schema doesn't have, and values that it doesn't take. The schema is fetched
                once an hour for each generator, and again before a call is refused by one that is older than a minute.
                If it can't be fetched within ten seconds, the call is sent unchecked, and the log has a warning.
            user: Whose calls these are, by a name of yours such as `guild:42/ada`. The client's `budgets` count by it,
                and users take turns: under the limits of the key, calls of one priority are admitted by a round robin
                over their users, by the units that they take, whichever client, thread or event loop of the process
                they are from. None for nobody's; these take turns like those of one more user.
            price: What a paid call costs, in US dollars, if the client has budgets and neither a price list nor an
                estimate says it.

        Returns:
            The view; what is not given stays as it is here.

        Raises:
            InvalidRequestError: An argument can never be right.
        """
        extra_headers, extra_query = auth.masked_texts(extra_headers), auth.masked_texts(extra_query)
        changes = {
            "timeout": timeout,
            "queue_timeout": queue_timeout,
            "attempt_timeout": attempt_timeout,
            "max_retries": max_retries,
            "priority": priority,
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
            "on_progress": on_progress,
            "request_id": request_id,
            "context": context,
            "idempotency_key": idempotency_key,
            "acknowledge": acknowledge,
            "check_parameters": check_parameters,
            "user": user,
            "price": price,
        }
        kept = {"acknowledge": True} if acknowledge is True else {}
        self._check_state(context=context, idempotency_key=idempotency_key, **kept)
        return self._make_view(self._options.changed(**{k: v for k, v in changes.items() if v is not UNSET}))

    def _check_state(self, **options: object) -> None:
        """Raise InvalidRequestError for options that need a state, if the client has none."""
        if self._assembling.settings.state is None:
            for name, value in options.items():
                if value is not UNSET and value is not None:
                    advice = "Give the client a state, such as state='calls.sqlite'"
                    raise InvalidRequestError(name, f"{name} needs a client that keeps its calls", advice=advice)

    def _make_view(self, options: Options) -> Self:
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._options = options
        view._is_used = False
        if self._assembled:
            view._bind(self._assembling.get().jobs)
        return view

    @staticmethod
    def _poll_operation(job_id: str, /) -> Operation[Any]:
        """Return the operation that polls a job, where the API has jobs."""
        raise NotImplementedError

    @staticmethod
    def _describe_result(operation: Operation[Any], body: JSON, result: Any, /) -> "CallResult":  # noqa: ARG004 - of each API
        """Return what the events say of a result, by the operation and the body that was sent."""
        from generor_async.engine.call_scope import CallResult  # noqa: PLC0415 - needed by subscribers alone

        return CallResult()

    @property
    def budgets(self) -> "generor_async.Budgets":
        """The budgets of this client and its views: `await budgets.status(user)`."""
        from generor_async.engine.state.budgets import Budgets  # noqa: PLC0415 - needed by clients with budgets alone

        return Budgets(self._session.state)

    @property
    def events(self) -> "generor_async.Events":
        """The events of this client and its views: `events.subscribe(function)`."""
        return self._session.events

    @property
    def rate_limits(self) -> "generor_async.RateLimits":
        """What is known of the key's limits now: for each window the limit, what is used of it, and when it frees."""
        return self._session.limits.snapshot(self._clock.monotonic())

    def expected_wait(
        self,
        operation: Operation[Any] | None = None,
        *,
        user: str | Unset | None = UNSET,
        priority: Priority | Unset = UNSET,
    ) -> "generor_async.ExpectedWait":
        """Return how long a call that is made now will probably wait under the key's limits until it is sent.

        It is told by what the client knows: the windows and what is used of them, the calls that wait and their order,
        how often calls come that go first, other users of the key, other processes of the store, and, for Luma's jobs,
        how long those run that hold the slots. While little is known the bounds are far apart. Nothing is sent.

        Args:
            operation: The call, as the API's `operations` build it; by default one that makes something (`generate`,
                or a generation of an image).
            user: Whose call it is; by default this view's.
            priority: Its priority; by default this view's.

        Returns:
            The wait in seconds, and its bounds: it is below `low` about once in ten times, and above `high` as often.

        Raises:
            InvalidRequestError: An argument can never be right.
        """
        from generor_async.engine.expected_waits import of_newcomer  # noqa: PLC0415 - not needed to start

        if operation is not None:
            self._check_vendor(operation)
        given = {"user": user, "priority": priority}
        options = self._options.changed(**{name: value for name, value in given.items() if value is not UNSET})
        endpoint = self._making_endpoint() if operation is None else operation.endpoint
        body = None if operation is None else operation.body
        with self._session.limits.outlook(self._assembling.get().jobs.durations_of) as outlook:
            return of_newcomer(outlook, endpoint, body, options)

    def waiting(self, user: str | None = None) -> "list[generor_async.WaitingCall]":
        """Return the calls of this process that wait under the key's limits, and how long each probably will.

        Args:
            user: Whose calls to return; by default all.

        Returns:
            The calls, the next one first: of Luma, those that wait for a window before those that wait for a slot.

        Raises:
            InvalidRequestError: `user` can be nobody's name.
        """
        whose = self._options.changed(user=user).user
        with self._session.limits.outlook(self._assembling.get().jobs.durations_of) as outlook:
            return outlook.waiting(whose)

    @staticmethod
    def _making_endpoint() -> "Endpoint[Any]":
        """Return the endpoint that makes something."""
        raise NotImplementedError

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation that was built before.

        Args:
            operation: An operation of this API.

        Returns:
            The decoded result.

        Raises:
            InvalidRequestError: This is no operation of this API; nothing was sent.
            APIError: Whatever the operation's own method raises.
        """
        self._check(operation)
        return await self._session.send(operation, self._options)

    def _check(self, operation: Operation[Any]) -> None:
        """Raise InvalidRequestError for an operation of another API, or a second one of a view that serves one call."""
        self._check_vendor(operation)
        if self._options.request_id is not None:
            if self._is_used:
                raise InvalidRequestError(
                    "request_id",
                    "a view with a request_id serves one call, and this one has",
                    operation=operation.endpoint.name,
                    advice="Make another with with_options(request_id=...)",
                )
            self._is_used = True

    def _check_vendor(self, operation: Operation[Any]) -> None:
        """Raise InvalidRequestError for what is no operation of this API."""
        if (
            not isinstance(operation, Operation)  # pyright: ignore[reportUnnecessaryIsInstance] # not everybody has types
            or operation.endpoint.vendor.name != self._vendor.name
        ):
            from generor_async.engine.unlisted import wrong_operation  # noqa: PLC0415 - needed by mistakes alone

            raise wrong_operation(operation, self._vendor)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: JSON = None,
        retry_safety: RetrySafety = "plain",
    ) -> JSON:
        """Send a request to an endpoint that this package does not know.

        Args:
            method: The HTTP method.
            path: The path after the `base_url`, with a slash before it.
            query: Query parameters.
            json: The JSON body; None for none.
            retry_safety: What repeating the request does, and so when it is repeated: `read` and `idempotent` calls
                are, `plain` and `bills` calls only if it is certain that they had no effect.

        Returns:
            The decoded JSON of the answer.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            APIError: The call failed.
        """
        from generor_async.engine.unlisted import unlisted  # noqa: PLC0415 - not needed to start

        operation = unlisted(self._vendor, method, path, query=query, json=json, retry_safety=retry_safety)
        return await self.send(operation)

    async def drain(self, timeout: float) -> list[str]:
        """Take no new calls, and wait until those under way have ended: before a program ends, as on SIGTERM.

        A new call that costs credits or makes something raises a ClientDrainingError. Calls under way go on, and so do
        waits for jobs, polls, downloads and whatever else only reads, so that what was begun can end. The client stays
        so until it is closed, which ends what is still under way.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The ids of the jobs that go on: those that are still waited for, and, if the client has a `state`, those
            whose end nobody has seen.

        Raises:
            InvalidRequestError: `timeout` is no number of seconds.
        """
        going_on = await self._lifetime.drain(timeout)
        state = self._session.state
        return list(dict.fromkeys([*going_on, *([] if state is None else state.opened().own_jobs())]))

    async def close(self, *, drain: float = 0.0) -> None:
        """End the calls under way in the running event loop, and close its connections.

        What is still under way after `drain` seconds is cancelled. It raises a ClientClosedError, which names the job
        that was waited for, or an OutcomeUnknownError, where a call had left that may have been charged. A client that
        was entered by `async with` stays closed until it is entered again; any other opens new connections for its next
        call.

        Args:
            drain: Seconds in which calls under way may end by themselves, and no new ones begin: see the method
                `drain`.

        Raises:
            InvalidRequestError: `drain` is no number of seconds.
        """
        await self._lifetime.close(drain, self._release)

    async def _release(self) -> None:
        """Close the connections of the running event loop."""
        await self._session.close()
        await self._plain_http.close()
        if self._images is not None:
            await self._images.close()

    async def __aenter__(self) -> Self:
        self._lifetime.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lifetime.exit(self._release)

    def __repr__(self) -> str:
        # A client that was refused in the making has no settings yet, and tracebacks may show it.
        known = self.__dict__.get("_assembling")
        known = "unfinished" if known is None else f"base_url={known.settings.base_url!r}"
        return f"{type(self).__name__}({known})"

    async def _with_outputs(
        self, result: Any, use: "Callable[[list[Output]], Awaitable[T]]", *, name: str = "result"
    ) -> T:
        """Pass the outputs of a result to a function, and return what it returns; errors get the result's id.

        `name` is that of the argument.

        Raises:
            InvalidRequestError: This is no result of this API.
            DownloadError: It has no outputs.
        """
        raise NotImplementedError

    async def _save_each(self, result: Any, save: "Callable[[Output, Downloads, Options], Awaitable[T]]") -> list[T]:
        """Return what a function returns that saves one output, for each output of a result."""
        return await self._with_outputs(result, lambda outputs: self._save_outputs(outputs, save))

    async def _save_outputs(
        self,
        outputs: "list[Output]",
        save: "Callable[[Output, Downloads, Options], Awaitable[T]]",
        method: str = "store",
    ) -> list[T]:
        """Return what a function returns that saves one output, for each of these; `method` is named by events."""
        from generor_async.engine.deadline import within  # noqa: PLC0415 - not needed to start
        from generor_async.engine.downloads import each  # noqa: PLC0415 - the same

        async def save_all() -> list[T]:
            return await within(
                self._options.timeout,
                self._clock,
                each(outputs, lambda output: save(output, self._downloads, self._options)),
                what="saving the outputs",
                advice="Give it more with with_options(timeout=...), and save again: what is stored is not sent again",
            )

        with self._call_scope(method, outputs):
            return await self._lifetime.while_open(save_all(), "saving outputs")

    def _call_scope(self, method: str, outputs: "list[Output]") -> AbstractContextManager[object]:
        """Return the block in which the transfer of outputs is one call, for the events, or a part of another."""
        if not self._session.events.listening:
            return nullcontext()
        from generor_async.engine.call_scope import current_scope  # noqa: PLC0415 - needed by subscribers alone

        if current_scope() is not None:
            return nullcontext()
        name = f"{self._vendor.name}.{method}"
        return self._session.call_scope(name, None, job_id=next((each.owner_id for each in outputs), "") or None)

    def _stream(
        self,
        result: Any,
        index: int | None,
        range_: str | None = None,
        if_range: str | None = None,
        *,
        max_bytes: int,
        name: str = "result",
        method: str = "stream",
    ) -> "OutputStream":
        """Return the stream of one output of a result, which is yet to be opened."""
        from generor_async.engine.output_stream import OutputStream, chosen, headers_of_consumer  # noqa: PLC0415 - not needed to start

        if index is not None:
            option_checks.count(index, "index")
        option_checks.count(max_bytes, "max_bytes", least=1, of="bytes")
        wanted, if_range = headers_of_consumer(range_, if_range)

        async def start(outputs: "list[Output]") -> "Delivery":
            output = chosen(outputs, index, name)
            return await self._downloads.stream(
                output,
                self._lifetime,
                options=self._options,
                scope=lambda: self._call_scope(method, [output]),
                wanted=wanted,
                if_range=if_range,
                max_bytes=max_bytes,
            )

        return OutputStream(lambda: self._with_outputs(result, start, name=name))

    async def _save(self, stream: "OutputStream", writer: "Writer") -> int:
        """Write a stream to what the caller has opened; return the number of bytes."""
        from generor_async.engine.deadline import within  # noqa: PLC0415 - not needed to start
        from generor_async.engine.writers import copy_to, writing_to  # noqa: PLC0415 - the same

        advice = "Give it more with with_options(timeout=...), and save again from the start"
        saving = copy_to(writing_to(writer), stream)
        return await within(self._options.timeout, self._clock, saving, what="saving the output", advice=advice)

    async def _read(self, result: Any, max_bytes: int) -> list[bytes]:
        option_checks.count(max_bytes, "max_bytes", least=1, of="bytes")

        def read(output: "Output", downloads: "Downloads", options: Options) -> Awaitable[bytes]:
            return downloads.read(output, max_bytes=max_bytes, max_retries=options.max_retries)

        return await self._with_outputs(result, lambda outputs: self._save_outputs(outputs, read, "read"))

    async def _download(
        self,
        outputs: "list[Output]",
        *,
        to: str | PathLike[str],
        overwrite: bool,
        max_bytes: int,
        on_progress: "DownloadCallback | None",
    ) -> list[Path]:
        download = self._downloads.download(
            outputs,
            to,
            options=self._options,
            overwrite=overwrite,
            max_bytes=max_bytes,
            on_progress=on_progress,
        )
        with self._call_scope("download", outputs):
            return await self._lifetime.while_open(download, "a download")
