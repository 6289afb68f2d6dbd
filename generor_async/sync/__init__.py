# Generated from the async half by `python -m generor_async.codegen`: do not edit.
"""The blocking half: each class hands its calls to the async one that it is the twin of."""

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

__all__ = [
    "ApiKeysResource",
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
]
