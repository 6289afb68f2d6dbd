"""The endpoints of users and of following them.

`documented`: the caller's own profile, `{"following": ...}`, the two fields that can be changed. `assumed`:
what others see of a profile, that a change takes effect only as a whole, and that nobody can follow
themselves.
"""

from attrs import define

from generor_async.simulator.generor.access import AuthorizedRequest
from generor_async.simulator.generor.entities import User
from generor_async.simulator.generor.envelope import GenerorRefusal, Json, page_of, success, timestamp
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.messages import Answer

__all__ = ["UserEndpoints"]


@define
class UserEndpoints:
    """Answers whatever is asked about users."""

    _world: GenerorState

    def me(self, ask: AuthorizedRequest) -> Answer:
        """Show the caller's profile."""
        return success(self._profile(ask.me))

    def update_me(self, ask: AuthorizedRequest) -> Answer:
        """Change the caller's profile; null or an empty string takes a field away."""
        fields = ask.fields()
        bio = fields.text("bio")
        website = fields.text("website") and fields.url("website")
        if not (fields.given("bio") or fields.given("website")):
            raise GenerorRefusal("VALIDATION_ERROR", "Nothing to update: give bio or website")
        if fields.given("bio"):
            ask.me.bio = bio or None
        if fields.given("website"):
            ask.me.website = website or None
        return success(self._profile(ask.me))

    def get(self, ask: AuthorizedRequest) -> Answer:
        """Show anybody's public profile."""
        user = self._named(ask)
        creation_count = len(self._world.public(user.creations))
        return success(_public(user) | {"creation_count": creation_count} | self._follow_counts(user))

    def list_followers(self, ask: AuthorizedRequest) -> Answer:
        """List who follows a user."""
        return page_of(self._world.followers(self._named(ask)), _public, ask.call.query)

    def list_following(self, ask: AuthorizedRequest) -> Answer:
        """List whom a user follows."""
        followed = [self._world.users[user_id] for user_id in self._named(ask).follows]
        return page_of(followed, _public, ask.call.query)

    def follow(self, ask: AuthorizedRequest) -> Answer:
        """Follow a user; doing so again changes nothing."""
        user = self._named(ask)
        if user is ask.me:
            raise GenerorRefusal("VALIDATION_ERROR", "You cannot follow yourself")
        ask.me.follows.setdefault(user.user_id)
        return success({"following": True})

    def unfollow(self, ask: AuthorizedRequest) -> Answer:
        """Follow a user no longer; doing so again changes nothing."""
        ask.me.follows.pop(self._named(ask).user_id, None)
        return success({"following": False})

    def is_following(self, ask: AuthorizedRequest) -> Answer:
        """Tell whether the caller follows a user."""
        return success({"following": self._named(ask).user_id in ask.me.follows})

    def _named(self, ask: AuthorizedRequest) -> User:
        return self._world.user_named(ask.call.params["username"])

    def _follow_counts(self, user: User) -> Json:
        return {
            "follower_count": len(self._world.followers(user)),
            "following_count": len(user.follows),
        }

    def _profile(self, user: User) -> Json:
        teams = [team for team in self._world.teams.values() if user.user_id in team.joined]
        return {
            "user_id": user.user_id,
            "username": user.username,
            "email": user.email,
            "avatar": user.avatar,
            "bio": user.bio,
            "website": user.website,
            "joined": timestamp(user.joined),
            "credits": user.wallet.to_json(),
            "creation_count": sum(creation.listed for creation in user.creations),
            **self._follow_counts(user),
            "teams": [{"team_id": team.team_id, "name": team.name} for team in teams],
        }


def _public(user: User) -> Json:
    return {
        "user_id": user.user_id,
        "username": user.username,
        "avatar": user.avatar,
        "bio": user.bio,
        "website": user.website,
        "joined": timestamp(user.joined),
    }
