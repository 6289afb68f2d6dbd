# Generated from spec/generor.yaml by `python -m generor_async.codegen`: do not edit.
"""What the Generor API answers, and the objects that it takes."""

from datetime import datetime
from typing import Any, ClassVar, Literal, TypeAlias

from attrs import define, field

from generor_async.values import JSON, Secret, misfit, read_datetime, read_datetime_or_none
from generor_async.values import Model as BaseModel
from generor_async.values.decoding import (
    bool_or_none,
    dict_or_none,
    fields_or_empty,
    float_or_none,
    int_or_none,
    list_or_none,
    object_or_none,
    read_any,
    read_dict,
    read_fields,
    read_int,
    read_list,
    read_map,
    read_object,
    read_str,
    str_or_none,
)

__all__ = [
    "Adjustment",
    "Adjustments",
    "ApiKey",
    "ApiKeyScope",
    "AspectRatio",
    "Balance",
    "Comment",
    "Creation",
    "CreationState",
    "CreationStatus",
    "CreditCost",
    "Estimate",
    "Following",
    "GenerateResult",
    "GenerateThinkingMode",
    "GeneratedCreation",
    "Generator",
    "GeneratorFilter",
    "GeneratorParameter",
    "GeneratorParameterType",
    "GeneratorStatus",
    "Image",
    "Invite",
    "Model",
    "ModelType",
    "NewApiKey",
    "Profile",
    "Rating",
    "Sort",
    "Team",
    "TeamMember",
    "TeamMemberRole",
    "TimeEstimate",
    "TimeEstimateSource",
    "Transaction",
    "TransactionType",
    "User",
    "VoteVote",
    "decode_adjustment",
    "decode_adjustments",
    "decode_api_key",
    "decode_aspect_ratio",
    "decode_balance",
    "decode_comment",
    "decode_creation",
    "decode_creation_leniently",
    "decode_creation_status",
    "decode_credit_cost",
    "decode_estimate",
    "decode_following",
    "decode_following_leniently",
    "decode_generate_result",
    "decode_generated_creation",
    "decode_generator",
    "decode_generator_parameter",
    "decode_image",
    "decode_invite",
    "decode_model",
    "decode_new_api_key",
    "decode_profile",
    "decode_profile_leniently",
    "decode_rating",
    "decode_rating_leniently",
    "decode_team",
    "decode_team_member",
    "decode_time_estimate",
    "decode_transaction",
    "decode_user",
]

ApiKeyScope: TypeAlias = Literal["read", "write", "generate"] | str
""""""

CreationState: TypeAlias = Literal["pending", "generating", "completed", "failed", "cancelled"] | str
"""Where the generation stands; `completed`, `failed` and `cancelled` are final."""

GenerateThinkingMode: TypeAlias = Literal["off", "on", "high"] | str
"""How much a reasoning text model may think."""

GeneratorFilter: TypeAlias = Literal["active", "development", "all"] | str
"""Which generators to list."""

GeneratorParameterType: TypeAlias = Literal["enum", "number", "model"] | str
"""What the field takes, one of `options`, a number from `min` to `max`, or a model."""

GeneratorStatus: TypeAlias = Literal["active", "development"] | str
"""Whether it is in service or being developed (assumed)."""

ModelType: TypeAlias = (
    Literal["text", "image", "video", "speech", "music", "soundeffect", "upscale", "vector", "backgroundremoval"] | str
)
"""What the model makes."""

Sort: TypeAlias = Literal["newest", "oldest"] | str
"""The order by time; the server's default is `newest` first."""

TeamMemberRole: TypeAlias = Literal["owner", "member"] | str
"""Whether the member owns the team (assumed)."""

TimeEstimateSource: TypeAlias = Literal["historical", "fallback"] | str
"""Where the figures come from, `fallback` when there were fewer than 3 recent generations."""

TransactionType: TypeAlias = (
    Literal["spend", "purchase", "daily_bonus", "weekly_bonus", "signup_bonus", "refund", "gift_sent", "gift_received"]
    | str
)
"""The kind of change (assumed)."""

VoteVote: TypeAlias = Literal["up", "down"] | str
"""Which way to vote."""


@define(kw_only=True)
class GeneratorParameter(BaseModel):
    """One field that a generator takes under `parameters`."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"id", "type", "label", "options", "min", "max", "default", "cost_multipliers"}
    )

    id: str | None = None
    """The field's key under `parameters`."""
    type: GeneratorParameterType | None = None
    """What the field takes, one of `options`, a number from `min` to `max`, or a model."""
    label: str | None = None
    """The field's name for people (assumed)."""
    options: list[Any] | None = None
    """The values that the field takes."""
    min: float | None = None
    """The least number that the field takes."""
    max: float | None = None
    """The greatest number that the field takes."""
    default: Any = None
    """The value that holds when none is given."""
    cost_multipliers: dict[str, Any] | None = None
    """The factor by which each value multiplies the cost."""


@define(kw_only=True)
class Generator(BaseModel):
    """Something that can be generated, such as jokes, images or videos (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"slug", "title", "description", "icon", "status", "similar", "model_types", "parameters"}
    )

    slug: str | None = None
    """The generator's name in paths."""
    title: str | None = None
    """The generator's title."""
    description: str | None = None
    """What it generates."""
    icon: str | None = None
    """The icon that stands for it."""
    status: GeneratorStatus | None = None
    """Whether it is in service or being developed."""
    similar: list[Any] | None = None
    """The generators that are like it."""
    model_types: list[str] | None = None
    """The types of model that it runs on."""
    parameters: list[GeneratorParameter] | None = None
    """The fields that it takes under `parameters`; only on `generators.get`."""


@define(kw_only=True)
class CreditCost(BaseModel):
    """A price and how it comes about."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"total", "per_item", "count", "discount", "discount_percent"})

    total: float
    """The price of all items after the discount, in credits."""
    per_item: float | None = None
    """The price of one item, in credits."""
    count: int | None = None
    """How many items there are."""
    discount: float | None = None
    """What the discount saves, in credits."""
    discount_percent: float | None = None
    """The discount in per cent, one for each item up to 10."""


@define(kw_only=True)
class TimeEstimate(BaseModel):
    """How long a generation is expected to take."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"seconds", "per_item", "min_seconds", "max_seconds", "sample_count", "has_historical", "source"}
    )

    seconds: float
    """The time for all items, in seconds."""
    per_item: float | None = None
    """The time for one item, in seconds."""
    min_seconds: float | None = None
    """The least time, in seconds."""
    max_seconds: float | None = None
    """The greatest time, in seconds."""
    sample_count: int | None = None
    """How many recent generations were averaged."""
    has_historical: bool | None = None
    """Whether there were recent generations to average."""
    source: TimeEstimateSource | None = None
    """Where the figures come from, `fallback` when there were fewer than 3 recent generations."""


@define(kw_only=True)
class Adjustment(BaseModel):
    """What was asked for in one field, and what was used instead."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"requested", "used", "supported", "reason"})

    requested: int
    """The value asked for."""
    used: int
    """The value used."""
    supported: list[int] | None = None
    """The values that the model supports."""
    reason: str | None = None
    """Why the value was changed."""


@define(kw_only=True)
class Adjustments(BaseModel):
    """What the server changed about a request, by field."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"seconds"})

    seconds: Adjustment | None = None
    """How a video's duration was snapped, in seconds; None when it wasn't."""


@define(kw_only=True)
class Estimate(BaseModel):
    """What a generate would cost and how long it would take."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {
            "generator",
            "model_id",
            "model_type",
            "model_name",
            "credit_cost",
            "time_estimate",
            "applied_parameters",
            "adjustments",
        }
    )

    generator: str | None = None
    """The generator's slug."""
    model_id: int | None = None
    """The model's id."""
    model_type: str | None = None
    """The model's type, such as `text`."""
    model_name: str | None = None
    """The model's name."""
    credit_cost: CreditCost
    """What it would cost, in credits."""
    time_estimate: TimeEstimate
    """How long it would take, in seconds."""
    applied_parameters: dict[str, Any] | None = None
    """The parameters that the server would use, those it filled in among them."""
    adjustments: Adjustments | None = None
    """What the server would change about the request; None when nothing."""
    dropped_parameters: list[str] = field(factory=list)
    """The keys of `parameters` that were sent and not applied."""


@define(kw_only=True)
class GeneratedCreation(BaseModel):
    """One creation as it was generated.

    Which fields it has depends on the generator; those not named here are in `extra`. `creations.get` returns it in
    full.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"creation_id", "text", "illustration_desc", "dish_name", "ingredients", "image_url", "video_url", "audio_url"}
    )

    creation_id: int
    """The creation's id."""
    text: str | None = None
    """The text, of text generators."""
    illustration_desc: str | None = None
    """The description of an image that would illustrate the text."""
    dish_name: str | None = None
    """The dish, of recipes."""
    ingredients: Any = None
    """The ingredients, of recipes."""
    image_url: str | None = None
    """The URL of the image."""
    video_url: str | None = None
    """The URL of the video (assumed)."""
    audio_url: str | None = None
    """The URL of the sound (assumed)."""


@define(kw_only=True)
class GenerateResult(BaseModel):
    """What was generated, and what it cost."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {
            "generator",
            "model_id",
            "model_type",
            "model_name",
            "creations",
            "credit_cost",
            "credit_cost_estimated",
            "credits_remaining",
            "time_taken_seconds",
            "adjustments",
        }
    )

    generator: str
    """The generator's slug."""
    model_id: int
    """The model's id."""
    model_type: str
    """The model's type, such as `text`."""
    model_name: str
    """The model's name."""
    creations: list[GeneratedCreation]
    """The creations."""
    credit_cost: float
    """What was deducted, in credits."""
    credit_cost_estimated: float
    """What an estimate would have said beforehand, in credits."""
    credits_remaining: float
    """The balance afterwards, in credits."""
    time_taken_seconds: float
    """How long it took, in seconds."""
    adjustments: Adjustments | None = None
    """What the server changed about the request; None when nothing."""


@define(kw_only=True)
class Image(BaseModel):
    """One image of a creation."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"url", "width", "height"})

    url: str
    """The image's URL; one that begins with `/` is relative to the API's host."""
    width: int | None = None
    """The width, in pixels."""
    height: int | None = None
    """The height, in pixels."""


@define(kw_only=True)
class Creation(BaseModel):
    """Something that was generated.

    Any field may be None in an answer that no document shows.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {
            "creation_id",
            "generator",
            "user_id",
            "username",
            "prompt",
            "created_at",
            "privacy_mode",
            "type",
            "license",
            "images",
            "generator_data",
        }
    )

    creation_id: int | None = None
    """The creation's id."""
    generator: str | None = None
    """The slug of the generator that made it."""
    user_id: int | None = None
    """Its owner's id."""
    username: str | None = None
    """Its owner's name."""
    prompt: str | None = None
    """The prompt it was made from."""
    created_at: datetime | None = None
    """When it was made."""
    privacy_mode: int | None = None
    """Who may see it, 0 for everyone or 1 for its owner."""
    type: str | None = None
    """The kind of media, such as `img`."""
    license: int | None = None
    """The license, 1 for Open GO-1.0 or 2 for Exclusive GE-1.0."""
    images: list[Image] | None = None
    """Its images."""
    generator_data: dict[str, Any] | None = None
    """The generator's own data."""


@define(kw_only=True)
class CreationStatus(BaseModel):
    """How far the generation of a creation has come (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"creation_id", "status", "error"})

    creation_id: int | None = None
    """The creation's id."""
    status: CreationState | None = None
    """Where the generation stands; `completed`, `failed` and `cancelled` are final."""
    error: str | None = None
    """Why the generation failed, in words."""


@define(kw_only=True)
class AspectRatio(BaseModel):
    """One aspect ratio that a model takes."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"id", "ratio", "label"})

    id: int
    """The ratio's id, which differs between types of model."""
    ratio: str | None = None
    """Width to height, such as `16:9`."""
    label: str
    """The ratio's name, such as `Wide`."""


@define(kw_only=True)
class Model(BaseModel):
    """An AI model, its price and what it supports."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {
            "id",
            "name",
            "type",
            "provider",
            "description",
            "credit_cost",
            "supports_img2img",
            "supports_aspect_ratio",
            "aspect_ratios",
            "supported_durations",
            "default_duration",
            "supports_audio",
            "audio_cost_multiplier",
            "supports_end_frame",
            "quality",
            "default_quality",
            "qualities",
            "group_slug",
            "group_name",
        }
    )

    id: int
    """The model's id, to be given as `model_id`."""
    name: str
    """The model's name."""
    type: ModelType
    """What the model makes."""
    provider: str
    """Who runs the model."""
    description: str | None = None
    """What the model is good at."""
    credit_cost: float
    """The base price, in credits."""
    supports_img2img: bool | None = None
    """Whether the model takes an `image_url` to start from."""
    supports_aspect_ratio: bool | None = None
    """Whether the model takes an `aspect_ratio`."""
    aspect_ratios: list[AspectRatio] | None = None
    """The aspect ratios that the model takes."""
    supported_durations: list[int] | None = None
    """The durations that a video can have, in seconds."""
    default_duration: int | None = None
    """The duration of a video when none is given, in seconds."""
    supports_audio: bool | None = None
    """Whether the model takes `generate_audio`."""
    audio_cost_multiplier: float | None = None
    """The factor by which sound multiplies the price."""
    supports_end_frame: bool | None = None
    """Whether the model takes an `ending_frame_url`."""
    quality: str | None = None
    """The resolution of its videos, such as `720p`."""
    default_quality: str | None = None
    """The resolution that its group uses by default."""
    qualities: dict[str, int] | None = None
    """The ids of the same model at each resolution."""
    group_slug: str | None = None
    """The slug of the group of models that differ in resolution only."""
    group_name: str | None = None
    """The group's name."""


@define(kw_only=True)
class Balance(BaseModel):
    """A balance of credits, by where they come from."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"total", "paid", "free", "earned", "max"})

    total: float
    """All credits."""
    paid: float
    """The credits that were bought."""
    free: float
    """The credits that were given."""
    earned: float
    """The credits that were earned."""
    max: float
    """The field `max` of the balance, in credits."""


@define(kw_only=True)
class TeamMember(BaseModel):
    """A member of a team (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"user_id", "username", "role", "joined"})

    user_id: int | None = None
    """The member's user id."""
    username: str | None = None
    """The member's name."""
    role: TeamMemberRole | None = None
    """Whether the member owns the team."""
    joined: datetime | None = None
    """When the member joined the team."""


@define(kw_only=True)
class Team(BaseModel):
    """A team of users who create together (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"team_id", "name", "owner_id", "invite_code", "created_at", "member_count", "members"}
    )

    team_id: int | None = None
    """The team's id."""
    name: str | None = None
    """The team's name."""
    owner_id: int | None = None
    """The user id of the team's owner."""
    invite_code: str | None = None
    """The code by which others join, for the owner's eyes."""
    created_at: datetime | None = None
    """When the team was made."""
    member_count: int | None = None
    """How many members the team has."""
    members: list[TeamMember] | None = None
    """The members; only on `teams.get`."""


@define(kw_only=True)
class Profile(BaseModel):
    """The caller's own profile.

    Any field may be None in an answer that no document shows.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {
            "user_id",
            "username",
            "email",
            "avatar",
            "bio",
            "website",
            "joined",
            "credits",
            "creation_count",
            "follower_count",
            "following_count",
            "teams",
        }
    )

    user_id: int | None = None
    """The user's id."""
    username: str | None = None
    """The user's name."""
    email: str | None = None
    """The user's email address."""
    avatar: str | None = None
    """The URL of the user's picture."""
    bio: str | None = None
    """What the user says about themself."""
    website: str | None = None
    """The URL of the user's website."""
    joined: datetime | None = None
    """When the user joined."""
    credits: Balance | None = None
    """The user's balance, in credits."""
    creation_count: int | None = None
    """How many creations the user has."""
    follower_count: int | None = None
    """How many users follow this one."""
    following_count: int | None = None
    """How many users this one follows."""
    teams: list[Team] | None = None
    """The user's teams."""


@define(kw_only=True)
class User(BaseModel):
    """The public profile of a user (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {
            "user_id",
            "username",
            "avatar",
            "bio",
            "website",
            "joined",
            "creation_count",
            "follower_count",
            "following_count",
        }
    )

    user_id: int | None = None
    """The user's id."""
    username: str | None = None
    """The user's name."""
    avatar: str | None = None
    """The URL of the user's picture."""
    bio: str | None = None
    """What the user says about themself."""
    website: str | None = None
    """The URL of the user's website."""
    joined: datetime | None = None
    """When the user joined."""
    creation_count: int | None = None
    """How many public creations the user has."""
    follower_count: int | None = None
    """How many users follow this one."""
    following_count: int | None = None
    """How many users this one follows."""


@define(kw_only=True)
class Following(BaseModel):
    """Whether the caller follows a user.

    Any field may be None in an answer that no document shows.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset({"following"})

    following: bool | None = None
    """Whether the caller follows the user."""


@define(kw_only=True)
class Invite(BaseModel):
    """The code by which users join a team (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"team_id", "invite_code"})

    team_id: int | None = None
    """The team's id."""
    invite_code: str | None = None
    """The code, which `teams.join` takes."""


@define(kw_only=True)
class Comment(BaseModel):
    """A comment on a creation (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"comment_id", "creation_id", "user_id", "username", "text", "parent_id", "upvotes", "downvotes", "created_at"}
    )

    comment_id: int | None = None
    """The comment's id."""
    creation_id: int | None = None
    """The id of the creation commented on."""
    user_id: int | None = None
    """The author's id."""
    username: str | None = None
    """The author's name."""
    text: str | None = None
    """What the author says."""
    parent_id: int | None = None
    """The id of the comment that this one answers."""
    upvotes: int | None = None
    """How many votes up it has."""
    downvotes: int | None = None
    """How many votes down it has."""
    created_at: datetime | None = None
    """When it was written."""


@define(kw_only=True)
class Rating(BaseModel):
    """How a creation is rated.

    Any field may be None in an answer that no document shows.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset({"creation_id", "average", "count"})

    creation_id: int | None = None
    """The creation's id."""
    average: float | None = None
    """The mean of its ratings, 1 to 5."""
    count: int | None = None
    """How many ratings it has."""


@define(kw_only=True)
class Transaction(BaseModel):
    """One change of a balance (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"transaction_id", "type", "amount", "balance", "description", "created_at"}
    )

    transaction_id: int | None = None
    """The change's id."""
    type: TransactionType | None = None
    """The kind of change."""
    amount: float | None = None
    """By how much the balance changed, in credits; negative when it fell."""
    balance: float | None = None
    """The balance afterwards, in credits."""
    description: str | None = None
    """What it was for."""
    created_at: datetime | None = None
    """When it happened."""


@define(kw_only=True)
class ApiKey(BaseModel):
    """An API key as it is listed, without its secret part (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"key_id", "prefix", "name", "scopes", "created_at", "last_used_at"}
    )

    key_id: int | None = None
    """The key's id."""
    prefix: str | None = None
    """The key's first characters, by which to know it."""
    name: str | None = None
    """The name it was given."""
    scopes: list[str] | None = None
    """What the key may do; everything when there are none."""
    created_at: datetime | None = None
    """When it was created."""
    last_used_at: datetime | None = None
    """When it was last used."""


@define(kw_only=True)
class NewApiKey(BaseModel):
    """An API key just created, the only time that it is shown in full."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"key_id", "api_key", "prefix", "name", "scopes", "message"})

    key_id: int
    """The key's id."""
    api_key: Secret
    """The key itself; keep it now, it is not shown again."""
    prefix: str
    """The key's first characters, by which to know it."""
    name: str
    """The name it was given."""
    scopes: list[str] | None = None
    """What the key may do; everything when there are none."""
    message: str | None = None
    """What the server has to say about it."""


def decode_generator_parameter(source: JSON) -> GeneratorParameter:
    """Read one `GeneratorParameter` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return GeneratorParameter(
        id=str_or_none(get("id")),
        type=str_or_none(get("type")),
        label=str_or_none(get("label")),
        options=list_or_none(read_any, get("options")),
        min=float_or_none(get("min")),
        max=float_or_none(get("max")),
        default=get("default"),
        cost_multipliers=dict_or_none(get("cost_multipliers")),
        raw=source,
    )


def decode_generator(source: JSON) -> Generator:
    """Read one `Generator` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Generator(
        slug=str_or_none(get("slug")),
        title=str_or_none(get("title")),
        description=str_or_none(get("description")),
        icon=str_or_none(get("icon")),
        status=str_or_none(get("status")),
        similar=list_or_none(read_any, get("similar")),
        model_types=list_or_none(read_str, get("model_types")),
        parameters=list_or_none(decode_generator_parameter, get("parameters")),
        raw=source,
    )


def decode_credit_cost(source: JSON) -> CreditCost:
    """Read one `CreditCost`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    total = get("total")
    if type(total) is not float and type(total) is not int:
        raise misfit(total, "a number", ".total")
    per_item = get("per_item")
    if per_item is not None and type(per_item) is not float and type(per_item) is not int:
        raise misfit(per_item, "a number", ".per_item")
    count = get("count")
    if count is not None and type(count) is not int:
        raise misfit(count, "an integer", ".count")
    discount = get("discount")
    if discount is not None and type(discount) is not float and type(discount) is not int:
        raise misfit(discount, "a number", ".discount")
    discount_percent = get("discount_percent")
    if discount_percent is not None and type(discount_percent) is not float and type(discount_percent) is not int:
        raise misfit(discount_percent, "a number", ".discount_percent")
    return CreditCost(
        total=total,
        per_item=per_item,
        count=count,
        discount=discount,
        discount_percent=discount_percent,
        raw=source,
    )


def decode_time_estimate(source: JSON) -> TimeEstimate:
    """Read one `TimeEstimate`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    seconds = get("seconds")
    if type(seconds) is not float and type(seconds) is not int:
        raise misfit(seconds, "a number", ".seconds")
    per_item = get("per_item")
    if per_item is not None and type(per_item) is not float and type(per_item) is not int:
        raise misfit(per_item, "a number", ".per_item")
    min_seconds = get("min_seconds")
    if min_seconds is not None and type(min_seconds) is not float and type(min_seconds) is not int:
        raise misfit(min_seconds, "a number", ".min_seconds")
    max_seconds = get("max_seconds")
    if max_seconds is not None and type(max_seconds) is not float and type(max_seconds) is not int:
        raise misfit(max_seconds, "a number", ".max_seconds")
    sample_count = get("sample_count")
    if sample_count is not None and type(sample_count) is not int:
        raise misfit(sample_count, "an integer", ".sample_count")
    has_historical = get("has_historical")
    if has_historical is not None and type(has_historical) is not bool:
        raise misfit(has_historical, "true or false", ".has_historical")
    source_ = get("source")
    if source_ is not None and type(source_) is not str:
        raise misfit(source_, "a string", ".source")
    return TimeEstimate(
        seconds=seconds,
        per_item=per_item,
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        sample_count=sample_count,
        has_historical=has_historical,
        source=source_,
        raw=source,
    )


def decode_adjustment(source: JSON) -> Adjustment:
    """Read one `Adjustment`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    requested = get("requested")
    if type(requested) is not int:
        raise misfit(requested, "an integer", ".requested")
    used = get("used")
    if type(used) is not int:
        raise misfit(used, "an integer", ".used")
    supported = get("supported")
    if supported is not None:
        supported = read_list(read_int, supported, ".supported")
    reason = get("reason")
    if reason is not None and type(reason) is not str:
        raise misfit(reason, "a string", ".reason")
    return Adjustment(
        requested=requested,
        used=used,
        supported=supported,
        reason=reason,
        raw=source,
    )


def decode_adjustments(source: JSON) -> Adjustments:
    """Read one `Adjustments`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    seconds = get("seconds")
    if seconds is not None:
        seconds = read_object(decode_adjustment, seconds, ".seconds")
    return Adjustments(
        seconds=seconds,
        raw=source,
    )


def decode_estimate(source: JSON) -> Estimate:
    """Read one `Estimate`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    generator = get("generator")
    if generator is not None and type(generator) is not str:
        raise misfit(generator, "a string", ".generator")
    model_id = get("model_id")
    if model_id is not None and type(model_id) is not int:
        raise misfit(model_id, "an integer", ".model_id")
    model_type = get("model_type")
    if model_type is not None and type(model_type) is not str:
        raise misfit(model_type, "a string", ".model_type")
    model_name = get("model_name")
    if model_name is not None and type(model_name) is not str:
        raise misfit(model_name, "a string", ".model_name")
    applied_parameters = get("applied_parameters")
    if applied_parameters is not None:
        applied_parameters = read_dict(applied_parameters, ".applied_parameters")
    adjustments = get("adjustments")
    if adjustments is not None:
        adjustments = read_object(decode_adjustments, adjustments, ".adjustments")
    return Estimate(
        generator=generator,
        model_id=model_id,
        model_type=model_type,
        model_name=model_name,
        credit_cost=read_object(decode_credit_cost, get("credit_cost"), ".credit_cost"),
        time_estimate=read_object(decode_time_estimate, get("time_estimate"), ".time_estimate"),
        applied_parameters=applied_parameters,
        adjustments=adjustments,
        raw=source,
    )


def decode_generated_creation(source: JSON) -> GeneratedCreation:
    """Read one `GeneratedCreation`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if type(creation_id) is not int:
        raise misfit(creation_id, "an integer", ".creation_id")
    text = get("text")
    if text is not None and type(text) is not str:
        raise misfit(text, "a string", ".text")
    illustration_desc = get("illustration_desc")
    if illustration_desc is not None and type(illustration_desc) is not str:
        raise misfit(illustration_desc, "a string", ".illustration_desc")
    dish_name = get("dish_name")
    if dish_name is not None and type(dish_name) is not str:
        raise misfit(dish_name, "a string", ".dish_name")
    image_url = get("image_url")
    if image_url is not None and type(image_url) is not str:
        raise misfit(image_url, "a string", ".image_url")
    return GeneratedCreation(
        creation_id=creation_id,
        text=text,
        illustration_desc=illustration_desc,
        dish_name=dish_name,
        ingredients=get("ingredients"),
        image_url=image_url,
        video_url=str_or_none(get("video_url")),
        audio_url=str_or_none(get("audio_url")),
        raw=source,
    )


def decode_generate_result(source: JSON) -> GenerateResult:
    """Read one `GenerateResult`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    generator = get("generator")
    if type(generator) is not str:
        raise misfit(generator, "a string", ".generator")
    model_id = get("model_id")
    if type(model_id) is not int:
        raise misfit(model_id, "an integer", ".model_id")
    model_type = get("model_type")
    if type(model_type) is not str:
        raise misfit(model_type, "a string", ".model_type")
    model_name = get("model_name")
    if type(model_name) is not str:
        raise misfit(model_name, "a string", ".model_name")
    credit_cost = get("credit_cost")
    if type(credit_cost) is not float and type(credit_cost) is not int:
        raise misfit(credit_cost, "a number", ".credit_cost")
    credit_cost_estimated = get("credit_cost_estimated")
    if type(credit_cost_estimated) is not float and type(credit_cost_estimated) is not int:
        raise misfit(credit_cost_estimated, "a number", ".credit_cost_estimated")
    credits_remaining = get("credits_remaining")
    if type(credits_remaining) is not float and type(credits_remaining) is not int:
        raise misfit(credits_remaining, "a number", ".credits_remaining")
    time_taken_seconds = get("time_taken_seconds")
    if type(time_taken_seconds) is not float and type(time_taken_seconds) is not int:
        raise misfit(time_taken_seconds, "a number", ".time_taken_seconds")
    adjustments = get("adjustments")
    if adjustments is not None:
        adjustments = read_object(decode_adjustments, adjustments, ".adjustments")
    return GenerateResult(
        generator=generator,
        model_id=model_id,
        model_type=model_type,
        model_name=model_name,
        creations=read_list(decode_generated_creation, get("creations"), ".creations"),
        credit_cost=credit_cost,
        credit_cost_estimated=credit_cost_estimated,
        credits_remaining=credits_remaining,
        time_taken_seconds=time_taken_seconds,
        adjustments=adjustments,
        raw=source,
    )


def decode_image(source: JSON) -> Image:
    """Read one `Image`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    url = get("url")
    if type(url) is not str:
        raise misfit(url, "a string", ".url")
    width = get("width")
    if width is not None and type(width) is not int:
        raise misfit(width, "an integer", ".width")
    height = get("height")
    if height is not None and type(height) is not int:
        raise misfit(height, "an integer", ".height")
    return Image(
        url=url,
        width=width,
        height=height,
        raw=source,
    )


def decode_creation(source: JSON) -> Creation:
    """Read one `Creation`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if type(creation_id) is not int:
        raise misfit(creation_id, "an integer", ".creation_id")
    generator = get("generator")
    if type(generator) is not str:
        raise misfit(generator, "a string", ".generator")
    user_id = get("user_id")
    if type(user_id) is not int:
        raise misfit(user_id, "an integer", ".user_id")
    username = get("username")
    if type(username) is not str:
        raise misfit(username, "a string", ".username")
    prompt = get("prompt")
    if prompt is not None and type(prompt) is not str:
        raise misfit(prompt, "a string", ".prompt")
    privacy_mode = get("privacy_mode")
    if type(privacy_mode) is not int:
        raise misfit(privacy_mode, "an integer", ".privacy_mode")
    type_ = get("type")
    if type(type_) is not str:
        raise misfit(type_, "a string", ".type")
    license_ = get("license")
    if type(license_) is not int:
        raise misfit(license_, "an integer", ".license")
    images = get("images")
    if images is not None:
        images = read_list(decode_image, images, ".images")
    generator_data = get("generator_data")
    if generator_data is not None:
        generator_data = read_dict(generator_data, ".generator_data")
    return Creation(
        creation_id=creation_id,
        generator=generator,
        user_id=user_id,
        username=username,
        prompt=prompt,
        created_at=read_datetime(get("created_at"), ".created_at"),
        privacy_mode=privacy_mode,
        type=type_,
        license=license_,
        images=images,
        generator_data=generator_data,
        raw=source,
    )


def decode_creation_leniently(source: JSON) -> Creation:
    """Read one `Creation` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Creation(
        creation_id=int_or_none(get("creation_id")),
        generator=str_or_none(get("generator")),
        user_id=int_or_none(get("user_id")),
        username=str_or_none(get("username")),
        prompt=str_or_none(get("prompt")),
        created_at=read_datetime_or_none(get("created_at")),
        privacy_mode=int_or_none(get("privacy_mode")),
        type=str_or_none(get("type")),
        license=int_or_none(get("license")),
        images=list_or_none(decode_image, get("images")),
        generator_data=dict_or_none(get("generator_data")),
        raw=source,
    )


def decode_creation_status(source: JSON) -> CreationStatus:
    """Read one `CreationStatus` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return CreationStatus(
        creation_id=int_or_none(get("creation_id")),
        status=str_or_none(get("status")),
        error=str_or_none(get("error")),
        raw=source,
    )


def decode_aspect_ratio(source: JSON) -> AspectRatio:
    """Read one `AspectRatio`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    id_ = get("id")
    if type(id_) is not int:
        raise misfit(id_, "an integer", ".id")
    ratio = get("ratio")
    if ratio is not None and type(ratio) is not str:
        raise misfit(ratio, "a string", ".ratio")
    label = get("label")
    if type(label) is not str:
        raise misfit(label, "a string", ".label")
    return AspectRatio(
        id=id_,
        ratio=ratio,
        label=label,
        raw=source,
    )


def decode_model(source: JSON) -> Model:
    """Read one `Model`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    id_ = get("id")
    if type(id_) is not int:
        raise misfit(id_, "an integer", ".id")
    name = get("name")
    if type(name) is not str:
        raise misfit(name, "a string", ".name")
    type_ = get("type")
    if type(type_) is not str:
        raise misfit(type_, "a string", ".type")
    provider = get("provider")
    if type(provider) is not str:
        raise misfit(provider, "a string", ".provider")
    description = get("description")
    if description is not None and type(description) is not str:
        raise misfit(description, "a string", ".description")
    credit_cost = get("credit_cost")
    if type(credit_cost) is not float and type(credit_cost) is not int:
        raise misfit(credit_cost, "a number", ".credit_cost")
    supports_img2img = get("supports_img2img")
    if supports_img2img is not None and type(supports_img2img) is not bool:
        raise misfit(supports_img2img, "true or false", ".supports_img2img")
    supports_aspect_ratio = get("supports_aspect_ratio")
    if supports_aspect_ratio is not None and type(supports_aspect_ratio) is not bool:
        raise misfit(supports_aspect_ratio, "true or false", ".supports_aspect_ratio")
    aspect_ratios = get("aspect_ratios")
    if aspect_ratios is not None:
        aspect_ratios = read_list(decode_aspect_ratio, aspect_ratios, ".aspect_ratios")
    supported_durations = get("supported_durations")
    if supported_durations is not None:
        supported_durations = read_list(read_int, supported_durations, ".supported_durations")
    default_duration = get("default_duration")
    if default_duration is not None and type(default_duration) is not int:
        raise misfit(default_duration, "an integer", ".default_duration")
    supports_audio = get("supports_audio")
    if supports_audio is not None and type(supports_audio) is not bool:
        raise misfit(supports_audio, "true or false", ".supports_audio")
    audio_cost_multiplier = get("audio_cost_multiplier")
    if (
        audio_cost_multiplier is not None
        and type(audio_cost_multiplier) is not float
        and type(audio_cost_multiplier) is not int
    ):
        raise misfit(audio_cost_multiplier, "a number", ".audio_cost_multiplier")
    supports_end_frame = get("supports_end_frame")
    if supports_end_frame is not None and type(supports_end_frame) is not bool:
        raise misfit(supports_end_frame, "true or false", ".supports_end_frame")
    quality = get("quality")
    if quality is not None and type(quality) is not str:
        raise misfit(quality, "a string", ".quality")
    default_quality = get("default_quality")
    if default_quality is not None and type(default_quality) is not str:
        raise misfit(default_quality, "a string", ".default_quality")
    qualities = get("qualities")
    if qualities is not None:
        qualities = read_map(read_int, qualities, ".qualities")
    group_slug = get("group_slug")
    if group_slug is not None and type(group_slug) is not str:
        raise misfit(group_slug, "a string", ".group_slug")
    group_name = get("group_name")
    if group_name is not None and type(group_name) is not str:
        raise misfit(group_name, "a string", ".group_name")
    return Model(
        id=id_,
        name=name,
        type=type_,
        provider=provider,
        description=description,
        credit_cost=credit_cost,
        supports_img2img=supports_img2img,
        supports_aspect_ratio=supports_aspect_ratio,
        aspect_ratios=aspect_ratios,
        supported_durations=supported_durations,
        default_duration=default_duration,
        supports_audio=supports_audio,
        audio_cost_multiplier=audio_cost_multiplier,
        supports_end_frame=supports_end_frame,
        quality=quality,
        default_quality=default_quality,
        qualities=qualities,
        group_slug=group_slug,
        group_name=group_name,
        raw=source,
    )


def decode_balance(source: JSON) -> Balance:
    """Read one `Balance`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    total = get("total")
    if type(total) is not float and type(total) is not int:
        raise misfit(total, "a number", ".total")
    paid = get("paid")
    if type(paid) is not float and type(paid) is not int:
        raise misfit(paid, "a number", ".paid")
    free = get("free")
    if type(free) is not float and type(free) is not int:
        raise misfit(free, "a number", ".free")
    earned = get("earned")
    if type(earned) is not float and type(earned) is not int:
        raise misfit(earned, "a number", ".earned")
    max_ = get("max")
    if type(max_) is not float and type(max_) is not int:
        raise misfit(max_, "a number", ".max")
    return Balance(
        total=total,
        paid=paid,
        free=free,
        earned=earned,
        max=max_,
        raw=source,
    )


def decode_team_member(source: JSON) -> TeamMember:
    """Read one `TeamMember` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return TeamMember(
        user_id=int_or_none(get("user_id")),
        username=str_or_none(get("username")),
        role=str_or_none(get("role")),
        joined=read_datetime_or_none(get("joined")),
        raw=source,
    )


def decode_team(source: JSON) -> Team:
    """Read one `Team` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Team(
        team_id=int_or_none(get("team_id")),
        name=str_or_none(get("name")),
        owner_id=int_or_none(get("owner_id")),
        invite_code=str_or_none(get("invite_code")),
        created_at=read_datetime_or_none(get("created_at")),
        member_count=int_or_none(get("member_count")),
        members=list_or_none(decode_team_member, get("members")),
        raw=source,
    )


def decode_profile(source: JSON) -> Profile:
    """Read one `Profile`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    user_id = get("user_id")
    if type(user_id) is not int:
        raise misfit(user_id, "an integer", ".user_id")
    username = get("username")
    if type(username) is not str:
        raise misfit(username, "a string", ".username")
    email = get("email")
    if type(email) is not str:
        raise misfit(email, "a string", ".email")
    avatar = get("avatar")
    if avatar is not None and type(avatar) is not str:
        raise misfit(avatar, "a string", ".avatar")
    bio = get("bio")
    if bio is not None and type(bio) is not str:
        raise misfit(bio, "a string", ".bio")
    website = get("website")
    if website is not None and type(website) is not str:
        raise misfit(website, "a string", ".website")
    creation_count = get("creation_count")
    if type(creation_count) is not int:
        raise misfit(creation_count, "an integer", ".creation_count")
    follower_count = get("follower_count")
    if type(follower_count) is not int:
        raise misfit(follower_count, "an integer", ".follower_count")
    following_count = get("following_count")
    if type(following_count) is not int:
        raise misfit(following_count, "an integer", ".following_count")
    teams = get("teams")
    if teams is not None:
        teams = read_list(decode_team, teams, ".teams")
    return Profile(
        user_id=user_id,
        username=username,
        email=email,
        avatar=avatar,
        bio=bio,
        website=website,
        joined=read_datetime(get("joined"), ".joined"),
        credits=read_object(decode_balance, get("credits"), ".credits"),
        creation_count=creation_count,
        follower_count=follower_count,
        following_count=following_count,
        teams=teams,
        raw=source,
    )


def decode_profile_leniently(source: JSON) -> Profile:
    """Read one `Profile` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Profile(
        user_id=int_or_none(get("user_id")),
        username=str_or_none(get("username")),
        email=str_or_none(get("email")),
        avatar=str_or_none(get("avatar")),
        bio=str_or_none(get("bio")),
        website=str_or_none(get("website")),
        joined=read_datetime_or_none(get("joined")),
        credits=object_or_none(decode_balance, get("credits")),
        creation_count=int_or_none(get("creation_count")),
        follower_count=int_or_none(get("follower_count")),
        following_count=int_or_none(get("following_count")),
        teams=list_or_none(decode_team, get("teams")),
        raw=source,
    )


def decode_user(source: JSON) -> User:
    """Read one `User` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return User(
        user_id=int_or_none(get("user_id")),
        username=str_or_none(get("username")),
        avatar=str_or_none(get("avatar")),
        bio=str_or_none(get("bio")),
        website=str_or_none(get("website")),
        joined=read_datetime_or_none(get("joined")),
        creation_count=int_or_none(get("creation_count")),
        follower_count=int_or_none(get("follower_count")),
        following_count=int_or_none(get("following_count")),
        raw=source,
    )


def decode_following(source: JSON) -> Following:
    """Read one `Following`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    following = get("following")
    if type(following) is not bool:
        raise misfit(following, "true or false", ".following")
    return Following(
        following=following,
        raw=source,
    )


def decode_following_leniently(source: JSON) -> Following:
    """Read one `Following` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Following(
        following=bool_or_none(get("following")),
        raw=source,
    )


def decode_invite(source: JSON) -> Invite:
    """Read one `Invite` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Invite(
        team_id=int_or_none(get("team_id")),
        invite_code=str_or_none(get("invite_code")),
        raw=source,
    )


def decode_comment(source: JSON) -> Comment:
    """Read one `Comment` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Comment(
        comment_id=int_or_none(get("comment_id")),
        creation_id=int_or_none(get("creation_id")),
        user_id=int_or_none(get("user_id")),
        username=str_or_none(get("username")),
        text=str_or_none(get("text")),
        parent_id=int_or_none(get("parent_id")),
        upvotes=int_or_none(get("upvotes")),
        downvotes=int_or_none(get("downvotes")),
        created_at=read_datetime_or_none(get("created_at")),
        raw=source,
    )


def decode_rating(source: JSON) -> Rating:
    """Read one `Rating`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if type(creation_id) is not int:
        raise misfit(creation_id, "an integer", ".creation_id")
    average = get("average")
    if average is not None and type(average) is not float and type(average) is not int:
        raise misfit(average, "a number", ".average")
    count = get("count")
    if type(count) is not int:
        raise misfit(count, "an integer", ".count")
    return Rating(
        creation_id=creation_id,
        average=average,
        count=count,
        raw=source,
    )


def decode_rating_leniently(source: JSON) -> Rating:
    """Read one `Rating` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Rating(
        creation_id=int_or_none(get("creation_id")),
        average=float_or_none(get("average")),
        count=int_or_none(get("count")),
        raw=source,
    )


def decode_transaction(source: JSON) -> Transaction:
    """Read one `Transaction` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return Transaction(
        transaction_id=int_or_none(get("transaction_id")),
        type=str_or_none(get("type")),
        amount=float_or_none(get("amount")),
        balance=float_or_none(get("balance")),
        description=str_or_none(get("description")),
        created_at=read_datetime_or_none(get("created_at")),
        raw=source,
    )


def decode_api_key(source: JSON) -> ApiKey:
    """Read one `ApiKey` of an answer that no document shows: what doesn't fit is None."""
    get = fields_or_empty(source).get
    return ApiKey(
        key_id=int_or_none(get("key_id")),
        prefix=str_or_none(get("prefix")),
        name=str_or_none(get("name")),
        scopes=list_or_none(read_str, get("scopes")),
        created_at=read_datetime_or_none(get("created_at")),
        last_used_at=read_datetime_or_none(get("last_used_at")),
        raw=source,
    )


def decode_new_api_key(source: JSON) -> NewApiKey:
    """Read one `NewApiKey`; raises `Misshapen` where `source` isn't one."""
    get = read_fields(source).get
    key_id = get("key_id")
    if type(key_id) is not int:
        raise misfit(key_id, "an integer", ".key_id")
    api_key = get("api_key")
    if type(api_key) is not str:
        raise misfit(api_key, "a string", ".api_key")
    prefix = get("prefix")
    if type(prefix) is not str:
        raise misfit(prefix, "a string", ".prefix")
    name = get("name")
    if type(name) is not str:
        raise misfit(name, "a string", ".name")
    scopes = get("scopes")
    if scopes is not None:
        scopes = read_list(read_str, scopes, ".scopes")
    message = get("message")
    if message is not None and type(message) is not str:
        raise misfit(message, "a string", ".message")
    secret_api_key = Secret(api_key)
    return NewApiKey(
        key_id=key_id,
        api_key=secret_api_key,
        prefix=prefix,
        name=name,
        scopes=scopes,
        message=message,
        raw={**source, "api_key": secret_api_key},
    )
