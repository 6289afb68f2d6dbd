# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""The blocking clients: each class is a proxy that passes its calls to an async object."""

import importlib
import typing

from generor_async.sync.generor import (
    ApiKeysResource,
    CommentsResource,
    Creations,
    CreditsResource,
    FeedResource,
    GenerateJob,
    Generators,
    Generor,
    GenerorJobs,
    ModelsResource,
    RatingsResource,
    TeamsResource,
    UsersResource,
)
from generor_async.sync.luma import Files, Generations, Job, Luma, LumaJobs
from generor_async.sync.output_stream import OutputStream
from generor_async.sync.pages import Page, Pages
from generor_async.sync.state import Budgets

if typing.TYPE_CHECKING:
    from generor_async.sync.batch import Batch, run_batch, run_shift
    from generor_async.sync.storage import Storage, StoredOutput
__all__ = [
    "ApiKeysResource",
    "Batch",
    "Budgets",
    "CommentsResource",
    "Creations",
    "CreditsResource",
    "FeedResource",
    "Files",
    "GenerateJob",
    "Generations",
    "Generators",
    "Generor",
    "GenerorJobs",
    "Job",
    "Luma",
    "LumaJobs",
    "ModelsResource",
    "OutputStream",
    "Page",
    "Pages",
    "RatingsResource",
    "Storage",
    "StoredOutput",
    "TeamsResource",
    "UsersResource",
    "run_batch",
    "run_shift",
]
_LAZY: typing.Final = {
    "StoredOutput": "storage",
    "Storage": "storage",
    "Batch": "batch",
    "run_batch": "batch",
    "run_shift": "batch",
}


def __getattr__(name: str) -> object:
    """Import on demand what most programs don't need."""
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
