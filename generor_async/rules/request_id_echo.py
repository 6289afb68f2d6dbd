"""Tells by the X-Request-Id of a response whether it belongs to the request.

Luma echoes the id of the request (documented); other servers may use ids of their own, or none. So an unknown id, or a
missing one, counts against an answer only where the server is known to echo ids.
"""

from typing import Final

from attrs import define, field

__all__ = ["EchoTracker", "may_be_result"]

ECHOES_TO_TRUST: Final = 10
"""A server is known to echo ids after so many echoes."""
UNKNOWN_TO_DISTRUST: Final = 3
"""After so many unknown ids in a row, a server is no longer taken to echo ids."""
MISSING_TO_DISTRUST: Final = 3
"""Answers without an id that are not believed of a server that echoes ids; after these, it may leave them out."""
ECHOES_TO_FORGET: Final = 1_000
"""After so many echoes in a row, earlier answers without an id are forgotten."""
REQUEST_IDS_KEPT: Final = 2_000
"""The least number of request ids that are remembered; the most is twice as many."""


@define
class EchoTracker:
    """The request ids that a client has sent, and how its server echoed them."""

    _recent: set[str] = field(factory=set[str], init=False)
    _older: set[str] = field(factory=set[str], init=False)
    _echoed: int = field(default=0, init=False)
    _unknown: int = field(default=0, init=False)
    """Unknown ids in a row."""
    _silent: int = field(default=0, init=False)
    """Successes without an id that are not forgotten yet."""
    _since: int = field(default=0, init=False)
    """Echoes since the last success without an id."""
    settled: bool = field(default=False, init=False)
    """Whether another echo would change nothing, so that it need not be recorded."""
    silent: bool = field(default=False, init=False)
    """Whether another answer without an id would change nothing, so that it need not be recorded."""

    def sent(self, request_id: str) -> None:
        """Record the id of a request that is about to be sent."""
        self._recent.add(request_id)
        if len(self._recent) >= REQUEST_IDS_KEPT:
            self._older, self._recent = self._recent, set()

    def is_ours(self, sent: str, echoed: str | None, *, succeeded: bool) -> bool:
        """Tell whether an answer with the id `echoed` can belong to the request with the id `sent`.

        An error without an id always can: a gateway's page has none.
        """
        if echoed is None:
            return not succeeded or self._may_be_silent()
        if echoed == sent:
            self._has_echoed()
            return True
        if _same(echoed, sent):
            return True
        if echoed in self._recent or echoed in self._older:
            return False
        self._unknown += 1
        self.settled = False
        if self._unknown > UNKNOWN_TO_DISTRUST:
            self._echoed = 0
        return self._echoed < ECHOES_TO_TRUST

    def _has_echoed(self) -> None:
        self._echoed, self._unknown = self._echoed + 1, 0
        self.silent = False
        if self._silent:
            self._since += 1
            if self._since == ECHOES_TO_FORGET:
                self._silent = 0
        self.settled = self._echoed >= ECHOES_TO_TRUST and not self._silent

    def _may_be_silent(self) -> bool:
        """Record a success without an id, and tell whether the server may leave ids out."""
        self._silent, self._since = self._silent + 1, 0
        self.settled, self.silent = False, self._silent > MISSING_TO_DISTRUST
        return self._echoed < ECHOES_TO_TRUST or self.silent


def may_be_result(status: int, content_type: str) -> bool:
    """Tell whether an answer can be a result of the API; an HTML page, such as a gateway's, can't."""
    return 200 <= status < 300 and content_type != "text/html"


def _same(echoed: str, sent: str) -> bool:
    """Compare two ids, regardless of how a server formats them."""
    return echoed.strip().lower() == sent.strip().lower()
