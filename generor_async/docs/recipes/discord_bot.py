"""A Discord bot that makes pictures: `/draw`, a budget for each user and day, and a button to cancel.

    pip install generor-async discord.py
    export DISCORD_TOKEN=... LUMA_AGENTS_API_KEY=...
    python discord_bot.py

BOT_STATE is the file where paid calls are kept (calls.sqlite), BOT_DOLLARS what a user may spend in a day (0.50).
Invite the bot with the scopes `bot` and `applications.commands`, and let it view channels and attach files.

It may be stopped (SIGTERM, Ctrl-C) or killed at any moment. What is paid for goes on at the API, and the next start, or
another process with the same BOT_STATE, edits the messages of those who wait for it.
"""

import asyncio
import logging
import math
import os
import re
import signal
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

import discord
from discord import app_commands
from discord.ext import tasks

from generor_async import (
    AsyncLuma,
    Budget,
    BudgetExceededError,
    ClientClosedError,
    ClientDrainingError,
    GenerationFailedError,
    GenerorAsyncError,
    Job,
    OutcomeUnknownError,
)

DRAIN = 20.0
"""Seconds that pictures have to end after SIGTERM."""
logger = logging.getLogger("discord_bot")


class Bot(discord.Client):
    """The bot; each picture that somebody waits for is a task of its own."""

    def __init__(self, luma: AsyncLuma) -> None:
        super().__init__(intents=discord.Intents.default())
        self.luma = luma
        self.waiting: dict[int, asyncio.Task[None]] = {}
        """The pictures that somebody waits for, by their message."""
        self.unpaid = set[int]()
        """Those of them that can be cancelled."""
        self.told = set[str]()
        """The calls of unknown outcome that somebody was told of."""
        self.is_stopping = False
        self.tree = app_commands.CommandTree(self)
        self.tree.command(description="Make a picture")(draw)

    async def setup_hook(self) -> None:
        """Begin: discord.py calls this before it connects."""
        self.add_dynamic_items(CancelButton)
        await self.tree.sync()
        self.take_up.start()

    def begin(self, message: discord.PartialMessage, work: Coroutine[Any, Any, None]) -> None:
        """Run what ends with a picture in a message."""

        async def run() -> None:
            try:
                await work
            except ClientClosedError:
                pass  # the bot stops: the next process takes it up
            except Exception:
                logger.exception("message %d is edited later", message.id)
            finally:
                del self.waiting[message.id]

        self.waiting[message.id] = asyncio.create_task(run())

    async def make(self, message: discord.PartialMessage, user: str, prompt: str) -> None:
        """Submit a picture, and tell what came of it."""
        context = {"channel": message.channel.id, "message": message.id}
        view = self.luma.with_options(user=user, context=context, acknowledge=True)
        self.unpaid.add(message.id)
        try:
            job = await view.generations.submit(prompt=prompt)
        except asyncio.CancelledError as error:  # by the button; the cause says whether it was sent already
            await message.edit(content=explain(error.__cause__), view=None)
        except GenerorAsyncError as error:
            await message.edit(content=explain(error), view=None)
        else:
            self.unpaid.discard(message.id)
            await self.show(message, job)
        finally:
            self.unpaid.discard(message.id)

    async def show(self, message: discord.PartialMessage, job: Job) -> None:
        """Show a job's progress and its picture in a message. What fails is tried again by `take_up`."""
        async for generation in job.updates():
            if (left := job.expected_seconds) != 0:  # it hasn't ended
                about = f"in about {left:.0f} s" if left else "soon"
                with suppress(discord.HTTPException):  # the next edit may pass
                    await message.edit(content=f"Paid for, and {generation.state}: it will be here {about} …")
        with tempfile.TemporaryDirectory() as folder:
            try:
                await job  # or the error that it failed with
                files = [discord.File(path) for path in await job.download(folder)]
                text = "Here it is."
            except GenerationFailedError as error:
                files, text = [], f"It was charged, and failed: {error}"
            try:
                await message.edit(content=text, attachments=files, view=None)
            except discord.HTTPException as error:
                if error.status >= 500 or error.status == 429:
                    raise
                logger.warning("job %s can't be shown: %s", job.id, error)
                with suppress(discord.HTTPException):  # the message may be gone, or the file too large
                    await message.edit(content=f"It is paid for, but can't be shown here: job {job.id}", view=None)
        await self.luma.jobs.acknowledge(job.id)

    @tasks.loop(minutes=1)
    async def take_up(self) -> None:
        """Edit the messages of processes that have ended, and those that could not be edited."""
        try:
            async for job in self.luma.jobs.unfinished():
                if (message := self.message(job.context)).id not in self.waiting:
                    self.begin(message, self.show(message, job))
            async for call in self.luma.jobs.unknown():
                if (message := self.message(call.context)).id not in self.waiting and call.id not in self.told:
                    with suppress(discord.NotFound, discord.Forbidden):
                        await message.edit(content=PERHAPS.format(call.request_id), view=None)
                    self.told.add(call.id)
        except Exception:
            logger.exception("it is tried again in a minute")

    def message(self, context: Any) -> discord.PartialMessage:
        """Return the message that a call was made for."""
        return self.get_partial_messageable(context["channel"]).get_partial_message(context["message"])

    async def stop(self) -> None:
        """Let what can end in time end, tell those who are still in the queue, and stop."""
        self.is_stopping = True
        self.take_up.cancel()
        await self.luma.drain(0)  # from now on it takes no new calls
        if self.waiting:
            await asyncio.wait(self.waiting.values(), timeout=DRAIN)
        await self.luma.close()
        await asyncio.gather(*self.waiting.values())
        await self.close()


class CancelButton(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"cancel:(?P<asker>\d+)"):
    """The button of a message; it works after a restart, too."""

    def __init__(self, asker: int) -> None:
        super().__init__(discord.ui.Button(label="Cancel", custom_id=f"cancel:{asker}"))
        self.asker = asker

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Return the button that was clicked."""
        return cls(int(match["asker"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Cancel what isn't paid for yet."""
        bot: Bot = interaction.client
        assert interaction.message is not None
        message_id = interaction.message.id
        if interaction.user.id != self.asker:
            text = "Only who has asked can cancel."
        elif message_id in bot.unpaid:
            bot.unpaid.discard(message_id)
            bot.waiting[message_id].cancel()
            text = "Cancelling …"
        elif message_id in bot.waiting:
            text = "It can't be cancelled any more: the message will say what was charged."
        else:
            await asyncio.sleep(1)  # during a deploy, another process may have it
            text = "Nothing is under way here any more. What was paid for is shown; ask again otherwise."
        with suppress(discord.HTTPException):  # another process has answered
            await interaction.response.send_message(text, ephemeral=True)


@app_commands.describe(prompt="What it shows")
async def draw(interaction: discord.Interaction[Any], prompt: str) -> None:
    """Answer at once, and make the picture beside."""
    bot: Bot = interaction.client
    if bot.is_stopping:
        return  # the next process answers
    buttons = discord.ui.View(timeout=None).add_item(CancelButton(interaction.user.id))
    user = f"guild:{interaction.guild_id}/{interaction.user.id}"
    wait = bot.luma.expected_wait(user=user).seconds
    about = f"for about {wait:.0f} s" if 1 <= wait < math.inf else "for now"
    try:
        reply = await interaction.response.send_message(f"In the queue {about} …", view=buttons)
    except discord.HTTPException:
        return  # it is too late, or another process has answered
    message = bot.message({"channel": interaction.channel_id, "message": reply.message_id})
    bot.begin(message, bot.make(message, user, prompt))


PERHAPS = "The answer was lost. It may have been charged: if so, it counts against your budget. Request {}."


def explain(error: BaseException | None) -> str:
    """Say why a picture was not submitted; None stands for a cancellation before it was sent."""
    match error:
        case None:
            return "Cancelled. Nothing was charged."
        case BudgetExceededError():
            until = f" until {discord.utils.format_dt(error.resets_at)}" if error.resets_at else ""
            return f"That is more than your budget: {error.remaining:.1f} credits are left{until}."
        case OutcomeUnknownError():
            return PERHAPS.format(error.request_id)
        case ClientClosedError() | ClientDrainingError():
            return "The bot is restarting. Nothing was charged: please ask again."
        case _:
            return f"That did not work, and nothing was charged: {error}"


async def main() -> None:
    """Run the bot until it is stopped."""
    budgets = [Budget(dollars=float(os.environ.get("BOT_DOLLARS", "0.50")), every="day", each_user=True)]
    state = os.environ.get("BOT_STATE", "calls.sqlite")
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncLuma(state=state, budgets=budgets) as luma, Bot(luma) as bot:
        running = asyncio.create_task(bot.start(os.environ["DISCORD_TOKEN"]))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await bot.stop()
        await running


if __name__ == "__main__":
    discord.utils.setup_logging()
    asyncio.run(main())
