"""A chat bot, as a process that is restarted: one key for all who write to it, in turns and within budgets.

    python -m hours.bot CONFIGURATION

It is told of each message once, as by Discord. What it has begun and not told is taken up by the next process.
"""

import asyncio
import hashlib
import signal
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aiohttp
from attrs import define, field
from hours.world import BUDGETS, Configuration, Log, hours_later

from generor_async import (
    AsyncLuma,
    BudgetExceededError,
    ClientClosedError,
    ClientDrainingError,
    GenerationFailedError,
    GenerorAsyncError,
    Job,
    Limits,
    OutcomeUnknownError,
)
from generor_async.values import JSON, AttemptStarted, CallEnded, CallStarted, Clock
from generor_async.values.model import is_object

DRAIN = 0.5
"""Real seconds for calls under way after SIGTERM: half a minute of the bot's time."""
LOOK = 60.0
"""Seconds of the bot's time after which it looks for what is unfinished."""


@define
class Asked:
    """A message that the bot answers."""

    id: int
    user: str
    at: float
    number: int = 0
    """How many calls had been sent when it began to wait; what follows is set then."""
    active: int = 0
    """How many users waited then."""
    call_id: str = ""
    admitted: int = 0
    """How many calls had been admitted and not sent yet."""
    alone: bool = False
    """Whether its user waited for nothing else."""


_asked: ContextVar[Asked | None] = ContextVar("_asked", default=None)


@define
class Turns:
    """Measures for how many calls of others each call waits."""

    log: Log
    started: float
    luma: AsyncLuma = field(init=False)
    sent: int = 0
    waiting: dict[str, int] = field(factory=dict[str, int])

    def on_event(self, event: object) -> None:
        """Note calls as they begin to wait, and as they are sent for the first time."""
        asked = _asked.get()
        if asked is None:
            return
        if isinstance(event, CallStarted) and event.billable:
            asked.call_id = event.call_id
            asked.alone = asked.user not in self.waiting
            asked.active = len(self.waiting)
            asked.number = self.sent
            asked.admitted = sum(self.waiting.values()) - len(self.luma.waiting())
            self.waiting[asked.user] = self.waiting.get(asked.user, 0) + 1
        elif isinstance(event, AttemptStarted) and event.call_id == asked.call_id and event.attempt == 1:
            self.left(asked)
            if asked.alone:
                ahead, before = asked.active + asked.admitted, self.sent - asked.number
                since_start = asked.at - self.started
                self.log.write("turn", user=asked.user, ahead=ahead, before=before, since_start=since_start)
            self.sent += 1
        elif isinstance(event, CallEnded) and event.call_id == asked.call_id and not event.attempts:
            self.left(asked)

    def left(self, asked: Asked) -> None:
        """Note that a call waits no longer."""
        count = self.waiting.get(asked.user, 0) - 1
        if count > 0:
            self.waiting[asked.user] = count
        else:
            self.waiting.pop(asked.user, None)


class Bot:
    """The bot."""

    def __init__(self, luma: AsyncLuma, web: aiohttp.ClientSession, chat: str, clock: Clock) -> None:
        self.clock = clock
        self.luma = luma
        self.web = web
        self.chat = chat
        self.waiting: dict[int, asyncio.Task[None]] = {}

    async def read(self) -> None:
        """Answer messages, until the bot is stopped."""
        while True:
            with suppress(aiohttp.ClientError):
                async with self.web.get(f"{self.chat}/messages") as answer:
                    for message in await answer.json():
                        asked = Asked(message["id"], message["user"], self.clock.monotonic())
                        self.begin(asked.id, self.make(asked, message["text"]))

    def begin(self, message: int, work: Any) -> None:
        """Run what ends with a reply to a message."""
        task = self.waiting[message] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.waiting.pop(message))

    async def reply(self, message: int, kind: str, **more: object) -> None:
        """Reply to a message."""
        async with self.web.post(f"{self.chat}/replies", json={"message": message, "kind": kind, **more}):
            pass

    async def make(self, asked: Asked, prompt: str) -> None:
        """Make a picture."""
        _asked.set(asked)
        view = self.luma.with_options(user=asked.user, context={"message": asked.id}, acknowledge=True)
        try:
            job = await view.generations.submit(prompt=prompt)
        except BudgetExceededError:
            await self.reply(asked.id, "budget")
        except OutcomeUnknownError:
            await self.reply(asked.id, "unknown")
        except (ClientClosedError, ClientDrainingError):
            await self.reply(asked.id, "again")
        except GenerorAsyncError as error:
            await self.reply(asked.id, "error", text=repr(error))
        else:
            await self.show(asked.id, job)

    async def show(self, message: int, job: Job) -> None:
        """Show the end of a job; when the bot stops, the next process does."""
        with suppress(ClientClosedError, ClientDrainingError):
            try:
                await job
                (picture,) = await self.luma.read(job)
            except GenerationFailedError:
                await self.reply(message, "failed", ids=[job.id])
            else:
                await self.reply(message, "shown", ids=[job.id], digest=hashlib.sha256(picture).hexdigest())
            await self.luma.jobs.acknowledge(job.id)

    async def take_up(self) -> None:
        """Show what earlier processes have begun, and tell of what they may have paid for."""
        told = set[int]()
        while True:
            async for job in self.luma.jobs.unfinished():
                message = message_in(job.context)  # None: the website's, whose users come back with their keys
                if message is not None and message not in self.waiting:
                    self.begin(message, self.show(message, job))
            async for call in self.luma.jobs.unknown():
                message = message_in(call.context)
                if message is not None and message not in {*told, *self.waiting}:
                    await self.reply(message, "unknown")
                    told.add(message)
            await self.clock.sleep(LOOK)

    async def stop(self) -> None:
        """Let end what ends soon."""
        await self.luma.drain(DRAIN)
        await self.luma.close()
        await asyncio.gather(*self.waiting.values(), return_exceptions=True)


def message_in(context: JSON) -> int | None:
    """Return the message that a call was made for; None for one that isn't the bot's."""
    message = context.get("message") if is_object(context) else None
    return message if isinstance(message, int) else None


async def main() -> None:
    """Run until SIGTERM."""
    configuration = Configuration.read()
    clock = hours_later(configuration)
    turns = Turns(Log(configuration.log), clock.monotonic())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    limits = Limits(store=configuration.limits)
    async with (
        AsyncLuma(state=configuration.state, budgets=BUDGETS, limits=limits, on_event=turns.on_event) as luma,
        aiohttp.ClientSession() as web,
    ):
        turns.luma = luma
        bot = Bot(luma, web, configuration.users, clock)
        tasks = [asyncio.create_task(work) for work in (bot.read(), bot.take_up())]
        print("ready", flush=True)  # noqa: T201 - the test waits for it
        ended = asyncio.create_task(stopped.wait())
        await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                await task
            task.cancel()
        await bot.stop()


if __name__ == "__main__":
    asyncio.run(main())
