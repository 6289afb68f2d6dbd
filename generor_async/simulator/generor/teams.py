"""The endpoints of teams.

`documented`: what there is, and that only the owner removes members and changes the invite code. `assumed`:
the bodies; that members alone see a team and its code; that any member adds others; that joining twice
changes nothing; that the longest-standing member inherits a team whose owner leaves, and nobody an empty
one.
"""

from attrs import define

from generor_async.simulator.generor.access import AuthorizedRequest
from generor_async.simulator.generor.entities import Team
from generor_async.simulator.generor.envelope import GenerorRefusal, Json, not_found, page_of, success, timestamp
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.messages import Answer

__all__ = ["TeamEndpoints"]

INVITE_LENGTH = 12


@define
class TeamEndpoints:
    """Answers whatever is asked about teams."""

    _state: GenerorState

    def list_own(self, request: AuthorizedRequest) -> Answer:
        """List the teams the caller is in."""
        me = request.me.user_id
        own = [team for team in self._state.teams.values() if me in team.joined and request.lists(team.joined[me])]
        return page_of(own, _summary, request.call.query)

    def create(self, request: AuthorizedRequest) -> Answer:
        """Make a team that the caller owns."""
        team = Team(
            team_id=self._state.new_id(),
            name=request.fields().required_text("name"),
            owner_id=request.me.user_id,
            invite_code=self._state.token(INVITE_LENGTH),
            created_at=request.now,
            joined={request.me.user_id: request.now},
        )
        self._state.teams[team.team_id] = team
        return success(self._details(team), status=201)

    def get(self, request: AuthorizedRequest) -> Answer:
        """Show a team and its members."""
        return success(self._details(self._own(request)))

    def leave(self, request: AuthorizedRequest) -> Answer:
        """Leave a team."""
        self._remove(self._own(request), request.me.user_id)
        return success({"message": "You have left the team"})

    def add_member(self, request: AuthorizedRequest) -> Answer:
        """Add somebody by their name."""
        team = self._own(request)
        user = self._state.user_named(request.fields().required_text("username"))
        team.joined.setdefault(user.user_id, request.now)
        return success(self._details(team))

    def remove_member(self, request: AuthorizedRequest) -> Answer:
        """Remove a member, as the owner."""
        team, user_id = self._as_owner(request), request.id("user_id")
        if user_id is None or user_id not in team.joined:
            raise not_found("Team member")
        self._remove(team, user_id)
        return success({"message": "Member removed"})

    def join(self, request: AuthorizedRequest) -> Answer:
        """Join the team that an invite code belongs to."""
        code = request.call.params["invite_code"]
        for team in self._state.teams.values():
            if team.invite_code == code:
                team.joined.setdefault(request.me.user_id, request.now)
                return success(self._details(team))
        raise not_found("Invite code")

    def regenerate_invite(self, request: AuthorizedRequest) -> Answer:
        """Make a new invite code, as the owner; the old one no longer works."""
        team = self._as_owner(request)
        team.invite_code = self._state.token(INVITE_LENGTH)
        return success({"team_id": team.team_id, "invite_code": team.invite_code})

    def _own(self, request: AuthorizedRequest) -> Team:
        team = self._state.team(request.id())
        if request.me.user_id not in team.joined:
            raise GenerorRefusal("FORBIDDEN", "You are not a member of this team")
        return team

    def _as_owner(self, request: AuthorizedRequest) -> Team:
        team = self._own(request)
        if team.owner_id != request.me.user_id:
            raise GenerorRefusal("FORBIDDEN", "Only the team's owner can do this")
        return team

    def _remove(self, team: Team, user_id: int) -> None:
        del team.joined[user_id]
        if not team.joined:
            del self._state.teams[team.team_id]
        elif team.owner_id == user_id:
            team.owner_id = next(iter(team.joined))

    def _details(self, team: Team) -> Json:
        members = [
            {
                "user_id": user_id,
                "username": self._state.users[user_id].username,
                "role": "owner" if user_id == team.owner_id else "member",
                "joined": timestamp(joined_at),
            }
            for user_id, joined_at in team.joined.items()
        ]
        return _summary(team) | {"members": members}


def _summary(team: Team) -> Json:
    return {
        "team_id": team.team_id,
        "name": team.name,
        "owner_id": team.owner_id,
        "invite_code": team.invite_code,
        "member_count": len(team.joined),
        "created_at": timestamp(team.created_at),
    }
