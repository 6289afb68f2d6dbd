"""`generor simulate`: the simulator on a port, and how to reach it."""

import asyncio
from typing import Any

from rich.console import Console

from generor_async.simulator import Simulator

__all__ = ["serve"]


async def serve(console: Console, **options: Any) -> None:
    """Serve until the task is cancelled."""
    async with Simulator(**options) as simulator:
        console.print("Both APIs are served on this machine; Ctrl-C stops them.\n")
        for name, value in (
            ("GENEROR_BASE_URL", simulator.generor_url),
            ("GENEROR_API_KEY", simulator.generor_key),
            ("LUMA_BASE_URL", simulator.luma_url),
            ("LUMA_AGENTS_API_KEY", simulator.luma_key),
        ):
            console.print(f"export {name}={value}", soft_wrap=True, highlight=False)
        await asyncio.Event().wait()
