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

    order: PricedRequest
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

    _world: GenerorState
    _chances: GenerationRates
    _exact_cost: bool = field(kw_only=True, alias="exact_cost")
    _failures_cost: bool = field(kw_only=True, alias="failures_cost")
    _times: dict[tuple[str, int], deque[float]] = field(factory=dict[tuple[str, int], deque[float]], init=False)
    """Recent seconds per item at a time factor of 1, by generator and model."""

    _orders: int = field(default=0, init=False)

    def estimate(self, ask: AuthorizedRequest) -> Answer:
        """Preview the price and the time; changes nothing."""
        order = read_priced_request(ask.call.params["slug"], ask.fields(), prompt_needed=False)
        shown = _head(order) | {
            "credit_cost": order.cost_json(),
            "time_estimate": self._time_estimate(order),
            "applied_parameters": dict(order.parameters),
        }
        return success(shown | order.adjustments())

    def generate(self, ask: AuthorizedRequest) -> DeferredAnswer:
        """Generate, and answer when all items are done."""
        order = read_priced_request(ask.call.params["slug"], ask.fields(), prompt_needed=True)
        self._check_relations(order, ask.me)
        self._orders += 1
        dice = self._world.random("generate", self._orders)
        if MODERATED in order.prompt or dice.random() < self._chances.moderated:
            raise GenerorRefusal("VALIDATION_ERROR", "Prompt was rejected by content moderation")
        wallet = ask.me.wallet
        if wallet.total - wallet.reserved < order.total:
            message = f"Not enough credits: this costs {order.total}, you have {wallet.total - wallet.reserved}"
            raise GenerorRefusal("INSUFFICIENT_CREDITS", message)
        run = self._begin(order, ask, dice)
        wallet.reserved += order.total
        seconds = sum(run.times)
        if run.failure is not None:
            return DeferredAnswer(seconds * FAILS_AFTER, lambda now: self._fail(run, now))
        return DeferredAnswer(seconds, lambda now: self._finish(run, now))

    def _check_relations(self, order: PricedRequest, user: User) -> None:
        if order.team_id is not None and user.user_id not in self._world.team(order.team_id).joined:
            raise GenerorRefusal("FORBIDDEN", "You are not a member of this team")
        for parent in order.parents:
            self._world.visible(parent, user)

    def _begin(self, order: PricedRequest, ask: AuthorizedRequest, dice: Random) -> _GenerationRun:
        times = [order.model.latency.draw(dice) * order.time_factor for _ in range(order.count)]
        asked_to_fail = FAILING.search(order.prompt)
        reason = asked_to_fail[1] if asked_to_fail else "generation_failed"
        fails = asked_to_fail is not None or dice.random() < self._chances.failed
        return _GenerationRun(
            order=order,
            user=ask.me,
            creations=self._new_creations(order, ask, times, dice),
            times=times,
            charge=max(1, round(order.total * dice.choice(order.model.actual_ratios))),
            balance_before=ask.me.wallet.total,
            origin=ask.call.origin,
            failure=reason if fails else None,
        )

    def _new_creations(
        self, order: PricedRequest, ask: AuthorizedRequest, times: list[float], dice: Random
    ) -> list[Creation]:
        begins_at, creations = ask.now, list[Creation]()
        for seconds in times:
            creation = Creation(
                creation_id=self._world.next_creation_id,
                generator=order.generator.slug,
                model=order.model,
                user=ask.me,
                prompt=order.prompt,
                created_at=ask.now,
                begins_at=begins_at,
                privacy_mode=order.privacy_mode,
                team_id=order.team_id,
                parameters=order.parameters,
                fields=write(order.generator.fields, order.prompt, dice),
                media=describe_media(order.model, order.ratio),
                narrated=order.speech is not None,
            )
            self._world.add(creation)
            creations.append(creation)
            begins_at += seconds
        return creations

    def _fail(self, run: _GenerationRun, now: float) -> Answer:
        run.user.wallet.reserved -= run.order.total
        for creation in run.creations:
            if creation.outcome is None:
                creation.outcome, creation.error = "failed", f"Generation failed: {run.failure}"
        charged = self._charge(run, run.creations[0], now) if self._failures_cost else 0
        return evolve(failure(GenerorRefusal("SERVER_ERROR", f"Generation failed: {run.failure}")), charged=charged)

    def _charge(self, run: _GenerationRun, creation: Creation, now: float) -> int:
        """Charge the wallet for a generation, and add the transaction."""
        charged = run.user.wallet.spend(run.charge)
        description = f"{run.order.generator.title} with {run.order.model.name}"
        self._world.record(
            run.user, "spend", -charged, at=now, description=description, creation_id=creation.creation_id
        )
        return charged

    def _finish(self, run: _GenerationRun, now: float) -> Answer:
        order, wallet = run.order, run.user.wallet
        wallet.reserved -= order.total
        made = [creation for creation in run.creations if creation.outcome is None]
        if not made:
            raise GenerorRefusal("SERVER_ERROR", "Generation was cancelled")
        for creation in made:
            creation.outcome = "completed"
            creation.completed_at = now
        charged = self._charge(run, made[0], now)
        self._record_times(order, run.times)
        shown = _head(order) | {
            "creations": [_made_json(creation, run.origin) for creation in made],
            "credit_cost": charged if self._exact_cost else run.balance_before - wallet.total,
            "credit_cost_estimated": order.total,
            "credits_remaining": wallet.total,
            "time_taken_seconds": round(sum(run.times), 2),
        }
        return success(shown | order.adjustments(), status=201, charged=charged)

    def _record_times(self, order: PricedRequest, times: list[float]) -> None:
        samples = self._times.setdefault(_description(order.generator, order.model), deque(maxlen=SAMPLES_KEPT))
        samples.extend(seconds / order.time_factor for seconds in times)

    def _time_estimate(self, order: PricedRequest) -> Json:
        samples = self._times.get(_description(order.generator, order.model), ())
        historical = len(samples) >= SAMPLES_NEEDED
        if historical:
            each, shortest, longest = sum(samples) / len(samples), min(samples), max(samples)
        else:
            latency = order.model.latency
            each, spread = latency.median, math.exp(latency.sigma)
            shortest, longest = each / spread, each * spread
        per_item = max(1, round(each * order.time_factor))
        return {
            "seconds": per_item * order.count,
            "per_item": per_item,
            "min_seconds": max(1, math.floor(shortest * order.time_factor)),
            "max_seconds": max(1, math.ceil(longest * order.time_factor)),
            "sample_count": len(samples),
            "has_historical": historical,
            "source": "historical" if historical else "fallback",
        }


def _description(generator: CatalogGenerator, model: CatalogModel) -> tuple[str, int]:
    return generator.slug, model.id


def _head(order: PricedRequest) -> Json:
    return {
        "generator": order.generator.slug,
        "model_id": order.model.id,
        "model_type": order.model.type,
        "model_name": order.model.name,
    }


def _made_json(creation: Creation, origin: str) -> Json:
    """Return the JSON of a new creation, with its texts and the absolute URLs of its files."""
    files = {name: origin + path for name, path in creation.files().items()}
    return {"creation_id": creation.creation_id, **creation.fields, **files}
