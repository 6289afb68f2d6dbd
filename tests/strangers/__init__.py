"""A small server for two HTTP APIs, written from their vendors' documentation alone.

It stands in for the Luma Agents API (version 2026-04-01) and the Generor API (v1). It shares no code and no
knowledge with any client or simulator: what it does was read from the vendors' pages, and from notes on what
public programs met. Each docstring says where a behaviour is from:

* documented: the vendor's API documentation (Generor), the vendor's page on errors (Luma)
* page: any other page of the vendor's
* measured: what public programs report of the live server
* client: the types of the vendor's official client
* assumed: nobody says so; the server has to do something

Time is the running loop's and nothing else, so that the server also works on a loop whose time jumps.
"""

from strangers.records import Answer, Arrival, Charge, Script, in_turn
from strangers.server import StrangerServer
from strangers.worlds import GenerorWorld, Held, LumaWorld, Others, Outage, Span, Spread, World

__all__ = [
    "Answer",
    "Arrival",
    "Charge",
    "GenerorWorld",
    "Held",
    "LumaWorld",
    "Others",
    "Outage",
    "Script",
    "Span",
    "Spread",
    "StrangerServer",
    "World",
    "in_turn",
]
