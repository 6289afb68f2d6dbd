"""The parts of a client, put together from its settings when it is first used: this imports most of the engine."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from attrs import evolve, frozen
from yarl import URL

from generor_async.engine.downloads import Downloads
from generor_async.engine.events import EventStream
from generor_async.engine.jobs import JobWaiter
from generor_async.engine.lifetime import Lifetime
from generor_async.engine.limit_keeper import keeper_of
from generor_async.engine.limits import Limits
from generor_async.engine.media import ImageFetcher, image_host_policy
from generor_async.engine.options import Options
from generor_async.engine.plain_http import HostPolicy, PlainHttp
from generor_async.engine.request_checks import Inspection
from generor_async.engine.session import Session
from generor_async.engine.settings import ClientSettings
from generor_async.engine.transport import AiohttpTransport, Connection
from generor_async.engine.uploads import Uploads
from generor_async.rules.vendors import LUMA

if TYPE_CHECKING:
    from generor_async.engine.client import Client

__all__ = ["Assembly", "assemble"]


@frozen(kw_only=True, eq=False)
class Assembly:
    """What a client and its views share."""

    session: Session
    plain_http: PlainHttp
    downloads: Downloads
    uploads: Uploads
    images: ImageFetcher | None
    jobs: JobWaiter[Any]


def assemble(client_type: "type[Client]", made_with: ClientSettings) -> Assembly:
    """Put a client's parts together."""
    vendor, clock = client_type._vendor, made_with.clock  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
    events, lifetime = EventStream(made_with.on_event), Lifetime(clock)
    policy = _policy(made_with)
    web = PlainHttp(evolve(policy, api_url=URL(made_with.base_url), key=made_with.key))
    images = None
    if made_with.inline:
        images = ImageFetcher(PlainHttp(image_host_policy(policy, made_with.base_url)), clock, made_with.inline)
    connection = _connection(made_with)
    session = Session(
        vendor=vendor,
        base_url=made_with.base_url,
        key=made_with.key,
        open_transport=lambda: AiohttpTransport(connection),
        lifetime=lifetime,
        clock=clock,
        events=events,
        limits=keeper_of(made_with.limits or Limits(), vendor, made_with.base_url, made_with.key, clock),
        poll=client_type._poll_operation,  # pyright: ignore[reportPrivateUsage] # the same
        describe=client_type._describe_result,  # pyright: ignore[reportPrivateUsage] # the same
        images=images,
        inspect=Inspection(vendor, made_with.base_url, fetches_itself=images is not None) if vendor is LUMA else None,
    )
    if made_with.state is not None:
        from generor_async.engine.state.calls import StateCalls  # noqa: PLC0415 - needed by clients with a state alone

        call_type = client_type._paid_calls()  # pyright: ignore[reportPrivateUsage] # the same
        session.state = StateCalls(session, made_with.state, call_type)
    return Assembly(
        session=session,
        plain_http=web,
        downloads=Downloads(web=web, clock=clock, events=events),
        uploads=Uploads(web=web, clock=clock, events=events, key=made_with.key),
        images=images,
        jobs=client_type._make_job_waiter(session, Options()),  # pyright: ignore[reportPrivateUsage] # the same
    )


def _connection(made_with: ClientSettings) -> Connection:
    return Connection(
        key=made_with.key,
        max_connections=made_with.max_connections,
        max_reply_bytes=made_with.max_reply_bytes,
        connector=made_with.connector,
        proxy=made_with.proxy,
        ssl=made_with.ssl,
        speed=made_with.clock.speed,
    )


def _policy(made_with: ClientSettings) -> HostPolicy:
    given = made_with.ssl
    return HostPolicy(
        schemes=frozenset({"https", urlsplit(made_with.base_url).scheme}),
        max_connections=made_with.max_connections,
        proxy=made_with.proxy,
        ssl=True if given is None or isinstance(given, aiohttp.Fingerprint) else given,  # that is the API's alone
    )
