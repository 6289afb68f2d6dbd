"""The endpoints of creations: lists, search, details, changes, comments, ratings and the feed.

`documented`: who may see and change what, the body of one creation, the values of the fields. `assumed`:
lists show creations as `GET /creations/{id}` does but without `generator_data`; unfinished, failed and
cancelled ones appear in none; a search finds prompts that hold every word of it; a second vote replaces the
first.
"""

import math
from collections.abc import Iterable

from attrs import define

from generor_async.simulator.catalog import GENERATOR_BY_SLUG
from generor_async.simulator.generor.access import AuthorizedRequest
from generor_async.simulator.generor.entities import Comment, Creation
from generor_async.simulator.generor.envelope import GenerorRefusal, Json, not_found, page_of, success, timestamp
from generor_async.simulator.generor.priced_request import find_generator
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.messages import Answer

__all__ = ["CreationEndpoints"]


@define
class CreationEndpoints:
    """The endpoints of creations."""

    _state: GenerorState
    _listing_lag: float
    """Seconds until a new creation is listed."""

    def list_own(self, request: AuthorizedRequest) -> Answer:
        """List the caller's creations."""
        return self._page(request, [c for c in request.me.creations if c.listed])

    def list_public(self, request: AuthorizedRequest) -> Answer:
        """List all public creations."""
        return self._page(request, self._state.public())

    def list_of_generator(self, request: AuthorizedRequest) -> Answer:
        """List the public creations of a generator."""
        slug = find_generator(request.call.params["slug"]).slug
        return self._page(request, [c for c in self._state.public() if c.generator == slug])

    def list_of_user(self, request: AuthorizedRequest) -> Answer:
        """List the public creations of a user."""
        user = self._state.user_named(request.call.params["username"])
        return self._page(request, self._state.public(user.creations))

    def list_of_team(self, request: AuthorizedRequest) -> Answer:
        """List a team's creations to a member: all public ones, and the caller's private ones."""
        team = self._state.team(request.id())
        if request.me.user_id not in team.joined:
            raise GenerorRefusal("FORBIDDEN", "You are not a member of this team")
        shown = [
            creation
            for creation in self._state.creations.values()
            if creation.team_id == team.team_id and creation.listed
        ]
        return self._page(request, [c for c in shown if c.privacy_mode == 0 or c.user is request.me])

    def feed(self, request: AuthorizedRequest) -> Answer:
        """List the public creations of the users whom the caller follows."""
        followed = request.me.follows
        return self._page(request, [c for c in self._state.public() if c.user.user_id in followed])

    def search(self, request: AuthorizedRequest) -> Answer:
        """List the public creations whose prompt has every word of `q`."""
        words = (request.query("q") or "").lower().split()
        if not words:
            raise GenerorRefusal("VALIDATION_ERROR", "q is required")
        found = [c for c in self._state.public() if all(word in c.prompt.lower() for word in words)]
        return self._page(request, found)

    def get(self, request: AuthorizedRequest) -> Answer:
        """Show one creation with all details."""
        creation = self._state.visible(request.id(), request.user)
        return success(_summary(creation) | {"generator_data": _generator_data(creation)})

    def status(self, request: AuthorizedRequest) -> Answer:
        """Show the status of a creation."""
        creation = self._state.visible(request.id(), request.me)
        shown: Json = {"creation_id": creation.creation_id, "status": creation.status(request.now)}
        return success(shown if creation.error is None else shown | {"error": creation.error})

    def update(self, request: AuthorizedRequest) -> Answer:
        """Change privacy and licence."""
        creation = self._state.owned(request.id(), request.me)
        fields = request.fields()
        privacy_mode = fields.integer("privacy_mode", least=0, most=1)
        license_ = fields.integer("license", least=1, most=2)
        if privacy_mode is None and license_ is None:
            raise GenerorRefusal("VALIDATION_ERROR", "Nothing to update: give privacy_mode or license")
        if privacy_mode is not None:
            creation.privacy_mode = privacy_mode
        if license_ is not None:
            creation.license = license_
        return success(_summary(creation) | {"generator_data": _generator_data(creation)})

    def delete(self, request: AuthorizedRequest) -> Answer:
        """Mark a creation as deleted; one that is not finished is cancelled."""
        creation = self._state.owned(request.id(), request.me)
        if creation.outcome is None:
            creation.outcome = "cancelled"
        else:
            creation.deleted = True
        return success({"message": "Creation deleted"})

    def list_comments(self, request: AuthorizedRequest) -> Answer:
        """List the comments on a creation."""
        creation = self._state.visible(request.id(), request.user)
        of_it = (c for c in self._state.comments.values() if c.creation_id == creation.creation_id)
        comments = [c for c in of_it if request.lists(c.created_at)]
        return page_of(comments, Comment.to_json, request.call.query)

    def add_comment(self, request: AuthorizedRequest) -> Answer:
        """Write a comment, or a reply to one."""
        creation = self._state.visible(request.id(), request.me)
        fields = request.fields()
        text, parent_id = fields.required_text("text"), fields.integer("parent_id", least=1)
        if parent_id is not None:
            parent = self._state.comments.get(parent_id)
            if parent is None or parent.creation_id != creation.creation_id:
                raise not_found("Parent comment")
        comment = self._state.comment(request.me, creation, text, at=request.now, parent_id=parent_id)
        return success(comment.to_json(), status=201)

    def delete_comment(self, request: AuthorizedRequest) -> Answer:
        """Delete a comment of the caller's."""
        comment = self._comment(request)
        if comment.user is not request.me:
            raise GenerorRefusal("FORBIDDEN", "You can only delete your own comments")
        del self._state.comments[comment.comment_id]
        return success({"message": "Comment deleted"})

    def vote(self, request: AuthorizedRequest) -> Answer:
        """Vote a comment up or down."""
        comment = self._comment(request)
        vote = request.fields().choice("vote", ("up", "down"))
        if vote is None:
            raise GenerorRefusal("VALIDATION_ERROR", "vote is required: up or down")
        comment.votes[request.me.user_id] = vote
        return success(comment.to_json())

    def rating(self, request: AuthorizedRequest) -> Answer:
        """Return the average rating of one."""
        return success(_rating(self._state.visible(request.id(), request.user)))

    def rate(self, request: AuthorizedRequest) -> Answer:
        """Rate one; a new score replaces the caller's earlier one."""
        creation = self._state.visible(request.id(), request.me)
        score = request.fields().integer("score", least=1, most=5)
        if score is None:
            raise GenerorRefusal("VALIDATION_ERROR", "score is required: 1 to 5")
        creation.ratings[request.me.user_id] = score
        return success(_rating(creation))

    def _comment(self, request: AuthorizedRequest) -> Comment:
        comment = self._state.comments.get(request.id() or 0)
        if comment is None:
            raise not_found("Comment")
        return comment

    def _page(self, request: AuthorizedRequest, creations: Iterable[Creation]) -> Answer:
        slug = request.query("generator")
        if slug is not None:
            if slug not in GENERATOR_BY_SLUG:
                raise GenerorRefusal("VALIDATION_ERROR", f"generator '{slug}' does not exist: see GET /generators")
            creations = (c for c in creations if c.generator == slug)
        listed = [c for c in creations if request.lists(c.completed_at + self._listing_lag)]
        return page_of(listed, _summary, request.call.query)


def _summary(creation: Creation) -> Json:
    media, images = creation.media, list[Json]()
    if media is not None and media.kind == "img":
        images = [{"url": creation.files()["image_url"], "width": media.width, "height": media.height}]
    return {
        "creation_id": creation.creation_id,
        "generator": creation.generator,
        "user_id": creation.user.user_id,
        "username": creation.user.username,
        "prompt": creation.prompt,
        "created_at": timestamp(creation.created_at),
        "privacy_mode": creation.privacy_mode,
        "type": "text" if media is None else media.kind,
        "license": creation.license,
        "images": images,
    }


def _generator_data(creation: Creation) -> Json:
    """Return what depends on the generator: model, parameters, texts, sound and video."""
    files = creation.files()
    files.pop("image_url", None)  # stands among the images
    about = {"model_id": creation.model.id, "model_name": creation.model.name, "team_id": creation.team_id}
    return {**about, "parameters": dict(creation.parameters), **creation.fields, **files}


def _rating(creation: Creation) -> Json:
    scores = list(creation.ratings.values())
    average = round(math.fsum(scores) / len(scores), 1) if scores else 0
    return {"creation_id": creation.creation_id, "average": average, "count": len(scores)}
