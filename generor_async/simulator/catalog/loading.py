"""Loads `catalog.toml` into models and generators, and adds the values that can be derived."""

import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, Final

from attrs import evolve
from cattrs import Converter

from generor_async.simulator.catalog.types import (
    IMAGE_RATIOS,
    VIDEO_RATIOS,
    CatalogGenerator,
    CatalogModel,
    CatalogParameter,
    CatalogRatio,
    Latency,
    ModelType,
)

__all__ = ["read_catalog"]

SPREAD: Final = 0.3
"""Sigma of the lognormal time that an item takes."""
SIMILAR: Final = 3
"""Number of generators that are listed as similar to one."""
RATIOS: Final = {"image": IMAGE_RATIOS, "video": VIDEO_RATIOS}
RATIO: Final = {
    kind: CatalogParameter(
        id=f"{kind}-aspect-ratio",
        type="enum",
        options=tuple(str(ratio.id) for ratio in ratios),
        default=str(ratios[0].id),
    )
    for kind, ratios in RATIOS.items()
}
"""The ratio parameter of generators that only make images or only videos."""

_converter = Converter(forbid_extra_keys=True)
_converter.register_structure_hook(Latency, lambda seconds, _: Latency(seconds, SPREAD))
_converter.register_structure_hook_func(lambda kind: kind == tuple[CatalogRatio, ...], lambda name, _: RATIOS[name])


def read_catalog() -> tuple[tuple[CatalogModel, ...], tuple[CatalogGenerator, ...]]:
    """Return all models and all generators."""
    text = files("generor_async.simulator.catalog").joinpath("catalog.toml").read_text(encoding="utf-8")
    found: dict[str, dict[str, list[dict[str, Any]]]] = tomllib.loads(text)
    models = tuple(
        _read_model(kind, row, place) for kind, rows in found["models"].items() for place, row in enumerate(rows)
    )
    choices = {kind: _model_parameter(kind, models) for kind in found["models"]}
    return models, tuple(each for shelf in found["shelves"].values() for each in _read_generators(shelf, choices))


def _read_model(kind: str, row: dict[str, Any], place: int) -> CatalogModel:
    """Read a model; its value in a generator's `model-<type>` parameter is its position among those of its type."""
    seconds = row.pop("seconds")
    return _converter.structure({**row, "type": kind, "choice": str(place + 1), "latency": seconds}, CatalogModel)


def _model_parameter(kind: str, models: Iterable[CatalogModel]) -> CatalogParameter:
    choices = {model.id: model.choice for model in models if model.type == kind}
    default = choices.get(37) or choices.get(10003) or next(iter(choices.values()))
    return CatalogParameter(id=f"model-{kind}", type="model", options=tuple(choices.values()), default=default)


def _read_generators(rows: list[dict[str, Any]], choices: dict[str, CatalogParameter]) -> Iterator[CatalogGenerator]:
    """Read a shelf of generators; each lists the next ones as similar."""
    slugs = [row["slug"] for row in rows] * 2
    for place, row in enumerate(rows):
        following = slugs[place + 1 : place + min(SIMILAR + 1, len(rows))]
        enums = [_read_enum(parameter) for parameter in row.pop("parameters", [])]
        generator = _converter.structure({**row, "similar": following, "parameters": ()}, CatalogGenerator)
        yield evolve(
            generator, parameters=(*enums, *_common_parameters(generator.slug, generator.model_types, choices))
        )


def _read_enum(row: dict[str, Any]) -> CatalogParameter:
    """Read a dropdown; its first option is the default."""
    return _converter.structure({**row, "type": "enum", "default": row["options"][0]}, CatalogParameter)


def _common_parameters(
    slug: str, types: tuple[ModelType, ...], choices: dict[str, CatalogParameter]
) -> Iterator[CatalogParameter]:
    """Yield the parameters that all generators of these types have: the ratio, the models, and how many to make."""
    if len(types) == 1 and types[0] in RATIO:
        yield RATIO[types[0]]
    yield from (choices[kind] for kind in types)
    yield CatalogParameter(id=f"{slug}-count", type="number", min=1, max=10, default="1")
