"""The seams: what this package asks of a clock, and what an error asks of a generation."""

from typing import Protocol

__all__ = ["Clock", "GenerationLike"]


class Clock(Protocol):
    """Where the client takes its time from, so that time can be scaled."""

    @property
    def speed(self) -> float:
        """How many of this clock's seconds pass in one real second."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        ...

    def time(self) -> float:
        """Return Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so many of this clock's seconds."""
        ...


class GenerationLike(Protocol):
    """What an error needs to know of a generation that failed."""

    @property
    def id(self) -> str:
        """The id."""
        ...

    @property
    def failure_code(self) -> str | None:
        """The API's code for what went wrong."""
        ...

    @property
    def failure_reason(self) -> str | None:
        """The same for people."""
        ...
