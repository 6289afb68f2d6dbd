"""A page in headless Chromium, driven over the DevTools protocol; no name of any host is resolved."""

import asyncio
import base64
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import anyio
from attrs import Factory, define

__all__ = ["Page", "browse"]

PATIENCE = 300.0
"""Real seconds within which a browser must listen, answer, and end."""
FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40}
TYPED = {"Enter": "\r", " ": " "}


@define
class Page:
    """One tab."""

    _socket: aiohttp.ClientWebSocketResponse
    _waiting: dict[int, "asyncio.Future[dict[str, Any]]"] = Factory(dict[int, "asyncio.Future[dict[str, Any]]"])
    _numbers: "count[int]" = Factory(count)
    events: list[dict[str, Any]] = Factory(list[dict[str, Any]])
    """What the browser told unasked: requests, errors, what the console shows."""

    async def read(self) -> None:
        """Take in what the browser says until it ends."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            else:
                self.events.append(said)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask something of the browser."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    async def open(self, path: Path) -> None:
        """Load a file, and wait until all of it is there."""
        await self.call("Page.navigate", url=path.as_uri())
        await self.until(f"location.pathname === {path.as_uri()[7:]!r} && document.readyState === 'complete'")

    async def visit(self, url: str) -> None:
        """Load what a server on this machine shows, and wait until all of it is there."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({url!r}) && document.readyState === 'complete'")

    async def value(self, expression: str) -> Any:
        """Evaluate an expression in the page, awaiting promises."""
        said = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression holds."""
        with anyio.fail_after(PATIENCE):
            while not await self.value(expression):  # noqa: ASYNC110 - another process, it says nothing
                await asyncio.sleep(0.02)

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other, as a person would."""
        for key in keys:
            known = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
            text = {"text": TYPED[key]} if key in TYPED else {}
            await self.call("Input.dispatchKeyEvent", type="keyDown", **known, **text)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    async def type(self, text: str) -> None:
        """Type a text where the focus is."""
        await self.call("Input.insertText", text=text)

    async def resize(self, width: int, height: int) -> None:
        """Give the page a size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def prefer(self, scheme: str) -> None:
        """Let the person prefer `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, *, whole: bool = False) -> bytes:
        """Take a picture, as PNG, of what is in sight, or of the whole page."""
        taken = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])


@asynccontextmanager
async def browse(command: str, profile: Path) -> AsyncGenerator[Page]:
    """Start a browser with an empty profile, and open a page in it."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses to start for root
    line = [command, *FLAGS, *as_root, f"--user-data-dir={profile}", "about:blank"]
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*line, stdout=nowhere, stderr=nowhere, start_new_session=True)
    try:
        async with aiohttp.ClientSession() as session:
            url = await _page_url(session, anyio.Path(profile, "DevToolsActivePort"))
            async with session.ws_connect(url, max_msg_size=0) as socket:
                page = Page(socket)
                reading = asyncio.create_task(page.read())
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.call(f"{domain}.enable")
                yield page
            await reading
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _page_url(session: aiohttp.ClientSession, told: anyio.Path) -> str:
    """Wait until a browser listens, and return where its page does."""
    with anyio.fail_after(PATIENCE):
        while not await told.exists() or "\n" not in await told.read_text():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        port = (await told.read_text()).split()[0]
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            urls: list[str] = [page["webSocketDebuggerUrl"] for page in await answer.json() if page["type"] == "page"]
    return urls[0]
