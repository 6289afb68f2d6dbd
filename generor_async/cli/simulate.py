"""`generor simulate`: the simulator on a port, how to reach it, and an option for each argument that it takes."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from rich.console import Console

from generor_async.cli.endings import BAD_USE, stop
from generor_async.simulator import Simulator
from generor_async.simulator.fault_kinds import KINDS
from generor_async.simulator.generor.api import TIERS

__all__ = ["command"]

HELP: Mapping[str, str] = {
    "host": "The address to listen on.",
    "port": "The port to listen on; 0 takes any that is free.",
    "tier": f"The Generor account's tier: {', '.join(TIERS)}.",
    "generor_credits": "The Generor account's credits.",
    "luma_rpm": "Luma's requests per minute.",
    "luma_jobs": "Luma's concurrent jobs.",
    "luma_balance": "The Luma client's US dollars.",
    "speed": "How many simulated seconds pass in a real one.",
    "epoch": "The Unix time at which simulated time begins, in seconds; without it, now.",
    "seed": "What pictures, times and failures are drawn from.",
    "failure_rate": "How often a generation fails by chance, from 0 to 1.",
    "moderation_rate": "How often moderation refuses a generation by chance, from 0 to 1.",
    "kept_in": "A file in which to keep what happens; one that is there is gone on with.",
    "control": "Who may use the endpoints under `/__sim__/`, this machine alone or whoever reaches the port:",
}
SWITCHES: Mapping[str, str] = {
    "count_rejected": "Whether a request that is refused for want of quota uses some up.",
    "count_errors": "Whether a request that is refused for anything else uses up quota.",
    "exact_cost": "Whether `credit_cost` is what the call itself cost, and not the difference of two balances.",
    "generor_window": "Whether Generor's windows slide or stand side by side:",
    "generor_window_shown": "Which of its windows Generor's headers tell of:",
    "generor_failures_cost": "Whether a generation that fails costs credits.",
    "bad_key_on_public": "What becomes of a bad key where Generor needs none:",
    "listing_lag": "For how many seconds Generor's listings lack what was made.",
    "luma_window": "Whether Luma's minute slides or begins on the clock:",
    "luma_weights": "What requests count against Luma's limits: contract (1 each), measured, or MODEL/TYPE=UNITS with "
    "commas between.",
    "luma_reset": "What Luma says of the reset when it takes a request, that of its oldest one or a minute from now:",
    "luma_wording": "How Luma words that too many jobs are under way, with its limit, by units, or as in the contract:",
    "luma_release_at": "When a Luma job frees its slot, at its end or at the first poll after that:",
    "luma_job_expiry": "For how many seconds a Luma job holds its slot at most.",
    "luma_abuse_limit": "How many requests of any kind Luma takes a minute; without it, any number.",
    "luma_durations": "How long Luma's jobs take, brief or as they were measured:",
    "luma_charge_at": "When Luma takes the price of a generation:",
    "luma_refund_failures": "Whether Luma gives back what generations cost that failed as its FAQ says is refunded.",
    "suspended_may_read": "Whether a suspended or deactivated Luma client may still look at what it has.",
    "release_lag": "For how many seconds a Luma job that has ended still holds its slot.",
    "others": "Let another user share a key's limits; may be given several times. API=KIND, and details (NAME=VALUE) "
    "after colons. KIND is steady (rate a minute), bursts (size, every), hog or jobs (slots); each may have a start "
    "and an end, in seconds. For example `luma=bursts:size=30:every=180`, or `luma=jobs:slots=2:end=300`.",
}
SWITCHES_PANEL = "What the documents leave open"
DEFAULTS: Mapping[str, Any] = {"port": 8080}
"""Where the command's own default is another than the simulator's."""
COMMAND_LINE_TYPES: Mapping[str, Any] = {"luma_weights": str, "others": list[str], "kept_in": Path | None}
"""Where an option can't be of the argument's own type."""

FAULT: Any = typer.Option(
    (),
    metavar="SPEC",
    help="Let something go wrong; may be given several times. OPERATION=FAULT, and after colons, in any order: "
    "before_charge or after_charge, a rate (0.05), a count (3x), seed=N, and details (NAME=VALUE). "
    "OPERATION is a dotted name or a pattern. For example `luma.generations.create=reset:after_charge:0.05`, "
    "or `generor.*=503:shape=gateway:3x`.",
)


def _faults_help() -> str:
    """Describe every kind of fault, as a list in Markdown."""
    lines = ["Faults, with their details and what these are unless given:", ""]
    for name, kind in KINDS.items():
        details = ", ".join(f"{detail}={_written(known.default)}" for detail, known in kind.details.items())
        lines.append(f"- `{name}`: {kind.does}{f' ({details})' if details else ''}")
    return "\n".join(lines)


def _options() -> list[Parameter]:
    """Give the faults and the simulator's arguments as options of a command, with their types and defaults."""
    return [
        *(_option(name, text) for name, text in HELP.items()),
        Parameter("fault", Parameter.KEYWORD_ONLY, default=FAULT, annotation=list[str]),
        *(_option(name, text, panel=SWITCHES_PANEL) for name, text in SWITCHES.items()),
    ]


def _option(name: str, text: str, *, panel: str | None = None) -> Parameter:
    taken = signature(Simulator).parameters[name]
    kind = COMMAND_LINE_TYPES.get(name, taken.annotation)
    if get_origin(kind) is Literal:
        kind, text = str, f"{text} {' or '.join(get_args(kind))}."  # the simulator itself refuses any other
    default: Any = typer.Option(DEFAULTS.get(name, taken.default), help=text, rich_help_panel=panel)
    return taken.replace(annotation=kind, default=default)


def _written(value: Any) -> str:
    return "none" if value is None else f"{value}"


async def _serve(console: Console, *, fault: Sequence[str], **options: Any) -> None:
    """Serve until the task is cancelled."""
    simulator = Simulator(**options)
    for spec in fault:
        simulator.faults.add_spec(spec)
    async with simulator:
        console.print("Both APIs are served on this machine; Ctrl-C stops them.\n")
        for name, value in (
            ("GENEROR_BASE_URL", simulator.generor_url),
            ("GENEROR_API_KEY", simulator.generor_key),
            ("LUMA_BASE_URL", simulator.luma_url),
            ("LUMA_AGENTS_API_KEY", simulator.luma_key),
        ):
            console.print(f"export {name}={value}", soft_wrap=True, highlight=False)
        console.print(f"\nWhat has happened: curl {simulator.url}/__sim__/state", soft_wrap=True, highlight=False)
        await asyncio.Event().wait()


command = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@command.command(epilog=_faults_help())
def simulate(**options: Any) -> None:
    """Serve both APIs on a port of this machine until Ctrl-C.

    The addresses and keys to use are printed. Any client of either API works with them, in any language.
    """
    try:
        asyncio.run(_serve(Console(), **options))
    except KeyboardInterrupt:
        raise typer.Exit from None
    except ValueError as error:
        raise stop(str(error), BAD_USE) from None
    except OSError as error:
        address, reason = f"{options['host']}:{options['port']}", os.strerror(error.errno or 0)
        raise stop(f"cannot listen on {address} ({reason}); choose another --port, or 0 for any", BAD_USE) from None


# Where typer finds the options.
vars(simulate)["__signature__"] = Signature(_options())
