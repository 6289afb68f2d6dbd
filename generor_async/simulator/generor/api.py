"""The simulated Generor API: all operations, on a state in memory.

It does what the documents say. Where they say nothing, the module of the endpoint says what is assumed.
"""

from collections.abc import Callable

from generor_async.simulator.generor import catalog
from generor_async.simulator.generor.access import (
    SCOPES,
    TIERS,
    AccessControl,
    AccessRules,
    AuthorizedRequest,
    Handler,
    Scope,
)
from generor_async.simulator.generor.account import AccountEndpoints
from generor_async.simulator.generor.creations import CreationEndpoints
from generor_async.simulator.generor.entities import DEBIT_TYPES, TRANSACTION_TYPES, Transaction
from generor_async.simulator.generor.envelope import Code, GenerorRefusal
from generor_async.simulator.generor.files import CreationFiles
from generor_async.simulator.generor.generate import GenerationEndpoints, GenerationRates
from generor_async.simulator.generor.seed import OWN_USERNAME, populate
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.generor.teams import TeamEndpoints
from generor_async.simulator.generor.users import UserEndpoints
from generor_async.simulator.messages import Answer, DeferredAnswer, IncomingCall, Route

__all__ = ["SCOPES", "TIERS", "GenerorApi"]

PUBLIC = {
    "generators.list",
    "generators.get",
    "generators.list_creations",
    "generators.estimate",
    "creations.list_public",
    "creations.search",
    "creations.get",
    "models.list",
    "models.list_by_type",
    "models.get",
    "users.get",
    "users.list_creations",
    "users.list_followers",
    "users.list_following",
    "comments.list",
    "ratings.get",
}
"""The operations that need no key: those not marked AUTH (documented)."""


class GenerorApi:
    """The Generor API: `routes` and `file_routes` are to be served, `state` can be inspected.

    `key` is a key without scopes of the user johndoe, who has `credits` and the tier; it is the same for a
    seed. `exact_cost` makes `credit_cost` what the call itself cost, where the documents' difference of
    balances counts calls that overlap. `failures_cost` charges for generations that fail. `listing_lag` is the number
    of seconds until a new creation is listed.
    """

    def __init__(
        self,
        *,
        seed: int,
        tier: str = "pro",
        credits: int = 100_000,  # noqa: A002  # the field's word, and nobody needs the built-in
        exact_cost: bool = False,
        listing_lag: float = 0.0,
        rules: AccessRules,
        failures_cost: bool = False,
        failure_rate: float = 0.0,
        moderation_rate: float = 0.0,
        now: float = 0.0,
    ) -> None:
        self.state = GenerorState(seed)
        self._started = now
        self._gate = AccessControl(self.state, rules)
        self.account = populate(self.state, tier=tier, credits_=credits, now=now)
        self.key = self.add_key(name="main")
        chances = GenerationRates(moderated=moderation_rate, failed=failure_rate)
        self._generation = GenerationEndpoints(self.state, chances, exact_cost=exact_cost, failures_cost=failures_cost)
        self._creations = CreationEndpoints(self.state, listing_lag)
        self.routes = self._make_routes()
        self.file_routes = CreationFiles(self.state).routes

    def add_key(self, username: str = OWN_USERNAME, *, name: str = "test", scopes: tuple[Scope, ...] = ()) -> str:
        """Create a key for a user, and return it; no scopes means all."""
        user = self.state.user_named(username)
        return self._gate.new_key(user, name=name, scopes=scopes, now=self._started).key

    def change_credits(self, kind: str, amount: int, *, now: float) -> Transaction:
        """Change the credits of the account without a call; return by how much.

        Raises ValueError for an unknown type of transaction or an invalid amount.
        """
        if kind not in TRANSACTION_TYPES:
            raise ValueError(f"type must be one of {', '.join(TRANSACTION_TYPES)}, not {kind!r}")
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:  # pyright: ignore[reportUnnecessaryIsInstance] # it may come by HTTP
            raise ValueError(f"amount must be a whole number of credits, 1 at the least, not {amount!r}")
        wallet = self.account.wallet
        if kind in DEBIT_TYPES:
            change = -wallet.spend(amount)
        else:
            wallet.receive(amount, free=kind.endswith("bonus"))
            change = amount
        self.state.record(self.account, kind, change, at=now, description="Of another origin than this key")
        return self.account.transactions[-1]

    def refuse(self, code: Code, message: str) -> Callable[[IncomingCall], Answer | DeferredAnswer]:
        """Return a handler for unknown routes, which refuses a request after the access control."""

        def refused(request: AuthorizedRequest) -> Answer:  # noqa: ARG001  # every handler takes the request
            raise GenerorRefusal(code, message)

        return self._gate.guard(refused, scope=None, key_needed=False)

    def limit_headers(self, call: IncomingCall) -> dict[str, str]:
        """Return the rate limit headers without counting the request."""
        return self._gate.limit_headers(call)

    def _make_routes(self) -> list[Route]:
        table = [*self._content_table(), *self._people_table()]
        return [self._route(operation, endpoint, handler) for operation, endpoint, handler in table]

    def _route(self, operation: str, endpoint: str, handler: Handler) -> Route:
        method, template = endpoint.split()
        scope: Scope | None = "read" if method == "GET" else "write"
        if operation == "generators.generate":
            scope = "generate"
        elif operation == "generators.estimate":  # in no scope's description: open to every key (assumed)
            scope = None
        guarded = self._gate.guard(handler, scope=scope, key_needed=operation not in PUBLIC)
        return Route(f"generor.{operation}", method, template, guarded)

    def _content_table(self) -> list[tuple[str, str, Handler]]:
        creations, generation = self._creations, self._generation
        return [
            ("generators.list", "GET /generators", catalog.list_generators),
            ("generators.get", "GET /generators/{slug}", catalog.get_generator),
            ("generators.list_creations", "GET /generators/{slug}/creations", creations.list_of_generator),
            ("generators.estimate", "POST /generators/{slug}/estimate", generation.estimate),
            ("generators.generate", "POST /generators/{slug}/generate", generation.generate),
            ("creations.list", "GET /creations", creations.list_own),
            ("creations.list_public", "GET /creations/public", creations.list_public),
            ("creations.search", "GET /creations/search", creations.search),
            ("creations.get", "GET /creations/{id}", creations.get),
            ("creations.status", "GET /creations/{id}/status", creations.status),
            ("creations.update", "PATCH /creations/{id}", creations.update),
            ("creations.delete", "DELETE /creations/{id}", creations.delete),
            ("models.list", "GET /models", catalog.list_models),
            ("models.list_by_type", "GET /models/{type}", catalog.list_models_of_type),
            ("models.get", "GET /models/{type}/{id}", catalog.get_model),
            ("comments.list", "GET /creations/{id}/comments", creations.list_comments),
            ("comments.create", "POST /creations/{id}/comments", creations.add_comment),
            ("comments.delete", "DELETE /comments/{id}", creations.delete_comment),
            ("comments.vote", "POST /comments/{id}/vote", creations.vote),
            ("ratings.get", "GET /creations/{id}/rating", creations.rating),
            ("ratings.rate", "POST /creations/{id}/rating", creations.rate),
            ("feed.list", "GET /feed", creations.feed),
        ]

    def _people_table(self) -> list[tuple[str, str, Handler]]:
        users, teams, account = (
            UserEndpoints(self.state),
            TeamEndpoints(self.state),
            AccountEndpoints(self.state, self._gate),
        )
        return [
            ("users.me", "GET /users/me", users.me),
            ("users.update_me", "PATCH /users/me", users.update_me),
            ("users.get", "GET /users/{username}", users.get),
            ("users.list_creations", "GET /users/{username}/creations", self._creations.list_of_user),
            ("users.list_followers", "GET /users/{username}/followers", users.list_followers),
            ("users.list_following", "GET /users/{username}/following", users.list_following),
            ("users.follow", "POST /users/{username}/follow", users.follow),
            ("users.unfollow", "DELETE /users/{username}/follow", users.unfollow),
            ("users.is_following", "GET /users/{username}/follow", users.is_following),
            ("teams.list", "GET /teams", teams.list_own),
            ("teams.create", "POST /teams", teams.create),
            ("teams.get", "GET /teams/{id}", teams.get),
            ("teams.leave", "DELETE /teams/{id}", teams.leave),
            ("teams.add_member", "POST /teams/{id}/members", teams.add_member),
            ("teams.remove_member", "DELETE /teams/{id}/members/{user_id}", teams.remove_member),
            ("teams.join", "POST /teams/join/{invite_code}", teams.join),
            ("teams.regenerate_invite", "POST /teams/{id}/invite", teams.regenerate_invite),
            ("teams.list_creations", "GET /teams/{id}/creations", self._creations.list_of_team),
            ("credits.balance", "GET /credits/balance", account.balance),
            ("credits.list_transactions", "GET /credits/transactions", account.list_transactions),
            ("api_keys.list", "GET /api-keys", account.list_keys),
            ("api_keys.create", "POST /api-keys", account.create_key),
            ("api_keys.revoke", "DELETE /api-keys/{id}", account.revoke_key),
        ]
