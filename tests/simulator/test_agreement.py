"""The simulator and the models agree: every field that is sent is decoded, and every field that is decoded is sent."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import attrs

from generor_async import AsyncGeneror, AsyncLuma, MediaRef, OutcomeUnknownError
from generor_async.api.generor import models as generor
from generor_async.api.luma import models as luma
from generor_async.simulator import Simulator
from generor_async.values import Model

BY_GENERATOR = frozenset({generor.GeneratedCreation})
"""Classes whose fields differ by generator (documented); fields without an attribute are in `extra`."""


def answers() -> set[type[Model]]:
    """Return every class that a result may be, or contain."""
    found = (getattr(module, name) for module in (generor, luma) for name in module.__all__)
    return {each for each in found if isinstance(each, type) and issubclass(each, Model)}


def models_in(value: Any) -> Iterator[Model]:
    """Yield every model in a result."""
    if isinstance(value, Model):
        yield value
        for field in attrs.fields(type(value)):
            if field.name not in {"raw", "_response"}:
                yield from models_in(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:  # pyright: ignore[reportUnknownVariableType] # of any kind
            yield from models_in(item)
    elif isinstance(value, dict):
        for item in value.values():  # pyright: ignore[reportUnknownVariableType] # of any kind
            yield from models_in(item)


async def newest(client: AsyncGeneror) -> int:
    """Return the id of the creation that was made, or failed, last."""
    joke = await client.generators.generate("joke", model_id=37, prompt="A joke")
    return joke.creations[0].creation_id - 1


async def results_of_generor(client: AsyncGeneror) -> AsyncIterator[Any]:
    """Call every operation that returns a model."""
    yield await client.generators.list()
    yield await client.generators.get("horoscope")
    yield await client.generators.estimate("video", model_id=20061, prompt="waves", seconds=3)
    joke = await client.generators.generate("joke", model_id=37, prompt="A joke")
    yield joke
    creation_id = joke.creations[0].creation_id
    yield await client.generators.generate("video", model_id=20061, prompt="heron", seconds=3)
    with suppress(OutcomeUnknownError):
        await client.generators.generate("joke", model_id=37, prompt="[[fail:generation_failed]]")
    yield await client.creations.status(await newest(client))
    for slug, model in (("recipe", 37), ("image", 10003), ("video", 20061)):
        yield await client.generators.generate(slug, model_id=model, prompt="heron")
    yield await client.generators.generate("horoscope", model_id=37, prompt="heron", model_speech=30001)
    yield (await client.creations.list()).items
    yield await client.creations.get(creation_id)
    yield await client.creations.update(creation_id, privacy_mode=0)
    yield await client.creations.status(creation_id)
    yield await client.models.list()
    yield await client.users.me()
    yield await client.users.update_me(bio="x")
    yield await client.users.get("johndoe")
    yield await client.users.follow("tomas")
    yield await client.users.is_following("tomas")
    yield (await client.users.list_following("johndoe")).items
    team = await client.teams.create(name="Ours")
    assert team.team_id is not None
    yield team
    yield await client.teams.get(team.team_id)
    yield await client.teams.list()
    yield await client.teams.regenerate_invite(team.team_id)
    yield await client.comments.create(creation_id, text="Great!")
    yield (await client.comments.list(creation_id)).items
    yield await client.ratings.rate(creation_id, score=5)
    yield await client.ratings.get(creation_id)
    yield await client.credits.balance()
    yield (await client.credits.list_transactions()).items
    yield await client.api_keys.list()
    yield await client.api_keys.create(name="one")


async def results_of_luma(client: AsyncLuma) -> AsyncIterator[Any]:
    """Call every operation that returns a model."""
    made = await client.generations.run(prompt="heron")
    yield made
    yield await client.generations.run(prompt="x", type="layering", source=MediaRef.generation(made.id))
    uploaded = await client.files.create(mime_type="image/png", size_bytes=3, filename="a.png")
    yield uploaded
    yield await client.files.get(uploaded.id)
    yield (await client.files.list()).items


async def test_they_agree_on_every_field_of_every_answer() -> None:
    sent, seen = defaultdict[type[Model], set[str]](set), set[type[Model]]()
    async with (
        Simulator(speed=200, tier="enterprise") as simulator,
        AsyncGeneror(simulator.generor_key, base_url=simulator.generor_url, clock=simulator.clock) as ours,
        AsyncLuma(simulator.luma_key, base_url=simulator.luma_url, clock=simulator.clock) as theirs,
    ):
        results = [each async for each in results_of_generor(ours)] + [each async for each in results_of_luma(theirs)]
    for model in models_in(results):
        assert model.problems == (), type(model).__name__
        seen.add(type(model))
        sent[type(model)] |= model.raw.keys()
    assert seen == answers()
    for cls in seen:
        assert not cls.wire_names - sent[cls], f"{cls.__name__} reads what nobody sends"
        assert cls in BY_GENERATOR or not sent[cls] - cls.wire_names, f"{cls.__name__} doesn't read what is sent"
