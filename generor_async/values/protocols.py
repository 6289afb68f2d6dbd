"""Protocols: of a clock, and of a generation that failed."""

from typing import Protocol

__all__ = ["Clock", "GenerationLike"]


class Clock(Protocol):
    """The clock of a client, which may run faster than real time."""

    @property
    def speed(self) -> float:
        """Number of this clock's seconds in one real second."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def time(self) -> float:
        """Return Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Args:
            seconds: How many seconds of this clock.
        """
        ...


class GenerationLike(Protocol):
    """The attributes of a failed generation that its error needs."""

    @property
    def id(self) -> str:
        """The id."""
        ...

    @property
    def failure_code(self) -> str | None:
        """The API's failure code."""
        ...

    @property
    def failure_reason(self) -> str | None:
        """The API's explanation of the failure."""
        ...
