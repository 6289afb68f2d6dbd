"""The endpoints of an account: credits and API keys.

`documented`: the balance, the types of transactions, a new key's body, ten active keys at most, revoking at
once. `assumed`: a transaction's body; that revoked keys are no longer listed; that a key may make one with
more scopes.
"""

from typing import cast

from attrs import define

from generor_async.simulator.generor.access import SCOPES, AccessControl, AuthorizedRequest
from generor_async.simulator.generor.entities import TRANSACTION_TYPES, ApiKey, Transaction, User
from generor_async.simulator.generor.envelope import GenerorRefusal, not_found, page_of, success
from generor_async.simulator.generor.fields import Fields
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.messages import Answer

__all__ = ["AccountEndpoints"]

MAX_KEYS = 10


@define
class AccountEndpoints:
    """The endpoints of credits and API keys."""

    _state: GenerorState
    _gate: AccessControl

    def balance(self, request: AuthorizedRequest) -> Answer:
        """Show the balance."""
        return success(request.me.wallet.to_json())

    def list_transactions(self, request: AuthorizedRequest) -> Answer:
        """List the transactions."""
        kind, shown = request.query("type"), request.me.transactions
        if kind is not None:
            if kind not in TRANSACTION_TYPES:
                raise GenerorRefusal("VALIDATION_ERROR", f"type must be one of: {', '.join(TRANSACTION_TYPES)}")
            shown = [transaction for transaction in shown if transaction.type == kind]
        return page_of(
            [each for each in shown if request.lists(each.created_at)], Transaction.to_json, request.call.query
        )

    def list_keys(self, request: AuthorizedRequest) -> Answer:
        """List the caller's active keys by their prefixes."""
        shown = [key for key in self._keys_of(request.me) if request.lists(key.created_at)]
        return page_of(shown, ApiKey.to_json, request.call.query)

    def create_key(self, request: AuthorizedRequest) -> Answer:
        """Create a key; only this answer shows it."""
        fields = request.fields()
        name, scopes = fields.required_text("name"), _scopes(fields)
        if len(self._keys_of(request.me)) >= MAX_KEYS:
            message = f"Maximum {MAX_KEYS} active keys per account: revoke one first"
            raise GenerorRefusal("VALIDATION_ERROR", message)
        key = self._gate.new_key(request.me, name=name, scopes=scopes, now=request.now)
        shown = {
            "key_id": key.key_id,
            "api_key": key.key,
            "prefix": key.prefix,
            "name": key.name,
            "scopes": list(key.scopes),
            "message": "Save this API key now. It will not be shown again.",
        }
        return success(shown, status=201)

    def revoke_key(self, request: AuthorizedRequest) -> Answer:
        """Deactivate a key immediately."""
        key_id = request.id()
        for key in self._keys_of(request.me):
            if key.key_id == key_id:
                key.revoked = True
                return success({"message": "API key revoked"})
        raise not_found("API key")

    def _keys_of(self, user: User) -> list[ApiKey]:
        return [key for key in self._state.keys.values() if key.user is user and not key.revoked]


def _scopes(fields: Fields) -> tuple[str, ...]:
    """Read the scopes, each once, in the documents' order."""
    given = fields.items("scopes")
    if not set(map(str, given)) <= set(SCOPES):
        raise GenerorRefusal("VALIDATION_ERROR", f"scopes must be a list of: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in cast("tuple[str, ...]", given))
