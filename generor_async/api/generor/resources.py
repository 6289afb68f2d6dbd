# Generated from spec/generor.yaml by `python -m generor_async.codegen`: do not edit.
"""The methods of the Generor API, by resource: each builds one operation and sends it."""

import builtins
from collections.abc import Mapping
from typing import Any, Required, TypedDict

from generor_async.api.generor import models, operations
from generor_async.engine.pages import Pages, Sender, collect
from generor_async.values import UNSET, Unset

__all__ = [
    "ApiKeysResource",
    "CommentsResource",
    "CreationsResource",
    "CreditsResource",
    "FeedResource",
    "GeneratorsGenerateParams",
    "GeneratorsResource",
    "ModelsResource",
    "RatingsResource",
    "TeamsResource",
    "UsersResource",
]


class GeneratorsGenerateParams(TypedDict, total=False):
    """The arguments of `generators.generate`, for calls that hand them on."""

    slug: Required[str]
    prompt: str | Unset
    model_id: Required[int]
    privacy_mode: int | Unset
    team_id: int | Unset
    count: int | Unset
    language: str | Unset
    temperature: float | Unset
    preference: str | int | Unset
    preference_two: str | int | Unset
    aspect_ratio: str | int | Unset
    image_url: str | Unset
    seconds: int | Unset
    generate_audio: bool | Unset
    ending_frame_url: str | Unset
    reference_images: list[str] | tuple[str, ...] | Unset
    reference_videos: list[str] | tuple[str, ...] | Unset
    reference_audio: str | Unset
    video_url: str | Unset
    parameters: Mapping[str, Any] | Unset
    user_text: str | Unset
    user_text_two: str | Unset
    avoid_duplicates: bool | Unset
    thinking_mode: models.GenerateThinkingMode | Unset
    story_context: str | Unset
    character_context: str | Unset
    character_name: str | Unset
    character_id: str | int | Unset
    support_for: int | Unset
    mode: str | Unset
    model_speech: int | Unset
    item_index: int | Unset
    total_count: int | Unset
    translation_of: int | Unset
    source_language: str | Unset


class GeneratorsResource:
    """What can be generated, for what price, and generating it."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    async def list(self, *, status: models.GeneratorFilter | Unset = UNSET) -> builtins.list[models.Generator]:
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
        return await collect(self._client, operations.generators_list(status=status))

    async def get(self, slug: str) -> models.Generator:
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
        return await self._client.send(operations.generators_get(slug))

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
        first = operations.generators_list_creations(slug, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

    async def estimate(
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
        return await self._client.send(
            operations.generators_estimate(
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

    async def generate(
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
        return await self._client.send(
            operations.generators_generate(
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


class CreationsResource:
    """What was generated."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

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
        first = operations.creations_list(generator=generator, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

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
        first = operations.creations_list_public(generator=generator, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

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
        first = operations.creations_search(q, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

    async def get(self, creation_id: int) -> models.Creation:
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
        return await self._client.send(operations.creations_get(creation_id))

    async def update(
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
        return await self._client.send(
            operations.creations_update(creation_id, privacy_mode=privacy_mode, license=license)
        )

    async def delete(self, creation_id: int) -> None:
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
        await self._client.send(operations.creations_delete(creation_id))

    async def status(self, creation_id: int) -> models.CreationStatus:
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
        return await self._client.send(operations.creations_status(creation_id))


class ModelsResource:
    """The AI models and what they support."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    async def list(self) -> dict[str, builtins.list[models.Model]]:
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
        return await self._client.send(operations.models_list())

    async def list_by_type(self, type: models.ModelType) -> builtins.list[models.Model]:
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
        return await collect(self._client, operations.models_list_by_type(type))

    async def get(self, type: models.ModelType, model_id: int) -> models.Model:
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
        return await self._client.send(operations.models_get(type, model_id))


class UsersResource:
    """Profiles and followers."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    async def me(self) -> models.Profile:
        """Return the caller's profile, credit balance and statistics.

        Returns:
            The profile.

        Raises:
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return await self._client.send(operations.users_me())

    async def update_me(self, *, bio: str | Unset = UNSET, website: str | Unset = UNSET) -> models.Profile:
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
        return await self._client.send(operations.users_update_me(bio=bio, website=website))

    async def get(self, username: str) -> models.User:
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
        return await self._client.send(operations.users_get(username))

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
        first = operations.users_list_creations(username, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

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
        first = operations.users_list_followers(username, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

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
        first = operations.users_list_following(username, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

    async def is_following(self, username: str) -> models.Following:
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
        return await self._client.send(operations.users_is_following(username))

    async def follow(self, username: str) -> models.Following:
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
        return await self._client.send(operations.users_follow(username))

    async def unfollow(self, username: str) -> models.Following:
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
        return await self._client.send(operations.users_unfollow(username))


class TeamsResource:
    """Teams and their members."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    async def list(self) -> builtins.list[models.Team]:
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
        return await collect(self._client, operations.teams_list())

    async def create(self, *, name: str) -> models.Team:
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
        return await self._client.send(operations.teams_create(name=name))

    async def get(self, team_id: int) -> models.Team:
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
        return await self._client.send(operations.teams_get(team_id))

    async def leave(self, team_id: int) -> None:
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
        await self._client.send(operations.teams_leave(team_id))

    async def add_member(self, team_id: int, *, username: str) -> models.Team:
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
        return await self._client.send(operations.teams_add_member(team_id, username=username))

    async def remove_member(self, team_id: int, user_id: int) -> None:
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
        await self._client.send(operations.teams_remove_member(team_id, user_id))

    async def join(self, invite_code: str) -> models.Team:
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
        return await self._client.send(operations.teams_join(invite_code))

    async def regenerate_invite(self, team_id: int) -> models.Invite:
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
        return await self._client.send(operations.teams_regenerate_invite(team_id))

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
        first = operations.teams_list_creations(team_id, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)


class CommentsResource:
    """Comments on creations."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

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
        first = operations.comments_list(creation_id, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)

    async def create(self, creation_id: int, *, text: str, parent_id: int | Unset | None = UNSET) -> models.Comment:
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
        return await self._client.send(operations.comments_create(creation_id, text=text, parent_id=parent_id))

    async def delete(self, comment_id: int) -> None:
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
        await self._client.send(operations.comments_delete(comment_id))

    async def vote(self, comment_id: int, *, vote: models.VoteVote) -> models.Comment:
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
        return await self._client.send(operations.comments_vote(comment_id, vote=vote))


class RatingsResource:
    """Ratings of creations."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    async def get(self, creation_id: int) -> models.Rating:
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
        return await self._client.send(operations.ratings_get(creation_id))

    async def rate(self, creation_id: int, *, score: int) -> models.Rating:
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
        return await self._client.send(operations.ratings_rate(creation_id, score=score))


class CreditsResource:
    """The balance and its history."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    async def balance(self) -> models.Balance:
        """Return the caller's credit balance.

        Returns:
            The balance, in credits.

        Raises:
            AuthenticationError: 401: The API key is missing or invalid.
            PermissionDeniedError: 403: The key is valid, but lacks the permission or the scope.
            RateLimitError: 429: Too many requests in the last minute, hour or day.
            InternalServerError: 500: The server failed.
        """
        return await self._client.send(operations.credits_balance())

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
        first = operations.credits_list_transactions(type=type, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)


class FeedResource:
    """What followed users created."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

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
        first = operations.feed_list(generator=generator, page=page, per_page=per_page, sort=sort)
        return Pages(self._client, first, max_items=max_items)


class ApiKeysResource:
    """The caller's API keys."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    async def list(self) -> builtins.list[models.ApiKey]:
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
        return await collect(self._client, operations.api_keys_list())

    async def create(
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
        return await self._client.send(operations.api_keys_create(name=name, scopes=scopes))

    async def revoke(self, key_id: int) -> None:
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
        await self._client.send(operations.api_keys_revoke(key_id))
