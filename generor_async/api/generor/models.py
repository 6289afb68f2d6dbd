# Generated from spec/generor.yaml by `python -m generor_async.codegen`: do not edit.
"""What the Generor API answers, and the objects that it takes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, TypeAlias

from attrs import define, field

from generor_async.values import JSON, Secret
from generor_async.values import Model as BaseModel
from generor_async.values.decoding import (
    UnexpectedShape,
    read_any,
    read_datetime,
    read_dict,
    read_fields,
    read_int,
    read_list,
    read_map,
    read_str,
)
from generor_async.values.shapes import (
    Attribute,
    Shape,
    as_any,
    as_bool,
    as_datetime,
    as_dict,
    as_float,
    as_id,
    as_int,
    as_secret,
    as_str,
    as_word,
    list_of,
    map_of,
)

__all__ = [
    "ADJUSTMENT",
    "ADJUSTMENTS",
    "API_KEY",
    "ASPECT_RATIO",
    "BALANCE",
    "COMMENT",
    "CREATION",
    "CREATION_STATUS",
    "CREDIT_COST",
    "ESTIMATE",
    "FOLLOWING",
    "GENERATED_CREATION",
    "GENERATE_RESULT",
    "GENERATOR",
    "GENERATOR_PARAMETER",
    "IMAGE",
    "INVITE",
    "MODEL",
    "NEW_API_KEY",
    "PARTIAL_CREATION",
    "PARTIAL_FOLLOWING",
    "PARTIAL_PROFILE",
    "PARTIAL_RATING",
    "PROFILE",
    "RATING",
    "TEAM",
    "TEAM_MEMBER",
    "TIME_ESTIMATE",
    "TRANSACTION",
    "USER",
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
    "decode_creation_status",
    "decode_credit_cost",
    "decode_estimate",
    "decode_following",
    "decode_generate_result",
    "decode_generated_creation",
    "decode_generator",
    "decode_generator_parameter",
    "decode_image",
    "decode_invite",
    "decode_model",
    "decode_new_api_key",
    "decode_partial_creation",
    "decode_partial_following",
    "decode_partial_profile",
    "decode_partial_rating",
    "decode_profile",
    "decode_rating",
    "decode_team",
    "decode_team_member",
    "decode_time_estimate",
    "decode_transaction",
    "decode_user",
]

ApiKeyScope: TypeAlias = Literal["read", "write", "generate"] | str
""""""

CreationState: TypeAlias = Literal["pending", "generating", "completed", "failed", "cancelled"] | str
"""The state of the generation; `completed`, `failed` and `cancelled` are final."""

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
        {"id", "type", "options", "min", "max", "default", "cost_multipliers"}
    )

    id: str | None = None
    """The field's key under `parameters`."""
    type: GeneratorParameterType | None = None
    """What the field takes, one of `options`, a number from `min` to `max`, or a model."""
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
    """Its icon."""
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
    """A price and how it is made up."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"total", "per_item", "count", "discount", "discount_percent"})

    total: float
    """The price of all items after the discount, in credits."""
    per_item: float
    """The price of one item, in credits."""
    count: int
    """How many items there are."""
    discount: float
    """What the discount saves, in credits."""
    discount_percent: float
    """The discount in per cent, one for each item up to 10."""


@define(kw_only=True)
class TimeEstimate(BaseModel):
    """How long a generation is expected to take."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"seconds", "per_item", "min_seconds", "max_seconds", "sample_count", "has_historical", "source"}
    )

    seconds: float
    """The time for all items, in seconds."""
    per_item: float
    """The time for one item, in seconds."""
    min_seconds: float
    """The least time, in seconds."""
    max_seconds: float
    """The greatest time, in seconds."""
    sample_count: int
    """How many recent generations were averaged."""
    has_historical: bool
    """Whether there were recent generations to average."""
    source: TimeEstimateSource
    """Where the figures come from, `fallback` when there were fewer than 3 recent generations."""


@define(kw_only=True)
class Adjustment(BaseModel):
    """The requested value of a field, and the value that was used instead."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"requested", "used", "supported", "reason"})

    requested: int
    """The requested value."""
    used: int
    """The value used."""
    supported: list[int]
    """The values that the model supports."""
    reason: str
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

    generator: str
    """The generator's slug."""
    model_id: int
    """The model's id."""
    model_type: str
    """The model's type, such as `text`."""
    model_name: str
    """The model's name."""
    credit_cost: CreditCost
    """What it would cost, in credits."""
    time_estimate: TimeEstimate
    """How long it would take, in seconds."""
    applied_parameters: dict[str, Any]
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
    """The estimated cost, in credits."""
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
    width: int
    """The width, in pixels."""
    height: int
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

    creation_id: int
    """The creation's id."""
    generator: str
    """The slug of the generator that made it."""
    user_id: int
    """Its owner's id."""
    username: str
    """Its owner's name."""
    prompt: str | None = None
    """The prompt it was made from."""
    created_at: datetime
    """When it was made."""
    privacy_mode: int
    """Who may see it, 0 for everyone or 1 for its owner."""
    type: str
    """The kind of media, such as `img`."""
    license: int
    """The license, 1 for Open GO-1.0 or 2 for Exclusive GE-1.0."""
    images: list[Image]
    """Its images."""
    generator_data: dict[str, Any]
    """The generator's own data."""


@define(kw_only=True)
class CreationStatus(BaseModel):
    """The progress of the generation of a creation (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"creation_id", "status", "error"})

    creation_id: int | None = None
    """The creation's id."""
    status: CreationState | None = None
    """The state of the generation; `completed`, `failed` and `cancelled` are final."""
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

    user_id: int
    """The user's id."""
    username: str
    """The user's name."""
    email: str
    """The user's email address."""
    avatar: str | None = None
    """The URL of the user's picture."""
    bio: str | None = None
    """What the user says about themself."""
    website: str | None = None
    """The URL of the user's website."""
    joined: datetime
    """When the user joined."""
    credits: Balance
    """The user's balance, in credits."""
    creation_count: int
    """How many creations the user has."""
    follower_count: int
    """How many users follow this one."""
    following_count: int
    """How many users this one follows."""
    teams: list[Team]
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
    """Whether the caller follows a user; as a condition it is true where it says so.

    Any field may be None in an answer that no document shows.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset({"following"})

    following: bool
    """Whether the caller follows the user."""

    def __bool__(self) -> bool:
        return bool(self.following)


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

    creation_id: int
    """The creation's id."""
    average: float | None = None
    """The mean of its ratings, 1 to 5."""
    count: int
    """How many ratings it has."""


@define(kw_only=True)
class Transaction(BaseModel):
    """One change of a balance (assumed)."""

    wire_names: ClassVar[frozenset[str]] = frozenset(
        {"transaction_id", "type", "amount", "balance", "creation_id", "description", "created_at"}
    )

    transaction_id: int | None = None
    """The change's id."""
    type: TransactionType | None = None
    """The kind of change."""
    amount: float | None = None
    """By how much the balance changed, in credits; negative when it fell."""
    balance: float | None = None
    """The balance afterwards, in credits."""
    creation_id: int | None = None
    """The id of the creation that it was for, of a `spend`."""
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
    message: str
    """What the server has to say about it."""


def decode_generator_parameter(source: JSON) -> GeneratorParameter:
    """Read one `GeneratorParameter`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    id_ = get("id")
    if id_ is not None and type(id_) is not str:
        raise UnexpectedShape
    type_ = get("type")
    if type_ is not None and type(type_) is not str:
        raise UnexpectedShape
    options = get("options")
    if options is not None:
        options = read_list(read_any, options)
    min_ = get("min")
    if min_ is not None and type(min_) is not float and type(min_) is not int:
        raise UnexpectedShape
    max_ = get("max")
    if max_ is not None and type(max_) is not float and type(max_) is not int:
        raise UnexpectedShape
    cost_multipliers = get("cost_multipliers")
    if cost_multipliers is not None:
        cost_multipliers = read_dict(cost_multipliers)
    return GeneratorParameter(
        id=id_,
        type=type_,
        options=options,
        min=min_,
        max=max_,
        default=get("default"),
        cost_multipliers=cost_multipliers,
        raw=source,
    )


GENERATOR_PARAMETER: Final = Shape(
    strict=decode_generator_parameter,
    cls=GeneratorParameter,
    attributes=(
        Attribute("id", "id", "a string", as_str),
        Attribute("type", "type", "a string", as_word),
        Attribute("options", "options", "an array", list_of(as_any)),
        Attribute("min", "min", "a number", as_float),
        Attribute("max", "max", "a number", as_float),
        Attribute("default", "default", "anything", as_any),
        Attribute("cost_multipliers", "cost_multipliers", "an object", as_dict),
    ),
)


def decode_generator(source: JSON) -> Generator:
    """Read one `Generator`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    slug = get("slug")
    if slug is not None and type(slug) is not str:
        raise UnexpectedShape
    title = get("title")
    if title is not None and type(title) is not str:
        raise UnexpectedShape
    description = get("description")
    if description is not None and type(description) is not str:
        raise UnexpectedShape
    icon = get("icon")
    if icon is not None and type(icon) is not str:
        raise UnexpectedShape
    status = get("status")
    if status is not None and type(status) is not str:
        raise UnexpectedShape
    similar = get("similar")
    if similar is not None:
        similar = read_list(read_any, similar)
    model_types = get("model_types")
    if model_types is not None:
        model_types = read_list(read_str, model_types)
    parameters = get("parameters")
    if parameters is not None:
        parameters = read_list(decode_generator_parameter, parameters)
    return Generator(
        slug=slug,
        title=title,
        description=description,
        icon=icon,
        status=status,
        similar=similar,
        model_types=model_types,
        parameters=parameters,
        raw=source,
    )


GENERATOR: Final = Shape(
    strict=decode_generator,
    cls=Generator,
    attributes=(
        Attribute("slug", "slug", "a string", as_str),
        Attribute("title", "title", "a string", as_str),
        Attribute("description", "description", "a string", as_str),
        Attribute("icon", "icon", "a string", as_str),
        Attribute("status", "status", "a string", as_word),
        Attribute("similar", "similar", "an array", list_of(as_any)),
        Attribute("model_types", "model_types", "an array", list_of(as_str)),
        Attribute("parameters", "parameters", "an array", list_of(GENERATOR_PARAMETER.lenient)),
    ),
)


def decode_credit_cost(source: JSON) -> CreditCost:
    """Read one `CreditCost`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    total = get("total")
    if type(total) is not float and type(total) is not int:
        raise UnexpectedShape
    per_item = get("per_item")
    if type(per_item) is not float and type(per_item) is not int:
        raise UnexpectedShape
    count = get("count")
    if type(count) is not int:
        raise UnexpectedShape
    discount = get("discount")
    if type(discount) is not float and type(discount) is not int:
        raise UnexpectedShape
    discount_percent = get("discount_percent")
    if type(discount_percent) is not float and type(discount_percent) is not int:
        raise UnexpectedShape
    return CreditCost(
        total=total,
        per_item=per_item,
        count=count,
        discount=discount,
        discount_percent=discount_percent,
        raw=source,
    )


CREDIT_COST: Final = Shape(
    strict=decode_credit_cost,
    cls=CreditCost,
    attributes=(
        Attribute("total", "total", "a number", as_float, promised=True),
        Attribute("per_item", "per_item", "a number", as_float, promised=True),
        Attribute("count", "count", "an integer", as_int, promised=True),
        Attribute("discount", "discount", "a number", as_float, promised=True),
        Attribute("discount_percent", "discount_percent", "a number", as_float, promised=True),
    ),
)


def decode_time_estimate(source: JSON) -> TimeEstimate:
    """Read one `TimeEstimate`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    seconds = get("seconds")
    if type(seconds) is not float and type(seconds) is not int:
        raise UnexpectedShape
    per_item = get("per_item")
    if type(per_item) is not float and type(per_item) is not int:
        raise UnexpectedShape
    min_seconds = get("min_seconds")
    if type(min_seconds) is not float and type(min_seconds) is not int:
        raise UnexpectedShape
    max_seconds = get("max_seconds")
    if type(max_seconds) is not float and type(max_seconds) is not int:
        raise UnexpectedShape
    sample_count = get("sample_count")
    if type(sample_count) is not int:
        raise UnexpectedShape
    has_historical = get("has_historical")
    if type(has_historical) is not bool:
        raise UnexpectedShape
    source_ = get("source")
    if type(source_) is not str:
        raise UnexpectedShape
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


TIME_ESTIMATE: Final = Shape(
    strict=decode_time_estimate,
    cls=TimeEstimate,
    attributes=(
        Attribute("seconds", "seconds", "a number", as_float, promised=True),
        Attribute("per_item", "per_item", "a number", as_float, promised=True),
        Attribute("min_seconds", "min_seconds", "a number", as_float, promised=True),
        Attribute("max_seconds", "max_seconds", "a number", as_float, promised=True),
        Attribute("sample_count", "sample_count", "an integer", as_int, promised=True),
        Attribute("has_historical", "has_historical", "true or false", as_bool, promised=True),
        Attribute("source", "source", "a string", as_word, promised=True),
    ),
)


def decode_adjustment(source: JSON) -> Adjustment:
    """Read one `Adjustment`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    requested = get("requested")
    if type(requested) is not int:
        raise UnexpectedShape
    used = get("used")
    if type(used) is not int:
        raise UnexpectedShape
    reason = get("reason")
    if type(reason) is not str:
        raise UnexpectedShape
    return Adjustment(
        requested=requested,
        used=used,
        supported=read_list(read_int, get("supported")),
        reason=reason,
        raw=source,
    )


ADJUSTMENT: Final = Shape(
    strict=decode_adjustment,
    cls=Adjustment,
    attributes=(
        Attribute("requested", "requested", "an integer", as_int, promised=True),
        Attribute("used", "used", "an integer", as_int, promised=True),
        Attribute("supported", "supported", "an array", list_of(as_int), promised=True),
        Attribute("reason", "reason", "a string", as_str, promised=True),
    ),
)


def decode_adjustments(source: JSON) -> Adjustments:
    """Read one `Adjustments`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    seconds = get("seconds")
    if seconds is not None:
        seconds = decode_adjustment(seconds)
    return Adjustments(
        seconds=seconds,
        raw=source,
    )


ADJUSTMENTS: Final = Shape(
    strict=decode_adjustments,
    cls=Adjustments,
    attributes=(Attribute("seconds", "seconds", "an object", ADJUSTMENT.lenient),),
)


def decode_estimate(source: JSON) -> Estimate:
    """Read one `Estimate`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    generator = get("generator")
    if type(generator) is not str:
        raise UnexpectedShape
    model_id = get("model_id")
    if type(model_id) is not int:
        raise UnexpectedShape
    model_type = get("model_type")
    if type(model_type) is not str:
        raise UnexpectedShape
    model_name = get("model_name")
    if type(model_name) is not str:
        raise UnexpectedShape
    adjustments = get("adjustments")
    if adjustments is not None:
        adjustments = decode_adjustments(adjustments)
    return Estimate(
        generator=generator,
        model_id=model_id,
        model_type=model_type,
        model_name=model_name,
        credit_cost=decode_credit_cost(get("credit_cost")),
        time_estimate=decode_time_estimate(get("time_estimate")),
        applied_parameters=read_dict(get("applied_parameters")),
        adjustments=adjustments,
        raw=source,
    )


ESTIMATE: Final = Shape(
    strict=decode_estimate,
    cls=Estimate,
    attributes=(
        Attribute("generator", "generator", "a string", as_str, promised=True),
        Attribute("model_id", "model_id", "an integer", as_id, promised=True),
        Attribute("model_type", "model_type", "a string", as_str, promised=True),
        Attribute("model_name", "model_name", "a string", as_str, promised=True),
        Attribute("credit_cost", "credit_cost", "an object", CREDIT_COST.lenient, promised=True),
        Attribute("time_estimate", "time_estimate", "an object", TIME_ESTIMATE.lenient, promised=True),
        Attribute("applied_parameters", "applied_parameters", "an object", as_dict, promised=True),
        Attribute("adjustments", "adjustments", "an object", ADJUSTMENTS.lenient),
    ),
)


def decode_generated_creation(source: JSON) -> GeneratedCreation:
    """Read one `GeneratedCreation`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if type(creation_id) is not int:
        raise UnexpectedShape
    text = get("text")
    if text is not None and type(text) is not str:
        raise UnexpectedShape
    illustration_desc = get("illustration_desc")
    if illustration_desc is not None and type(illustration_desc) is not str:
        raise UnexpectedShape
    dish_name = get("dish_name")
    if dish_name is not None and type(dish_name) is not str:
        raise UnexpectedShape
    image_url = get("image_url")
    if image_url is not None and type(image_url) is not str:
        raise UnexpectedShape
    video_url = get("video_url")
    if video_url is not None and type(video_url) is not str:
        raise UnexpectedShape
    audio_url = get("audio_url")
    if audio_url is not None and type(audio_url) is not str:
        raise UnexpectedShape
    return GeneratedCreation(
        creation_id=creation_id,
        text=text,
        illustration_desc=illustration_desc,
        dish_name=dish_name,
        ingredients=get("ingredients"),
        image_url=image_url,
        video_url=video_url,
        audio_url=audio_url,
        raw=source,
    )


GENERATED_CREATION: Final = Shape(
    strict=decode_generated_creation,
    cls=GeneratedCreation,
    attributes=(
        Attribute("creation_id", "creation_id", "an integer", as_id, promised=True),
        Attribute("text", "text", "a string", as_str),
        Attribute("illustration_desc", "illustration_desc", "a string", as_str),
        Attribute("dish_name", "dish_name", "a string", as_str),
        Attribute("ingredients", "ingredients", "anything", as_any),
        Attribute("image_url", "image_url", "a string", as_str),
        Attribute("video_url", "video_url", "a string", as_str),
        Attribute("audio_url", "audio_url", "a string", as_str),
    ),
    item="text",
)


def decode_generate_result(source: JSON) -> GenerateResult:
    """Read one `GenerateResult`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    generator = get("generator")
    if type(generator) is not str:
        raise UnexpectedShape
    model_id = get("model_id")
    if type(model_id) is not int:
        raise UnexpectedShape
    model_type = get("model_type")
    if type(model_type) is not str:
        raise UnexpectedShape
    model_name = get("model_name")
    if type(model_name) is not str:
        raise UnexpectedShape
    credit_cost = get("credit_cost")
    if type(credit_cost) is not float and type(credit_cost) is not int:
        raise UnexpectedShape
    credit_cost_estimated = get("credit_cost_estimated")
    if type(credit_cost_estimated) is not float and type(credit_cost_estimated) is not int:
        raise UnexpectedShape
    credits_remaining = get("credits_remaining")
    if type(credits_remaining) is not float and type(credits_remaining) is not int:
        raise UnexpectedShape
    time_taken_seconds = get("time_taken_seconds")
    if type(time_taken_seconds) is not float and type(time_taken_seconds) is not int:
        raise UnexpectedShape
    adjustments = get("adjustments")
    if adjustments is not None:
        adjustments = decode_adjustments(adjustments)
    return GenerateResult(
        generator=generator,
        model_id=model_id,
        model_type=model_type,
        model_name=model_name,
        creations=read_list(decode_generated_creation, get("creations")),
        credit_cost=credit_cost,
        credit_cost_estimated=credit_cost_estimated,
        credits_remaining=credits_remaining,
        time_taken_seconds=time_taken_seconds,
        adjustments=adjustments,
        raw=source,
    )


GENERATE_RESULT: Final = Shape(
    strict=decode_generate_result,
    cls=GenerateResult,
    attributes=(
        Attribute("generator", "generator", "a string", as_str, promised=True),
        Attribute("model_id", "model_id", "an integer", as_id, promised=True),
        Attribute("model_type", "model_type", "a string", as_str, promised=True),
        Attribute("model_name", "model_name", "a string", as_str, promised=True),
        Attribute("creations", "creations", "an array", list_of(GENERATED_CREATION.lenient), promised=True),
        Attribute("credit_cost", "credit_cost", "a number", as_float, promised=True),
        Attribute("credit_cost_estimated", "credit_cost_estimated", "a number", as_float, promised=True),
        Attribute("credits_remaining", "credits_remaining", "a number", as_float, promised=True),
        Attribute("time_taken_seconds", "time_taken_seconds", "a number", as_float, promised=True),
        Attribute("adjustments", "adjustments", "an object", ADJUSTMENTS.lenient),
    ),
    identity=("creations",),
)


def decode_image(source: JSON) -> Image:
    """Read one `Image`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    url = get("url")
    if type(url) is not str:
        raise UnexpectedShape
    width = get("width")
    if type(width) is not int:
        raise UnexpectedShape
    height = get("height")
    if type(height) is not int:
        raise UnexpectedShape
    return Image(
        url=url,
        width=width,
        height=height,
        raw=source,
    )


IMAGE: Final = Shape(
    strict=decode_image,
    cls=Image,
    attributes=(
        Attribute("url", "url", "a string", as_str, promised=True),
        Attribute("width", "width", "an integer", as_int, promised=True),
        Attribute("height", "height", "an integer", as_int, promised=True),
    ),
    item="url",
)


def decode_creation(source: JSON) -> Creation:
    """Read one `Creation`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if type(creation_id) is not int:
        raise UnexpectedShape
    generator = get("generator")
    if type(generator) is not str:
        raise UnexpectedShape
    user_id = get("user_id")
    if type(user_id) is not int:
        raise UnexpectedShape
    username = get("username")
    if type(username) is not str:
        raise UnexpectedShape
    prompt = get("prompt")
    if prompt is not None and type(prompt) is not str:
        raise UnexpectedShape
    privacy_mode = get("privacy_mode")
    if type(privacy_mode) is not int:
        raise UnexpectedShape
    type_ = get("type")
    if type(type_) is not str:
        raise UnexpectedShape
    license_ = get("license")
    if type(license_) is not int:
        raise UnexpectedShape
    return Creation(
        creation_id=creation_id,
        generator=generator,
        user_id=user_id,
        username=username,
        prompt=prompt,
        created_at=read_datetime(get("created_at")),
        privacy_mode=privacy_mode,
        type=type_,
        license=license_,
        images=read_list(decode_image, get("images")),
        generator_data=read_dict(get("generator_data")),
        raw=source,
    )


CREATION: Final = Shape(
    strict=decode_creation,
    cls=Creation,
    attributes=(
        Attribute("creation_id", "creation_id", "an integer", as_id, promised=True),
        Attribute("generator", "generator", "a string", as_str, promised=True),
        Attribute("user_id", "user_id", "an integer", as_id, promised=True),
        Attribute("username", "username", "a string", as_str, promised=True),
        Attribute("prompt", "prompt", "a string", as_str),
        Attribute("created_at", "created_at", "a date and time", as_datetime, promised=True),
        Attribute("privacy_mode", "privacy_mode", "an integer", as_int, promised=True),
        Attribute("type", "type", "a string", as_str, promised=True),
        Attribute("license", "license", "an integer", as_int, promised=True),
        Attribute("images", "images", "an array", list_of(IMAGE.lenient), promised=True),
        Attribute("generator_data", "generator_data", "an object", as_dict, promised=True),
    ),
    identity=("creation_id",),
)

_any_creation: Callable[..., Creation] = Creation


def decode_partial_creation(source: JSON) -> Creation:
    """Read one `Creation`, of which any field may be absent; raises `UnexpectedShape`."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if creation_id is not None and type(creation_id) is not int:
        raise UnexpectedShape
    generator = get("generator")
    if generator is not None and type(generator) is not str:
        raise UnexpectedShape
    user_id = get("user_id")
    if user_id is not None and type(user_id) is not int:
        raise UnexpectedShape
    username = get("username")
    if username is not None and type(username) is not str:
        raise UnexpectedShape
    prompt = get("prompt")
    if prompt is not None and type(prompt) is not str:
        raise UnexpectedShape
    created_at = get("created_at")
    if created_at is not None:
        created_at = read_datetime(created_at)
    privacy_mode = get("privacy_mode")
    if privacy_mode is not None and type(privacy_mode) is not int:
        raise UnexpectedShape
    type_ = get("type")
    if type_ is not None and type(type_) is not str:
        raise UnexpectedShape
    license_ = get("license")
    if license_ is not None and type(license_) is not int:
        raise UnexpectedShape
    images = get("images")
    if images is not None:
        images = read_list(decode_image, images)
    generator_data = get("generator_data")
    if generator_data is not None:
        generator_data = read_dict(generator_data)
    return _any_creation(
        creation_id=creation_id,
        generator=generator,
        user_id=user_id,
        username=username,
        prompt=prompt,
        created_at=created_at,
        privacy_mode=privacy_mode,
        type=type_,
        license=license_,
        images=images,
        generator_data=generator_data,
        raw=source,
    )


PARTIAL_CREATION: Final = CREATION.unpromised(decode_partial_creation)


def decode_creation_status(source: JSON) -> CreationStatus:
    """Read one `CreationStatus`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if creation_id is not None and type(creation_id) is not int:
        raise UnexpectedShape
    status = get("status")
    if status is not None and type(status) is not str:
        raise UnexpectedShape
    error = get("error")
    if error is not None and type(error) is not str:
        raise UnexpectedShape
    return CreationStatus(
        creation_id=creation_id,
        status=status,
        error=error,
        raw=source,
    )


CREATION_STATUS: Final = Shape(
    strict=decode_creation_status,
    cls=CreationStatus,
    attributes=(
        Attribute("creation_id", "creation_id", "an integer", as_id),
        Attribute("status", "status", "a string", as_word),
        Attribute("error", "error", "a string", as_str),
    ),
)


def decode_aspect_ratio(source: JSON) -> AspectRatio:
    """Read one `AspectRatio`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    id_ = get("id")
    if type(id_) is not int:
        raise UnexpectedShape
    ratio = get("ratio")
    if ratio is not None and type(ratio) is not str:
        raise UnexpectedShape
    label = get("label")
    if type(label) is not str:
        raise UnexpectedShape
    return AspectRatio(
        id=id_,
        ratio=ratio,
        label=label,
        raw=source,
    )


ASPECT_RATIO: Final = Shape(
    strict=decode_aspect_ratio,
    cls=AspectRatio,
    attributes=(
        Attribute("id", "id", "an integer", as_id, promised=True),
        Attribute("ratio", "ratio", "a string", as_str),
        Attribute("label", "label", "a string", as_str, promised=True),
    ),
)


def decode_model(source: JSON) -> Model:
    """Read one `Model`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    id_ = get("id")
    if type(id_) is not int:
        raise UnexpectedShape
    name = get("name")
    if type(name) is not str:
        raise UnexpectedShape
    type_ = get("type")
    if type(type_) is not str:
        raise UnexpectedShape
    provider = get("provider")
    if type(provider) is not str:
        raise UnexpectedShape
    description = get("description")
    if description is not None and type(description) is not str:
        raise UnexpectedShape
    credit_cost = get("credit_cost")
    if type(credit_cost) is not float and type(credit_cost) is not int:
        raise UnexpectedShape
    supports_img2img = get("supports_img2img")
    if supports_img2img is not None and type(supports_img2img) is not bool:
        raise UnexpectedShape
    supports_aspect_ratio = get("supports_aspect_ratio")
    if supports_aspect_ratio is not None and type(supports_aspect_ratio) is not bool:
        raise UnexpectedShape
    aspect_ratios = get("aspect_ratios")
    if aspect_ratios is not None:
        aspect_ratios = read_list(decode_aspect_ratio, aspect_ratios)
    supported_durations = get("supported_durations")
    if supported_durations is not None:
        supported_durations = read_list(read_int, supported_durations)
    default_duration = get("default_duration")
    if default_duration is not None and type(default_duration) is not int:
        raise UnexpectedShape
    supports_audio = get("supports_audio")
    if supports_audio is not None and type(supports_audio) is not bool:
        raise UnexpectedShape
    audio_cost_multiplier = get("audio_cost_multiplier")
    if (
        audio_cost_multiplier is not None
        and type(audio_cost_multiplier) is not float
        and type(audio_cost_multiplier) is not int
    ):
        raise UnexpectedShape
    supports_end_frame = get("supports_end_frame")
    if supports_end_frame is not None and type(supports_end_frame) is not bool:
        raise UnexpectedShape
    quality = get("quality")
    if quality is not None and type(quality) is not str:
        raise UnexpectedShape
    default_quality = get("default_quality")
    if default_quality is not None and type(default_quality) is not str:
        raise UnexpectedShape
    qualities = get("qualities")
    if qualities is not None:
        qualities = read_map(read_int, qualities)
    group_slug = get("group_slug")
    if group_slug is not None and type(group_slug) is not str:
        raise UnexpectedShape
    group_name = get("group_name")
    if group_name is not None and type(group_name) is not str:
        raise UnexpectedShape
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


MODEL: Final = Shape(
    strict=decode_model,
    cls=Model,
    attributes=(
        Attribute("id", "id", "an integer", as_id, promised=True),
        Attribute("name", "name", "a string", as_str, promised=True),
        Attribute("type", "type", "a string", as_word, promised=True),
        Attribute("provider", "provider", "a string", as_str, promised=True),
        Attribute("description", "description", "a string", as_str),
        Attribute("credit_cost", "credit_cost", "a number", as_float, promised=True),
        Attribute("supports_img2img", "supports_img2img", "true or false", as_bool),
        Attribute("supports_aspect_ratio", "supports_aspect_ratio", "true or false", as_bool),
        Attribute("aspect_ratios", "aspect_ratios", "an array", list_of(ASPECT_RATIO.lenient)),
        Attribute("supported_durations", "supported_durations", "an array", list_of(as_int)),
        Attribute("default_duration", "default_duration", "an integer", as_int),
        Attribute("supports_audio", "supports_audio", "true or false", as_bool),
        Attribute("audio_cost_multiplier", "audio_cost_multiplier", "a number", as_float),
        Attribute("supports_end_frame", "supports_end_frame", "true or false", as_bool),
        Attribute("quality", "quality", "a string", as_str),
        Attribute("default_quality", "default_quality", "a string", as_str),
        Attribute("qualities", "qualities", "an object", map_of(as_int)),
        Attribute("group_slug", "group_slug", "a string", as_str),
        Attribute("group_name", "group_name", "a string", as_str),
    ),
    identity=("id",),
)


def decode_balance(source: JSON) -> Balance:
    """Read one `Balance`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    total = get("total")
    if type(total) is not float and type(total) is not int:
        raise UnexpectedShape
    paid = get("paid")
    if type(paid) is not float and type(paid) is not int:
        raise UnexpectedShape
    free = get("free")
    if type(free) is not float and type(free) is not int:
        raise UnexpectedShape
    earned = get("earned")
    if type(earned) is not float and type(earned) is not int:
        raise UnexpectedShape
    max_ = get("max")
    if type(max_) is not float and type(max_) is not int:
        raise UnexpectedShape
    return Balance(
        total=total,
        paid=paid,
        free=free,
        earned=earned,
        max=max_,
        raw=source,
    )


BALANCE: Final = Shape(
    strict=decode_balance,
    cls=Balance,
    attributes=(
        Attribute("total", "total", "a number", as_float, promised=True),
        Attribute("paid", "paid", "a number", as_float, promised=True),
        Attribute("free", "free", "a number", as_float, promised=True),
        Attribute("earned", "earned", "a number", as_float, promised=True),
        Attribute("max", "max", "a number", as_float, promised=True),
    ),
)


def decode_team_member(source: JSON) -> TeamMember:
    """Read one `TeamMember`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    user_id = get("user_id")
    if user_id is not None and type(user_id) is not int:
        raise UnexpectedShape
    username = get("username")
    if username is not None and type(username) is not str:
        raise UnexpectedShape
    role = get("role")
    if role is not None and type(role) is not str:
        raise UnexpectedShape
    joined = get("joined")
    if joined is not None:
        joined = read_datetime(joined)
    return TeamMember(
        user_id=user_id,
        username=username,
        role=role,
        joined=joined,
        raw=source,
    )


TEAM_MEMBER: Final = Shape(
    strict=decode_team_member,
    cls=TeamMember,
    attributes=(
        Attribute("user_id", "user_id", "an integer", as_id),
        Attribute("username", "username", "a string", as_str),
        Attribute("role", "role", "a string", as_word),
        Attribute("joined", "joined", "a date and time", as_datetime),
    ),
)


def decode_team(source: JSON) -> Team:
    """Read one `Team`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    team_id = get("team_id")
    if team_id is not None and type(team_id) is not int:
        raise UnexpectedShape
    name = get("name")
    if name is not None and type(name) is not str:
        raise UnexpectedShape
    owner_id = get("owner_id")
    if owner_id is not None and type(owner_id) is not int:
        raise UnexpectedShape
    invite_code = get("invite_code")
    if invite_code is not None and type(invite_code) is not str:
        raise UnexpectedShape
    created_at = get("created_at")
    if created_at is not None:
        created_at = read_datetime(created_at)
    member_count = get("member_count")
    if member_count is not None and type(member_count) is not int:
        raise UnexpectedShape
    members = get("members")
    if members is not None:
        members = read_list(decode_team_member, members)
    return Team(
        team_id=team_id,
        name=name,
        owner_id=owner_id,
        invite_code=invite_code,
        created_at=created_at,
        member_count=member_count,
        members=members,
        raw=source,
    )


TEAM: Final = Shape(
    strict=decode_team,
    cls=Team,
    attributes=(
        Attribute("team_id", "team_id", "an integer", as_id),
        Attribute("name", "name", "a string", as_str),
        Attribute("owner_id", "owner_id", "an integer", as_id),
        Attribute("invite_code", "invite_code", "a string", as_str),
        Attribute("created_at", "created_at", "a date and time", as_datetime),
        Attribute("member_count", "member_count", "an integer", as_int),
        Attribute("members", "members", "an array", list_of(TEAM_MEMBER.lenient)),
    ),
)


def decode_profile(source: JSON) -> Profile:
    """Read one `Profile`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    user_id = get("user_id")
    if type(user_id) is not int:
        raise UnexpectedShape
    username = get("username")
    if type(username) is not str:
        raise UnexpectedShape
    email = get("email")
    if type(email) is not str:
        raise UnexpectedShape
    avatar = get("avatar")
    if avatar is not None and type(avatar) is not str:
        raise UnexpectedShape
    bio = get("bio")
    if bio is not None and type(bio) is not str:
        raise UnexpectedShape
    website = get("website")
    if website is not None and type(website) is not str:
        raise UnexpectedShape
    creation_count = get("creation_count")
    if type(creation_count) is not int:
        raise UnexpectedShape
    follower_count = get("follower_count")
    if type(follower_count) is not int:
        raise UnexpectedShape
    following_count = get("following_count")
    if type(following_count) is not int:
        raise UnexpectedShape
    return Profile(
        user_id=user_id,
        username=username,
        email=email,
        avatar=avatar,
        bio=bio,
        website=website,
        joined=read_datetime(get("joined")),
        credits=decode_balance(get("credits")),
        creation_count=creation_count,
        follower_count=follower_count,
        following_count=following_count,
        teams=read_list(decode_team, get("teams")),
        raw=source,
    )


PROFILE: Final = Shape(
    strict=decode_profile,
    cls=Profile,
    attributes=(
        Attribute("user_id", "user_id", "an integer", as_id, promised=True),
        Attribute("username", "username", "a string", as_str, promised=True),
        Attribute("email", "email", "a string", as_str, promised=True),
        Attribute("avatar", "avatar", "a string", as_str),
        Attribute("bio", "bio", "a string", as_str),
        Attribute("website", "website", "a string", as_str),
        Attribute("joined", "joined", "a date and time", as_datetime, promised=True),
        Attribute("credits", "credits", "an object", BALANCE.lenient, promised=True),
        Attribute("creation_count", "creation_count", "an integer", as_int, promised=True),
        Attribute("follower_count", "follower_count", "an integer", as_int, promised=True),
        Attribute("following_count", "following_count", "an integer", as_int, promised=True),
        Attribute("teams", "teams", "an array", list_of(TEAM.lenient), promised=True),
    ),
    identity=(
        "user_id",
        "username",
    ),
)

_any_profile: Callable[..., Profile] = Profile


def decode_partial_profile(source: JSON) -> Profile:
    """Read one `Profile`, of which any field may be absent; raises `UnexpectedShape`."""
    get = read_fields(source).get
    user_id = get("user_id")
    if user_id is not None and type(user_id) is not int:
        raise UnexpectedShape
    username = get("username")
    if username is not None and type(username) is not str:
        raise UnexpectedShape
    email = get("email")
    if email is not None and type(email) is not str:
        raise UnexpectedShape
    avatar = get("avatar")
    if avatar is not None and type(avatar) is not str:
        raise UnexpectedShape
    bio = get("bio")
    if bio is not None and type(bio) is not str:
        raise UnexpectedShape
    website = get("website")
    if website is not None and type(website) is not str:
        raise UnexpectedShape
    joined = get("joined")
    if joined is not None:
        joined = read_datetime(joined)
    credits_ = get("credits")
    if credits_ is not None:
        credits_ = decode_balance(credits_)
    creation_count = get("creation_count")
    if creation_count is not None and type(creation_count) is not int:
        raise UnexpectedShape
    follower_count = get("follower_count")
    if follower_count is not None and type(follower_count) is not int:
        raise UnexpectedShape
    following_count = get("following_count")
    if following_count is not None and type(following_count) is not int:
        raise UnexpectedShape
    teams = get("teams")
    if teams is not None:
        teams = read_list(decode_team, teams)
    return _any_profile(
        user_id=user_id,
        username=username,
        email=email,
        avatar=avatar,
        bio=bio,
        website=website,
        joined=joined,
        credits=credits_,
        creation_count=creation_count,
        follower_count=follower_count,
        following_count=following_count,
        teams=teams,
        raw=source,
    )


PARTIAL_PROFILE: Final = PROFILE.unpromised(decode_partial_profile)


def decode_user(source: JSON) -> User:
    """Read one `User`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    user_id = get("user_id")
    if user_id is not None and type(user_id) is not int:
        raise UnexpectedShape
    username = get("username")
    if username is not None and type(username) is not str:
        raise UnexpectedShape
    avatar = get("avatar")
    if avatar is not None and type(avatar) is not str:
        raise UnexpectedShape
    bio = get("bio")
    if bio is not None and type(bio) is not str:
        raise UnexpectedShape
    website = get("website")
    if website is not None and type(website) is not str:
        raise UnexpectedShape
    joined = get("joined")
    if joined is not None:
        joined = read_datetime(joined)
    creation_count = get("creation_count")
    if creation_count is not None and type(creation_count) is not int:
        raise UnexpectedShape
    follower_count = get("follower_count")
    if follower_count is not None and type(follower_count) is not int:
        raise UnexpectedShape
    following_count = get("following_count")
    if following_count is not None and type(following_count) is not int:
        raise UnexpectedShape
    return User(
        user_id=user_id,
        username=username,
        avatar=avatar,
        bio=bio,
        website=website,
        joined=joined,
        creation_count=creation_count,
        follower_count=follower_count,
        following_count=following_count,
        raw=source,
    )


USER: Final = Shape(
    strict=decode_user,
    cls=User,
    attributes=(
        Attribute("user_id", "user_id", "an integer", as_id),
        Attribute("username", "username", "a string", as_str),
        Attribute("avatar", "avatar", "a string", as_str),
        Attribute("bio", "bio", "a string", as_str),
        Attribute("website", "website", "a string", as_str),
        Attribute("joined", "joined", "a date and time", as_datetime),
        Attribute("creation_count", "creation_count", "an integer", as_int),
        Attribute("follower_count", "follower_count", "an integer", as_int),
        Attribute("following_count", "following_count", "an integer", as_int),
    ),
)


def decode_following(source: JSON) -> Following:
    """Read one `Following`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    following = get("following")
    if type(following) is not bool:
        raise UnexpectedShape
    return Following(
        following=following,
        raw=source,
    )


FOLLOWING: Final = Shape(
    strict=decode_following,
    cls=Following,
    attributes=(Attribute("following", "following", "true or false", as_bool, promised=True),),
)

_any_following: Callable[..., Following] = Following


def decode_partial_following(source: JSON) -> Following:
    """Read one `Following`, of which any field may be absent; raises `UnexpectedShape`."""
    get = read_fields(source).get
    following = get("following")
    if following is not None and type(following) is not bool:
        raise UnexpectedShape
    return _any_following(
        following=following,
        raw=source,
    )


PARTIAL_FOLLOWING: Final = FOLLOWING.unpromised(decode_partial_following)


def decode_invite(source: JSON) -> Invite:
    """Read one `Invite`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    team_id = get("team_id")
    if team_id is not None and type(team_id) is not int:
        raise UnexpectedShape
    invite_code = get("invite_code")
    if invite_code is not None and type(invite_code) is not str:
        raise UnexpectedShape
    return Invite(
        team_id=team_id,
        invite_code=invite_code,
        raw=source,
    )


INVITE: Final = Shape(
    strict=decode_invite,
    cls=Invite,
    attributes=(
        Attribute("team_id", "team_id", "an integer", as_id),
        Attribute("invite_code", "invite_code", "a string", as_str),
    ),
)


def decode_comment(source: JSON) -> Comment:
    """Read one `Comment`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    comment_id = get("comment_id")
    if comment_id is not None and type(comment_id) is not int:
        raise UnexpectedShape
    creation_id = get("creation_id")
    if creation_id is not None and type(creation_id) is not int:
        raise UnexpectedShape
    user_id = get("user_id")
    if user_id is not None and type(user_id) is not int:
        raise UnexpectedShape
    username = get("username")
    if username is not None and type(username) is not str:
        raise UnexpectedShape
    text = get("text")
    if text is not None and type(text) is not str:
        raise UnexpectedShape
    parent_id = get("parent_id")
    if parent_id is not None and type(parent_id) is not int:
        raise UnexpectedShape
    upvotes = get("upvotes")
    if upvotes is not None and type(upvotes) is not int:
        raise UnexpectedShape
    downvotes = get("downvotes")
    if downvotes is not None and type(downvotes) is not int:
        raise UnexpectedShape
    created_at = get("created_at")
    if created_at is not None:
        created_at = read_datetime(created_at)
    return Comment(
        comment_id=comment_id,
        creation_id=creation_id,
        user_id=user_id,
        username=username,
        text=text,
        parent_id=parent_id,
        upvotes=upvotes,
        downvotes=downvotes,
        created_at=created_at,
        raw=source,
    )


COMMENT: Final = Shape(
    strict=decode_comment,
    cls=Comment,
    attributes=(
        Attribute("comment_id", "comment_id", "an integer", as_id),
        Attribute("creation_id", "creation_id", "an integer", as_id),
        Attribute("user_id", "user_id", "an integer", as_id),
        Attribute("username", "username", "a string", as_str),
        Attribute("text", "text", "a string", as_str),
        Attribute("parent_id", "parent_id", "an integer", as_id),
        Attribute("upvotes", "upvotes", "an integer", as_int),
        Attribute("downvotes", "downvotes", "an integer", as_int),
        Attribute("created_at", "created_at", "a date and time", as_datetime),
    ),
)


def decode_rating(source: JSON) -> Rating:
    """Read one `Rating`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if type(creation_id) is not int:
        raise UnexpectedShape
    average = get("average")
    if average is not None and type(average) is not float and type(average) is not int:
        raise UnexpectedShape
    count = get("count")
    if type(count) is not int:
        raise UnexpectedShape
    return Rating(
        creation_id=creation_id,
        average=average,
        count=count,
        raw=source,
    )


RATING: Final = Shape(
    strict=decode_rating,
    cls=Rating,
    attributes=(
        Attribute("creation_id", "creation_id", "an integer", as_id, promised=True),
        Attribute("average", "average", "a number", as_float),
        Attribute("count", "count", "an integer", as_int, promised=True),
    ),
)

_any_rating: Callable[..., Rating] = Rating


def decode_partial_rating(source: JSON) -> Rating:
    """Read one `Rating`, of which any field may be absent; raises `UnexpectedShape`."""
    get = read_fields(source).get
    creation_id = get("creation_id")
    if creation_id is not None and type(creation_id) is not int:
        raise UnexpectedShape
    average = get("average")
    if average is not None and type(average) is not float and type(average) is not int:
        raise UnexpectedShape
    count = get("count")
    if count is not None and type(count) is not int:
        raise UnexpectedShape
    return _any_rating(
        creation_id=creation_id,
        average=average,
        count=count,
        raw=source,
    )


PARTIAL_RATING: Final = RATING.unpromised(decode_partial_rating)


def decode_transaction(source: JSON) -> Transaction:
    """Read one `Transaction`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    transaction_id = get("transaction_id")
    if transaction_id is not None and type(transaction_id) is not int:
        raise UnexpectedShape
    type_ = get("type")
    if type_ is not None and type(type_) is not str:
        raise UnexpectedShape
    amount = get("amount")
    if amount is not None and type(amount) is not float and type(amount) is not int:
        raise UnexpectedShape
    balance = get("balance")
    if balance is not None and type(balance) is not float and type(balance) is not int:
        raise UnexpectedShape
    creation_id = get("creation_id")
    if creation_id is not None and type(creation_id) is not int:
        raise UnexpectedShape
    description = get("description")
    if description is not None and type(description) is not str:
        raise UnexpectedShape
    created_at = get("created_at")
    if created_at is not None:
        created_at = read_datetime(created_at)
    return Transaction(
        transaction_id=transaction_id,
        type=type_,
        amount=amount,
        balance=balance,
        creation_id=creation_id,
        description=description,
        created_at=created_at,
        raw=source,
    )


TRANSACTION: Final = Shape(
    strict=decode_transaction,
    cls=Transaction,
    attributes=(
        Attribute("transaction_id", "transaction_id", "an integer", as_id),
        Attribute("type", "type", "a string", as_word),
        Attribute("amount", "amount", "a number", as_float),
        Attribute("balance", "balance", "a number", as_float),
        Attribute("creation_id", "creation_id", "an integer", as_id),
        Attribute("description", "description", "a string", as_str),
        Attribute("created_at", "created_at", "a date and time", as_datetime),
    ),
)


def decode_api_key(source: JSON) -> ApiKey:
    """Read one `ApiKey`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    key_id = get("key_id")
    if key_id is not None and type(key_id) is not int:
        raise UnexpectedShape
    prefix = get("prefix")
    if prefix is not None and type(prefix) is not str:
        raise UnexpectedShape
    name = get("name")
    if name is not None and type(name) is not str:
        raise UnexpectedShape
    scopes = get("scopes")
    if scopes is not None:
        scopes = read_list(read_str, scopes)
    created_at = get("created_at")
    if created_at is not None:
        created_at = read_datetime(created_at)
    last_used_at = get("last_used_at")
    if last_used_at is not None:
        last_used_at = read_datetime(last_used_at)
    return ApiKey(
        key_id=key_id,
        prefix=prefix,
        name=name,
        scopes=scopes,
        created_at=created_at,
        last_used_at=last_used_at,
        raw=source,
    )


API_KEY: Final = Shape(
    strict=decode_api_key,
    cls=ApiKey,
    attributes=(
        Attribute("key_id", "key_id", "an integer", as_id),
        Attribute("prefix", "prefix", "a string", as_str),
        Attribute("name", "name", "a string", as_str),
        Attribute("scopes", "scopes", "an array", list_of(as_str)),
        Attribute("created_at", "created_at", "a date and time", as_datetime),
        Attribute("last_used_at", "last_used_at", "a date and time", as_datetime),
    ),
)


def decode_new_api_key(source: JSON) -> NewApiKey:
    """Read one `NewApiKey`; raises `UnexpectedShape`."""
    get = read_fields(source).get
    key_id = get("key_id")
    if type(key_id) is not int:
        raise UnexpectedShape
    api_key = get("api_key")
    if type(api_key) is not str:
        raise UnexpectedShape
    prefix = get("prefix")
    if type(prefix) is not str:
        raise UnexpectedShape
    name = get("name")
    if type(name) is not str:
        raise UnexpectedShape
    scopes = get("scopes")
    if scopes is not None:
        scopes = read_list(read_str, scopes)
    message = get("message")
    if type(message) is not str:
        raise UnexpectedShape
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


NEW_API_KEY: Final = Shape(
    strict=decode_new_api_key,
    cls=NewApiKey,
    attributes=(
        Attribute("key_id", "key_id", "an integer", as_id, promised=True),
        Attribute("api_key", "api_key", "a string", as_secret, promised=True),
        Attribute("prefix", "prefix", "a string", as_str, promised=True),
        Attribute("name", "name", "a string", as_str, promised=True),
        Attribute("scopes", "scopes", "an array", list_of(as_str)),
        Attribute("message", "message", "a string", as_str, promised=True),
    ),
    identity=(
        "api_key",
        "key_id",
    ),
)
