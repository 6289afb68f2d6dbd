"""Short forms in which `text` and `media` write their generators down."""

from collections.abc import Iterator, Mapping

from attrs import evolve

from generor_async.simulator.catalog.models import MODELS
from generor_async.simulator.catalog.types import FieldKind, Generator, ModelType, Parameter

__all__ = ["enum", "generator", "with_similar"]


def enum(name: str, *options: str, costs: Mapping[str, int] | None = None) -> Parameter:
    """Describe a dropdown; its first option is the default, `costs` are its cost multipliers."""
    return Parameter(id=name, type="enum", options=options, default=options[0], cost_multipliers=costs or {})


def _model_parameter(kind: ModelType) -> Parameter:
    choices = {model.id: model.choice for model in MODELS if model.type == kind}
    default = choices.get(37) or choices.get(10003) or next(iter(choices.values()))
    return Parameter(id=f"model-{kind}", type="model", options=tuple(choices.values()), default=default)


def generator(
    slug: str,
    title: str,
    icon: str,
    description: str,
    *parameters: Parameter,
    types: tuple[ModelType, ...],
    fields: Mapping[str, FieldKind],
) -> Generator:
    """Describe a generator; its models and how many to make are parameters that all have."""
    how_many = Parameter(id=f"{slug}-count", type="number", min=1, max=10, default="1")
    return Generator(
        slug=slug,
        title=title,
        description=description,
        icon=icon,
        similar=(),
        model_types=types,
        parameters=(*parameters, *map(_model_parameter, types), how_many),
        fields=fields,
    )


def with_similar(*shelves: tuple[Generator, ...]) -> Iterator[Generator]:
    """Name to each generator the next three on its shelf as the ones like it."""
    for shelf in shelves:
        ring = [item.slug for item in shelf] * 2
        for place, item in enumerate(shelf):
            following = ring[place + 1 : place + min(4, len(shelf))]
            yield evolve(item, similar=tuple(following))
