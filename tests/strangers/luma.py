"""The Luma Agents API: who may call, which limit stops a request, and what is answered."""

from collections import Counter

import attrs

from strangers.limits import Crowd, Window, limit_headers, make_window, retry_header, whole_seconds
from strangers.luma_checks import credits_of, find_problem, model_of, type_of
from strangers.luma_files import Files
from strangers.luma_jobs import Job, Jobs
from strangers.odd import ODD
from strangers.odd_paid import LUMA_PAID, NAMELESS
from strangers.records import Answer, Arrival, Books
from strangers.storage import Storage
from strangers.worlds import LumaWorld, Others

KEY = "luma-api-stranger-1"
INACTIVE = {
    "revoked": (401, "API key has been revoked"),
    "expired": (401, "API key has expired"),
    "suspended": (403, "API client is suspended"),
    "deactivated": (403, "API client is deactivated"),
}


@attrs.frozen
class Refusal:
    """A 429: which limit it was, and the seconds that Retry-After speaks of."""

    limit: str
    seconds: float | None


class Luma:
    """The API's state: one client with one key."""

    def __init__(self, world: LumaWorld, books: Books, storage: Storage) -> None:
        self.world = world
        self.key = KEY
        self.balance = world.balance
        self._books = books
        self._clock = books.clock
        self._window = make_window(world, books.clock, world.per_minute)
        self._abuse = Window(limit=world.abuse_per_minute)
        self._files = Files(world, books, storage)
        self._jobs = Jobs(world, books, storage)
        self._holding: list[Job] = []
        self._looks = Counter[str]()
        self._previous = ""
        self._crowd = Crowd(world, self.send_other, self._fill)

    def settle(self, now: float) -> None:
        """Let happen what was due by now: other users' requests, and refunds of jobs that failed."""
        self._crowd.settle(now)
        self.balance += self._jobs.refunds(now)

    async def handle(self, seen: Arrival) -> Answer:
        """Answer a call; the order of the checks is assumed."""
        answer = self._blocked(seen) or self._locked_out(seen) or self._abused(seen) or self._route(seen)
        if isinstance(answer.body, str):
            return answer
        return attrs.evolve(answer, headers={**self._standard_headers(seen), **answer.headers})

    def plain_error(self, seen: Arrival, status: int) -> Answer:
        """Return the documented 502 or 503, or another error in their form."""
        media = "Media" if self.world.late_wording else "Image"
        texts = {502: "Upstream service unavailable", 503: f"{media} URL ingestion unavailable"}
        return _error(status, texts.get(status, "Internal server error"), self._standard_headers(seen))

    def _standard_headers(self, seen: Arrival) -> dict[str, str]:
        """Return the two that come with every answer (documented)."""
        echoed = {"own": seen.request_id, "previous": self._previous, "foreign": self._books.new_id(), "none": ""}
        echo, self._previous = echoed[self.world.echo], seen.request_id
        return ({"X-Request-Id": echo} if echo else {}) | {"X-API-Version": "2026-04-01"}

    def _blocked(self, seen: Arrival) -> Answer | None:
        """Answer as a firewall that dislikes a User-Agent when polling (measured)."""
        agent = seen.headers.get("User-Agent", "")
        if self.world.firewall and seen.method == "GET" and agent.startswith("Python"):
            return Answer(status=403, body="<html><body>Request blocked</body></html>")
        return None

    def _locked_out(self, seen: Arrival) -> Answer | None:
        """Answer 401 and 403 (documented); the Bearer scheme is case-sensitive (page)."""
        scheme, _, key = seen.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key.startswith("luma-api-"):
            return _error(401, "Missing or invalid API key")
        if key != self.key:
            return _error(401, "Invalid API key")
        if self.world.account != "active":
            return _error(*INACTIVE[self.world.account])
        return None

    def _abused(self, seen: Arrival) -> Answer | None:
        """Keep the ceiling over all calls: Retry-After, no X-RateLimit-* (page); the text is assumed."""
        if self._abuse.free(seen.at):
            self._abuse.take(seen.at)
            return None
        seen.refusal = "abuse"
        wait = self._abuse.oldest_end(seen.at) - seen.at
        return _error(429, "Request volume too high. Slow down.", retry_header(self.world, self._clock, seen.at, wait))

    def _route(self, seen: Arrival) -> Answer:
        match (seen.method, seen.path.removeprefix("/v1/").rstrip("/").split("/")):
            case ("POST", ["generations"]):
                return self.world.refuses or self._create(seen)
            case ("GET", ["generations", name]):
                return self._get(seen, name)
            case (_, ["files", *rest]):
                return self._files.handle(seen, rest)
            case (_, ["generations"] | ["generations", _]):
                return _error(405, "Method Not Allowed")
            case _:
                return _error(404, "Not Found")

    def _create(self, seen: Arrival) -> Answer:
        """Check, limit, charge and start a generation."""
        body, now, late = seen.json(), seen.at, self.world.late_wording
        if body is None:
            return self._invalid(now, 400, "Request body must be a JSON object")
        problem = find_problem(body, self._jobs.finished(now), self._files.ready(now), late=late)
        if problem is not None:
            return self._invalid(now, *problem)
        if credits_of(body) > self.balance:
            text = "balance. Please add funds" if late else "credits. Please add credits"
            return self._invalid(now, 402, f"Insufficient {text} to continue.")
        model, kind = model_of(body), type_of(body)
        refusal = self._admit(now, model, kind)
        if refusal is not None:
            seen.refusal = refusal.limit
            return self._refuse(now, refusal, self._units(model, kind))
        job = self._jobs.start(seen, body, self._units(model, kind))
        self._book(seen, job)
        down = self._store_is_down(now)
        headers = {} if down else limit_headers(self.world, self._clock, self._window, now)
        shown = self._jobs.show(job, now)
        if self.world.odd_paid:
            odd = (LUMA_PAID | NAMELESS)[self.world.odd_paid](shown)
            return attrs.evolve(odd, headers={**headers, **odd.headers})
        return Answer(status=201, body=shown, headers=headers)

    def _book(self, seen: Arrival, job: Job) -> None:
        """Charge a job, and let it hold its slots."""
        if job.charge is not None:
            seen.charged = True
            self.balance -= job.charge.credits
            self._books.charges.append(job.charge)
        if not self._store_is_down(seen.at):
            self._holding.append(job)

    def _invalid(self, now: float, status: int, text: str) -> Answer:
        if "invalid" in self.world.counted_refusals:
            self._window.take(now)
        return _error(status, text)

    def _admit(self, now: float, model: str, kind: str) -> Refusal | None:
        """Pass a request through both limits (page), or say which one it met; the window is looked at first."""
        if self._store_is_down(now):
            return None
        units = self.world.window_weights.get((model, kind), 1)
        refusal: Refusal | None = None
        if self._window.free(now) < units:
            refusal = Refusal("window", self._window.oldest_end(now) - now)
        elif self._slots_used(now) + self._units(model, kind) > self.world.slots:
            refusal = Refusal("concurrent", self.world.concurrent_retry_after)
        if refusal is None or refusal.limit in self.world.counted_refusals:
            self._window.take(now, units)
        return refusal

    def _store_is_down(self, now: float) -> bool:
        return any(span.holds(now) for span in self.world.store_down)

    def _units(self, model: str, kind: str) -> int:
        return self.world.slot_weights.get((model, kind), 1)

    def _slots_used(self, now: float) -> int:
        self._holding = [job for job in self._holding if job.released(self.world) > now]
        others = sum(held.count for held in self.world.held if held.holds(now))
        return others + sum(job.units for job in self._holding)

    def _refuse(self, now: float, refusal: Refusal, units: int) -> Answer:
        """Return a 429: documented, the wordings of the concurrent one as measured."""
        headers = retry_header(self.world, self._clock, now, refusal.seconds)
        if refusal.limit == "window":
            headers.update(limit_headers(self.world, self._clock, self._window, now, refused=True))
            return _error(429, "Rate limit exceeded", headers)
        slots = self.world.slots
        texts = {
            "contract": "Too many concurrent jobs",
            "limit": f"Concurrent generation limit reached ({slots})",
            "capacity": f"Concurrent generation capacity reached: limit={slots} weight units, request needs {units}.",
        }
        return _error(429, texts[self.world.concurrent_wording], headers)

    def _get(self, seen: Arrival, name: str) -> Answer:
        """Show a job; whatever isn't the id of one is 404 in the same words (documented)."""
        job = self._jobs.all.get(name)
        if job is None:
            return _error(404, "Generation not found")
        if job.ends <= seen.at and job.polled_at_end is None:
            job.polled_at_end = seen.at
        shown, number = self._jobs.show(job, seen.at), self._looks[name]
        self._looks[name] += 1
        if number < len(self.world.odd_looks) and self.world.odd_looks[number]:
            return ODD[self.world.odd](shown)
        return Answer(body=shown)

    def send_other(self, now: float, others: Others) -> float | None:
        """Let another user send one request; return the wait that a refusal asks for."""
        refusal = self._admit(now, others.model, others.type)
        self._abuse.take(now)
        arrival = Arrival(at=now, api="luma", method="POST", path="/v1/generations", request_id="", other=True)
        self._books.requests.append(arrival)
        if refusal is not None:
            arrival.status, arrival.refusal = 429, refusal.limit
            return 60.0 if refusal.seconds is None else float(whole_seconds(self.world, refusal.seconds))
        arrival.status = 201
        if others.seconds:
            units, ends = self._units(others.model, others.type), now + others.seconds
            self._holding.append(Job(model=others.model, type=others.type, created=now, ends=ends, units=units))
        return None

    def _fill(self, now: float) -> float:
        """Take every free place of the window; return when the next one comes free."""
        free = self._window.free(now)
        if free:
            self._window.take(now, free)
        return self._window.oldest_end(now)


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status=status, body={"detail": text}, headers=headers or {})
