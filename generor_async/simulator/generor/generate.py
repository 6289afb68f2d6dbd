"""The endpoints /estimate and /generate.

`documented`: the answers' shape, `credit_cost` as the difference of balances, the estimate from recent
generations once there are three. `assumed`: the price is reserved when work begins and taken when it ends;
the charge differs from the estimate only where the catalogue says so; a failed generation costs nothing (a
switch); moderation answers 400, for free; deleting an unfinished creation cancels it.
"""

import math
import re
from collections import deque
from random import Random

from attrs import define, evolve, field, frozen

from generor_async.simulator.catalog import CatalogGenerator, CatalogModel
from generor_async.simulator.generor.access import AuthorizedRequest
from generor_async.simulator.generor.entities import Creation, User
from generor_async.simulator.generor.envelope import GenerorRefusal, Json, failure, success
from generor_async.simulator.generor.files import describe_media
from generor_async.simulator.generor.priced_request import PricedRequest, read_priced_request
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.generor.texts import write
from generor_async.simulator.messages import Answer, DeferredAnswer

__all__ = ["GenerationEndpoints", "GenerationRates"]

SAMPLES_KEPT = 10
SAMPLES_NEEDED = 3
FAILS_AFTER = 0.5
"""The part of its time after which a failing generation fails."""
MODERATED = "[[moderate]]"
FAILING = re.compile(r"\[\[fail:(\w+)\]\]")


@frozen(kw_only=True)
class GenerationRates:
    """Shares of generations that are moderated or fail at random, from 0 to 1."""

    moderated: float = 0.0
    failed: float = 0.0


@define(eq=False)
class _GenerationRun:
    """A generation under way."""

    priced: PricedRequest
    user: User
    creations: list[Creation]
    times: list[float]
    """Seconds for each item."""
    charge: int
    balance_before: int
    origin: str
    failure: str | None


@define
class GenerationEndpoints:
    """The endpoints /estimate and /generate, with the times of recent generations."""

    _state: GenerorState
    _rates: GenerationRates
    _exact_cost: bool = field(kw_only=True, alias="exact_cost")
    _failures_cost: bool = field(kw_only=True, alias="failures_cost")
    _times: dict[tuple[str, int], deque[float]] = field(factory=dict[tuple[str, int], deque[float]], init=False)
    """Recent seconds per item at a time factor of 1, by generator and model."""

    _count: int = field(default=0, init=False)

    def estimate(self, request: AuthorizedRequest) -> Answer:
        """Preview the price and the time; changes nothing."""
        priced = read_priced_request(request.call.params["slug"], request.fields(), prompt_needed=False)
        shown = _head(priced) | {
            "credit_cost": priced.cost_json(),
            "time_estimate": self._time_estimate(priced),
            "applied_parameters": dict(priced.parameters),
        }
        return success(shown | priced.adjustments())

    def generate(self, request: AuthorizedRequest) -> DeferredAnswer:
        """Generate, and answer when all items are done."""
        priced = read_priced_request(request.call.params["slug"], request.fields(), prompt_needed=True)
        self._check_relations(priced, request.me)
        self._count += 1
        rng = self._state.random("generate", self._count)
        if MODERATED in priced.prompt or rng.random() < self._rates.moderated:
            raise GenerorRefusal("VALIDATION_ERROR", "Prompt was rejected by content moderation")
        wallet = request.me.wallet
        if wallet.total - wallet.reserved < priced.total:
            message = f"Not enough credits: this costs {priced.total}, you have {wallet.total - wallet.reserved}"
            raise GenerorRefusal("INSUFFICIENT_CREDITS", message)
        run = self._begin(priced, request, rng)
        wallet.reserved += priced.total
        seconds = sum(run.times)
        if run.failure is not None:
            return DeferredAnswer(seconds * FAILS_AFTER, lambda now: self._fail(run, now))
        return DeferredAnswer(seconds, lambda now: self._finish(run, now))

    def _check_relations(self, priced: PricedRequest, user: User) -> None:
        if priced.team_id is not None and user.user_id not in self._state.team(priced.team_id).joined:
            raise GenerorRefusal("FORBIDDEN", "You are not a member of this team")
        for parent in priced.parents:
            self._state.visible(parent, user)

    def _begin(self, priced: PricedRequest, request: AuthorizedRequest, rng: Random) -> _GenerationRun:
        times = [priced.model.latency.draw(rng) * priced.time_factor for _ in range(priced.count)]
        asked_to_fail = FAILING.search(priced.prompt)
        reason = asked_to_fail[1] if asked_to_fail else "generation_failed"
        fails = asked_to_fail is not None or rng.random() < self._rates.failed
        return _GenerationRun(
            priced=priced,
            user=request.me,
            creations=self._new_creations(priced, request, times, rng),
            times=times,
            charge=max(1, round(priced.total * rng.choice(priced.model.actual_ratios))),
            balance_before=request.me.wallet.total,
            origin=request.call.origin,
            failure=reason if fails else None,
        )

    def _new_creations(
        self, priced: PricedRequest, request: AuthorizedRequest, times: list[float], rng: Random
    ) -> list[Creation]:
        begins_at, creations = request.now, list[Creation]()
        for seconds in times:
            creation = Creation(
                creation_id=self._state.next_creation_id,
                generator=priced.generator.slug,
                model=priced.model,
                user=request.me,
                prompt=priced.prompt,
                created_at=request.now,
                begins_at=begins_at,
                privacy_mode=priced.privacy_mode,
                team_id=priced.team_id,
                parameters=priced.parameters,
                fields=write(priced.generator.fields, priced.prompt, rng),
                media=describe_media(priced.model, priced.ratio),
                narrated=priced.speech is not None,
            )
            self._state.add(creation)
            creations.append(creation)
            begins_at += seconds
        return creations

    def _fail(self, run: _GenerationRun, now: float) -> Answer:
        run.user.wallet.reserved -= run.priced.total
        for creation in run.creations:
            if creation.outcome is None:
                creation.outcome, creation.error = "failed", f"Generation failed: {run.failure}"
        charged = self._charge(run, run.creations[0], now) if self._failures_cost else 0
        return evolve(failure(GenerorRefusal("SERVER_ERROR", f"Generation failed: {run.failure}")), charged=charged)

    def _charge(self, run: _GenerationRun, creation: Creation, now: float) -> int:
        """Charge the wallet for a generation, and add the transaction."""
        charged = run.user.wallet.spend(run.charge)
        description = f"{run.priced.generator.title} with {run.priced.model.name}"
        self._state.record(
            run.user, "spend", -charged, at=now, description=description, creation_id=creation.creation_id
        )
        return charged

    def _finish(self, run: _GenerationRun, now: float) -> Answer:
        priced, wallet = run.priced, run.user.wallet
        wallet.reserved -= priced.total
        made = [creation for creation in run.creations if creation.outcome is None]
        if not made:
            raise GenerorRefusal("SERVER_ERROR", "Generation was cancelled")
        for creation in made:
            creation.outcome = "completed"
            creation.completed_at = now
        charged = self._charge(run, made[0], now)
        self._record_times(priced, run.times)
        shown = _head(priced) | {
            "creations": [_made_json(creation, run.origin) for creation in made],
            "credit_cost": charged if self._exact_cost else run.balance_before - wallet.total,
            "credit_cost_estimated": priced.total,
            "credits_remaining": wallet.total,
            "time_taken_seconds": round(sum(run.times), 2),
        }
        return success(shown | priced.adjustments(), status=201, charged=charged)

    def _record_times(self, priced: PricedRequest, times: list[float]) -> None:
        samples = self._times.setdefault(_description(priced.generator, priced.model), deque(maxlen=SAMPLES_KEPT))
        samples.extend(seconds / priced.time_factor for seconds in times)

    def _time_estimate(self, priced: PricedRequest) -> Json:
        samples = self._times.get(_description(priced.generator, priced.model), ())
        historical = len(samples) >= SAMPLES_NEEDED
        if historical:
            each, shortest, longest = sum(samples) / len(samples), min(samples), max(samples)
        else:
            latency = priced.model.latency
            each, spread = latency.median, math.exp(latency.sigma)
            shortest, longest = each / spread, each * spread
        per_item = max(1, round(each * priced.time_factor))
        return {
            "seconds": per_item * priced.count,
            "per_item": per_item,
            "min_seconds": max(1, math.floor(shortest * priced.time_factor)),
            "max_seconds": max(1, math.ceil(longest * priced.time_factor)),
            "sample_count": len(samples),
            "has_historical": historical,
            "source": "historical" if historical else "fallback",
        }


def _description(generator: CatalogGenerator, model: CatalogModel) -> tuple[str, int]:
    return generator.slug, model.id


def _head(priced: PricedRequest) -> Json:
    return {
        "generator": priced.generator.slug,
        "model_id": priced.model.id,
        "model_type": priced.model.type,
        "model_name": priced.model.name,
    }


def _made_json(creation: Creation, origin: str) -> Json:
    """Return the JSON of a new creation, with its texts and the absolute URLs of its files."""
    files = {name: origin + path for name, path in creation.files().items()}
    return {"creation_id": creation.creation_id, **creation.fields, **files}
