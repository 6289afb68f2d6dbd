"""The base of both async clients: how they are made, viewed with other options, and closed."""

import math
import threading
from collections.abc import Callable, Mapping
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
from generor_async.rules import arguments
from generor_async.rules.http_types import Operation
from generor_async.rules.vendors import Vendor
from generor_async.values import JSON, UNSET, Clock, Priority, RetrySafety, Secret, Unset

if TYPE_CHECKING:
    from generor_async.engine.assembly import Assembly
    from generor_async.engine.downloads import DownloadCallback, Downloads, Output
    from generor_async.engine.jobs import JobWaiter
    from generor_async.engine.lifetime import Lifetime
    from generor_async.engine.media import ImageFetcher
    from generor_async.engine.plain_http import PlainHttp
    from generor_async.engine.session import Session
    from generor_async.engine.uploads import Uploads

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
        on_event: A plain function that gets every event.
        clock: Where time comes from.
        limits: What is known of the key's limits, and who shares them; by default all clients of the address and key.

    Raises:
        InvalidRequestError: An argument can never be right.
        MissingAPIKeyError: A client of Luma has no key.
    """

    _vendor: ClassVar[Vendor]
    _needs_key: ClassVar[bool] = False

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
    ) -> None:
        api_key = auth.as_secret(api_key)
        base_url, proxy = auth.masked_texts(base_url), auth.masked_texts(proxy)
        settings.check_key(api_key)
        arguments.boolean(allow_insecure, "allow_insecure")
        arguments.boolean(trust_env, "trust_env")
        vendor = self._vendor
        address = auth.resolve_base_url(vendor, base_url, allow_insecure=allow_insecure)
        key = auth.resolve_key(vendor, api_key, address)
        if key is None and self._needs_key:
            raise auth.missing_key(vendor)
        given = {"timeout": timeout, "attempt_timeout": attempt_timeout}
        self._options = Options().changed(
            max_retries=max_retries,
            queue_timeout=queue_timeout,
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
        }
        return self._make_view(self._options.changed(**{k: v for k, v in changes.items() if v is not UNSET}))

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

    @property
    def rate_limits(self) -> "generor_async.RateLimits":
        """What is known of the key's limits now: for each window the limit, what is used of it, and when it frees."""
        return self._session.limits.snapshot(self._clock.monotonic())

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
        if (
            not isinstance(operation, Operation)  # pyright: ignore[reportUnnecessaryIsInstance] # not everybody has types
            or operation.endpoint.vendor.name != self._vendor.name
        ):
            from generor_async.engine.unlisted import wrong_operation  # noqa: PLC0415 - needed by mistakes alone

            raise wrong_operation(operation, self._vendor)
        if self._options.request_id is not None:
            if self._is_used:
                raise InvalidRequestError(
                    "request_id",
                    "a view with a request_id serves one call, and this one has",
                    operation=operation.endpoint.name,
                    advice="Make another with with_options(request_id=...)",
                )
            self._is_used = True

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

    async def close(self, *, drain: float = 0.0) -> None:
        """End the calls under way in the running event loop, and close its connections.

        What is still under way after `drain` seconds is cancelled. It raises a ClientClosedError, which names the job
        that was waited for, or an OutcomeUnknownError, where a call had left that may have been charged. A client that
        was entered by `async with` stays closed until it is entered again; any other opens new connections for its next
        call.

        Args:
            drain: Seconds in which calls under way may end by themselves.

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

    async def _download(
        self,
        outputs: "list[Output]",
        to: str | PathLike[str],
        *,
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
        return await self._lifetime.while_open(download, "a download")
