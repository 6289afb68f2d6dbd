"""The records of the simulated Generor: users, keys, creations, comments, teams and transactions."""

import math
from collections.abc import Mapping
from typing import Literal

from attrs import Factory, define, field, frozen

from generor_async.simulator.catalog import CatalogModel
from generor_async.simulator.generor.envelope import Json, timestamp
from generor_async.simulator.request_windows import RequestWindow

__all__ = [
    "DEBIT_TYPES",
    "TRANSACTION_TYPES",
    "ApiKey",
    "Comment",
    "Creation",
    "Media",
    "Team",
    "Transaction",
    "User",
    "Wallet",
]

SHOWN_PREFIX_LENGTH = len("gnr_live_a1b2c3d4")
MAX_FREE_CREDITS = 250
DEBIT_TYPES = ("spend", "gift_sent")
"""The types of transactions that take credits from an account."""
TRANSACTION_TYPES = (
    "spend",
    "purchase",
    "daily_bonus",
    "weekly_bonus",
    "signup_bonus",
    "refund",
    "gift_sent",
    "gift_received",
)


@define(kw_only=True, eq=False)
class Wallet:
    """A user's credits, by where they came from."""

    paid: int
    free: int
    earned: int
    reserved: int = 0
    """Credits reserved for running generations."""

    @classmethod
    def of_total(cls, credits_: int) -> "Wallet":
        """Return a wallet of so many credits, with the proportions of the documents' example."""
        free = min(credits_, 200)
        earned = min(credits_ - free, 50)
        return cls(free=free, earned=earned, paid=credits_ - free - earned)

    @property
    def total(self) -> int:
        """All credits."""
        return self.paid + self.free + self.earned

    def spend(self, credits_: int) -> int:
        """Take credits, free ones first (assumed), and no more than there are; return the number taken."""
        spent = min(credits_, self.total)
        free = min(spent, self.free)
        earned = min(spent - free, self.earned)
        self.free -= free
        self.earned -= earned
        self.paid -= spent - free - earned
        return spent

    def receive(self, credits_: int, *, free: bool) -> None:
        """Add free or paid credits."""
        if free:
            self.free += credits_
        else:
            self.paid += credits_

    def to_json(self) -> Json:
        """Show the balance; `max` is taken for what free credits can add up to (assumed)."""
        return {
            "total": self.total,
            "paid": self.paid,
            "free": self.free,
            "earned": self.earned,
            "max": MAX_FREE_CREDITS,
        }


@define(kw_only=True, eq=False)
class User:
    """An account."""

    user_id: int
    username: str
    email: str
    joined: float
    wallet: Wallet
    tier: str
    avatar: str | None = None
    bio: str | None = None
    website: str | None = None
    transactions: "list[Transaction]" = Factory(list["Transaction"])
    """Oldest first."""
    creations: "list[Creation]" = Factory(list["Creation"])
    """Oldest first."""
    follows: dict[int, None] = Factory(dict[int, None])
    """The ids of those the user follows, in the order it began."""


@define(kw_only=True, eq=False)
class ApiKey:
    """A user's key, with its own rate limit windows."""

    key_id: int
    key: str = field(repr=False)
    user: User = field(repr=False)
    name: str
    scopes: tuple[str, ...]
    """Empty for all."""
    created_at: float
    windows: tuple[RequestWindow, ...] = field(repr=False)
    last_used_at: float | None = None
    revoked: bool = False

    @property
    def prefix(self) -> str:
        """The part of the key that is shown after its creation."""
        return self.key[:SHOWN_PREFIX_LENGTH]

    def to_json(self) -> Json:
        """Show the key in a list."""
        used = self.last_used_at
        return {
            "key_id": self.key_id,
            "prefix": self.prefix,
            "name": self.name,
            "scopes": list(self.scopes),
            "created_at": timestamp(self.created_at),
            "last_used_at": None if used is None else timestamp(used),
        }


@frozen(kw_only=True)
class Transaction:
    """A change of a user's credits."""

    transaction_id: int
    type: str
    amount: int
    """Negative when credits left the account."""
    balance: int
    """Balance after the transaction."""
    description: str
    created_at: float
    creation_id: int | None = None

    def to_json(self) -> Json:
        """Show the transaction in a list."""
        return {
            "transaction_id": self.transaction_id,
            "type": self.type,
            "amount": self.amount,
            "balance": self.balance,
            "description": self.description,
            "creation_id": self.creation_id,
            "created_at": timestamp(self.created_at),
        }


@frozen(kw_only=True)
class Media:
    """The file of a creation: what is needed to make the same bytes again."""

    kind: Literal["img", "video", "audio"]
    extension: Literal["webp", "png", "svg", "mp4", "wav"]
    ratio: str
    width: int = 0
    height: int = 0


@define(kw_only=True, eq=False)
class Creation:
    """A creation: finished, under way, failed or cancelled."""

    creation_id: int
    generator: str
    model: CatalogModel
    user: User = field(repr=False)
    prompt: str
    created_at: float
    begins_at: float
    """When work on it begins: items of one request are made one after the other (assumed)."""
    completed_at: float = math.inf
    privacy_mode: int = 0
    license: int = 1
    team_id: int | None = None
    parameters: Mapping[str, str] = Factory(dict[str, str])
    fields: Mapping[str, object] = Factory(dict[str, object])
    """What the generator wrote, such as a joke's `text`."""
    media: Media | None = None
    narrated: bool = False
    """Whether a speech model read the text into a file beside it."""
    outcome: Literal["completed", "failed", "cancelled"] | None = None
    """None while it is being made."""
    error: str | None = None
    """Why it failed, in words."""
    deleted: bool = False
    ratings: dict[int, int] = Factory(dict[int, int])
    """Scores by user id."""

    def status(self, now: float) -> str:
        """Return one of the documented states."""
        if self.outcome is not None:
            return self.outcome
        return "pending" if now < self.begins_at else "generating"

    @property
    def listed(self) -> bool:
        """Whether its owner's lists show it."""
        return self.outcome == "completed" and not self.deleted

    def files(self) -> dict[str, str]:
        """Return the paths of its files below the server's root, by the names under which they are shown."""
        home, files = f"/users/{self.user.user_id}", dict[str, str]()
        if self.media is not None:
            name = "image" if self.media.kind == "img" else self.media.kind
            file_name = f"{name}-{self.creation_id}.{self.media.extension}"
            files[f"{name}_url"] = f"{home}/{self.media.kind}/{file_name}"
        if self.narrated:
            files["audio_url"] = f"{home}/audio/audio-{self.creation_id}.wav"
        return files


@define(kw_only=True, eq=False)
class Comment:
    """What a user wrote below a creation."""

    comment_id: int
    creation_id: int
    user: User = field(repr=False)
    text: str
    parent_id: int | None
    created_at: float
    votes: dict[int, str] = Factory(dict[int, str])
    """`up` or `down` by user id."""

    def to_json(self) -> Json:
        """Show the comment."""
        votes = list(self.votes.values())
        return {
            "comment_id": self.comment_id,
            "creation_id": self.creation_id,
            "user_id": self.user.user_id,
            "username": self.user.username,
            "text": self.text,
            "parent_id": self.parent_id,
            "upvotes": votes.count("up"),
            "downvotes": votes.count("down"),
            "created_at": timestamp(self.created_at),
        }


@define(kw_only=True, eq=False)
class Team:
    """A group of users who create together."""

    team_id: int
    name: str
    owner_id: int
    invite_code: str
    created_at: float
    joined: dict[int, float] = Factory(dict[int, float])
    """When each member joined, by user id, the longest-standing first."""
