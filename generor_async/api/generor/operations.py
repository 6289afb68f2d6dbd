# Generated from spec/generor.yaml by `python -m generor_async.codegen`: do not edit.
"""Every call of the Generor API as a value: built and checked here, sent by a client's `send`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from generor_async.api.generor import models
from generor_async.engine.convert import to_json
from generor_async.rules import arguments, checks, derived_values
from generor_async.rules.body_decoders import PageData, enveloped, enveloped_list, enveloped_map, nothing, page_of
from generor_async.rules.http_types import Endpoint, Operation, path_segment
from generor_async.rules.vendors import GENEROR
from generor_async.values import UNSET, Unset

__all__ = [
    "API_KEYS_CREATE",
    "API_KEYS_LIST",
    "API_KEYS_REVOKE",
    "BUILDERS",
    "COMMENTS_CREATE",
    "COMMENTS_DELETE",
    "COMMENTS_LIST",
    "COMMENTS_VOTE",
    "CREATIONS_DELETE",
    "CREATIONS_GET",
    "CREATIONS_LIST",
    "CREATIONS_LIST_PUBLIC",
    "CREATIONS_SEARCH",
    "CREATIONS_STATUS",
    "CREATIONS_UPDATE",
    "CREDITS_BALANCE",
    "CREDITS_LIST_TRANSACTIONS",
    "DEFAULTS",
    "ENDPOINTS",
    "FEED_LIST",
    "GENERATORS_ESTIMATE",
    "GENERATORS_GENERATE",
    "GENERATORS_GET",
    "GENERATORS_LIST",
    "GENERATORS_LIST_CREATIONS",
    "MODELS_GET",
    "MODELS_LIST",
    "MODELS_LIST_BY_TYPE",
    "RATINGS_GET",
    "RATINGS_RATE",
    "TEAMS_ADD_MEMBER",
    "TEAMS_CREATE",
    "TEAMS_GET",
    "TEAMS_JOIN",
    "TEAMS_LEAVE",
    "TEAMS_LIST",
    "TEAMS_LIST_CREATIONS",
    "TEAMS_REGENERATE_INVITE",
    "TEAMS_REMOVE_MEMBER",
    "USERS_FOLLOW",
    "USERS_GET",
    "USERS_IS_FOLLOWING",
    "USERS_LIST_CREATIONS",
    "USERS_LIST_FOLLOWERS",
    "USERS_LIST_FOLLOWING",
    "USERS_ME",
    "USERS_UNFOLLOW",
    "USERS_UPDATE_ME",
    "api_keys_create",
    "api_keys_list",
    "api_keys_revoke",
    "comments_create",
    "comments_delete",
    "comments_list",
    "comments_vote",
    "creations_delete",
    "creations_get",
    "creations_list",
    "creations_list_public",
    "creations_search",
    "creations_status",
    "creations_update",
    "credits_balance",
    "credits_list_transactions",
    "feed_list",
    "generators_estimate",
    "generators_generate",
    "generators_get",
    "generators_list",
    "generators_list_creations",
    "models_get",
    "models_list",
    "models_list_by_type",
    "ratings_get",
    "ratings_rate",
    "teams_add_member",
    "teams_create",
    "teams_get",
    "teams_join",
    "teams_leave",
    "teams_list",
    "teams_list_creations",
    "teams_regenerate_invite",
    "teams_remove_member",
    "users_follow",
    "users_get",
    "users_is_following",
    "users_list_creations",
    "users_list_followers",
    "users_list_following",
    "users_me",
    "users_unfollow",
    "users_update_me",
]

GENERATORS_LIST: Final = Endpoint(
    name="generor.generators.list",
    vendor=GENEROR,
    method="GET",
    template="/generators",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped_list(models.GENERATOR),
    timeout=60.0,
    attempt_timeout=30.0,
)


def generators_list(*, status: models.GeneratorFilter | Unset = UNSET) -> Operation[PageData[models.Generator]]:
    """List the generators.

    The client's `generators.list` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if status is not UNSET:
        query["status"] = arguments.text(status, "status")
    return Operation(GENERATORS_LIST, "/generators", query=query)


GENERATORS_GET: Final = Endpoint(
    name="generor.generators.get",
    vendor=GENEROR,
    method="GET",
    template="/generators/{slug}",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.GENERATOR, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
)


def generators_get(slug: str) -> Operation[models.Generator]:
    """Return one generator with its parameters.

    The client's `generators.get` has the same arguments, and describes them.
    """
    return Operation(GENERATORS_GET, f"/generators/{path_segment(slug, 'slug')}")


GENERATORS_LIST_CREATIONS: Final = Endpoint(
    name="generor.generators.list_creations",
    vendor=GENEROR,
    method="GET",
    template="/generators/{slug}/creations",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.PARTIAL_CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def generators_list_creations(
    slug: str, *, page: int | Unset = UNSET, per_page: int | Unset = UNSET, sort: models.Sort | Unset = UNSET
) -> Operation[PageData[models.Creation]]:
    """List the public creations of one generator.

    The client's `generators.list_creations` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(GENERATORS_LIST_CREATIONS, f"/generators/{path_segment(slug, 'slug')}/creations", query=query)


GENERATORS_ESTIMATE: Final = Endpoint(
    name="generor.generators.estimate",
    vendor=GENEROR,
    method="POST",
    template="/generators/{slug}/estimate",
    retry_safety="read",
    auth="optional",
    scope="none",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.ESTIMATE),
    timeout=60.0,
    attempt_timeout=30.0,
    derive=derived_values.set_dropped_parameters,
)


def generators_estimate(
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
    reference_images: list[str] | tuple[str, ...] | Unset = UNSET,
    reference_videos: list[str] | tuple[str, ...] | Unset = UNSET,
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
) -> Operation[models.Estimate]:
    """Return what `generate` with the same arguments would cost and how long it would take.

    The client's `generators.estimate` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"model_id": arguments.whole(model_id, "model_id")}
    if prompt is not UNSET:
        body["prompt"] = arguments.text(prompt, "prompt")
    if privacy_mode is not UNSET:
        body["privacy_mode"] = arguments.whole(privacy_mode, "privacy_mode")
    if team_id is not UNSET:
        body["team_id"] = arguments.whole(team_id, "team_id")
    if count is not UNSET:
        body["count"] = arguments.whole(count, "count")
    if language is not UNSET:
        body["language"] = arguments.text(language, "language")
    if temperature is not UNSET:
        body["temperature"] = arguments.number(temperature, "temperature")
    if preference is not UNSET:
        body["preference"] = arguments.text_or_whole(preference, "preference")
    if preference_two is not UNSET:
        body["preference_two"] = arguments.text_or_whole(preference_two, "preference_two")
    if aspect_ratio is not UNSET:
        body["aspect_ratio"] = arguments.text_or_whole(aspect_ratio, "aspect_ratio")
    if image_url is not UNSET:
        body["image_url"] = arguments.url(image_url, "image_url")
    if seconds is not UNSET:
        body["seconds"] = arguments.whole(seconds, "seconds")
    if generate_audio is not UNSET:
        body["generate_audio"] = arguments.boolean(generate_audio, "generate_audio")
    if ending_frame_url is not UNSET:
        body["ending_frame_url"] = arguments.url(ending_frame_url, "ending_frame_url")
    if reference_images is not UNSET:
        body["reference_images"] = to_json(arguments.urls(reference_images, "reference_images"))
    if reference_videos is not UNSET:
        body["reference_videos"] = to_json(arguments.urls(reference_videos, "reference_videos"))
    if reference_audio is not UNSET:
        body["reference_audio"] = arguments.url(reference_audio, "reference_audio")
    if video_url is not UNSET:
        body["video_url"] = arguments.url(video_url, "video_url")
    if parameters is not UNSET:
        body["parameters"] = to_json(arguments.mapping(parameters, "parameters"))
    if user_text is not UNSET:
        body["user_text"] = arguments.text(user_text, "user_text")
    if user_text_two is not UNSET:
        body["user_text_two"] = arguments.text(user_text_two, "user_text_two")
    if avoid_duplicates is not UNSET:
        body["avoid_duplicates"] = arguments.boolean(avoid_duplicates, "avoid_duplicates")
    if thinking_mode is not UNSET:
        body["thinking_mode"] = arguments.text(thinking_mode, "thinking_mode")
    if story_context is not UNSET:
        body["story_context"] = arguments.text(story_context, "story_context")
    if character_context is not UNSET:
        body["character_context"] = arguments.text(character_context, "character_context")
    if character_name is not UNSET:
        body["character_name"] = arguments.text(character_name, "character_name")
    if character_id is not UNSET:
        body["character_id"] = arguments.text_or_whole(character_id, "character_id")
    if support_for is not UNSET:
        body["support_for"] = arguments.whole(support_for, "support_for")
    if mode is not UNSET:
        body["mode"] = arguments.text(mode, "mode")
    if model_speech is not UNSET:
        body["model_speech"] = arguments.whole(model_speech, "model_speech")
    if item_index is not UNSET:
        body["item_index"] = arguments.whole(item_index, "item_index")
    if total_count is not UNSET:
        body["total_count"] = arguments.whole(total_count, "total_count")
    if translation_of is not UNSET:
        body["translation_of"] = arguments.whole(translation_of, "translation_of")
    if source_language is not UNSET:
        body["source_language"] = arguments.text(source_language, "source_language")
    checks.length(prompt, "prompt", at_most=10000, refusal="prompt must be at most 10,000 characters")
    checks.within(count, "count", at_least=1, at_most=10, refusal="count must be between 1 and 10")
    checks.within(temperature, "temperature", at_least=0, at_most=2, refusal="temperature must be between 0.0 and 2.0")
    checks.items(reference_images, "reference_images", at_most=9, refusal="reference_images must have at most 9 URLs")
    checks.items(reference_videos, "reference_videos", at_most=3, refusal="reference_videos must have at most 3 URLs")
    return Operation(GENERATORS_ESTIMATE, f"/generators/{path_segment(slug, 'slug')}/estimate", body=body)


GENERATORS_GENERATE: Final = Endpoint(
    name="generor.generators.generate",
    vendor=GENEROR,
    method="POST",
    template="/generators/{slug}/generate",
    retry_safety="bills",
    auth="required",
    scope="generate",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.GENERATE_RESULT),
    timeout=900.0,
    attempt_timeout=900.0,
)


def generators_generate(
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
    reference_images: list[str] | tuple[str, ...] | Unset = UNSET,
    reference_videos: list[str] | tuple[str, ...] | Unset = UNSET,
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
) -> Operation[models.GenerateResult]:
    """Generate content and return it.

    The client's `generators.generate` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"model_id": arguments.whole(model_id, "model_id")}
    if prompt is not UNSET:
        body["prompt"] = arguments.text(prompt, "prompt")
    if privacy_mode is not UNSET:
        body["privacy_mode"] = arguments.whole(privacy_mode, "privacy_mode")
    if team_id is not UNSET:
        body["team_id"] = arguments.whole(team_id, "team_id")
    if count is not UNSET:
        body["count"] = arguments.whole(count, "count")
    if language is not UNSET:
        body["language"] = arguments.text(language, "language")
    if temperature is not UNSET:
        body["temperature"] = arguments.number(temperature, "temperature")
    if preference is not UNSET:
        body["preference"] = arguments.text_or_whole(preference, "preference")
    if preference_two is not UNSET:
        body["preference_two"] = arguments.text_or_whole(preference_two, "preference_two")
    if aspect_ratio is not UNSET:
        body["aspect_ratio"] = arguments.text_or_whole(aspect_ratio, "aspect_ratio")
    if image_url is not UNSET:
        body["image_url"] = arguments.url(image_url, "image_url")
    if seconds is not UNSET:
        body["seconds"] = arguments.whole(seconds, "seconds")
    if generate_audio is not UNSET:
        body["generate_audio"] = arguments.boolean(generate_audio, "generate_audio")
    if ending_frame_url is not UNSET:
        body["ending_frame_url"] = arguments.url(ending_frame_url, "ending_frame_url")
    if reference_images is not UNSET:
        body["reference_images"] = to_json(arguments.urls(reference_images, "reference_images"))
    if reference_videos is not UNSET:
        body["reference_videos"] = to_json(arguments.urls(reference_videos, "reference_videos"))
    if reference_audio is not UNSET:
        body["reference_audio"] = arguments.url(reference_audio, "reference_audio")
    if video_url is not UNSET:
        body["video_url"] = arguments.url(video_url, "video_url")
    if parameters is not UNSET:
        body["parameters"] = to_json(arguments.mapping(parameters, "parameters"))
    if user_text is not UNSET:
        body["user_text"] = arguments.text(user_text, "user_text")
    if user_text_two is not UNSET:
        body["user_text_two"] = arguments.text(user_text_two, "user_text_two")
    if avoid_duplicates is not UNSET:
        body["avoid_duplicates"] = arguments.boolean(avoid_duplicates, "avoid_duplicates")
    if thinking_mode is not UNSET:
        body["thinking_mode"] = arguments.text(thinking_mode, "thinking_mode")
    if story_context is not UNSET:
        body["story_context"] = arguments.text(story_context, "story_context")
    if character_context is not UNSET:
        body["character_context"] = arguments.text(character_context, "character_context")
    if character_name is not UNSET:
        body["character_name"] = arguments.text(character_name, "character_name")
    if character_id is not UNSET:
        body["character_id"] = arguments.text_or_whole(character_id, "character_id")
    if support_for is not UNSET:
        body["support_for"] = arguments.whole(support_for, "support_for")
    if mode is not UNSET:
        body["mode"] = arguments.text(mode, "mode")
    if model_speech is not UNSET:
        body["model_speech"] = arguments.whole(model_speech, "model_speech")
    if item_index is not UNSET:
        body["item_index"] = arguments.whole(item_index, "item_index")
    if total_count is not UNSET:
        body["total_count"] = arguments.whole(total_count, "total_count")
    if translation_of is not UNSET:
        body["translation_of"] = arguments.whole(translation_of, "translation_of")
    if source_language is not UNSET:
        body["source_language"] = arguments.text(source_language, "source_language")
    checks.length(prompt, "prompt", at_most=10000, refusal="prompt must be at most 10,000 characters")
    checks.within(count, "count", at_least=1, at_most=10, refusal="count must be between 1 and 10")
    checks.within(temperature, "temperature", at_least=0, at_most=2, refusal="temperature must be between 0.0 and 2.0")
    checks.items(reference_images, "reference_images", at_most=9, refusal="reference_images must have at most 9 URLs")
    checks.items(reference_videos, "reference_videos", at_most=3, refusal="reference_videos must have at most 3 URLs")
    return Operation(GENERATORS_GENERATE, f"/generators/{path_segment(slug, 'slug')}/generate", body=body)


CREATIONS_LIST: Final = Endpoint(
    name="generor.creations.list",
    vendor=GENEROR,
    method="GET",
    template="/creations",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.PARTIAL_CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def creations_list(
    *,
    generator: str | Unset = UNSET,
    page: int | Unset = UNSET,
    per_page: int | Unset = UNSET,
    sort: models.Sort | Unset = UNSET,
) -> Operation[PageData[models.Creation]]:
    """List the caller's own creations.

    The client's `creations.list` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if generator is not UNSET:
        query["generator"] = arguments.text(generator, "generator")
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(CREATIONS_LIST, "/creations", query=query)


CREATIONS_LIST_PUBLIC: Final = Endpoint(
    name="generor.creations.list_public",
    vendor=GENEROR,
    method="GET",
    template="/creations/public",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.PARTIAL_CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def creations_list_public(
    *,
    generator: str | Unset = UNSET,
    page: int | Unset = UNSET,
    per_page: int | Unset = UNSET,
    sort: models.Sort | Unset = UNSET,
) -> Operation[PageData[models.Creation]]:
    """List the public creations of all generators.

    The client's `creations.list_public` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if generator is not UNSET:
        query["generator"] = arguments.text(generator, "generator")
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(CREATIONS_LIST_PUBLIC, "/creations/public", query=query)


CREATIONS_SEARCH: Final = Endpoint(
    name="generor.creations.search",
    vendor=GENEROR,
    method="GET",
    template="/creations/search",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.PARTIAL_CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def creations_search(
    q: str, *, page: int | Unset = UNSET, per_page: int | Unset = UNSET, sort: models.Sort | Unset = UNSET
) -> Operation[PageData[models.Creation]]:
    """Search the public creations by the text of their prompts.

    The client's `creations.search` has the same arguments, and describes them.
    """
    query: dict[str, str] = {"q": arguments.text(q, "q")}
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(CREATIONS_SEARCH, "/creations/search", query=query)


CREATIONS_GET: Final = Endpoint(
    name="generor.creations.get",
    vendor=GENEROR,
    method="GET",
    template="/creations/{creation_id}",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
    names="creation_id",
)


def creations_get(creation_id: int) -> Operation[models.Creation]:
    """Return one creation with its images and the generator's own data.

    The client's `creations.get` has the same arguments, and describes them.
    """
    return Operation(CREATIONS_GET, f"/creations/{arguments.whole(creation_id, 'creation_id')}")


CREATIONS_UPDATE: Final = Endpoint(
    name="generor.creations.update",
    vendor=GENEROR,
    method="PATCH",
    template="/creations/{creation_id}",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.PARTIAL_CREATION, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
    names="creation_id",
)


def creations_update(
    creation_id: int, *, privacy_mode: int | Unset = UNSET, license: int | Unset = UNSET
) -> Operation[models.Creation]:
    """Change the privacy or the license of one of the caller's creations.

    The client's `creations.update` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {}
    if privacy_mode is not UNSET:
        body["privacy_mode"] = arguments.whole(privacy_mode, "privacy_mode")
    if license is not UNSET:
        body["license"] = arguments.whole(license, "license")
    return Operation(CREATIONS_UPDATE, f"/creations/{arguments.whole(creation_id, 'creation_id')}", body=body)


CREATIONS_DELETE: Final = Endpoint(
    name="generor.creations.delete",
    vendor=GENEROR,
    method="DELETE",
    template="/creations/{creation_id}",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=nothing,
    timeout=60.0,
    attempt_timeout=30.0,
)


def creations_delete(creation_id: int) -> Operation[None]:
    """Delete one of the caller's creations.

    The client's `creations.delete` has the same arguments, and describes them.
    """
    return Operation(CREATIONS_DELETE, f"/creations/{arguments.whole(creation_id, 'creation_id')}")


CREATIONS_STATUS: Final = Endpoint(
    name="generor.creations.status",
    vendor=GENEROR,
    method="GET",
    template="/creations/{creation_id}/status",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.CREATION_STATUS, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
    names="creation_id",
)


def creations_status(creation_id: int) -> Operation[models.CreationStatus]:
    """Return the state of the generation of one creation.

    The client's `creations.status` has the same arguments, and describes them.
    """
    return Operation(CREATIONS_STATUS, f"/creations/{arguments.whole(creation_id, 'creation_id')}/status")


MODELS_LIST: Final = Endpoint(
    name="generor.models.list",
    vendor=GENEROR,
    method="GET",
    template="/models",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped_map(models.MODEL),
    timeout=60.0,
    attempt_timeout=30.0,
)


def models_list() -> Operation[dict[str, list[models.Model]]]:
    """List all models, grouped by type.

    The client's `models.list` has the same arguments, and describes them.
    """
    return Operation(MODELS_LIST, "/models")


MODELS_LIST_BY_TYPE: Final = Endpoint(
    name="generor.models.list_by_type",
    vendor=GENEROR,
    method="GET",
    template="/models/{type}",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped_list(models.MODEL),
    timeout=60.0,
    attempt_timeout=30.0,
)


def models_list_by_type(type: models.ModelType) -> Operation[PageData[models.Model]]:
    """List the models of one type.

    The client's `models.list_by_type` has the same arguments, and describes them.
    """
    return Operation(MODELS_LIST_BY_TYPE, f"/models/{path_segment(type, 'type')}")


MODELS_GET: Final = Endpoint(
    name="generor.models.get",
    vendor=GENEROR,
    method="GET",
    template="/models/{type}/{model_id}",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.MODEL),
    timeout=60.0,
    attempt_timeout=30.0,
)


def models_get(type: models.ModelType, model_id: int) -> Operation[models.Model]:
    """Return one model with its price and what it supports.

    The client's `models.get` has the same arguments, and describes them.
    """
    return Operation(MODELS_GET, f"/models/{path_segment(type, 'type')}/{arguments.whole(model_id, 'model_id')}")


USERS_ME: Final = Endpoint(
    name="generor.users.me",
    vendor=GENEROR,
    method="GET",
    template="/users/me",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.PROFILE),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_me() -> Operation[models.Profile]:
    """Return the caller's profile, credit balance and statistics.

    The client's `users.me` has the same arguments, and describes them.
    """
    return Operation(USERS_ME, "/users/me")


USERS_UPDATE_ME: Final = Endpoint(
    name="generor.users.update_me",
    vendor=GENEROR,
    method="PATCH",
    template="/users/me",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.PARTIAL_PROFILE, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_update_me(*, bio: str | Unset = UNSET, website: str | Unset = UNSET) -> Operation[models.Profile]:
    """Change the caller's profile.

    The client's `users.update_me` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {}
    if bio is not UNSET:
        body["bio"] = arguments.text(bio, "bio")
    if website is not UNSET:
        body["website"] = arguments.text(website, "website")
    return Operation(USERS_UPDATE_ME, "/users/me", body=body)


USERS_GET: Final = Endpoint(
    name="generor.users.get",
    vendor=GENEROR,
    method="GET",
    template="/users/{username}",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.USER, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_get(username: str) -> Operation[models.User]:
    """Return the public profile of one user.

    The client's `users.get` has the same arguments, and describes them.
    """
    checks.reserved(username, "username", taken="me", instead="users.me()")
    return Operation(USERS_GET, f"/users/{path_segment(username, 'username')}")


USERS_LIST_CREATIONS: Final = Endpoint(
    name="generor.users.list_creations",
    vendor=GENEROR,
    method="GET",
    template="/users/{username}/creations",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.PARTIAL_CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_list_creations(
    username: str, *, page: int | Unset = UNSET, per_page: int | Unset = UNSET, sort: models.Sort | Unset = UNSET
) -> Operation[PageData[models.Creation]]:
    """List the public creations of one user.

    The client's `users.list_creations` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(USERS_LIST_CREATIONS, f"/users/{path_segment(username, 'username')}/creations", query=query)


USERS_LIST_FOLLOWERS: Final = Endpoint(
    name="generor.users.list_followers",
    vendor=GENEROR,
    method="GET",
    template="/users/{username}/followers",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.USER),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_list_followers(
    username: str, *, page: int | Unset = UNSET, per_page: int | Unset = UNSET, sort: models.Sort | Unset = UNSET
) -> Operation[PageData[models.User]]:
    """List who follows one user.

    The client's `users.list_followers` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(USERS_LIST_FOLLOWERS, f"/users/{path_segment(username, 'username')}/followers", query=query)


USERS_LIST_FOLLOWING: Final = Endpoint(
    name="generor.users.list_following",
    vendor=GENEROR,
    method="GET",
    template="/users/{username}/following",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.USER),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_list_following(
    username: str, *, page: int | Unset = UNSET, per_page: int | Unset = UNSET, sort: models.Sort | Unset = UNSET
) -> Operation[PageData[models.User]]:
    """List whom one user follows.

    The client's `users.list_following` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(USERS_LIST_FOLLOWING, f"/users/{path_segment(username, 'username')}/following", query=query)


USERS_IS_FOLLOWING: Final = Endpoint(
    name="generor.users.is_following",
    vendor=GENEROR,
    method="GET",
    template="/users/{username}/follow",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.FOLLOWING),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_is_following(username: str) -> Operation[models.Following]:
    """Return whether the caller follows one user.

    The client's `users.is_following` has the same arguments, and describes them.
    """
    return Operation(USERS_IS_FOLLOWING, f"/users/{path_segment(username, 'username')}/follow")


USERS_FOLLOW: Final = Endpoint(
    name="generor.users.follow",
    vendor=GENEROR,
    method="POST",
    template="/users/{username}/follow",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.PARTIAL_FOLLOWING, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_follow(username: str) -> Operation[models.Following]:
    """Follow one user.

    The client's `users.follow` has the same arguments, and describes them.
    """
    return Operation(USERS_FOLLOW, f"/users/{path_segment(username, 'username')}/follow")


USERS_UNFOLLOW: Final = Endpoint(
    name="generor.users.unfollow",
    vendor=GENEROR,
    method="DELETE",
    template="/users/{username}/follow",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.PARTIAL_FOLLOWING, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
)


def users_unfollow(username: str) -> Operation[models.Following]:
    """Stop following one user.

    The client's `users.unfollow` has the same arguments, and describes them.
    """
    return Operation(USERS_UNFOLLOW, f"/users/{path_segment(username, 'username')}/follow")


TEAMS_LIST: Final = Endpoint(
    name="generor.teams.list",
    vendor=GENEROR,
    method="GET",
    template="/teams",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped_list(models.TEAM),
    timeout=60.0,
    attempt_timeout=30.0,
)


def teams_list() -> Operation[PageData[models.Team]]:
    """List the caller's teams.

    The client's `teams.list` has the same arguments, and describes them.
    """
    return Operation(TEAMS_LIST, "/teams")


TEAMS_CREATE: Final = Endpoint(
    name="generor.teams.create",
    vendor=GENEROR,
    method="POST",
    template="/teams",
    retry_safety="plain",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.TEAM, assumed=True),
    timeout=60.0,
    attempt_timeout=60.0,
)


def teams_create(*, name: str) -> Operation[models.Team]:
    """Create a team.

    The client's `teams.create` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"name": arguments.text(name, "name")}
    return Operation(TEAMS_CREATE, "/teams", body=body)


TEAMS_GET: Final = Endpoint(
    name="generor.teams.get",
    vendor=GENEROR,
    method="GET",
    template="/teams/{team_id}",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.TEAM, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
)


def teams_get(team_id: int) -> Operation[models.Team]:
    """Return one team with its members.

    The client's `teams.get` has the same arguments, and describes them.
    """
    return Operation(TEAMS_GET, f"/teams/{arguments.whole(team_id, 'team_id')}")


TEAMS_LEAVE: Final = Endpoint(
    name="generor.teams.leave",
    vendor=GENEROR,
    method="DELETE",
    template="/teams/{team_id}",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=nothing,
    timeout=60.0,
    attempt_timeout=30.0,
)


def teams_leave(team_id: int) -> Operation[None]:
    """Leave one team.

    The client's `teams.leave` has the same arguments, and describes them.
    """
    return Operation(TEAMS_LEAVE, f"/teams/{arguments.whole(team_id, 'team_id')}")


TEAMS_ADD_MEMBER: Final = Endpoint(
    name="generor.teams.add_member",
    vendor=GENEROR,
    method="POST",
    template="/teams/{team_id}/members",
    retry_safety="plain",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.TEAM, assumed=True),
    timeout=60.0,
    attempt_timeout=60.0,
)


def teams_add_member(team_id: int, *, username: str) -> Operation[models.Team]:
    """Add a user to one team.

    The client's `teams.add_member` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"username": arguments.text(username, "username")}
    return Operation(TEAMS_ADD_MEMBER, f"/teams/{arguments.whole(team_id, 'team_id')}/members", body=body)


TEAMS_REMOVE_MEMBER: Final = Endpoint(
    name="generor.teams.remove_member",
    vendor=GENEROR,
    method="DELETE",
    template="/teams/{team_id}/members/{user_id}",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=nothing,
    timeout=60.0,
    attempt_timeout=30.0,
)


def teams_remove_member(team_id: int, user_id: int) -> Operation[None]:
    """Remove a member from one team.

    The client's `teams.remove_member` has the same arguments, and describes them.
    """
    return Operation(
        TEAMS_REMOVE_MEMBER,
        f"/teams/{arguments.whole(team_id, 'team_id')}/members/{arguments.whole(user_id, 'user_id')}",
    )


TEAMS_JOIN: Final = Endpoint(
    name="generor.teams.join",
    vendor=GENEROR,
    method="POST",
    template="/teams/join/{invite_code}",
    retry_safety="plain",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.TEAM, assumed=True),
    timeout=60.0,
    attempt_timeout=60.0,
)


def teams_join(invite_code: str) -> Operation[models.Team]:
    """Join a team by its invite code.

    The client's `teams.join` has the same arguments, and describes them.
    """
    return Operation(TEAMS_JOIN, f"/teams/join/{path_segment(invite_code, 'invite_code')}")


TEAMS_REGENERATE_INVITE: Final = Endpoint(
    name="generor.teams.regenerate_invite",
    vendor=GENEROR,
    method="POST",
    template="/teams/{team_id}/invite",
    retry_safety="plain",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.INVITE, assumed=True),
    timeout=60.0,
    attempt_timeout=60.0,
)


def teams_regenerate_invite(team_id: int) -> Operation[models.Invite]:
    """Make a new invite code for one team.

    The client's `teams.regenerate_invite` has the same arguments, and describes them.
    """
    return Operation(TEAMS_REGENERATE_INVITE, f"/teams/{arguments.whole(team_id, 'team_id')}/invite")


TEAMS_LIST_CREATIONS: Final = Endpoint(
    name="generor.teams.list_creations",
    vendor=GENEROR,
    method="GET",
    template="/teams/{team_id}/creations",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.PARTIAL_CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def teams_list_creations(
    team_id: int, *, page: int | Unset = UNSET, per_page: int | Unset = UNSET, sort: models.Sort | Unset = UNSET
) -> Operation[PageData[models.Creation]]:
    """List the creations of one team.

    The client's `teams.list_creations` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(TEAMS_LIST_CREATIONS, f"/teams/{arguments.whole(team_id, 'team_id')}/creations", query=query)


COMMENTS_LIST: Final = Endpoint(
    name="generor.comments.list",
    vendor=GENEROR,
    method="GET",
    template="/creations/{creation_id}/comments",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.COMMENT),
    timeout=60.0,
    attempt_timeout=30.0,
)


def comments_list(
    creation_id: int, *, page: int | Unset = UNSET, per_page: int | Unset = UNSET, sort: models.Sort | Unset = UNSET
) -> Operation[PageData[models.Comment]]:
    """List the comments on one creation.

    The client's `comments.list` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(COMMENTS_LIST, f"/creations/{arguments.whole(creation_id, 'creation_id')}/comments", query=query)


COMMENTS_CREATE: Final = Endpoint(
    name="generor.comments.create",
    vendor=GENEROR,
    method="POST",
    template="/creations/{creation_id}/comments",
    retry_safety="plain",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.COMMENT, assumed=True),
    timeout=60.0,
    attempt_timeout=60.0,
)


def comments_create(creation_id: int, *, text: str, parent_id: int | Unset | None = UNSET) -> Operation[models.Comment]:
    """Comment on one creation.

    The client's `comments.create` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"text": arguments.text(text, "text")}
    if parent_id is not UNSET:
        body["parent_id"] = None if parent_id is None else arguments.whole(parent_id, "parent_id")
    return Operation(COMMENTS_CREATE, f"/creations/{arguments.whole(creation_id, 'creation_id')}/comments", body=body)


COMMENTS_DELETE: Final = Endpoint(
    name="generor.comments.delete",
    vendor=GENEROR,
    method="DELETE",
    template="/comments/{comment_id}",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=nothing,
    timeout=60.0,
    attempt_timeout=30.0,
)


def comments_delete(comment_id: int) -> Operation[None]:
    """Delete one of the caller's comments.

    The client's `comments.delete` has the same arguments, and describes them.
    """
    return Operation(COMMENTS_DELETE, f"/comments/{arguments.whole(comment_id, 'comment_id')}")


COMMENTS_VOTE: Final = Endpoint(
    name="generor.comments.vote",
    vendor=GENEROR,
    method="POST",
    template="/comments/{comment_id}/vote",
    retry_safety="plain",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.COMMENT, assumed=True),
    timeout=60.0,
    attempt_timeout=60.0,
)


def comments_vote(comment_id: int, *, vote: models.VoteVote) -> Operation[models.Comment]:
    """Vote one comment up or down.

    The client's `comments.vote` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"vote": arguments.text(vote, "vote")}
    return Operation(COMMENTS_VOTE, f"/comments/{arguments.whole(comment_id, 'comment_id')}/vote", body=body)


RATINGS_GET: Final = Endpoint(
    name="generor.ratings.get",
    vendor=GENEROR,
    method="GET",
    template="/creations/{creation_id}/rating",
    retry_safety="read",
    auth="optional",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.RATING),
    timeout=60.0,
    attempt_timeout=30.0,
)


def ratings_get(creation_id: int) -> Operation[models.Rating]:
    """Return the average rating of one creation.

    The client's `ratings.get` has the same arguments, and describes them.
    """
    return Operation(RATINGS_GET, f"/creations/{arguments.whole(creation_id, 'creation_id')}/rating")


RATINGS_RATE: Final = Endpoint(
    name="generor.ratings.rate",
    vendor=GENEROR,
    method="POST",
    template="/creations/{creation_id}/rating",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.PARTIAL_RATING, assumed=True),
    timeout=60.0,
    attempt_timeout=30.0,
)


def ratings_rate(creation_id: int, *, score: int) -> Operation[models.Rating]:
    """Rate one creation, or change the caller's rating of it.

    The client's `ratings.rate` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"score": arguments.whole(score, "score")}
    checks.within(score, "score", at_least=1, at_most=5, refusal="score must be between 1 and 5")
    return Operation(RATINGS_RATE, f"/creations/{arguments.whole(creation_id, 'creation_id')}/rating", body=body)


CREDITS_BALANCE: Final = Endpoint(
    name="generor.credits.balance",
    vendor=GENEROR,
    method="GET",
    template="/credits/balance",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.BALANCE),
    timeout=60.0,
    attempt_timeout=30.0,
)


def credits_balance() -> Operation[models.Balance]:
    """Return the caller's credit balance.

    The client's `credits.balance` has the same arguments, and describes them.
    """
    return Operation(CREDITS_BALANCE, "/credits/balance")


CREDITS_LIST_TRANSACTIONS: Final = Endpoint(
    name="generor.credits.list_transactions",
    vendor=GENEROR,
    method="GET",
    template="/credits/transactions",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.TRANSACTION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def credits_list_transactions(
    *,
    type: models.TransactionType | Unset = UNSET,
    page: int | Unset = UNSET,
    per_page: int | Unset = UNSET,
    sort: models.Sort | Unset = UNSET,
) -> Operation[PageData[models.Transaction]]:
    """List the changes of the caller's credit balance.

    The client's `credits.list_transactions` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if type is not UNSET:
        query["type"] = arguments.text(type, "type")
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(CREDITS_LIST_TRANSACTIONS, "/credits/transactions", query=query)


FEED_LIST: Final = Endpoint(
    name="generor.feed.list",
    vendor=GENEROR,
    method="GET",
    template="/feed",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=page_of(models.PARTIAL_CREATION),
    timeout=60.0,
    attempt_timeout=30.0,
)


def feed_list(
    *,
    generator: str | Unset = UNSET,
    page: int | Unset = UNSET,
    per_page: int | Unset = UNSET,
    sort: models.Sort | Unset = UNSET,
) -> Operation[PageData[models.Creation]]:
    """List the public creations of the users whom the caller follows.

    The client's `feed.list` has the same arguments, and describes them.
    """
    query: dict[str, str] = {}
    if generator is not UNSET:
        query["generator"] = arguments.text(generator, "generator")
    if page is not UNSET:
        query["page"] = str(arguments.whole(page, "page"))
    if per_page is not UNSET:
        query["per_page"] = str(arguments.whole(per_page, "per_page"))
    if sort is not UNSET:
        query["sort"] = arguments.text(sort, "sort")
    checks.within(per_page, "per_page", at_most=100, refusal="per_page must be at most 100")
    return Operation(FEED_LIST, "/feed", query=query)


API_KEYS_LIST: Final = Endpoint(
    name="generor.api_keys.list",
    vendor=GENEROR,
    method="GET",
    template="/api-keys",
    retry_safety="read",
    auth="required",
    scope="read",
    quota=("minute", "hour", "day"),
    decode=enveloped_list(models.API_KEY),
    timeout=60.0,
    attempt_timeout=30.0,
)


def api_keys_list() -> Operation[PageData[models.ApiKey]]:
    """List the caller's API keys, by prefix.

    The client's `api_keys.list` has the same arguments, and describes them.
    """
    return Operation(API_KEYS_LIST, "/api-keys")


API_KEYS_CREATE: Final = Endpoint(
    name="generor.api_keys.create",
    vendor=GENEROR,
    method="POST",
    template="/api-keys",
    retry_safety="plain",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=enveloped(models.NEW_API_KEY),
    timeout=60.0,
    attempt_timeout=60.0,
    secrets=("api_key",),
)


def api_keys_create(
    *, name: str, scopes: list[models.ApiKeyScope] | tuple[models.ApiKeyScope, ...] | Unset = UNSET
) -> Operation[models.NewApiKey]:
    """Create an API key and return it, this once in full.

    The client's `api_keys.create` has the same arguments, and describes them.
    """
    body: dict[str, Any] = {"name": arguments.text(name, "name")}
    if scopes is not UNSET:
        body["scopes"] = to_json(arguments.texts(scopes, "scopes"))
    return Operation(API_KEYS_CREATE, "/api-keys", body=body)


API_KEYS_REVOKE: Final = Endpoint(
    name="generor.api_keys.revoke",
    vendor=GENEROR,
    method="DELETE",
    template="/api-keys/{key_id}",
    retry_safety="idempotent",
    auth="required",
    scope="write",
    quota=("minute", "hour", "day"),
    decode=nothing,
    timeout=60.0,
    attempt_timeout=30.0,
)


def api_keys_revoke(key_id: int) -> Operation[None]:
    """Revoke one API key.

    The client's `api_keys.revoke` has the same arguments, and describes them.
    """
    return Operation(API_KEYS_REVOKE, f"/api-keys/{arguments.whole(key_id, 'key_id')}")


ENDPOINTS: Final[Mapping[str, Endpoint[Any]]] = MappingProxyType(
    {
        "generor.generators.list": GENERATORS_LIST,
        "generor.generators.get": GENERATORS_GET,
        "generor.generators.list_creations": GENERATORS_LIST_CREATIONS,
        "generor.generators.estimate": GENERATORS_ESTIMATE,
        "generor.generators.generate": GENERATORS_GENERATE,
        "generor.creations.list": CREATIONS_LIST,
        "generor.creations.list_public": CREATIONS_LIST_PUBLIC,
        "generor.creations.search": CREATIONS_SEARCH,
        "generor.creations.get": CREATIONS_GET,
        "generor.creations.update": CREATIONS_UPDATE,
        "generor.creations.delete": CREATIONS_DELETE,
        "generor.creations.status": CREATIONS_STATUS,
        "generor.models.list": MODELS_LIST,
        "generor.models.list_by_type": MODELS_LIST_BY_TYPE,
        "generor.models.get": MODELS_GET,
        "generor.users.me": USERS_ME,
        "generor.users.update_me": USERS_UPDATE_ME,
        "generor.users.get": USERS_GET,
        "generor.users.list_creations": USERS_LIST_CREATIONS,
        "generor.users.list_followers": USERS_LIST_FOLLOWERS,
        "generor.users.list_following": USERS_LIST_FOLLOWING,
        "generor.users.is_following": USERS_IS_FOLLOWING,
        "generor.users.follow": USERS_FOLLOW,
        "generor.users.unfollow": USERS_UNFOLLOW,
        "generor.teams.list": TEAMS_LIST,
        "generor.teams.create": TEAMS_CREATE,
        "generor.teams.get": TEAMS_GET,
        "generor.teams.leave": TEAMS_LEAVE,
        "generor.teams.add_member": TEAMS_ADD_MEMBER,
        "generor.teams.remove_member": TEAMS_REMOVE_MEMBER,
        "generor.teams.join": TEAMS_JOIN,
        "generor.teams.regenerate_invite": TEAMS_REGENERATE_INVITE,
        "generor.teams.list_creations": TEAMS_LIST_CREATIONS,
        "generor.comments.list": COMMENTS_LIST,
        "generor.comments.create": COMMENTS_CREATE,
        "generor.comments.delete": COMMENTS_DELETE,
        "generor.comments.vote": COMMENTS_VOTE,
        "generor.ratings.get": RATINGS_GET,
        "generor.ratings.rate": RATINGS_RATE,
        "generor.credits.balance": CREDITS_BALANCE,
        "generor.credits.list_transactions": CREDITS_LIST_TRANSACTIONS,
        "generor.feed.list": FEED_LIST,
        "generor.api_keys.list": API_KEYS_LIST,
        "generor.api_keys.create": API_KEYS_CREATE,
        "generor.api_keys.revoke": API_KEYS_REVOKE,
    }
)
"""Every endpoint by its operation's name."""

BUILDERS: Final[Mapping[str, Callable[..., Operation[Any]]]] = MappingProxyType(
    {
        "generor.generators.list": generators_list,
        "generor.generators.get": generators_get,
        "generor.generators.list_creations": generators_list_creations,
        "generor.generators.estimate": generators_estimate,
        "generor.generators.generate": generators_generate,
        "generor.creations.list": creations_list,
        "generor.creations.list_public": creations_list_public,
        "generor.creations.search": creations_search,
        "generor.creations.get": creations_get,
        "generor.creations.update": creations_update,
        "generor.creations.delete": creations_delete,
        "generor.creations.status": creations_status,
        "generor.models.list": models_list,
        "generor.models.list_by_type": models_list_by_type,
        "generor.models.get": models_get,
        "generor.users.me": users_me,
        "generor.users.update_me": users_update_me,
        "generor.users.get": users_get,
        "generor.users.list_creations": users_list_creations,
        "generor.users.list_followers": users_list_followers,
        "generor.users.list_following": users_list_following,
        "generor.users.is_following": users_is_following,
        "generor.users.follow": users_follow,
        "generor.users.unfollow": users_unfollow,
        "generor.teams.list": teams_list,
        "generor.teams.create": teams_create,
        "generor.teams.get": teams_get,
        "generor.teams.leave": teams_leave,
        "generor.teams.add_member": teams_add_member,
        "generor.teams.remove_member": teams_remove_member,
        "generor.teams.join": teams_join,
        "generor.teams.regenerate_invite": teams_regenerate_invite,
        "generor.teams.list_creations": teams_list_creations,
        "generor.comments.list": comments_list,
        "generor.comments.create": comments_create,
        "generor.comments.delete": comments_delete,
        "generor.comments.vote": comments_vote,
        "generor.ratings.get": ratings_get,
        "generor.ratings.rate": ratings_rate,
        "generor.credits.balance": credits_balance,
        "generor.credits.list_transactions": credits_list_transactions,
        "generor.feed.list": feed_list,
        "generor.api_keys.list": api_keys_list,
        "generor.api_keys.create": api_keys_create,
        "generor.api_keys.revoke": api_keys_revoke,
    }
)
"""The function that builds each operation, by the operation's name."""

DEFAULTS: Final[Mapping[str, Mapping[str, str | int]]] = MappingProxyType(
    {
        "generor.generators.generate": {"privacy_mode": 0, "count": 1, "language": "auto"},
    }
)
"""What the server takes parameters for that are left out, for each operation that is paid for."""
