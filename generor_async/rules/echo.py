"""Whose answer is it? Told from the X-Request-Id that it echoes.

Luma echoes the id that a request carried (documented); other servers may name requests by ids of their own, or not at
all. So an id that nobody here has sent, or none, means something only where the server is known to echo ours.
"""

from typing import Final

from attrs import define, field

__all__ = ["Echoes", "may_be_result"]

PROOF: Final = 10
"""Echoes of our ids after which a server is known to echo them."""
CHANGED: Final = 3
"""Ids in a row that were never ours, after which it is known to do so no longer: its ways have changed."""
RARE: Final = 3
"""Answers without an id that aren't believed of a server that is known to echo: it may leave it out of some."""
FORGOTTEN: Final = 1_000
"""Echoes in a row after which answers without an id are as rare as if there had been none."""
REMEMBERED: Final = 2_000
"""Ids of ours that are remembered at least, and twice as many at most."""


@define
class Echoes:
    """The request ids that one client sent, and what its server made of them."""

    _recent: set[str] = field(factory=set[str], init=False)
    _older: set[str] = field(factory=set[str], init=False)
    _echoed: int = field(default=0, init=False)
    _unknown: int = field(default=0, init=False)
    """Ids in a row that were never ours."""
    _silent: int = field(default=0, init=False)
    """Successes without an id that aren't forgotten."""
    _since: int = field(default=0, init=False)
    """Echoes of our ids since the last of them."""
    settled: bool = field(default=False, init=False)
    """Whether the right id would teach nothing more: the server is known to echo, and has just done so."""
    silent: bool = field(default=False, init=False)
    """Whether an answer without an id would teach nothing more: this server gives such, and has just done so."""

    def sent(self, request_id: str) -> None:
        """Note the id of a request that is about to leave."""
        self._recent.add(request_id)
        if len(self._recent) >= REMEMBERED:
            self._older, self._recent = self._recent, set()

    def is_ours(self, sent: str, echoed: str | None, *, succeeded: bool) -> bool:
        """Tell whether an answer that carries the id `echoed` can be the answer to the request with the id `sent`.

        An error without an id always can: a gateway's page carries none.
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
        if self._unknown > CHANGED:
            self._echoed = 0
        return self._echoed < PROOF

    def _has_echoed(self) -> None:
        self._echoed, self._unknown = self._echoed + 1, 0
        self.silent = False
        if self._silent:
            self._since += 1
            if self._since == FORGOTTEN:
                self._silent = 0
        self.settled = self._echoed >= PROOF and not self._silent

    def _may_be_silent(self) -> bool:
        """Note a success without an id, and tell whether this server gives such."""
        self._silent, self._since = self._silent + 1, 0
        self.settled, self.silent = False, self._silent > RARE
        return self._echoed < PROOF or self.silent


def may_be_result(status: int, content_type: str) -> bool:
    """Tell whether an answer may be taken for a result; a page of HTML, as of a gateway, never is."""
    return 200 <= status < 300 and content_type != "text/html"


def _same(echoed: str, sent: str) -> bool:
    """Compare ids that a server may have written another way."""
    return echoed.strip().lower() == sent.strip().lower()
