"""`generor simulate`: serve the simulator on a port. The options come from the simulator's settings."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from attrs import Attribute, fields
from rich.console import Console

from generor_async.cli.error_output import exit_with
from generor_async.cli.exit_codes import BAD_USE
from generor_async.simulator import Simulator
from generor_async.simulator.fault_kinds import KINDS
from generor_async.simulator.settings import Settings

__all__ = ["command"]

DEFAULTS: Mapping[str, Any] = {"port": 8080}
"""Defaults of the command that differ from the simulator's."""
COMMAND_LINE_TYPES: Mapping[str, Any] = {"luma_weights": str, "others": list[str], "kept_in": Path | None}
"""Types of options that differ from those of the settings."""

FAULT: Any = typer.Option(
    (),
    metavar="SPEC",
    help="Let something go wrong; may be given several times. OPERATION=FAULT, and after colons, in any order: "
    "before_charge or after_charge, a rate (0.05), a count (3x), seed=N, and details (NAME=VALUE). "
    "OPERATION is a dotted name or a pattern. For example `luma.generations.create=reset:after_charge:0.05`, "
    "or `generor.*=503:shape=gateway:3x`.",
)


def _faults_help() -> str:
    """Return a Markdown list of all kinds of faults."""
    lines = ["Faults, with their details and what these are unless given:", ""]
    for name, kind in KINDS.items():
        details = ", ".join(f"{detail}={_default_text(known.default)}" for detail, known in kind.details.items())
        lines.append(f"- `{name}`: {kind.does}{f' ({details})' if details else ''}")
    return "\n".join(lines)


def _options() -> list[Parameter]:
    """Return the simulator's settings and the faults as options of the command."""
    plain = [_option(each) for each in fields(Settings) if "panel" not in each.metadata]
    switches = [_option(each) for each in fields(Settings) if "panel" in each.metadata]
    fault = Parameter("fault", Parameter.KEYWORD_ONLY, default=FAULT, annotation=list[str])
    return [*plain, fault, *switches]


def _option(setting: "Attribute[Any]") -> Parameter:
    name, text = setting.name, setting.metadata["help"]
    kind: Any = COMMAND_LINE_TYPES.get(name, setting.type)
    if get_origin(kind) is Literal:
        kind, text = str, f"{text} {' or '.join(get_args(kind))}."  # the simulator itself refuses any other
    option: Any = typer.Option(
        DEFAULTS.get(name, setting.default), help=text, rich_help_panel=setting.metadata.get("panel")
    )
    return Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def _default_text(value: Any) -> str:
    return "none" if value is None else f"{value}"


async def _serve(console: Console, *, fault: Sequence[str], **options: Any) -> None:
    """Serve until the task is cancelled."""
    simulator = Simulator(**options)
    for spec in fault:
        simulator.faults.add_spec(spec)
    async with simulator:
        console.print("Serving both APIs on this machine; press Ctrl-C to stop.\n")
        for name, value in (
            ("GENEROR_BASE_URL", simulator.generor_url),
            ("GENEROR_API_KEY", simulator.generor_key),
            ("LUMA_BASE_URL", simulator.luma_url),
            ("LUMA_AGENTS_API_KEY", simulator.luma_key),
        ):
            console.print(f"export {name}={value}", soft_wrap=True, highlight=False)
        console.print(
            f"\nTo see what has happened: curl {simulator.url}/__sim__/state", soft_wrap=True, highlight=False
        )
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
        raise exit_with(str(error), BAD_USE) from None
    except OSError as error:
        address, reason = f"{options['host']}:{options['port']}", os.strerror(error.errno or 0)
        raise exit_with(
            f"cannot listen on {address} ({reason}); choose another --port, or 0 for any", BAD_USE
        ) from None


# Where typer finds the options.
vars(simulate)["__signature__"] = Signature(_options())
