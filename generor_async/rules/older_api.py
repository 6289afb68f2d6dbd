"""Luma's older API, Dream Machine, told apart from Luma Agents: their addresses, keys and fields are often mixed up.

That neither takes the other's keys is measured, by six public repositories; what its keys look like is assumed.
"""

from typing import Final
from urllib.parse import urlsplit

from generor_async.rules.vendors import LUMA, Vendor

__all__ = ["ADVICE_ON_KEYFRAMES", "advice_on_address", "advice_on_key"]

ADVICE_ON_KEYFRAMES: Final = (
    "keyframes with frame0 and frame1 are of Dream Machine, the vendor's older API: here video takes start_frame and"
    " end_frame, or a list of keyframes with keyframe_indexes"
)
"""What to do where a request has keyframes as the older API takes them."""


def advice_on_address(vendor: Vendor, base_url: str) -> str:
    """Return what to do where a base URL is the older API's; empty where it isn't."""
    parts = urlsplit(base_url)
    if vendor is not LUMA or (parts.hostname != "api.lumalabs.ai" and "dream-machine" not in parts.path.split("/")):
        return ""
    return (
        f"It is the address of Dream Machine, the vendor's older API; that of Luma Agents is {LUMA.base_url},"
        " with a key of its own from platform.lumalabs.ai"
    )


def advice_on_key(vendor: Vendor, key: str) -> str:
    """Return what to do where a key looks like one of the older API; empty where it doesn't."""
    if vendor is not LUMA or not key.startswith("luma-") or key.startswith(LUMA.key_prefix):
        return ""
    return (
        "It looks like a key of Dream Machine, the vendor's older API, which isn't good for Luma Agents: make one on"
        " platform.lumalabs.ai"
    )
