"""Discord as a bot sees it, on loopback: its gateway, and its REST API as far as interactions and messages go.

Several processes of a bot may be connected; like Discord, it tells all of them of an interaction, and lets one answer.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, Self

from aiohttp import WSMsgType, web
from attrs import define, field

__all__ = ["BOT", "CHANNEL", "GUILD", "FakeDiscord", "Shown"]

EPOCH_MS: Final = 1_420_070_400_000
"""The beginning of Discord's ids, in milliseconds since the epoch."""
BOT, GUILD, CHANNEL = "11", "42", "7"
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
COMMAND, COMPONENT = 2, 3
EPHEMERAL = 64


@define(eq=False)
class Shown:
    """A message as people see it."""

    id: str
    interaction: str
    texts: list[str] = field(factory=list)
    """What it said, the newest last."""
    buttons: list[dict[str, Any]] = field(factory=list)
    files: list[bytes] = field(factory=list)
    pictures: int = 0
    """How often files were put in."""

    @property
    def text(self) -> str:
        return self.texts[-1]

    def payload(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "channel_id": CHANNEL,
            "author": user(BOT),
            "content": self.text,
            "timestamp": "2026-11-30T12:00:00.000000+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "type": 20,
            "components": self.buttons,
        }


def user(id_: str) -> dict[str, Any]:
    return {"id": id_, "username": f"user {id_}", "discriminator": "0", "avatar": None, "global_name": None}


class FakeDiscord:
    """The server, in a thread of its own, until the end of its `with` block."""

    def __init__(self) -> None:
        self.messages: dict[str, Shown] = {}
        """The answers to interactions that everybody sees, by their ids."""
        self.whispers: dict[str, str] = {}
        """The answers that only one user sees, by the ids of their interactions."""
        self.commands: list[str] = []
        self.identified = 0
        """How often a bot has begun a session."""
        self.resumed = 0
        self.edits: list[tuple[str, int]] = []
        """The edits of messages that arrived: the message, and the status of the answer."""
        self.faults: list[int | None] = []
        """The statuses of the next answers to edits; None lets one pass."""
        self.is_away = False
        """Whether every edit is answered by a 503."""
        self.lost: set[str] = set()
        """Messages that somebody has deleted."""
        self.too_large: set[str] = set()
        """Messages that take no files."""
        self._answered: set[str] = set()
        self._sockets: list[web.WebSocketResponse] = []
        self._sequence = 0
        self._ids = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._runner: web.AppRunner | None = None
        self.port = 0

    # --- what a test does -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._runner is not None
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def sessions(self) -> int:
        """How many sessions of bots there are now."""
        return len(self._sockets)

    def ask(self, who: str, command: str, **options: str) -> str:
        """Have a user give a command; return the interaction's id."""
        given = [{"name": name, "type": 3, "value": value} for name, value in options.items()]
        return self._interact(who, COMMAND, {"id": "5", "name": command, "type": 1, "options": given})

    def click(self, who: str, message: Shown, button: int = 0) -> str:
        """Have a user click a button of a message; return the interaction's id."""
        chosen = message.buttons[0]["components"][button]["custom_id"]
        data = {"custom_id": chosen, "component_type": 2}
        return self._interact(who, COMPONENT, data, message=message.payload())

    def disconnect(self, *, resumable: bool) -> None:
        """Break the sessions of all bots: by a reconnect, or by one that can't be resumed."""

        async def break_off() -> None:
            for socket in list(self._sockets):
                await socket.send_json({"op": RECONNECT, "d": None} if resumable else {"op": INVALID, "d": False})

        self._do(break_off())

    def message_of(self, interaction: str) -> Shown | None:
        """Return the message that answers an interaction; None while there is none."""
        return next((shown for shown in list(self.messages.values()) if shown.interaction == interaction), None)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _interact(self, who: str, kind: int, data: dict[str, Any], **more: Any) -> str:
        id_ = self._new_id()
        event: dict[str, Any] = {
            "id": id_,
            "application_id": BOT,
            "type": kind,
            "token": f"token-{id_}",
            "version": 1,
            "guild_id": GUILD,
            "channel_id": CHANNEL,
            "channel": {"id": CHANNEL, "type": 0, "name": "pictures", "guild_id": GUILD, "position": 0},
            "member": {"user": user(who), "roles": [], "joined_at": None, "deaf": False, "mute": False, "flags": 0},
            "entitlements": [],
            "attachment_size_limit": 10_485_760,
            "data": data,
            **more,
        }
        self._do(self._dispatch("INTERACTION_CREATE", event))
        return id_

    def _new_id(self) -> str:
        self._ids += 1
        return str((int(time.time() * 1000) - EPOCH_MS << 22) + self._ids)

    # --- the gateway ------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/gateway/", self._gateway),
                web.get("/api/v10/gateway/bot", self._about_gateway),
                web.get("/api/v10/users/@me", self._me),
                web.get("/api/v10/oauth2/applications/@me", self._application),
                web.put("/api/v10/applications/{id}/commands", self._set_commands),
                web.post("/api/v10/interactions/{id}/{token}/callback", self._answer),
                web.patch("/api/v10/channels/{channel}/messages/{id}", self._edit),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": 30_000}})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(socket, json.loads(message.data))
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
        return socket

    async def _receive(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        match frame["op"]:
            case 1:
                await socket.send_json({"op": ACK, "d": None})
            case 2:
                ready: dict[str, Any] = {
                    "v": 10,
                    "user": {**user(BOT), "bot": True},
                    "guilds": [],
                    "session_id": f"session {self.identified + 1}",
                    "resume_gateway_url": self.gateway_url,
                    "application": {"id": BOT, "flags": 0},
                }
                await self._send(socket, "READY", ready)
                self._sockets.append(socket)
                self.identified += 1
            case 6:
                await self._send(socket, "RESUMED", {})
                self._sockets.append(socket)
                self.resumed += 1
            case _:
                pass

    async def _dispatch(self, event: str, data: dict[str, Any]) -> None:
        for socket in list(self._sockets):
            with suppress(ConnectionError):  # its bot was killed just now
                await self._send(socket, event, data)

    async def _send(self, socket: web.WebSocketResponse, event: str, data: dict[str, Any]) -> None:
        self._sequence += 1
        await socket.send_json({"op": DISPATCH, "t": event, "s": self._sequence, "d": data})

    # --- the REST API -----------------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway/"

    async def _about_gateway(self, _: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return _json({"url": self.gateway_url, "shards": 1, "session_start_limit": limit})

    async def _me(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bot discord-token"
        return _json({**user(BOT), "bot": True})

    async def _application(self, _: web.Request) -> web.Response:
        known = {"id": BOT, "name": "pictures", "description": "", "bot_public": True, "bot_require_code_grant": False}
        more = {"verify_key": "", "flags": 0, "icon": None, "summary": "", "team": None, "owner": user("12")}
        return _json({**known, **more})

    async def _set_commands(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        self.commands = [each["name"] for each in wanted]
        known = {"application_id": BOT, "version": "1", "default_member_permissions": None}
        return _json([{**each, **known, "id": str(5 + at)} for at, each in enumerate(wanted)])

    async def _answer(self, request: web.Request) -> web.Response:
        id_, body = request.match_info["id"], await _body(request)
        if id_ in self._answered:
            return _refusal(400, 40060, "Interaction has already been acknowledged.")
        self._answered.add(id_)
        data: dict[str, Any] = body.get("data") or {}
        told = {"id": id_, "type": COMMAND}
        if body["type"] != 4:
            return _json({"interaction": told})
        if int(data.get("flags", 0)) & EPHEMERAL:
            self.whispers[id_] = data["content"]
            return _json({"interaction": {**told, "response_message_id": self._new_id()}})
        shown = Shown(self._new_id(), id_, [data["content"]], data.get("components") or [])
        self.messages[shown.id] = shown
        resource = {"type": 4, "message": shown.payload()}
        return _json({"interaction": {**told, "response_message_id": shown.id}, "resource": resource})

    async def _edit(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        files: list[bytes] = []
        body = await _body(request, files.append)
        fault = 503 if self.is_away else self.faults.pop(0) if self.faults else None
        self.edits.append((id_, fault or (404 if id_ in self.lost else 200)))
        if fault == 429:
            refused = {"message": "You are being rate limited.", "retry_after": 0.2, "global": False}
            return _json(refused, status=429, headers={"Via": "1.1 google", "Retry-After": "1"})
        if fault is not None:
            return _refusal(fault, 0, "Something went wrong")
        if id_ in self.lost or id_ not in self.messages:
            return _refusal(404, 10008, "Unknown Message")
        if files and id_ in self.too_large:
            return _refusal(413, 40005, "Request entity too large")
        shown = self.messages[id_]
        shown.texts.append(body.get("content", shown.text))
        if "components" in body:
            shown.buttons = body["components"]
        if files:
            shown.files, shown.pictures = files, shown.pictures + 1
        return _json(shown.payload())


def _json(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer whose type has no charset, as Discord's."""
    known = {"Content-Type": "application/json", **(headers or {})}
    return web.Response(body=json.dumps(content).encode(), status=status, headers=known)


def _refusal(status: int, code: int, text: str) -> web.Response:
    return _json({"message": text, "code": code}, status=status)


async def _body(request: web.Request, on_file: Callable[[bytes], object] = bytes) -> dict[str, Any]:
    """Return the JSON of a request, which is a part of it where there are files."""
    if request.content_type != "multipart/form-data":
        found: dict[str, Any] = await request.json()
        return found
    fields = await request.post()
    for each in fields.values():
        if isinstance(each, web.FileField):
            on_file(each.file.read())
    payload: dict[str, Any] = json.loads(str(fields["payload_json"]))
    return payload
