"""The Discord bot: budgets, a cancel, and pictures that outlive the bot."""

import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, frozen
from support.fake_discord import FakeDiscord, Shown
from support.fleet_commands import wait_for
from support.pages import DOCS
from support.recipes import Simulated, environment_of, started

from generor_async.simulator import Simulator

if TYPE_CHECKING:
    import subprocess

BOT = DOCS / "recipes/discord_bot.py"
CREATE = "luma.generations.create"
ADA, BOB, EVE = "101", "102", "103"
PERHAPS = "The answer was lost. It may have been charged"
IMAGE = 0.0404
"""The listed price of a picture in US dollars."""
ELSEWHERE = """
import runpy
import sys

import discord
import yarl

path, api, gateway = sys.argv[1:]
discord.http.Route.BASE = api
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
runpy.run_path(path, run_name="__main__")
"""
"""Runs the bot on another Discord."""


@frozen
class Bots:
    """The bot on a simulator and a Discord, as often as it is started."""

    simulator: Simulator
    discord: FakeDiscord
    folder: Path
    script: Path

    @contextmanager
    def started(self, **settings: str) -> Generator["subprocess.Popen[str]"]:
        """Run a process of the bot until the end of the block."""
        environment = {**environment_of(self.simulator), "DISCORD_TOKEN": "discord-token", **settings}
        begun = self.discord.identified
        places = (self.script, BOT, self.discord.api_url, self.discord.gateway_url)
        with started(sys.executable, *places, folder=self.folder, environment=environment, log="bot.log") as process:
            wait_for(lambda: self.discord.identified > begun or process.poll() is not None)
            assert process.poll() is None, self.log
            yield process

    @property
    def log(self) -> str:
        return (self.folder / "bot.log").read_text()

    def draw(self, *who: str, prompt: str = "a heron") -> list[Shown]:
        """Have users ask for a picture each; return the bot's answers."""
        asked = [self.discord.ask(each, "draw", prompt=f"{prompt}, {number}") for number, each in enumerate(who)]
        wait_for(lambda: all(self.discord.message_of(id_) for id_ in asked))
        return [shown for id_ in asked if (shown := self.discord.message_of(id_)) is not None]

    def whisper(self, interaction: str) -> str:
        """Return what the bot says to a user alone."""
        wait_for(lambda: interaction in self.discord.whispers)
        return self.discord.whispers[interaction]

    def wait_for_request(self) -> None:
        """Wait until another request has reached the API."""
        seen = len(self.simulator.ledger.requests)
        wait_for(lambda: len(self.simulator.ledger.requests) > seen)

    def made(self) -> int:
        return len(self.simulator.luma.generations)

    def check(self, shown: list[Shown]) -> None:
        """Check that each of these messages got a picture of its own, once, and that just these were charged."""
        assert [(each.text, len(each.files), each.pictures, each.buttons) for each in shown] == [
            ("Here it is.", 1, 1, [])
        ] * len(shown)
        assert len(self.simulator.ledger.charges) == len(shown)
        assert not self.simulator.ledger.duplicates()


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    return int(str(pytestconfig.getoption("--kills"))) // 2


@pytest.fixture
def bots(simulated: Simulated) -> Iterator[Bots]:
    with FakeDiscord() as discord:
        yield Bots(simulated.simulator, discord, simulated.folder, simulated.script("elsewhere.py", ELSEWHERE))


def ended(shown: list[Shown]) -> bool:
    """Tell whether each of these messages has its last text."""
    return all(len(each.texts) > 1 and not each.buttons for each in shown)


def test_everybody_gets_a_picture_and_nobody_more_than_the_budget(bots: Bots) -> None:
    many, few = ["99"] * 50, [str(100 + number) for number in range(30)]
    with bots.started(BOT_DOLLARS=str(3.5 * IMAGE)):
        shown = bots.draw(*many, *few)
        wait_for(lambda: ended(shown))
    assert bots.discord.commands == ["draw"]
    refused = [each for each in shown if "more than your budget" in each.text]
    assert len(refused) == 47
    assert all(each.interaction in {one.interaction for one in shown[:50]} for each in refused)
    left = 0.5 * IMAGE / 0.003
    assert {re.sub(r"<t:\d+>", "TIME", each.text) for each in refused} == {
        f"That is more than your budget: {left:.1f} credits are left until TIME."
    }
    bots.check([each for each in shown if each not in refused])


def test_a_cancel_says_what_was_charged(bots: Bots) -> None:
    bots.simulator.faults.add_spec(f"{CREATE}=429:1x:retry_after=600")
    with bots.started(BOT_DOLLARS=str(1.5 * IMAGE)):
        (queued,) = bots.draw(ADA)
        wait_for(lambda: any(entry.operation == CREATE for entry in bots.simulator.ledger.requests))
        assert bots.whisper(bots.discord.click(BOB, queued)) == "Only who has asked can cancel."
        assert bots.whisper(bots.discord.click(ADA, queued)) == "Cancelling …"
        wait_for(lambda: ended([queued]))
        assert queued.text == "Cancelled. Nothing was charged."
    assert not bots.made()
    bots.simulator.faults.add_spec(f"{CREATE}=stall:after_charge:1x")
    with bots.started(BOT_DOLLARS=str(1.5 * IMAGE)):
        (stale,) = bots.draw(BOB, prompt="a crane")
        wait_for(lambda: bots.made() == 1)
        bots.whisper(bots.discord.click(BOB, stale))
        wait_for(lambda: ended([stale]))
        assert "It may have been charged" in stale.text
        shown = bots.draw(ADA, BOB)
        wait_for(lambda: "Paid for" in shown[0].text)
        assert bots.whisper(bots.discord.click(ADA, shown[0])).startswith("It can't be cancelled any more")
        wait_for(lambda: ended(shown))
    assert shown[0].text == "Here it is."
    assert shown[1].text.startswith("That is more than your budget")
    assert len(bots.simulator.ledger.charges) == 2


def test_who_waits_for_the_limit_is_told_how_long_and_can_cancel(bots: Bots) -> None:
    with Simulator(luma_rpm=6, seed=7) as slow:
        bots = evolve(bots, simulator=slow)
        with bots.started() as process:
            (first,) = bots.draw(ADA)
            wait_for(lambda: "Paid for" in first.text)
            bots.draw(*[EVE] * 7)
            wait_for(lambda: bots.made() == 6)
            (queued,) = bots.draw(BOB)
            told = re.fullmatch(r"In the queue for about (\d+) s …", queued.text)
            assert told is not None, queued.text
            assert 1 <= int(told[1]) <= 60
            bots.discord.faults = [429]  # so that the first click is still at work
            clicks = [bots.discord.click(BOB, queued) for _ in range(2)]
            assert bots.whisper(clicks[0]) == "Cancelling …"
            assert bots.whisper(clicks[1])
            wait_for(lambda: ended([queued]))
            assert queued.text == "Cancelled. Nothing was charged."
            process.kill()


def test_pictures_of_a_bot_that_was_killed_are_shown_by_the_next(bots: Bots) -> None:
    with bots.started() as process:
        shown = bots.draw(ADA, BOB, ADA, EVE, BOB)
        wait_for(lambda: all("Paid for" in each.text for each in shown))
        process.kill()
        process.wait()
    assert len(bots.simulator.ledger.charges) == 5
    with bots.started():
        wait_for(lambda: ended(shown))
    with bots.started():
        stale = Shown("5", "6", ["In the queue …"], [button_of(ADA)])
        assert bots.whisper(bots.discord.click(ADA, stale)).startswith("Nothing is under way")
    bots.check(shown)


def button_of(asker: str) -> dict[str, object]:
    return {"type": 1, "components": [{"type": 2, "style": 2, "label": "Cancel", "custom_id": f"cancel:{asker}"}]}


def test_a_bot_that_is_stopped_tells_who_waits(bots: Bots) -> None:
    with bots.started() as process:
        paid = bots.draw(ADA, BOB)
        wait_for(lambda: all("Paid for" in each.text for each in paid))
        bots.simulator.faults.add_spec(f"{CREATE}=429:1x:retry_after=600")
        queued = bots.draw(EVE, ADA)
        bots.discord.is_away = True  # what is done meanwhile can't be shown
        wait_for(lambda: any(status == 503 for _, status in bots.discord.edits))
        wait_for(lambda: "is edited later" in bots.log)
        bots.discord.is_away = False
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, bots.log
    assert {each.text for each in queued} == {"The bot is restarting. Nothing was charged: please ask again."}
    with bots.started():
        wait_for(lambda: ended(paid))
    bots.check(paid)


def test_a_bad_day(bots: Bots) -> None:
    bots.simulator.faults.add_spec(f"{CREATE}=reset:after_charge:1x")
    with bots.started():
        (lost,) = bots.draw(ADA)
        wait_for(lambda: ended([lost]))
        bots.discord.faults = [429, None, 500]
        (failed,) = bots.draw(ADA, prompt="a heron [[moderate]]")
        (deleted,) = bots.draw(EVE)
        bots.discord.lost.add(deleted.id)
        (large,) = bots.draw(EVE)
        bots.discord.too_large.add(large.id)
        shown = bots.draw(ADA, BOB)
        wait_for(lambda: bots.made() == 6)
        bots.discord.disconnect(resumable=True)
        wait_for(lambda: bots.discord.resumed == 1)
        bots.discord.disconnect(resumable=False)
        wait_for(lambda: bots.discord.identified == 2 and bots.discord.sessions == 1)
        shown += bots.draw(EVE)
        wait_for(lambda: ended([*shown, failed, large]))
        wait_for(lambda: "can't be shown" in bots.log)
    assert "It may have been charged" in lost.text
    assert "It was charged, and failed" in failed.text
    assert [each.text for each in shown] == ["Here it is."] * 3
    assert large.text.startswith("It is paid for, but can't be shown here: job ")
    assert len(bots.simulator.ledger.charges) == 7
    edits = Counter(status for _, status in bots.discord.edits)
    assert (edits[429], edits[500]) == (1, 1)
    assert "Traceback" not in bots.log


def test_two_processes_of_the_bot_buy_each_picture_once(bots: Bots) -> None:
    with bots.started(), bots.started() as other:
        shown = bots.draw(ADA, BOB, ADA, EVE, BOB, ADA)
        wait_for(lambda: all("Paid for" in each.text for each in shown))
        other.send_signal(signal.SIGTERM)
        shown += bots.draw(EVE, BOB)
        wait_for(lambda: ended(shown))
        assert other.wait(60) == 0
    # The one that stops may have answered before it knew.
    bots.check([*shown[:6], *(each for each in shown[6:] if "restarting" not in each.text)])
    assert "Traceback" not in bots.log


def test_whenever_the_bot_is_killed_no_picture_is_lost(bots: Bots, kills: int) -> None:
    """Kill it at random moments, while answers are lost, limits are reached, and edits fail."""
    dice = random.Random(7)
    for fault in ("reset:after_charge:0.1", "429:0.1:retry_after=10", "500:before_charge:0.05"):
        bots.simulator.faults.add_spec(f"{CREATE}={fault}")
    asked = list[str]()
    for _ in range(kills):
        with bots.started(BOT_DOLLARS="100") as process:
            for number in range(4):
                prompt = f"heron {len(asked)} {'[[moderate]]' if dice.random() < 0.1 else ''}"
                asked.append(bots.discord.ask(dice.choice((ADA, BOB)), "draw", prompt=prompt))
                bots.discord.faults += [503] if dice.random() < 0.3 else [None] * number
            bots.wait_for_request()
            time.sleep(dice.uniform(0, 6))
            process.kill()
            process.wait()
    bots.discord.faults.clear()
    made = {job.request.prompt: job.id for job in bots.simulator.luma.generations.values()}
    shown = {number: bots.discord.message_of(interaction) for number, interaction in enumerate(asked)}
    paid = [shown[int(prompt.split()[1])] for prompt in made]
    with bots.started(BOT_DOLLARS="100"):
        wait_for(lambda: all(each is not None and not each.buttons for each in paid))
    told = Counter("none" if each is None else each.text[:24] for each in paid)
    assert set(told) <= {"Here it is.", PERHAPS[:24], "It was charged, and fail"}, told
    assert len(bots.simulator.ledger.charges) == len(made)
    assert not bots.simulator.ledger.duplicates()
    for number, each in shown.items():
        assert each is None or each in paid or not each.pictures, number
