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

    _state: GenerorState

    def me(self, request: AuthorizedRequest) -> Answer:
        """Show the caller's profile."""
        return success(self._profile(request.me))

    def update_me(self, request: AuthorizedRequest) -> Answer:
        """Change the caller's profile; null or an empty string takes a field away."""
        fields = request.fields()
        bio = fields.text("bio")
        website = fields.text("website") and fields.url("website")
        if not (fields.given("bio") or fields.given("website")):
            raise GenerorRefusal("VALIDATION_ERROR", "Nothing to update: give bio or website")
        if fields.given("bio"):
            request.me.bio = bio or None
        if fields.given("website"):
            request.me.website = website or None
        return success(self._profile(request.me))

    def get(self, request: AuthorizedRequest) -> Answer:
        """Show anybody's public profile."""
        user = self._named(request)
        creation_count = len(self._state.public(user.creations))
        return success(_public(user) | {"creation_count": creation_count} | self._follow_counts(user))

    def list_followers(self, request: AuthorizedRequest) -> Answer:
        """List who follows a user."""
        return page_of(self._state.followers(self._named(request)), _public, request.call.query)

    def list_following(self, request: AuthorizedRequest) -> Answer:
        """List whom a user follows."""
        followed = [self._state.users[user_id] for user_id in self._named(request).follows]
        return page_of(followed, _public, request.call.query)

    def follow(self, request: AuthorizedRequest) -> Answer:
        """Follow a user; doing so again changes nothing."""
        user = self._named(request)
        if user is request.me:
            raise GenerorRefusal("VALIDATION_ERROR", "You cannot follow yourself")
        request.me.follows.setdefault(user.user_id)
        return success({"following": True})

    def unfollow(self, request: AuthorizedRequest) -> Answer:
        """Follow a user no longer; doing so again changes nothing."""
        request.me.follows.pop(self._named(request).user_id, None)
        return success({"following": False})

    def is_following(self, request: AuthorizedRequest) -> Answer:
        """Tell whether the caller follows a user."""
        return success({"following": self._named(request).user_id in request.me.follows})

    def _named(self, request: AuthorizedRequest) -> User:
        return self._state.user_named(request.call.params["username"])

    def _follow_counts(self, user: User) -> Json:
        return {
            "follower_count": len(self._state.followers(user)),
            "following_count": len(user.follows),
        }

    def _profile(self, user: User) -> Json:
        teams = [team for team in self._state.teams.values() if user.user_id in team.joined]
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
