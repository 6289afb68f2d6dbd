"""What a row of the behaviour table says."""

from typing import Literal

from attrs import frozen

__all__ = ["Behaviour", "Weight", "assumed", "client", "documented", "measured", "page"]

Weight = Literal["documented", "page", "measured", "client", "assumed"]


@frozen
class Behaviour:
    """One thing that the simulator does, and how far it can be relied upon to be what the real API does."""

    name: str
    says: str
    weight: Weight
    """`documented`: the contract says so; `page`: another page of the vendor's; `measured`: public logs of the live
    server; `client`: the official client's types; `assumed`: nobody does."""
    where: str
    """Document and heading, or whose logs; empty for what is assumed."""
    tests: tuple[str, ...]
    """Who shows it, as pytest names them, below `tests/simulator/`."""
    switch: str = ""
    """The argument of `Simulator` that makes it otherwise."""
    unswitched: str = ""
    """Why what is assumed needs no switch: what a program could make of it, were it otherwise."""
    otherwise: str = ""
    """What the switch's other positions are, who says so, and why they aren't the default."""


def documented(name: str, says: str, where: str, *tests: str, switch: str = "", otherwise: str = "") -> Behaviour:
    """Write down what the contract says."""
    return Behaviour(name, says, "documented", where, tests, switch, otherwise=otherwise)


def page(name: str, says: str, where: str, *tests: str, switch: str = "", otherwise: str = "") -> Behaviour:
    """Write down what a page of the vendor's says that isn't the contract."""
    return Behaviour(name, says, "page", where, tests, switch, otherwise=otherwise)


def measured(name: str, says: str, where: str, *tests: str, switch: str = "", otherwise: str = "") -> Behaviour:
    """Write down what public logs of the live server show."""
    return Behaviour(name, says, "measured", where, tests, switch, otherwise=otherwise)


def client(name: str, says: str, where: str, *tests: str) -> Behaviour:
    """Write down what the types of the official client say."""
    return Behaviour(name, says, "client", f"luma-agents 0.5.0 / {where}", tests)


def assumed(
    name: str, says: str, *tests: str, switch: str = "", unswitched: str = "", otherwise: str = ""
) -> Behaviour:
    """Write down what nobody says, with a switch or the reason why none is needed."""
    return Behaviour(name, says, "assumed", "", tests, switch, unswitched, otherwise)
