"""`generor simulate`: the simulator on a port, and how to reach it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from generor_async.simulator import Simulator
from generor_async.simulator.fault_kinds import KINDS

__all__ = ["FAULT_HELP", "faults_help", "serve"]

FAULT_HELP = (
    "Let something go wrong; may be given several times. OPERATION=FAULT, and after colons, in any order: "
    "before_charge or after_charge, a rate (0.05), a count (3x), seed=N, and details (NAME=VALUE). "
    "OPERATION is a dotted name or a pattern. For example `luma.generations.create=reset:after_charge:0.05`, "
    "or `generor.*=503:shape=gateway:3x`."
)


def faults_help() -> str:
    """Describe every kind of fault, as a list in Markdown."""
    lines = ["Faults, with their details and what these are unless given:", ""]
    for name, kind in KINDS.items():
        details = ", ".join(f"{detail}={_written(known.default)}" for detail, known in kind.details.items())
        lines.append(f"- `{name}`: {kind.does}{f' ({details})' if details else ''}")
    return "\n".join(lines)


def _written(value: Any) -> str:
    return "none" if value is None else f"{value}"


async def serve(console: Console, *, faults: Sequence[str], **options: Any) -> None:
    """Serve until the task is cancelled."""
    simulator = Simulator(**options)
    for spec in faults:
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
