"""The simulated Generor's models and generators: all that the documents name, and others (`catalog.toml`)."""

from typing import get_args

from generor_async.simulator.catalog.loading import read_catalog
from generor_async.simulator.catalog.types import (
    IMAGE_RATIOS,
    VIDEO_RATIOS,
    CatalogGenerator,
    CatalogModel,
    CatalogParameter,
    CatalogRatio,
    FieldKind,
    Json,
    Latency,
    ModelType,
    VideoTraits,
)

__all__ = [
    "GENERATORS",
    "GENERATOR_BY_SLUG",
    "IMAGE_RATIOS",
    "MODELS",
    "MODEL_BY_ID",
    "MODEL_TYPES",
    "VIDEO_RATIOS",
    "CatalogGenerator",
    "CatalogModel",
    "CatalogParameter",
    "CatalogRatio",
    "FieldKind",
    "Json",
    "Latency",
    "ModelType",
    "VideoTraits",
]

MODELS, GENERATORS = read_catalog()
MODEL_TYPES: tuple[ModelType, ...] = get_args(ModelType)
MODEL_BY_ID = {model.id: model for model in MODELS}
GENERATOR_BY_SLUG = {generator.slug: generator for generator in GENERATORS}
