"""A chat bot, as a process that is restarted: one key for all who write to it, in turns and within budgets.

    python -m hours.bot CONFIGURATION

It is told of each message once, as by Discord. What it has begun and not told is taken up by the next process.
"""

import asyncio
import hashlib
import signal
from contextlib import suppress
from typing import Any

import aiohttp
from attrs import define, field
from hours.world import BUDGETS, Configuration, Log, hours_later, message_in

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
from generor_async.values import AttemptStarted, CallEnded, Clock, Throttled

DRAIN = 0.5
"""Real seconds for calls under way after SIGTERM: half a minute of the bot's time."""
LOOK = 60.0
"""Seconds of the bot's time after which it looks for what is unfinished."""


@define
class Waiting:
    """A call that has waited in the queue, and whose first attempt has not begun."""

    user: str | None
    ahead: int
    """How many other users waited when the client said that it waits."""
    admitted: frozenset[str]
    """The calls that had been admitted by then, and begin later."""
    alone: bool
    """Whether its user waited for nothing else."""
    before: int = 0
    """How many calls were admitted since."""


@define
class Turns:
    """Measures for how many calls of others each call waits in the queue."""

    log: Log
    luma: AsyncLuma = field(init=False)
    waiting: dict[str, Waiting] = field(factory=dict[str, Waiting])
    begun: set[str] = field(factory=set[str])

    def on_event(self, event: object) -> None:
        """Note calls as they begin to wait, and as they are sent for the first time."""
        match event:
            case Throttled(call_id=call_id) if call_id not in self.waiting and call_id not in self.begun:
                self.note_wait(call_id)
            case AttemptStarted(operation="luma.generations.create", call_id=call_id) if call_id not in self.begun:
                self.begun.add(call_id)
                self.note_start(call_id)
            case CallEnded(call_id=call_id):
                self.waiting.pop(call_id, None)  # it was cancelled
            case _:
                pass

    def note_wait(self, call_id: str) -> None:
        """Note who waits together with a call that has joined the queue."""
        queued = {call.call_id: call.user for call in self.luma.waiting()}
        if call_id in queued:  # else it waits for something else
            user = queued.pop(call_id)
            users, admitted = set(queued.values()), frozenset(self.waiting.keys() - queued.keys())
            self.waiting[call_id] = Waiting(user, len(users - {user}), admitted, user not in users)

    def note_start(self, call_id: str) -> None:
        """Note that a call goes before those that wait."""
        begins = self.waiting.pop(call_id, None)
        for call in self.waiting.values():
            call.before += call_id not in call.admitted
        if begins is not None and begins.alone:
            self.log.write("turn", user=begins.user, ahead=begins.ahead, before=begins.before)


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
                        self.begin(message["id"], self.make(message["id"], message["user"], message["text"]))

    def begin(self, message: int, work: Any) -> None:
        """Run what ends with a reply to a message."""
        task = self.waiting[message] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.waiting.pop(message))

    async def reply(self, message: int, kind: str, **more: object) -> None:
        """Reply to a message."""
        async with self.web.post(f"{self.chat}/replies", json={"message": message, "kind": kind, **more}):
            pass

    async def make(self, message: int, user: str, prompt: str) -> None:
        """Make a picture."""
        view = self.luma.with_options(user=user, context={"message": message}, acknowledge=True)
        try:
            job = await view.generations.submit(prompt=prompt)
        except BudgetExceededError:
            await self.reply(message, "budget")
        except OutcomeUnknownError:
            await self.reply(message, "unknown")
        except (ClientClosedError, ClientDrainingError):
            await self.reply(message, "again")
        except GenerorAsyncError as error:
            await self.reply(message, "error", text=repr(error))
        else:
            await self.show(message, job)

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


async def main() -> None:
    """Run until SIGTERM."""
    configuration = Configuration.read()
    clock = hours_later(configuration)
    turns = Turns(Log(configuration.log))
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    limits = Limits(store=configuration.limits)
    async with (
        AsyncLuma(state=configuration.state, budgets=BUDGETS, limits=limits, on_event=turns.on_event) as luma,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as web,  # those who chat have all the time
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
