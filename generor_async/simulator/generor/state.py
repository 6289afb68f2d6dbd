"""The state of the simulated Generor in memory."""

from collections.abc import Iterable
from random import Random

from generor_async.simulator.generor.entities import ApiKey, Comment, Creation, Team, Transaction, User
from generor_async.simulator.generor.envelope import GenerorRefusal, not_found

__all__ = ["GenerorState"]

FIRST_CREATION_ID = 6001
USUAL_SEED, SEEDS, IDS_A_SEED = 7, 1 << 32, 10_000
"""Creations that were made with different seeds have different ids, as those of one account have."""


class GenerorState:
    """All records by id or name, and the next ids."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(f"generor {seed}")  # noqa: S311  # a simulation, to be repeated
        self.users: dict[int, User] = {}
        self.keys: dict[str, ApiKey] = {}
        self.creations: dict[int, Creation] = {}
        self.comments: dict[int, Comment] = {}
        self.teams: dict[int, Team] = {}
        self.next_creation_id = FIRST_CREATION_ID + (seed - USUAL_SEED) % SEEDS * IDS_A_SEED
        self._last_id = 0

    def new_id(self) -> int:
        """Return an id for anything but a creation."""
        self._last_id += 1
        return self._last_id

    def token(self, length: int) -> str:
        """Return so many random hexadecimal characters."""
        return f"{self.rng.getrandbits(4 * length):0{length}x}"

    def random(self, *of: object) -> Random:
        """Return rng that fall the same way for the same seed and thing."""
        return Random(f"{self.seed} {of}")  # noqa: S311  # a simulation, to be repeated

    def add(self, creation: Creation) -> None:
        """Add the creation that has the next id."""
        self.creations[creation.creation_id] = creation
        creation.user.creations.append(creation)
        self.next_creation_id += 1

    def user_named(self, username: str) -> User:
        """Find a user, or refuse."""
        for user in self.users.values():
            if user.username == username:
                return user
        raise not_found("User")

    def visible(self, creation_id: int | None, viewer: User | None) -> Creation:
        """Find a creation that `viewer` may see: a public one, or an own one."""
        creation = self._existing(creation_id)
        if creation.privacy_mode == 0 and creation.outcome == "completed":
            return creation
        if viewer is creation.user:
            return creation
        if creation.privacy_mode == 0:  # unfinished ones exist for their owner alone
            raise not_found("Creation")
        if viewer is None:
            raise GenerorRefusal("UNAUTHORIZED", "This creation is private: authenticate as its owner")
        raise GenerorRefusal("FORBIDDEN", "This creation is private: only its owner can see it")

    def owned(self, creation_id: int | None, owner: User) -> Creation:
        """Find a creation that `owner` may change."""
        creation = self._existing(creation_id)
        if creation.user is not owner:
            raise GenerorRefusal("FORBIDDEN", "You can only change your own creations")
        return creation

    def _existing(self, creation_id: int | None) -> Creation:
        creation = None if creation_id is None else self.creations.get(creation_id)
        if creation is None or creation.deleted:
            raise not_found("Creation")
        return creation

    def team(self, team_id: int | None) -> Team:
        """Find a team, or refuse."""
        team = None if team_id is None else self.teams.get(team_id)
        if team is None:
            raise not_found("Team")
        return team

    def followers(self, user: User) -> list[User]:
        """List who follows a user."""
        return [other for other in self.users.values() if user.user_id in other.follows]

    def comment(self, user: User, creation: Creation, text: str, *, at: float, parent_id: int | None = None) -> Comment:
        """Add a comment."""
        comment = Comment(
            comment_id=self.new_id(),
            creation_id=creation.creation_id,
            user=user,
            text=text,
            parent_id=parent_id,
            created_at=at,
        )
        self.comments[comment.comment_id] = comment
        return comment

    def public(self, creations: Iterable[Creation] | None = None) -> list[Creation]:
        """List the finished public creations, oldest first."""
        some = self.creations.values() if creations is None else creations
        return [c for c in some if c.listed and c.privacy_mode == 0]

    def record(
        self,
        user: User,
        kind: str,
        amount: int,
        *,
        at: float,
        description: str,
        creation_id: int | None = None,
    ) -> None:
        """Write a change of a user's credits into their history."""
        balance = user.transactions[-1].balance if user.transactions else 0
        user.transactions.append(
            Transaction(
                transaction_id=self.new_id(),
                type=kind,
                amount=amount,
                balance=balance + amount,
                description=description,
                created_at=at,
                creation_id=creation_id,
            )
        )
