"""What a row of the behaviour table says."""

from typing import Literal

from attrs import frozen

__all__ = ["Behaviour", "Weight", "assumed", "client", "documented"]

Weight = Literal["documented", "client", "assumed"]


@frozen
class Behaviour:
    """One thing that the simulator does, and how far it can be relied upon to be what the real API does."""

    name: str
    says: str
    weight: Weight
    """`documented`: a vendor's page says so; `client`: the official client's types do; `assumed`: nobody does."""
    where: str
    """Document and heading; empty for what is assumed."""
    tests: tuple[str, ...]
    """Who shows it, as pytest names them, below `tests/simulator/`."""
    switch: str = ""
    """The argument of `Simulator` that makes it otherwise."""
    unswitched: str = ""
    """Why what is assumed needs no switch: what a program could make of it, were it otherwise."""


def documented(name: str, says: str, where: str, *tests: str, switch: str = "") -> Behaviour:
    """Write down what a vendor's page says."""
    return Behaviour(name, says, "documented", where, tests, switch)


def client(name: str, says: str, where: str, *tests: str) -> Behaviour:
    """Write down what the types of the official client say."""
    return Behaviour(name, says, "client", f"luma-agents 0.5.0 / {where}", tests)


def assumed(name: str, says: str, *tests: str, switch: str = "", unswitched: str = "") -> Behaviour:
    """Write down what nobody says, with a switch or the reason why none is needed."""
    return Behaviour(name, says, "assumed", "", tests, switch, unswitched)
