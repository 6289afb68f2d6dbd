"""Checks each Luma request before it is sent.

A request that is certain to be refused isn't sent; of a combination that the pages advise against, it warns once.
"""

import warnings
from collections.abc import Mapping
from urllib.parse import urlsplit

from generor_async.engine.auth import is_loopback
from generor_async.engine.stacklevel import caller_stacklevel
from generor_async.rules.luma_input_checks import check_inputs
from generor_async.rules.luma_warnings import parameter_warnings
from generor_async.rules.vendors import Vendor
from generor_async.values import JSON

__all__ = ["Inspection"]


class Inspection:
    """Checks the requests to one address."""

    def __init__(self, vendor: Vendor, base_url: str, *, fetches_itself: bool) -> None:
        self._is_own = base_url == vendor.base_url
        """Whether it is the vendor's own server: another one may accept what that one refuses."""
        self._is_local = is_loopback(urlsplit(base_url).hostname or "")
        self._fetches_itself = fetches_itself
        self._warned = set[str]()

    def __call__(self, operation: str, body: Mapping[str, JSON]) -> None:
        """Raise InvalidRequestError for a body that is certain to be refused; warn, once for each rule, of others."""
        if self._is_own:
            check_inputs(body)
        if operation != "luma.generations.create":
            return
        for remark in parameter_warnings(body, fetches_itself=self._fetches_itself, is_local=self._is_local):
            if remark.name not in self._warned:
                self._warned.add(remark.name)
                warnings.warn(f"{operation}: {remark.text}.", UserWarning, stacklevel=caller_stacklevel())
