"""The Generor API: envelope, limits by tier, and a generate call that takes its time."""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from itertools import count

import attrs

from strangers.generor_catalogue import GENERATORS, Estimate, estimate, find_problem, show_estimate
from strangers.generor_envelope import catalogue, error, page, success, visible
from strangers.limits import Crowd, Window, limit_headers, make_window, retry_header, whole_seconds
from strangers.odd_paid import GENEROR_PAID, NAMELESS
from strangers.records import Answer, Arrival, Books, Charge, Json, as_object, gateway_page, whole
from strangers.results import RESULTS, File
from strangers.storage import MP4, make_png
from strangers.worlds import TIERS, GenerorWorld, Others, draw

ANONYMOUS = 15
"""Requests a minute without a key (documented)."""
FIRST = 6144
"""The id of the first creation."""
GOING_OUT = ("spend", "gift_sent")
KEY = "gnr_live_57a96e57a96e57a96e57a96e57a96e57a96e57a9"


class Generor:
    """The API's state: one user with one key. ``[fails]`` in a prompt makes generation end in a SERVER_ERROR."""

    def __init__(self, world: GenerorWorld, books: Books) -> None:
        self.world = world
        self.key = KEY
        self.base = ""
        self.balance = world.balance
        self.tasks: set[asyncio.Task[Answer]] = set()
        self._books = books
        self._clock = clock = books.clock
        minute, hour, day = world.limits or TIERS[world.tier]
        self._windows = [
            make_window(world, clock, limit, seconds) for limit, seconds in ((minute, 60), (hour, 3600), (day, 86_400))
        ]
        self._anonymous = [make_window(world, clock, ANONYMOUS)]
        self._numbers = count(FIRST)
        self._creations: dict[int, Json] = {}
        self._transactions: list[Json] = []
        self._crowd = Crowd(world, self.send_other, self._fill)
        self._events = sorted(world.events, key=lambda event: event.at)

    async def handle(self, seen: Arrival) -> Answer:
        """Answer a call; it is counted before anything else is looked at (assumed)."""
        windows = self._windows if self._known(seen) else self._anonymous
        full = self._count(windows, seen.at)
        if full is not None:
            seen.refusal = "window"
            shown = full if self.world.refusal_shows == "refusing" else windows[0]
            headers = retry_header(self.world, self._clock, seen.at, full.oldest_end(seen.at) - seen.at)
            headers |= self._limit_headers(shown, seen.at, refused=True)
            answer = error("RATE_LIMIT_EXCEEDED", "Too many requests")
        else:
            headers = self._limit_headers(windows[0], seen.at)
            answer = self._forbidden(seen) or await self._route(seen)
        is_page = isinstance(answer.body, str)
        return answer if is_page else attrs.evolve(answer, headers={**headers, **answer.headers})

    @property
    def creations(self) -> list[Json]:
        """All that was made, oldest first."""
        return list(self._creations.values())

    def settle(self, now: float) -> None:
        """Let the other users do what was due by now, and the account change."""
        self._crowd.settle(now)
        while self._events and self._events[0].at <= now:
            event = self._events.pop(0)
            self._change(event.kind, -event.amount if event.kind in GOING_OUT else event.amount, "", event.at)

    def plain_error(self, seen: Arrival, status: int) -> Answer:
        """Return an error in the envelope; only 500 is documented."""
        answer = error("SERVER_ERROR", "Internal server error", status)
        return attrs.evolve(answer, headers=self._limit_headers(self._windows[0], seen.at))

    def _known(self, seen: Arrival) -> bool:
        return seen.headers.get("Authorization") == f"Bearer {self.key}"

    def _down(self, now: float) -> bool:
        return any(span.holds(now) for span in self.world.store_down)

    def _count(self, windows: Sequence[Window], now: float) -> Window | None:
        """Count a request in all its windows, or return the one that is full."""
        if self._down(now):
            return None
        full = next((window for window in windows if not window.free(now)), None)
        if full is None or self.world.counts_refused:
            for window in windows:
                window.take(now)
        return full

    def _limit_headers(self, window: Window, now: float, *, refused: bool = False) -> dict[str, str]:
        """Every answer has them (documented); an unknown caller's tier is assumed."""
        if self._down(now):
            return {}
        headers = limit_headers(self.world, self._clock, window, now, refused=refused)
        spelling = self.world.tier if self.world.tier_spelling is None else self.world.tier_spelling
        if spelling:
            headers["X-RateLimit-Tier"] = "anonymous" if window in self._anonymous else spelling
        return headers

    def _forbidden(self, seen: Arrival) -> Answer | None:
        """Answer 401, and 403 by scopes (documented); /estimate needs none (assumed)."""
        path = seen.path.removeprefix("/api/v1")
        is_open = re.fullmatch(r"/(generators|models)(/.*)?(?<!/generate)|/creations/(public|\d+)", path)
        if not self._known(seen):
            wrong = not is_open or seen.headers.get("Authorization")
            return error("UNAUTHORIZED", "Missing or invalid API key") if wrong else None
        need = "generate" if path.endswith("/generate") else "read" if seen.method == "GET" else "write"
        if self.world.scopes and need not in self.world.scopes and not path.endswith("/estimate"):
            return error("FORBIDDEN", f"API key lacks the '{need}' scope")
        return None

    async def _route(self, seen: Arrival) -> Answer:
        parts = seen.path.removeprefix("/api/v1/").rstrip("/").split("/")
        match (seen.method, parts):
            case ("POST", ["generators", slug, "generate" | "estimate" as call]) if slug in GENERATORS:
                return await self._generation_call(seen, slug, call)
            case ("GET", ["users" | "credits" as first, second]):
                return self._account(seen, f"{first}/{second}")
            case ("GET", ["creations", *rest]):
                return self._creation_call(seen, rest)
            case ("GET", ["api-keys"]):
                return success([self._own_key()])
            case ("GET", ["generators" | "models", *_]):
                return catalogue(parts, self.world.odd_catalogue)
            case (_, ["generators" | "models" | "creations"] | ["users", "me"] | ["credits", _]):
                return error("METHOD_NOT_ALLOWED", "Method not allowed")
            case _:
                return error("NOT_FOUND", "Endpoint not found")

    def _own_key(self) -> Json:
        """Return the key by its prefix (documented; the form is that of a new key's answer: assumed)."""
        return {"key_id": 1, "prefix": self.key[:17], "name": "stranger", "scopes": sorted(self.world.scopes)}

    def _account(self, seen: Arrival, path: str) -> Answer:
        """Answer profile, balance or transactions (documented; a transaction's fields are assumed)."""
        amounts: Json = {"total": self.balance, "paid": self.balance, "free": 0, "earned": 0, "max": 250}
        match path:
            case "credits/balance":
                return success(amounts)
            case "credits/transactions":
                wanted = seen.query.get("type")
                return page(
                    seen, [one for one in self._transactions if wanted in {None, one["type"]}], self.world.odd_pages
                )
            case "users/me":
                about: Json = {"user_id": 42, "username": "stranger", "email": "stranger@example.com", "avatar": None}
                about |= {"bio": "", "website": "", "joined": self._stamp(0.0), "credits": amounts}
                about |= {"creation_count": len(self._creations), "follower_count": 0, "following_count": 0}
                return success({**about, "teams": []})
            case _:
                return error("NOT_FOUND", "Not found")

    def _creation_call(self, seen: Arrival, rest: list[str]) -> Answer:
        """Answer lists, one creation, or its status (documented; the form of a status is assumed)."""
        if rest in ([], ["public"]):
            shown = [one for one in self._creations.values() if not rest or not one["privacy_mode"]]
            wanted = seen.query.get("generator")
            items = [self._listed(one) for one in shown if wanted in {None, one["generator"]}]
            return page(seen, items, self.world.odd_pages)
        found = self._creations.get(whole(rest[0], -1))
        if found is None or (found["privacy_mode"] and not self._known(seen)):
            return error("NOT_FOUND", "Creation not found")
        if rest[1:] == ["status"]:
            return success({"creation_id": found["creation_id"], "status": found["status"]})
        return error("NOT_FOUND", "Endpoint not found") if rest[1:] else success(visible(found))

    def _listed(self, creation: Json) -> Json:
        return {name: value for name, value in visible(creation).items() if name not in self.world.unlisted}

    async def _generation_call(self, seen: Arrival, slug: str, call: str) -> Answer:
        body = seen.json()
        if body is None:
            return error("VALIDATION_ERROR", "Request body must be a JSON object")
        problem = find_problem(body)
        if problem is not None:
            return error("VALIDATION_ERROR", problem)
        found = estimate(body)
        seconds = draw(self.world.durations.get(found.model.type, 30.0), self._books.rng)
        if call == "estimate":
            return success(show_estimate(slug, body, found, seconds))
        if self._cost(found) > self.balance:
            return error("INSUFFICIENT_CREDITS", "Not enough credits for generation")
        if self.world.refuses:
            return self.world.refuses
        return await self._within_gateway(self._generate(seen, slug, body, found, seconds), seconds)

    def _cost(self, found: Estimate) -> int:
        return round(found.total * self.world.cost_factor)

    async def _within_gateway(self, work: Coroutine[object, object, Answer], seconds: float) -> Answer:
        """Wait for the work; where a gateway loses patience, the work goes on without a reader."""
        limit = self.world.gateway_timeout
        if limit is None or seconds <= limit:
            return await work
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        await asyncio.sleep(limit)
        return gateway_page(504)

    async def _generate(self, seen: Arrival, slug: str, body: Json, found: Estimate, seconds: float) -> Answer:
        """Run a generation to its end (documented: synchronous); a failed one costs nothing (assumed)."""
        created = [self._new_creation(slug, body, found) for _ in range(found.count)]
        fails, cost, before = "[fails]" in str(body["prompt"]), self._cost(found), self.balance
        if self.world.listed_from == "start":
            self._list(created)
        if self.world.charged_at == "start" and not fails:
            self._charge(seen, cost, created)
        await asyncio.sleep(seconds)
        self._list(created)
        for creation in created:
            creation["status"] = "failed" if fails else "completed"
        if fails:
            return error("SERVER_ERROR", "Generation failed")
        if self.world.charged_at == "end":
            self._charge(seen, cost, created)
        shown: Json = {"generator": slug, "model_id": found.model.id, "model_type": found.model.type}
        shown |= {"model_name": found.model.name, "creations": [self._result(one, found) for one in created]}
        told = {"own": cost, "difference": before - self.balance, "nothing": None}[self.world.cost_told]
        shown |= {"credit_cost": told, "credit_cost_estimated": found.total, "credits_remaining": self.balance}
        shown["time_taken_seconds"] = round(seconds, 2)
        answer = success(shown | ({"adjustments": found.adjustments} if found.adjustments else {}), status=201)
        odd = self.world.odd_paid
        return (GENEROR_PAID | NAMELESS)[odd](as_object(answer.body) or {}) if odd else answer

    def _new_creation(self, slug: str, body: Json, found: Estimate) -> Json:
        number = next(self._numbers)
        kind = {"image": "img", "video": "vid"}.get(found.model.type, "txt")
        shown: Json = {"creation_id": number, "generator": slug, "user_id": 42, "username": "stranger"}
        wrong = self.world.misdated.get(number - FIRST, 0.0)
        shown |= {"prompt": body["prompt"], "created_at": self._stamp(self._clock.now() + wrong)}
        shown |= {
            "privacy_mode": whole(body.get("privacy_mode"), 0),
            "type": kind,
            "license": 1,
            "status": "generating",
        }
        url = f"/users/42/img/image-{number}.png"
        images: list[Json] = [{"url": url, "width": 16, "height": 16}] if kind == "img" else []
        return {**shown, "images": images, "generator_data": Json(), **self._held()}

    def _held(self) -> Json:
        """Return what a creation holds by the switch for results."""
        if not self.world.results:
            return {}
        form = RESULTS[self.world.results]
        base = self.base if self.world.urls == "whole" else ""
        return form.fields([base + path for path in form.files])

    def media(self, seen: Arrival) -> Answer:
        """Give a file; a private one to the key's owner alone (assumed, as for creations)."""
        files = RESULTS[self.world.results].files if self.world.results else dict[str, File]()
        is_video = seen.path.endswith(".mp4")
        plain = File("video/mp4" if is_video else "image/png", MP4 if is_video else make_png(seen.path))
        file = files.get(seen.path) if files else plain
        if file is None:
            return error("NOT_FOUND", "File not found")
        if file.private and not self._known(seen):
            return error("UNAUTHORIZED", "Missing or invalid API key")
        return Answer(body=file.content, headers={"Content-Type": file.media_type})

    def _list(self, created: list[Json]) -> None:
        self._creations.update((whole(one["creation_id"], 0), one) for one in created)

    def _charge(self, seen: Arrival, cost: int, created: list[Json]) -> None:
        now, item = self._clock.now(), str(created[0]["creation_id"])
        seen.charged = True
        self._books.charges.append(Charge(at=now, api="generor", request_id=seen.request_id, credits=cost, item=item))
        self._change("spend", -cost, item, now)

    def _change(self, kind: str, amount: int, item: str, now: float) -> None:
        """Change the balance, and list it (a transaction's fields are assumed)."""
        self.balance += amount
        transaction: Json = {"transaction_id": len(self._transactions) + 1, "type": kind, "amount": amount}
        self._transactions.append(transaction | {"description": item, "created_at": self._stamp(now)})

    def _result(self, creation: Json, found: Estimate) -> Json:
        """Return what /generate tells of one creation (documented; video_url is assumed)."""
        name = creation["creation_id"]
        if self.world.results:
            return {"creation_id": name, **self._held()}
        if found.model.type == "text":
            return {"creation_id": name, "text": f"A text about {creation['prompt']}"}
        if found.model.type == "video":
            return {"creation_id": name, "video_url": f"{self.base}/users/42/video/video-{name}.mp4"}
        return {"creation_id": name, "image_url": f"{self.base}/users/42/img/image-{name}.png"}

    def _stamp(self, now: float) -> str:
        more = sum(by for since, by in self.world.zone_changes.items() if now >= since)
        return self._clock.stamp(now + self.world.zone + more, "%Y-%m-%d %H:%M:%S")

    def send_other(self, now: float, _others: Others) -> float | None:
        """Let another user of the key send one request; return the wait that a refusal asks for."""
        full = self._count(self._windows, now)
        status, refusal = (429, "window") if full else (200, "")
        arrival = Arrival(at=now, api="generor", method="GET", path="/api/v1/users/me", request_id="", other=True)
        self._books.requests.append(attrs.evolve(arrival, status=status, refusal=refusal))
        return float(whole_seconds(self.world, full.oldest_end(now) - now)) if full else None

    def _fill(self, now: float) -> float:
        """Take every place that is free in all windows; return when the next one comes free."""
        free = min(window.free(now) for window in self._windows)
        for window in self._windows if free else ():
            window.take(now, free)
        return max(window.oldest_end(now) for window in self._windows if not window.free(now))
