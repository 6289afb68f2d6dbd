# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""The blocking clients: each class is a proxy that passes its calls to an async object."""

import typing

from generor_async.sync.generor import (
    ApiKeysResource,
    CommentsResource,
    Creations,
    CreditsResource,
    FeedResource,
    GeneratorsResource,
    Generor,
    ModelsResource,
    RatingsResource,
    TeamsResource,
    UsersResource,
)
from generor_async.sync.luma import Files, Generations, Job, Luma
from generor_async.sync.pages import Page, Pages

if typing.TYPE_CHECKING:
    from generor_async.sync.batch import Batch, run_batch
__all__ = [
    "ApiKeysResource",
    "Batch",
    "CommentsResource",
    "Creations",
    "CreditsResource",
    "FeedResource",
    "Files",
    "Generations",
    "GeneratorsResource",
    "Generor",
    "Job",
    "Luma",
    "ModelsResource",
    "Page",
    "Pages",
    "RatingsResource",
    "TeamsResource",
    "UsersResource",
    "run_batch",
]


def __getattr__(name: str) -> object:
    """Import the batch on demand."""
    if name in __all__:
        from generor_async.sync import batch  # noqa: PLC0415 - see above

        return getattr(batch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
