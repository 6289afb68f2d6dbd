"""The simulator: both APIs on a loopback port, in the caller's event loop or in a thread."""

import asyncio
import time
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any, Self

from generor_async.simulator.clock import SimulatedClock
from generor_async.simulator.control import ControlEndpoints
from generor_async.simulator.faults import Faults
from generor_async.simulator.foreign_users import ForeignUsers, SharedLimits
from generor_async.simulator.generor.access import AccessRules
from generor_async.simulator.generor.api import GenerorApi
from generor_async.simulator.ledger import Ledger
from generor_async.simulator.luma.api import LumaApi
from generor_async.simulator.luma.limit_rules import LimitRules, read_weights
from generor_async.simulator.luma.slots import SlotRules
from generor_async.simulator.mounts import control_mount, mounts
from generor_async.simulator.recording import CreditChange, Recording
from generor_async.simulator.routing import Mount
from generor_async.simulator.server import Server
from generor_async.simulator.server_thread import ServerThread
from generor_async.simulator.settings import LATEST_EPOCH, Settings, accept_settings, check_range
from generor_async.simulator.storage import Bucket

__all__ = ["Simulator"]


class Simulator:
    """Both APIs, as far as they are documented, without a key and without a network.

    `async with` serves in the running event loop, in its time; `with` serves in a thread with its own event loop, in
    the machine's time. A blocking client needs `with`, as it would block the event loop that serves it.

    The other arguments are switches for what the documents leave open, all explained in BEHAVIOUR.md: `exact_cost`,
    `generor_window`, `generor_window_shown`, `generor_failures_cost`, `bad_key_on_public`, `listing_lag` (seconds),
    `luma_window`, `luma_weights` (`"contract"`, `"measured"`, `"uni-1-max/image_edit=3"`, or units by model and type),
    `luma_reset`, `luma_wording`, `luma_release_at`, `luma_job_expiry` (seconds, or `math.inf`), `luma_abuse_limit`
    (requests of any kind in a minute, or None), `luma_durations`, `luma_charge_at`, `luma_refund_failures`,
    `suspended_may_read`, `release_lag` (seconds); `count_rejected` and `count_errors` for both APIs.

    Args:
        speed: Simulated seconds that pass in a real one.
        epoch: The Unix time at which they begin, in seconds; None for now.
        seed: The seed of all random numbers; None for a random one, so that ids differ each time.
        tier: The tier of the Generor account.
        generor_credits: Its credits.
        luma_rpm: Requests a minute of the Luma client.
        luma_jobs: Its concurrent jobs.
        luma_balance: Its US dollars.
        host: The address to listen on.
        port: The port to listen on; 0 takes any free one.
        control: Who may use the endpoints under `/__sim__/`: `loopback`, this machine alone, or `anywhere`.
        failure_rate: The share of generations that fail, from 0 to 1.
        moderation_rate: The share of generations that are moderated, from 0 to 1.
        kept_in: A file in which requests are recorded. A simulator that is started with the same file continues with
            the jobs, creations, credits and ids of the previous one, however that ended; faults, and changes from
            Python other than `change_credits`, are not kept.
        others: Foreign users of the keys, each as `others.add_spec` takes it.

    Raises:
        ValueError: A value can't be simulated.
    """

    @accept_settings(Settings)
    def __init__(self, settings: Settings) -> None:
        recording = None
        if settings.kept_in is not None:
            recording = Recording(
                Path(settings.kept_in), options=settings.marker(), seed=settings.seed, epoch=_begin(settings.epoch)
            )
        drawn: int = _random_seed(settings.seed) if recording is None else recording.seed
        epoch = settings.epoch if recording is None else recording.epoch
        self.clock = SimulatedClock(speed=settings.speed, epoch=epoch, source=_not_running_error)
        """The server's clock, which the client should use as well; it starts with the simulator."""
        self.ledger = Ledger()
        """All requests, and what they cost."""
        self._new_luma = _luma(settings, drawn)
        self._new_generor = _generor(settings, drawn)
        self.others = ForeignUsers(seed=drawn, time=self.clock.time)
        """Foreign users of the keys, who use up the same limits; they are not in the ledger."""
        self._first_others = tuple(settings.others)
        self._create_apis()
        self.host = settings.host
        self._port = settings.port
        served = self._mounts()
        self.faults = Faults([route.operation for mount in served for route in mount.routes], seed=drawn)
        """The injected faults."""
        self._control = control_mount(ControlEndpoints(self, answers=settings.control, host=settings.host))
        self._server = Server(
            [*served, self._control],
            clock=self.clock,
            ledger=self.ledger,
            faults=self.faults,
            others=self.others,
            seed=drawn,
            recording=recording,
            change=self._change,
        )
        self._recording = recording
        if recording is not None:
            self.clock.advance(max(recording.latest, _begin(settings.epoch)) - self.clock.time())
        self._origin: str | None = None
        self._thread: ServerThread | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port of the simulator; raises RuntimeError when it isn't running."""
        if self._origin is None:
            raise RuntimeError("the simulator isn't running: enter it with `async with` or `with` first")
        return self._origin

    @property
    def generor_url(self) -> str:
        """The Generor API's base URL."""
        return f"{self.url}/api/v1"

    @property
    def luma_url(self) -> str:
        """The Luma Agents API's base URL."""
        return f"{self.url}/v1"

    @property
    def generor_key(self) -> str:
        """A key of the Generor API with all scopes."""
        return self.generor.key

    @property
    def luma_key(self) -> str:
        """A valid key of the Luma Agents API."""
        return self.luma.key

    @property
    def generor_options(self) -> dict[str, Any]:
        """Arguments for a Generor client of the simulator: key, base URL and clock."""
        return {"api_key": self.generor_key, "base_url": self.generor_url, "clock": self.clock}

    @property
    def luma_options(self) -> dict[str, Any]:
        """Arguments for a Luma client of the simulator: key, base URL and clock."""
        return {"api_key": self.luma_key, "base_url": self.luma_url, "clock": self.clock}

    def advance(self, seconds: float) -> None:
        """Advance the simulated clock.

        Args:
            seconds: By how much, in simulated seconds.

        Raises:
            ValueError: The number is negative or excessive.
        """
        check_range("seconds", seconds, least=0, most=LATEST_EPOCH - self.clock.time())
        self.clock.advance(seconds)

    def change_credits(self, kind: str, amount: int) -> int:
        """Change the credits of the Generor account without a call, and without an entry in the ledger.

        Args:
            kind: A type of transaction, such as `daily_bonus`, `purchase`, or the `spend` of another user.
            amount: By how many credits.

        Returns:
            By how much the balance changed.

        Raises:
            ValueError: The kind is unknown or the amount impossible.
        """
        change = CreditChange(at=self.clock.time(), kind=kind, amount=amount)
        changed = self._change(change)
        if self._recording is not None:
            self._recording.record_change(change)
        return changed

    def _change(self, change: CreditChange) -> int:
        return self.generor.change_credits(change.kind, change.amount, now=change.at).amount

    def reset(self) -> None:
        """Start again with empty APIs and ledger, without faults, with the same keys and initial foreign users.

        Time goes on. Requests under way are answered, and leave no trace. `luma`, `generor` and `storage` are new
        objects afterwards.
        """
        self._create_apis()
        self.faults.clear()
        self.ledger.clear()
        if self._recording is not None:
            self._recording.restart(self.clock.time())
        self._server.mount([*self._mounts(), self._control])

    def state(self, origin: str | None = None) -> dict[str, Any]:
        """Return the state as JSON: time, money, jobs, keys, counts of the ledger, and faults.

        Args:
            origin: What base URLs begin with; by default `url`.

        Returns:
            The state.
        """
        origin = origin or self.url
        now = self.clock.time()
        ledger, wallet, client = self.ledger, self.generor.account.wallet, self.luma.client
        return {
            "time": now,
            "speed": self.clock.speed,
            "generor": {
                "base_url": f"{origin}/api/v1",
                "api_key": self.generor_key,
                "tier": self.generor.account.tier,
                "credits": wallet.total,
                "creations": len(self.generor.account.creations),
            },
            "luma": {
                "base_url": f"{origin}/v1",
                "api_key": self.luma_key,
                "rpm": client.window.limit,
                "jobs": client.jobs,
                "active_jobs": self.luma.active(client, now),
                "balance": float(client.balance),
                "generations": len(self.luma.generations),
            },
            "ledger": {
                "requests": len(ledger.requests),
                "charges": len(ledger.charges),
                "duplicates": len(ledger.duplicates()),
                "unanswered": len(ledger.unanswered()),
            },
            "faults": [fault.to_json() for fault in self.faults],
            "others": [other.to_json() for other in self.others],
        }

    async def __aenter__(self) -> Self:
        self._check_stopped()
        self.clock.follow(asyncio.get_running_loop().time)
        await self._start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stop()
        self.clock.follow(time.monotonic)

    def __enter__(self) -> Self:
        self._check_stopped()
        self.clock.follow(time.monotonic)
        self._thread = ServerThread(self._start, self._stop)
        self._thread.start()
        self._thread.ready.result()
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._thread is not None
        self._thread.stop()
        self._thread = None

    def _check_stopped(self) -> None:
        if self._origin is not None:
            raise RuntimeError("the simulator is running already")

    async def _start(self) -> None:
        self._check_stopped()
        port = await self._server.start(self.host, self._port)
        self._origin = f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

    async def _stop(self) -> None:
        self._origin = None
        await self._server.stop()

    def _create_apis(self) -> None:
        """Create both APIs, empty."""
        self.storage = Bucket()
        self.luma = self._new_luma(storage=self.storage)
        self.generor = self._new_generor(now=self.clock.time())
        luma, generor = self.luma.client, self.generor.state.keys[self.generor_key]
        self.others.share({"luma": SharedLimits((luma.window,), luma.slots), "generor": SharedLimits(generor.windows)})
        for spec in self._first_others:
            self.others.add_spec(spec)

    def _mounts(self) -> list[Mount]:
        return mounts(self.generor, self.luma, self.storage)


def _random_seed(seed: int | None) -> int:
    return SystemRandom().getrandbits(32) if seed is None else seed


def _begin(epoch: float | None) -> float:
    return time.time() if epoch is None else epoch


def _not_running_error() -> float:
    return 0.0


def _luma(settings: Settings, seed: int) -> "partial[LumaApi]":
    """Return a function that creates the Luma API."""
    return partial(
        LumaApi,
        seed=seed,
        rpm=settings.luma_rpm,
        jobs=settings.luma_jobs,
        balance=settings.luma_balance,
        rules=LimitRules(
            window_kind=settings.luma_window,
            count_rejected=settings.count_rejected,
            count_errors=settings.count_errors,
            weights=read_weights(settings.luma_weights),
            wording=settings.luma_wording,
            reset=settings.luma_reset,
            abuse_limit=settings.luma_abuse_limit,
            slots=SlotRules(
                release_at=settings.luma_release_at,
                release_lag=settings.release_lag,
                expiry=settings.luma_job_expiry,
            ),
        ),
        charge_at=settings.luma_charge_at,
        refund_failures=settings.luma_refund_failures,
        suspended_may_read=settings.suspended_may_read,
        durations=settings.luma_durations,
        failure_rate=settings.failure_rate,
        moderation_rate=settings.moderation_rate,
    )


def _generor(settings: Settings, seed: int) -> "partial[GenerorApi]":
    """Return a function that creates the Generor API."""
    return partial(
        GenerorApi,
        seed=seed,
        tier=settings.tier,
        credits=settings.generor_credits,
        exact_cost=settings.exact_cost,
        listing_lag=settings.listing_lag,
        rules=AccessRules(
            window_kind=settings.generor_window,
            count_rejected=settings.count_rejected,
            count_errors=settings.count_errors,
            window_shown=settings.generor_window_shown,
            bad_key_on_public=settings.bad_key_on_public,
        ),
        failures_cost=settings.generor_failures_cost,
        failure_rate=settings.failure_rate,
        moderation_rate=settings.moderation_rate,
    )
