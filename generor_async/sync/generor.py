# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `generor` and `api.generor.resources` and `generor_state`."""

import builtins
import math
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self, TypeVar

import aiohttp

import generor_async
from generor_async.api.generor import models
from generor_async.api.generor.models import Creation, CreationStatus, GeneratedCreation, GenerateResult
from generor_async.api.generor.resources import ApiKeysResource as AsyncApiKeysResource
from generor_async.api.generor.resources import CommentsResource as AsyncCommentsResource
from generor_async.api.generor.resources import CreditsResource as AsyncCreditsResource
from generor_async.api.generor.resources import FeedResource as AsyncFeedResource
from generor_async.api.generor.resources import ModelsResource as AsyncModelsResource
from generor_async.api.generor.resources import RatingsResource as AsyncRatingsResource
from generor_async.api.generor.resources import TeamsResource as AsyncTeamsResource
from generor_async.api.generor.resources import UsersResource as AsyncUsersResource
from generor_async.engine.auth import as_secret, masked_texts, masked_url
from generor_async.engine.call_map import MapOutcome
from generor_async.engine.clock import REAL_CLOCK
from generor_async.engine.downloads import DownloadCallback
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.state.jobs import UnknownCall
from generor_async.engine.writers import Writer
from generor_async.generor import AsyncGeneror
from generor_async.generor import Creations as AsyncCreations
from generor_async.generor import Generators as AsyncGenerators
from generor_async.generor_state import GenerateJob as AsyncGenerateJob
from generor_async.generor_state import GenerorJobs as AsyncGenerorJobs
from generor_async.rules.http_types import Operation
from generor_async.sync.bridge import SyncClient, SyncProxy, streamed
from generor_async.sync.output_stream import OutputStream
from generor_async.sync.pages import Pages
from generor_async.sync.state import Budgets
from generor_async.values import JSON, UNSET, Clock, KeyCheck, Priority, RetrySafety, Secret, Unset

__all__ = [
    "ApiKeysResource",
    "CommentsResource",
    "Creations",
    "CreditsResource",
    "FeedResource",
    "GenerateJob",
    "Generators",
    "Generor",
    "GenerorJobs",
    "ModelsResource",
    "RatingsResource",
    "TeamsResource",
    "UsersResource",
]
T = TypeVar("T")


class ApiKeysResource(SyncProxy[AsyncApiKeysResource]):
    """The caller's API keys."""

    __slots__ = ()

    def list(self) -> builtins.list[models.ApiKey]:
        """List the caller's API keys, by prefix.

        Source: documented; what the answer holds is assumed.

        Returns:
            The keys, without their secret part.

        Raises:
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.list())

    def create(
        self, *, name: str, scopes: builtins.list[models.ApiKeyScope] | tuple[models.ApiKeyScope, ...] | Unset = UNSET
    ) -> models.NewApiKey:
        """Create an API key and return it, this once in full.

        An account has at most 10 active keys.

        Args:
            name: A name to know the key by.
            scopes: What the key may do, `read` for GET requests, `write` for changes, `generate` for generating; a key
                without scopes may do everything.

        Returns:
            The key; it is not shown again.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.create(name=name, scopes=scopes))

    def revoke(self, key_id: int) -> None:
        """Revoke one API key.

        The key stops working immediately.

        Args:
            key_id: The key's id, as `api_keys.create` and `api_keys.list` return it.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        self._bridge.run(self._impl.revoke(key_id))


class CommentsResource(SyncProxy[AsyncCommentsResource]):
    """Comments on creations."""

    __slots__ = ()

    def list(
        self,
        creation_id: int,
        *,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Comment]:
        """List the comments on one creation.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            creation_id: The creation's id.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge, self._impl.list(creation_id, page=page, per_page=per_page, sort=sort, max_items=max_items)
        )

    def create(self, creation_id: int, *, text: str, parent_id: int | Unset | None = UNSET) -> models.Comment:
        """Comment on one creation.

        Source: documented; what the answer holds is assumed.

        Args:
            creation_id: The creation's id.
            text: What to say.
            parent_id: The id of the comment that this one answers; None for one of its own.

        Returns:
            The comment.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.create(creation_id, text=text, parent_id=parent_id))

    def delete(self, comment_id: int) -> None:
        """Delete one of the caller's comments.

        Args:
            comment_id: The comment's id.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        self._bridge.run(self._impl.delete(comment_id))

    def vote(self, comment_id: int, *, vote: models.VoteVote) -> models.Comment:
        """Vote one comment up or down.

        Source: documented; what the answer holds is assumed.

        Args:
            comment_id: The comment's id.
            vote: Which way to vote.

        Returns:
            The comment as voted on.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.vote(comment_id, vote=vote))


class Creations(SyncProxy[AsyncCreations]):
    """Browse and change creations, and wait for those that are being made."""

    __slots__ = ()

    def wait(self, creation_id: int, *, timeout: float = math.inf) -> CreationStatus:
        """Wait until a creation is made, has failed or was cancelled (that these states are final is assumed).

        Args:
            creation_id: The creation's id.
            timeout: Seconds to wait at most.

        Returns:
            The creation's last status: one that failed or was cancelled is returned as such.

        Raises:
            DeadlineExceededError: Time is up; the creation goes on.
            NotFoundError: There is no such creation, or it is another user's.
        """
        return self._bridge.run(self._impl.wait(creation_id, timeout=timeout))

    def list(
        self,
        *,
        generator: str | Unset = UNSET,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Creation]:
        """List the caller's own creations.

        Source: documented; what the answer holds is assumed.

        Args:
            generator: Only creations of the generator with this slug.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list(generator=generator, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )

    def list_public(
        self,
        *,
        generator: str | Unset = UNSET,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Creation]:
        """List the public creations of all generators.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            generator: Only creations of the generator with this slug.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list_public(generator=generator, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )

    def search(
        self,
        q: str,
        *,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Creation]:
        """Search the public creations by the text of their prompts.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            q: The words to search for.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(self._bridge, self._impl.search(q, page=page, per_page=per_page, sort=sort, max_items=max_items))

    def get(self, creation_id: int) -> models.Creation:
        """Return one creation with its images and the generator's own data.

        A public creation works without a key; a private one needs its owner's.

        Args:
            creation_id: The creation's id.

        Returns:
            The creation.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.get(creation_id))

    def update(
        self, creation_id: int, *, privacy_mode: int | Unset = UNSET, license: int | Unset = UNSET
    ) -> models.Creation:
        """Change the privacy or the license of one of the caller's creations.

        Source: documented; what the answer holds is assumed.

        Args:
            creation_id: The creation's id.
            privacy_mode: Who may see the creation, 0 for everyone or 1 for its owner.
            license: The license, 1 for Open GO-1.0 or 2 for Exclusive GE-1.0.

        Returns:
            The creation as changed.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.update(creation_id, privacy_mode=privacy_mode, license=license))

    def delete(self, creation_id: int) -> None:
        """Delete one of the caller's creations.

        The deletion is soft.

        Args:
            creation_id: The creation's id.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        self._bridge.run(self._impl.delete(creation_id))

    def status(self, creation_id: int) -> models.CreationStatus:
        """Return the state of the generation of one creation.

        Source: documented; what the answer holds is assumed.

        Args:
            creation_id: The creation's id.

        Returns:
            The status.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.status(creation_id))


class CreditsResource(SyncProxy[AsyncCreditsResource]):
    """The balance and its history."""

    __slots__ = ()

    def balance(self) -> models.Balance:
        """Return the caller's credit balance.

        Returns:
            The balance, in credits.

        Raises:
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.balance())

    def list_transactions(
        self,
        *,
        type: models.TransactionType | Unset = UNSET,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Transaction]:
        """List the changes of the caller's credit balance.

        Source: documented; what the answer holds is assumed.

        Args:
            type: Only changes of this kind.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first (assumed).
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list_transactions(type=type, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )


class FeedResource(SyncProxy[AsyncFeedResource]):
    """What followed users created."""

    __slots__ = ()

    def list(
        self,
        *,
        generator: str | Unset = UNSET,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Creation]:
        """List the public creations of the users whom the caller follows.

        Source: documented; what the answer holds is assumed.

        Args:
            generator: Only creations of the generator with this slug.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first (assumed).
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list(generator=generator, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )


class Generators(SyncProxy[AsyncGenerators]):
    """What can be generated, for what price, and generating it."""

    __slots__ = ()

    def map(
        self,
        requests: Iterable[Mapping[str, Any] | Operation[GenerateResult]]
        | AsyncIterable[Mapping[str, Any] | Operation[GenerateResult]],
        *,
        ordered: bool = False,
        concurrency: int | None = None,
    ) -> Iterator[MapOutcome[GenerateResult]]:
        """Generate for each of many requests, and yield their outcomes.

        A failure is an outcome, and stops nothing; so is a request that can't be right. Requests are read as calls
        start, and no more start while outcomes aren't taken: the source may be endless. Calls have bulk priority,
        unless the client's view is interactive. A request is charged at most once.

        Leaving the iteration, or cancelling it, cancels the calls under way and waits for their ends; a call that has
        left may still be charged. Such calls, and outcomes that weren't taken, are named by notes of the exception, or
        by a warning in the log after a `break`. An error of the source is raised after the outcomes of all calls that
        have started. If the client is closed, the calls under way have outcomes, and then a ClientClosedError is
        raised.

        Args:
            requests: Mappings of the parameters of `generate`, `slug` among them, or Operations that
                `generor_async.api.generor.operations.generators_generate` has built.
            ordered: Yield the outcomes in the order of the requests; by default as they come.
            concurrency: The number of calls that are under way or whose outcomes haven't been taken; by default the
                client's `max_connections`. The API's limits are kept in any case.

        Yields:
            The outcome of each request, once.

        Raises:
            InvalidRequestError: An argument can never be right.
            ClientClosedError: The client was closed.
        """
        return self._bridge.iterate(self._impl.map(streamed(requests), ordered=ordered, concurrency=concurrency))

    def list(self, *, status: models.GeneratorFilter | Unset = UNSET) -> builtins.list[models.Generator]:
        """List the generators.

        Works without a key. A generator's `parameters` come with `generators.get` only.

        Source: documented; what the answer holds is assumed.

        Args:
            status: Which generators to list.

        Returns:
            The generators.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.list(status=status))

    def get(self, slug: str) -> models.Generator:
        """Return one generator with its parameters.

        Works without a key. The `parameters` list what `generate` takes under `parameters`.

        Source: documented; what the answer holds is assumed.

        Args:
            slug: The generator's slug, such as `joke` or `image`.

        Returns:
            The generator.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.get(slug))

    def list_creations(
        self,
        slug: str,
        *,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Creation]:
        """List the public creations of one generator.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            slug: The generator's slug, such as `joke` or `image`.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge, self._impl.list_creations(slug, page=page, per_page=per_page, sort=sort, max_items=max_items)
        )

    def estimate(
        self,
        slug: str,
        *,
        model_id: int,
        prompt: str | Unset = UNSET,
        privacy_mode: int | Unset = UNSET,
        team_id: int | Unset = UNSET,
        count: int | Unset = UNSET,
        language: str | Unset = UNSET,
        temperature: float | Unset = UNSET,
        preference: str | int | Unset = UNSET,
        preference_two: str | int | Unset = UNSET,
        aspect_ratio: str | int | Unset = UNSET,
        image_url: str | Unset = UNSET,
        seconds: int | Unset = UNSET,
        generate_audio: bool | Unset = UNSET,
        ending_frame_url: str | Unset = UNSET,
        reference_images: builtins.list[str] | tuple[str, ...] | Unset = UNSET,
        reference_videos: builtins.list[str] | tuple[str, ...] | Unset = UNSET,
        reference_audio: str | Unset = UNSET,
        video_url: str | Unset = UNSET,
        parameters: Mapping[str, Any] | Unset = UNSET,
        user_text: str | Unset = UNSET,
        user_text_two: str | Unset = UNSET,
        avoid_duplicates: bool | Unset = UNSET,
        thinking_mode: models.GenerateThinkingMode | Unset = UNSET,
        story_context: str | Unset = UNSET,
        character_context: str | Unset = UNSET,
        character_name: str | Unset = UNSET,
        character_id: str | int | Unset = UNSET,
        support_for: int | Unset = UNSET,
        mode: str | Unset = UNSET,
        model_speech: int | Unset = UNSET,
        item_index: int | Unset = UNSET,
        total_count: int | Unset = UNSET,
        translation_of: int | Unset = UNSET,
        source_language: str | Unset = UNSET,
    ) -> models.Estimate:
        """Return what `generate` with the same arguments would cost and how long it would take.

        Works without a key, costs nothing and creates nothing. `credit_cost.total` is in credits,
        `time_estimate.seconds` in seconds, both for all items together. A video's `seconds` that the model doesn't
        support is snapped to the nearest supported value (to the lower of two equally near), reported in `adjustments`;
        cost and time are those of the snapped value.

        Args:
            slug: The generator's slug, such as `joke` or `image`.
            model_id: The model's id, 1 to 9999 for text, 10001 to 19999 for images, 20001 to 29999 for videos.
            prompt: What to generate, up to 10,000 characters; generators that only look at an image do without.
            privacy_mode: Who may see the creations, 0 for everyone (the server's default) or 1 for their owner.
            team_id: The id of the team under which to create.
            count: How many items to generate, 1 to 10; the server's default is 1.
            language: The language of a text, such as `en-US` or `nb-NO`; the server's default is `auto`.
            temperature: The creativity of a text model, 0.0 to 2.0.
            preference: The generator's own preference, such as the type of joke or the style of poem.
            preference_two: The generator's own second preference.
            aspect_ratio: Width to height, as a ratio (`16:9`), a name (`wide`) or an id; a ratio means the same for
                every model, an id doesn't. Images: `1:1` square 1, `3:4` vertical 2, `4:3` horizontal 3, `16:9` wide 4,
                `9:16` tall 5. Videos: `16:9` wide 1, `9:16` tall 2.
            image_url: The URL of an image to start from or to look at; for a video its first frame.
            seconds: The duration of a video, in seconds. A value that isn't among the model's `supported_durations` is
                snapped to the nearest one, reported in `adjustments`.
            generate_audio: Whether to generate sound, for Veo 3.1 and Seedance 1.5 Pro; other models ignore it.
            ending_frame_url: The URL of the last frame, for models that support one; goes together with `image_url`.
            reference_images: Up to 9 URLs of reference images; the prompt names them [Image1] to [ImageN], in this
                order. Veo 3.1 takes 3, Seedance 2.0 and Happy Horse R2V 9, Happy Horse Video Edit 5.
            reference_videos: Up to 3 URLs of videos whose motion and style to keep, for Seedance 2.0 and Dreamina
                Seedance 2.0.
            reference_audio: The URL of a sound whose music or voice to continue, for Dreamina Seedance 2.0.
            video_url: The URL of the video to edit or extend; Happy Horse Video Edit requires one, Dreamina Seedance
                2.0 takes one.
            parameters: The generator's own fields by id, as `generators.get` lists them. Keys and values that the
                generator doesn't know are dropped by the server without a word.
            user_text: Text to work on, such as one to summarise; for text models.
            user_text_two: A second text to work on; for text models.
            avoid_duplicates: Whether to favour outputs unlike each other; for text models.
            thinking_mode: How much a reasoning text model may think.
            story_context: The story to stay with, for the generators `story`, `story-part` and `storyboard`.
            character_context: What is known of the character to continue with; for text models.
            character_name: The name of the character to continue with; for text models.
            character_id: The id of the character to continue with; for text models.
            support_for: The id of the creation to which this one belongs; for text models.
            mode: The generator's own mode, such as the phase of a game; for text models.
            model_speech: The id of the speech model that narrates the text; for text models.
            item_index: Which item of a sequence this is; for text models.
            total_count: How many items the sequence has; for text models.
            translation_of: The id of a creation to translate instead of generating afresh; for text models.
            source_language: The language to translate from; for text models.

        Returns:
            The estimate.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(
            self._impl.estimate(
                slug,
                model_id=model_id,
                prompt=prompt,
                privacy_mode=privacy_mode,
                team_id=team_id,
                count=count,
                language=language,
                temperature=temperature,
                preference=preference,
                preference_two=preference_two,
                aspect_ratio=aspect_ratio,
                image_url=image_url,
                seconds=seconds,
                generate_audio=generate_audio,
                ending_frame_url=ending_frame_url,
                reference_images=reference_images,
                reference_videos=reference_videos,
                reference_audio=reference_audio,
                video_url=video_url,
                parameters=parameters,
                user_text=user_text,
                user_text_two=user_text_two,
                avoid_duplicates=avoid_duplicates,
                thinking_mode=thinking_mode,
                story_context=story_context,
                character_context=character_context,
                character_name=character_name,
                character_id=character_id,
                support_for=support_for,
                mode=mode,
                model_speech=model_speech,
                item_index=item_index,
                total_count=total_count,
                translation_of=translation_of,
                source_language=source_language,
            )
        )

    def generate(
        self,
        slug: str,
        *,
        model_id: int,
        prompt: str | Unset = UNSET,
        privacy_mode: int | Unset = UNSET,
        team_id: int | Unset = UNSET,
        count: int | Unset = UNSET,
        language: str | Unset = UNSET,
        temperature: float | Unset = UNSET,
        preference: str | int | Unset = UNSET,
        preference_two: str | int | Unset = UNSET,
        aspect_ratio: str | int | Unset = UNSET,
        image_url: str | Unset = UNSET,
        seconds: int | Unset = UNSET,
        generate_audio: bool | Unset = UNSET,
        ending_frame_url: str | Unset = UNSET,
        reference_images: builtins.list[str] | tuple[str, ...] | Unset = UNSET,
        reference_videos: builtins.list[str] | tuple[str, ...] | Unset = UNSET,
        reference_audio: str | Unset = UNSET,
        video_url: str | Unset = UNSET,
        parameters: Mapping[str, Any] | Unset = UNSET,
        user_text: str | Unset = UNSET,
        user_text_two: str | Unset = UNSET,
        avoid_duplicates: bool | Unset = UNSET,
        thinking_mode: models.GenerateThinkingMode | Unset = UNSET,
        story_context: str | Unset = UNSET,
        character_context: str | Unset = UNSET,
        character_name: str | Unset = UNSET,
        character_id: str | int | Unset = UNSET,
        support_for: int | Unset = UNSET,
        mode: str | Unset = UNSET,
        model_speech: int | Unset = UNSET,
        item_index: int | Unset = UNSET,
        total_count: int | Unset = UNSET,
        translation_of: int | Unset = UNSET,
        source_language: str | Unset = UNSET,
    ) -> models.GenerateResult:
        """Generate content and return it.

        Costs credits, by the model. The answer comes when the generation is complete: text typically takes 5 to 30
        seconds, an image 10 to 60 seconds, a video several minutes. `credit_cost` is what was deducted, which may
        differ from the estimate for prices by second or character. A video's `seconds` that the model doesn't support
        is snapped to the nearest supported value, reported in `adjustments`.

        Args:
            slug: The generator's slug, such as `joke` or `image`.
            model_id: The model's id, 1 to 9999 for text, 10001 to 19999 for images, 20001 to 29999 for videos.
            prompt: What to generate, up to 10,000 characters; generators that only look at an image do without.
            privacy_mode: Who may see the creations, 0 for everyone (the server's default) or 1 for their owner.
            team_id: The id of the team under which to create.
            count: How many items to generate, 1 to 10; the server's default is 1.
            language: The language of a text, such as `en-US` or `nb-NO`; the server's default is `auto`.
            temperature: The creativity of a text model, 0.0 to 2.0.
            preference: The generator's own preference, such as the type of joke or the style of poem.
            preference_two: The generator's own second preference.
            aspect_ratio: Width to height, as a ratio (`16:9`), a name (`wide`) or an id; a ratio means the same for
                every model, an id doesn't. Images: `1:1` square 1, `3:4` vertical 2, `4:3` horizontal 3, `16:9` wide 4,
                `9:16` tall 5. Videos: `16:9` wide 1, `9:16` tall 2.
            image_url: The URL of an image to start from or to look at; for a video its first frame.
            seconds: The duration of a video, in seconds. A value that isn't among the model's `supported_durations` is
                snapped to the nearest one, reported in `adjustments`.
            generate_audio: Whether to generate sound, for Veo 3.1 and Seedance 1.5 Pro; other models ignore it.
            ending_frame_url: The URL of the last frame, for models that support one; goes together with `image_url`.
            reference_images: Up to 9 URLs of reference images; the prompt names them [Image1] to [ImageN], in this
                order. Veo 3.1 takes 3, Seedance 2.0 and Happy Horse R2V 9, Happy Horse Video Edit 5.
            reference_videos: Up to 3 URLs of videos whose motion and style to keep, for Seedance 2.0 and Dreamina
                Seedance 2.0.
            reference_audio: The URL of a sound whose music or voice to continue, for Dreamina Seedance 2.0.
            video_url: The URL of the video to edit or extend; Happy Horse Video Edit requires one, Dreamina Seedance
                2.0 takes one.
            parameters: The generator's own fields by id, as `generators.get` lists them. Keys and values that the
                generator doesn't know are dropped by the server without a word.
            user_text: Text to work on, such as one to summarise; for text models.
            user_text_two: A second text to work on; for text models.
            avoid_duplicates: Whether to favour outputs unlike each other; for text models.
            thinking_mode: How much a reasoning text model may think.
            story_context: The story to stay with, for the generators `story`, `story-part` and `storyboard`.
            character_context: What is known of the character to continue with; for text models.
            character_name: The name of the character to continue with; for text models.
            character_id: The id of the character to continue with; for text models.
            support_for: The id of the creation to which this one belongs; for text models.
            mode: The generator's own mode, such as the phase of a game; for text models.
            model_speech: The id of the speech model that narrates the text; for text models.
            item_index: Which item of a sequence this is; for text models.
            total_count: How many items the sequence has; for text models.
            translation_of: The id of a creation to translate instead of generating afresh; for text models.
            source_language: The language to translate from; for text models.

        Returns:
            The creations, and what they cost.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            InsufficientCreditsError: 402: The balance doesn't cover the generation.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(
            self._impl.generate(
                slug,
                model_id=model_id,
                prompt=prompt,
                privacy_mode=privacy_mode,
                team_id=team_id,
                count=count,
                language=language,
                temperature=temperature,
                preference=preference,
                preference_two=preference_two,
                aspect_ratio=aspect_ratio,
                image_url=image_url,
                seconds=seconds,
                generate_audio=generate_audio,
                ending_frame_url=ending_frame_url,
                reference_images=reference_images,
                reference_videos=reference_videos,
                reference_audio=reference_audio,
                video_url=video_url,
                parameters=parameters,
                user_text=user_text,
                user_text_two=user_text_two,
                avoid_duplicates=avoid_duplicates,
                thinking_mode=thinking_mode,
                story_context=story_context,
                character_context=character_context,
                character_name=character_name,
                character_id=character_id,
                support_for=support_for,
                mode=mode,
                model_speech=model_speech,
                item_index=item_index,
                total_count=total_count,
                translation_of=translation_of,
                source_language=source_language,
            )
        )


class GenerateJob(SyncProxy[AsyncGenerateJob]):
    """A `generate` that was paid for, and whose result nobody has taken yet."""

    __slots__ = ()

    @property
    def creation_ids(self) -> tuple[int, ...]:
        """The creations that it has made."""
        return self._impl.creation_ids

    @property
    def context(self) -> JSON:
        """What was attached to it by `with_options(context=)`; None if nothing was."""
        return self._impl.context

    def result(self) -> GenerateResult:
        """Fetch its creations; it is then finished, unless it was made by `with_options(acknowledge=True)`.

        Returns:
            What `generate` would have returned: the creations, and the cost if it is known.

        Raises:
            APIError: A creation can't be fetched.
        """
        return self._bridge.run(self._impl.result())


class GenerorJobs(SyncProxy[AsyncGenerorJobs]):
    """The paid calls in the client's state: those that are unfinished or unknown after a restart."""

    __slots__ = ()

    def unfinished(self) -> Iterator[GenerateJob]:
        """Iterate over the calls of `generate` that were charged, and whose results nobody has got.

        They are those of processes of the same state that have ended, and those that were unknown and were found in
        the account.

        Yields:
            Each of them, with its `context`, in the order of their beginning.

        Raises:
            InvalidRequestError: The client has no state, or it can't be used.
        """
        return (GenerateJob(self._bridge, each) for each in self._bridge.iterate(self._impl.unfinished()))

    def find(self, idempotency_key: str) -> GenerateJob | None:
        """Find the `generate` that was charged with an idempotency key, in whatever process of the state.

        Args:
            idempotency_key: The key, as in `with_options(idempotency_key=)`.

        Returns:
            The call with its `context`, whether its result was taken or not; None if no call with this key was
            charged, or it is still under way.

        Raises:
            InvalidRequestError: This can be no key, or the client has no state, or it can't be used.
            OutcomeUnknownError: A call with this key may have been charged, and the account doesn't tell.
        """
        return (
            None
            if (found := self._bridge.run(self._impl.find(idempotency_key))) is None
            else GenerateJob(self._bridge, found)
        )

    def acknowledge(self, creation_id: int) -> None:
        """Say that the result of a call of `with_options(acknowledge=True)` has arrived where it is needed.

        The call is then finished, and `unfinished()` doesn't return it any more. An id that the state doesn't know is
        taken for that of a call that was acknowledged before and deleted since: a wrong one leaves the right call
        unfinished.

        Args:
            creation_id: A creation that it has made.

        Raises:
            InvalidRequestError: This can be no id, or the client has no state.
        """
        self._bridge.run(self._impl.acknowledge(creation_id))

    def settle(self, call: UnknownCall | str, *, creation_ids: Sequence[int] | None) -> None:
        """Settle an unknown call by what you know of it.

        Args:
            call: The call, or its id.
            creation_ids: The creations that it has made, which are then unfinished; None if it had no effect, so that
                a call with its idempotency key is made anew.

        Raises:
            InvalidRequestError: No unknown call has this id, or these can be no ids.
        """
        self._bridge.run(self._impl.settle(call, creation_ids=creation_ids))

    def unknown(self) -> Iterator[UnknownCall]:
        """Iterate over the paid calls that may have been charged, and of which nobody knows what came of them.

        They are those whose answer was lost, and those that were under way in a process that was killed. They are kept
        until they are settled.

        Yields:
            Each of them, in the order of their beginning.

        Raises:
            InvalidRequestError: The client has no state, or it can't be used.
        """
        return self._bridge.iterate(self._impl.unknown())

    def prune(self, *, older_than: float) -> int:
        """Delete the calls that ended long ago, and with them their idempotency keys.

        Those that ended more than the client's `keep_days` ago are deleted by themselves. Calls that have not ended,
        and unknown ones, are kept.

        Args:
            older_than: Seconds since their end.

        Returns:
            How many were deleted.

        Raises:
            InvalidRequestError: An argument can never be right, or the client has no state.
        """
        return self._bridge.run(self._impl.prune(older_than=older_than))


class ModelsResource(SyncProxy[AsyncModelsResource]):
    """The AI models and what they support."""

    __slots__ = ()

    def list(self) -> dict[str, builtins.list[models.Model]]:
        """List all models, grouped by type.

        Works without a key. That the groups are keys of an object is assumed.

        Returns:
            The models by type.

        Raises:
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.list())

    def list_by_type(self, type: models.ModelType) -> builtins.list[models.Model]:
        """List the models of one type.

        Works without a key.

        Args:
            type: The type of model.

        Returns:
            The models.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.list_by_type(type))

    def get(self, type: models.ModelType, model_id: int) -> models.Model:
        """Return one model with its price and what it supports.

        Works without a key.

        Args:
            type: The type of model.
            model_id: The model's id, 1 to 9999 for text, 10001 to 19999 for images, 20001 to 29999 for videos.

        Returns:
            The model.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.get(type, model_id))


class RatingsResource(SyncProxy[AsyncRatingsResource]):
    """Ratings of creations."""

    __slots__ = ()

    def get(self, creation_id: int) -> models.Rating:
        """Return the average rating of one creation.

        Works without a key.

        Args:
            creation_id: The creation's id.

        Returns:
            The rating.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.get(creation_id))

    def rate(self, creation_id: int, *, score: int) -> models.Rating:
        """Rate one creation, or change the caller's rating of it.

        Source: documented; what the answer holds is assumed.

        Args:
            creation_id: The creation's id.
            score: The rating, 1 to 5.

        Returns:
            The creation's rating now.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.rate(creation_id, score=score))


class TeamsResource(SyncProxy[AsyncTeamsResource]):
    """Teams and their members."""

    __slots__ = ()

    def list(self) -> builtins.list[models.Team]:
        """List the caller's teams.

        Source: documented; what the answer holds is assumed.

        Returns:
            The teams.

        Raises:
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.list())

    def create(self, *, name: str) -> models.Team:
        """Create a team.

        Source: documented; what the answer holds is assumed.

        Args:
            name: The team's name.

        Returns:
            The team.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.create(name=name))

    def get(self, team_id: int) -> models.Team:
        """Return one team with its members.

        Source: documented; what the answer holds is assumed.

        Args:
            team_id: The team's id.

        Returns:
            The team with its members.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.get(team_id))

    def leave(self, team_id: int) -> None:
        """Leave one team.

        Args:
            team_id: The team's id.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        self._bridge.run(self._impl.leave(team_id))

    def add_member(self, team_id: int, *, username: str) -> models.Team:
        """Add a user to one team.

        Source: documented; what the answer holds is assumed.

        Args:
            team_id: The team's id.
            username: The user's name.

        Returns:
            The team with its members.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.add_member(team_id, username=username))

    def remove_member(self, team_id: int, user_id: int) -> None:
        """Remove a member from one team.

        Only the team's owner may.

        Args:
            team_id: The team's id.
            user_id: The member's user id.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        self._bridge.run(self._impl.remove_member(team_id, user_id))

    def join(self, invite_code: str) -> models.Team:
        """Join a team by its invite code.

        Source: documented; what the answer holds is assumed.

        Args:
            invite_code: The invite code, as `teams.regenerate_invite` returned it to the team's owner.

        Returns:
            The team with its members.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.join(invite_code))

    def regenerate_invite(self, team_id: int) -> models.Invite:
        """Make a new invite code for one team.

        Only the team's owner may.

        Source: documented; what the answer holds is assumed.

        Args:
            team_id: The team's id.

        Returns:
            The new invite code.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.regenerate_invite(team_id))

    def list_creations(
        self,
        team_id: int,
        *,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Creation]:
        """List the creations of one team.

        Source: documented; what the answer holds is assumed.

        Args:
            team_id: The team's id.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list_creations(team_id, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )


class UsersResource(SyncProxy[AsyncUsersResource]):
    """Profiles and followers."""

    __slots__ = ()

    def me(self) -> models.Profile:
        """Return the caller's profile, credit balance and statistics.

        Returns:
            The profile.

        Raises:
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.me())

    def update_me(self, *, bio: str | Unset = UNSET, website: str | Unset = UNSET) -> models.Profile:
        """Change the caller's profile.

        Source: documented; what the answer holds is assumed.

        Args:
            bio: What the user says about themself.
            website: The URL of the user's website.

        Returns:
            The profile as changed.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.update_me(bio=bio, website=website))

    def get(self, username: str) -> models.User:
        """Return the public profile of one user.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            username: The user's name; `me` is not one, the caller's own profile is `users.me`.

        Returns:
            The profile.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.get(username))

    def list_creations(
        self,
        username: str,
        *,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.Creation]:
        """List the public creations of one user.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            username: The user's name.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list_creations(username, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )

    def list_followers(
        self,
        username: str,
        *,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.User]:
        """List who follows one user.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            username: The user's name.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list_followers(username, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )

    def list_following(
        self,
        username: str,
        *,
        page: int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        sort: models.Sort | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.User]:
        """List whom one user follows.

        Works without a key.

        Source: documented; what the answer holds is assumed.

        Args:
            username: The user's name.
            page: Which page to begin with, from 1.
            per_page: How many items a page holds, up to 100; the server's default is 20.
            sort: The order by time; the server's default is `newest` first.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return Pages(
            self._bridge,
            self._impl.list_following(username, page=page, per_page=per_page, sort=sort, max_items=max_items),
        )

    def is_following(self, username: str) -> models.Following:
        """Return whether the caller follows one user.

        Args:
            username: The user's name.

        Returns:
            Whether the caller does, shown without the envelope, which every other answer has.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.is_following(username))

    def follow(self, username: str) -> models.Following:
        """Follow one user.

        Source: documented; what the answer holds is assumed.

        Args:
            username: The user's name.

        Returns:
            Whether the caller follows the user now.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A parameter is invalid.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.follow(username))

    def unfollow(self, username: str) -> models.Following:
        """Stop following one user.

        Source: documented; what the answer holds is assumed.

        Args:
            username: The user's name.

        Returns:
            Whether the caller follows the user now.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            NotFoundError: 404: The resource doesn't exist.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return self._bridge.run(self._impl.unfollow(username))


class Generor(SyncClient[AsyncGeneror]):
    """The Generor API, blocking. Public endpoints work without a key.

    Each call blocks its thread until it is done; threads may share a client. All blocking clients of a process share an
    event loop in a thread of its own, where calls and callbacks such as `on_event` run; a callback can't make blocking
    calls. Ctrl-C cancels a call, and a note of the KeyboardInterrupt says what is known about it. The clients also work
    inside a running event loop, but block it.

    A client may be made at module level: its parts are imported and made when it is entered or first used, and its
    connections are opened at first use. Use it as `with`, or call `close()`. After its `with` a client is closed, and
    every call a ClientClosedError, until it is entered again.

    Args:
        api_key: The key; by default the environment's `GENEROR_API_KEY` or `LUMA_AGENTS_API_KEY`.
        base_url: The API's address; by default the environment's `GENEROR_BASE_URL` or `LUMA_BASE_URL`, or else the
            vendor's own.
        allow_insecure: Take a plain http address that is not on this machine.
        timeout: Seconds for one logical call, over attempts, waits and polls; by default it depends on the call.
            No end is spelled `math.inf`.
        queue_timeout: Seconds for which one call may wait under the API's limits, over all its attempts, when no
            `timeout` is given. Where a 429 has calls wait for longer than a given `timeout` or `queue_timeout` leaves,
            all of them raise RateLimitError at once, with its `retry_after`; without either they wait, and the log has
            a warning.
        attempt_timeout: Seconds for one attempt; by default it depends on the call.
        max_retries: Attempts after the first, not counting those that a limit of the API refused: these are waited
            for while time lasts. With 0 the first refusal is raised, whatever it is.
        max_connections: Sockets for calls that may be repeated, and as many for those that may not.
        max_reply_bytes: The largest JSON answer that is read, after decompression.
        connector: An `aiohttp.BaseConnector` of your own, never closed here. Calls that must not be repeated then
            leave on whatever connection it has.
        proxy: The URL of an HTTP proxy; for a SOCKS proxy, give a connector.
        ssl: As aiohttp has it.
        trust_env: Take the proxy from the environment: `HTTPS_PROXY`, or else `ALL_PROXY`; `NO_PROXY` is honoured.
        inline_on_503: When the API can't fetch images by URL ("Image URL ingestion unavailable"), fetch those of the
            request here and send them as base64. No credentials go along, and only public addresses are asked, after
            DNS and every redirect; an API on this machine lets this machine be asked as well. Not through a proxy.
        inline_on_422: The same when a host has refused the API an image ("failed to fetch URL"): some hosts refuse
            programs. The refused request cost nothing.
        on_event: A plain function that gets every event, as after `events.subscribe`.
        clock: Where time comes from.
        limits: What is known of the key's limits, and who shares them; by default all clients of the address and key.
        state: The path of a file that keeps the client's paid calls, so that after a crash or a restart it is known
            what was paid for: see `jobs`. Processes of one machine may share it, and those of several machines a
            `postgresql://` URL. None keeps nothing.
        keep_days: For how many days the state keeps calls that have ended, and with them their idempotency keys.
        keep_results: Keep the answers of Generor's `generate` in the state, and not only the ids of its creations.
        budgets: What users, groups of users, or all of them may spend; they are kept in the `state`. A paid call that
            one of them has no room for is a BudgetExceededError, and one without a known price an InvalidRequestError.
            Calls of a batch don't count.
        send_user: Send the user that `with_options(user=)` names along as `user_id`, when a generation is submitted or
            a file uploaded without a `user_id` of its own; Luma alone takes one. It is no part of what an idempotency
            key or a row of a batch is compared by.

    Raises:
        InvalidRequestError: An argument can never be right.
        MissingAPIKeyError: A client of Luma has no key.
    """

    __slots__ = ()

    @property
    def api_keys(self) -> ApiKeysResource:
        """The caller's API keys."""
        return ApiKeysResource(self._bridge, self._impl.api_keys)

    @property
    def comments(self) -> CommentsResource:
        """Comments on creations."""
        return CommentsResource(self._bridge, self._impl.comments)

    @property
    def creations(self) -> Creations:
        """Browse and change creations, and wait for those that are being made."""
        return Creations(self._bridge, self._impl.creations)

    @property
    def credits(self) -> CreditsResource:
        """The balance and its history."""
        return CreditsResource(self._bridge, self._impl.credits)

    @property
    def feed(self) -> FeedResource:
        """What followed users created."""
        return FeedResource(self._bridge, self._impl.feed)

    @property
    def generators(self) -> Generators:
        """What can be generated, for what price, and generating it."""
        return Generators(self._bridge, self._impl.generators)

    @property
    def jobs(self) -> GenerorJobs:
        """The paid calls in the client's state: those that are unfinished or unknown after a restart."""
        return GenerorJobs(self._bridge, self._impl.jobs)

    @property
    def models(self) -> ModelsResource:
        """The AI models and what they support."""
        return ModelsResource(self._bridge, self._impl.models)

    @property
    def ratings(self) -> RatingsResource:
        """Ratings of creations."""
        return RatingsResource(self._bridge, self._impl.ratings)

    @property
    def teams(self) -> TeamsResource:
        """Teams and their members."""
        return TeamsResource(self._bridge, self._impl.teams)

    @property
    def users(self) -> UsersResource:
        """Profiles and followers."""
        return UsersResource(self._bridge, self._impl.users)

    def send(self, operation: Operation[T]) -> T:
        """Send an operation that was built before.

        The time of an estimate is remembered: a generate of the same generator and model gets it as its timeout, where
        it is longer than the usual 900 seconds.

        Args:
            operation: An operation of Generor, as `generor_async.api.generor.operations` builds them.

        Returns:
            The decoded result.

        Raises:
            InvalidRequestError: This is no operation of this API; nothing was sent.
            APIError: Whatever the operation's own method raises.
        """
        return self._bridge.run(self._impl.send(operation))

    def check(self) -> KeyCheck:
        """Find out whether the key is good, at no cost, by fetching the caller's own profile.

        A key whose scopes don't let it read the profile is good as well: its 403 proves it (documented).

        Returns:
            What is known of the key.

        Raises:
            MissingAPIKeyError: The client has no key.
            AuthenticationError: The key is not good.
            NotFoundError: The API isn't at `base_url`.
        """
        return self._bridge.run(self._impl.check())

    def download(
        self,
        result: GenerateResult | GeneratedCreation | Creation,
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: DownloadCallback | None = None,
    ) -> list[Path]:
        """Download all images, videos and sounds of a result or a creation, wherever it names them, and its text.

        A file is called `<creation id>-<n>` with the extension of what it is, a text `<creation id>.txt`, and appears
        whole or not at all; one that breaks off is tried again as often as calls are. Relative addresses
        (`/users/42/img/...`) are the site's: such files are asked for with the key, as they may be private.

        Args:
            result: What `generate` or `creations.get` returned, or one creation of it.
            to: A folder, made if need be. Where there is one file, it may be the file's path, with a suffix of media.
            overwrite: Replace files that exist.
            max_bytes: The most that one file may have; 2 GiB by default.
            on_progress: A function that gets a DownloadProgress for each piece.

        Returns:
            The files' paths, in order.

        Raises:
            InvalidRequestError: An argument can never be right.
            DownloadError: There is nothing to download, it broke off, isn't what was asked for, is too large, or the
                file exists already.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return self._bridge.run(
            self._impl.download(result, to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress)
        )

    def read(self, result: GenerateResult | GeneratedCreation | Creation, *, max_bytes: int = MAX_BYTES) -> list[bytes]:
        """Return the bytes of all images, videos and sounds of a result or a creation, and of its text, without a file.

        What breaks off is continued or tried again, as for `download`.

        Args:
            result: What `generate` or `creations.get` returned, or one creation of it.
            max_bytes: The most that one output may have; 2 GiB by default. All of them are in memory at once.

        Returns:
            The bytes of each output, in the order of `download`, a text as UTF-8.

        Raises:
            InvalidRequestError: An argument can never be right.
            DownloadError: There is nothing to download, it broke off, isn't what was asked for, or is too large.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return self._bridge.run(self._impl.read(result, max_bytes=max_bytes))

    def stream(
        self,
        output: GenerateResult | GeneratedCreation | Creation,
        *,
        index: int | None = None,
        range: str | None = None,
        if_range: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> OutputStream:
        """Stream an output as it arrives, for a handler that passes it on to a browser; nothing is kept.

        `with client.stream(output, range=request.headers.get("Range")) as stream` sends the request. Then
        `stream.status`, `stream.length`, `stream.content_type` and `stream.headers` are known, and `for chunk in
        stream` yields the bytes, no faster than they are taken. A transfer that breaks off is resumed if its host sends
        an ETag. To leave the block, or the iteration, ends it.

        The client's `timeout` holds until the first bytes are here. Each stream takes one of the client's
        `max_connections` for outputs.

        Args:
            output: A result or a creation with one output.
            index: Which of several outputs, in the order of `download`, counted from 0.
            range: The browser's Range header: one range of bytes is passed on; anything else is ignored, as RFC 9110
                lets a server do.
            if_range: The browser's If-Range header.
            max_bytes: The largest output that is accepted; 2 GiB by default.

        Returns:
            The stream, which is not open yet.

        Raises:
            InvalidRequestError: An argument can never be right. When it is opened: `output` has several outputs.
            DownloadError: When it is opened or read: there is no output, it broke off, isn't what was asked for, or is
                too large.
            DeadlineExceededError: When it is opened: the client's `timeout` is over.
        """
        return OutputStream(
            self._bridge, self._impl.stream(output, index=index, range=range, if_range=if_range, max_bytes=max_bytes)
        )

    def save(
        self,
        result: GenerateResult | GeneratedCreation | Creation,
        writer: Writer,
        *,
        index: int | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> int:
        """Write an output to something that the caller has opened, as it arrives.

        Files of the standard library are written to in a thread. After an error, a part of the output is written.

        Args:
            result: A result or a creation with one output.
            writer: A file that was opened for binary writing, or another object whose `write` takes bytes; that may be
                a coroutine function, as of the files of anyio or aiofiles.
            index: Which of several outputs, in the order of `download`, counted from 0.
            max_bytes: The largest output that is accepted; 2 GiB by default.

        Returns:
            The number of bytes.

        Raises:
            InvalidRequestError: An argument can never be right, or `result` has several outputs; nothing was written.
            DownloadError: There is no output, it broke off and its host can't continue it, isn't what was asked for, or
                is too large.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return self._bridge.run(self._impl.save(result, writer, index=index, max_bytes=max_bytes))

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        allow_insecure: bool = False,
        timeout: float | Unset = UNSET,
        queue_timeout: float = math.inf,
        attempt_timeout: float | Unset = UNSET,
        max_retries: int = 4,
        max_connections: int = 100,
        max_reply_bytes: int = 8 * 1024 * 1024,
        connector: aiohttp.BaseConnector | None = None,
        inline_on_503: bool = False,
        inline_on_422: bool = False,
        proxy: str | None = None,
        ssl: SSLContext | aiohttp.Fingerprint | bool | None = None,
        trust_env: bool = False,
        on_event: Callable[[generor_async.Event], object] | None = None,
        clock: Clock = REAL_CLOCK,
        limits: generor_async.Limits | None = None,
        state: str | PathLike[str] | None = None,
        keep_days: float = 30.0,
        keep_results: bool = False,
        budgets: Sequence[generor_async.Budget] = (),
        send_user: bool = False,
    ) -> None:
        api_key = as_secret(api_key)
        base_url = masked_texts(base_url)
        proxy = masked_texts(proxy)
        state = masked_url(state)
        super().__init__(
            AsyncGeneror(
                api_key,
                base_url=base_url,
                allow_insecure=allow_insecure,
                timeout=timeout,
                queue_timeout=queue_timeout,
                attempt_timeout=attempt_timeout,
                max_retries=max_retries,
                max_connections=max_connections,
                max_reply_bytes=max_reply_bytes,
                connector=connector,
                inline_on_503=inline_on_503,
                inline_on_422=inline_on_422,
                proxy=proxy,
                ssl=ssl,
                trust_env=trust_env,
                on_event=on_event,
                clock=clock,
                limits=limits,
                state=state,
                keep_days=keep_days,
                keep_results=keep_results,
                budgets=budgets,
                send_user=send_user,
            )
        )

    def with_options(
        self,
        *,
        timeout: float | Unset = UNSET,
        queue_timeout: float | Unset = UNSET,
        attempt_timeout: float | Unset = UNSET,
        max_retries: int | Unset = UNSET,
        priority: Priority | Unset = UNSET,
        extra_headers: Mapping[str, str] | Unset = UNSET,
        extra_query: Mapping[str, str] | Unset = UNSET,
        extra_body: Mapping[str, Any] | Unset = UNSET,
        on_progress: Callable[[generor_async.GenerateProgress], object] | Unset | None = UNSET,
        request_id: str | Unset = UNSET,
        context: JSON | Unset = UNSET,
        idempotency_key: str | Unset | None = UNSET,
        acknowledge: bool | Unset = UNSET,
        check_parameters: bool | Unset = UNSET,
        user: str | Unset | None = UNSET,
        price: float | Unset | None = UNSET,
    ) -> Self:
        """Return a view of this client whose calls have other options; it shares connections and limits.

        Args:
            timeout: Seconds for one logical call, over attempts, waits and polls.
            queue_timeout: Seconds for which one call may wait under the API's limits, when no `timeout` is given.
            attempt_timeout: Seconds for one attempt.
            max_retries: Attempts after the first.
            priority: Which calls go first when they queue for a limit: `interactive` before `normal`, and that before
                `bulk`, which spreads evenly over time.
            extra_headers: Headers to send as well.
            extra_query: Query parameters to send as well.
            extra_body: Fields of the JSON body to send as well, or instead.
            on_progress: A function that is told every second how far a `generate` is likely to have come, by the API's
                own estimate; None for none.
            request_id: The X-Request-Id of the first attempt. The view then serves one call.
            context: Anything that is JSON, such as `{"channel": 7}`, of at most 64 KiB: the client's `state` keeps it
                with each paid call, and `jobs.unfinished()` returns it.
            idempotency_key: A paid call with this key is made once: a second one, in any process of the client's
                `state`, gets the first one's result while that is under way and for `keep_days`. One that failed at no
                cost is made anew; one whose outcome nobody knows is an OutcomeUnknownError until it is settled by
                `jobs.settle`; other parameters under the same key are refused. None for no key.
            acknowledge: Keep paid calls in `jobs.unfinished()` until `jobs.acknowledge` says that their results have
                arrived where they are needed: a program that is killed before then finds them again.
            check_parameters: Refuse what a generator would drop silently of the `parameters` of `generate` and
                `estimate`: names that its schema doesn't have, and values that it doesn't take. The schema is fetched
                once an hour for each generator, and again before a call is refused by one that is older than a minute.
                If it can't be fetched within ten seconds, the call is sent unchecked, and the log has a warning.
            user: Whose calls these are, by a name of yours such as `guild:42/ada`. The client's `budgets` count by it,
                and users take turns: under the limits of the key, calls of one priority are admitted by a round robin
                over their users, by the units that they take, whichever client, thread or event loop of the process
                they are from. None for nobody's; these take turns like those of one more user.
            price: What a paid call costs, in US dollars, if the client has budgets and neither a price list nor an
                estimate says it.

        Returns:
            The view; what is not given stays as it is here.

        Raises:
            InvalidRequestError: An argument can never be right.
        """
        extra_headers = masked_texts(extra_headers)
        extra_query = masked_texts(extra_query)
        return self._view(
            self._impl.with_options(
                timeout=timeout,
                queue_timeout=queue_timeout,
                attempt_timeout=attempt_timeout,
                max_retries=max_retries,
                priority=priority,
                extra_headers=extra_headers,
                extra_query=extra_query,
                extra_body=extra_body,
                on_progress=on_progress,
                request_id=request_id,
                context=context,
                idempotency_key=idempotency_key,
                acknowledge=acknowledge,
                check_parameters=check_parameters,
                user=user,
                price=price,
            )
        )

    @property
    def budgets(self) -> Budgets:
        """The budgets of this client and its views: `budgets.status(user)`."""
        return Budgets(self._bridge, self._impl.budgets)

    @property
    def events(self) -> generor_async.Events:
        """The events of this client and its views: `events.subscribe(function)`."""
        return self._impl.events

    @property
    def rate_limits(self) -> generor_async.RateLimits:
        """What is known of the key's limits now: for each window the limit, what is used of it, and when it frees."""
        return self._impl.rate_limits

    def expected_wait(
        self,
        operation: Operation[Any] | None = None,
        *,
        user: str | Unset | None = UNSET,
        priority: Priority | Unset = UNSET,
    ) -> generor_async.ExpectedWait:
        """Return how long a call that is made now will probably wait under the key's limits until it is sent.

        It is told by what the client knows: the windows and what is used of them, the calls that wait and their order,
        how often calls come that go first, other users of the key, other processes of the store, and, for Luma's jobs,
        how long those run that hold the slots. While little is known the bounds are far apart. Nothing is sent.

        Args:
            operation: The call, as the API's `operations` build it; by default one that makes something (`generate`,
                or a generation of an image).
            user: Whose call it is; by default this view's.
            priority: Its priority; by default this view's.

        Returns:
            The wait in seconds, and its bounds: it is below `low` about once in ten times, and above `high` as often.

        Raises:
            InvalidRequestError: An argument can never be right.
        """
        return self._impl.expected_wait(operation, user=user, priority=priority)

    def waiting(self, user: str | None = None) -> list[generor_async.WaitingCall]:
        """Return the calls of this process that wait under the key's limits, and how long each probably will.

        Args:
            user: Whose calls to return; by default all.

        Returns:
            The calls, the next one first: of Luma, those that wait for a window before those that wait for a slot.

        Raises:
            InvalidRequestError: `user` can be nobody's name.
        """
        return self._impl.waiting(user)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: JSON = None,
        retry_safety: RetrySafety = "plain",
    ) -> JSON:
        """Send a request to an endpoint that this package does not know.

        Args:
            method: The HTTP method.
            path: The path after the `base_url`, with a slash before it.
            query: Query parameters.
            json: The JSON body; None for none.
            retry_safety: What repeating the request does, and so when it is repeated: `read` and `idempotent` calls
                are, `plain` and `bills` calls only if it is certain that they had no effect.

        Returns:
            The decoded JSON of the answer.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            APIError: The call failed.
        """
        return self._bridge.run(self._impl.request(method, path, query=query, json=json, retry_safety=retry_safety))

    def drain(self, timeout: float) -> list[str]:
        """Take no new calls, and wait until those under way have ended: before a program ends, as on SIGTERM.

        A new call that costs credits or makes something raises a ClientDrainingError. Calls under way go on, and so do
        waits for jobs, polls, downloads and whatever else only reads, so that what was begun can end. The client stays
        so until it is closed, which ends what is still under way.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The ids of the jobs that go on: those that are still waited for, and, if the client has a `state`, those
            whose end nobody has seen.

        Raises:
            InvalidRequestError: `timeout` is no number of seconds.
        """
        return self._bridge.run(self._impl.drain(timeout))
