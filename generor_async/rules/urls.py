"""Checks URLs before they are requested."""

import encodings.idna  # noqa: F401 # pyright: ignore[reportUnusedImport] # else the first client would import it, and Python may lose a Ctrl-C in an import
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from yarl import URL

__all__ = ["encoded", "usable"]

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9%!$&'()*+,;=:@/?#\[\]~._-]|%(?![0-9A-Fa-f]{2})")
_LEFT: Final = "%!$&'()*+,;=:@/?[]~-._"
"""Characters of a URL that are not encoded, beside letters and digits."""


def encoded(address: str) -> str:
    """Return a URL with characters that it can't contain, such as spaces, percent-encoded."""
    if (address.isascii() and not _ILLEGAL.search(address)) or _CONTROL.search(address):
        return address  # what is of more than one line was never one
    parts = urlsplit(address.strip())
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    rest = [_BROKEN_ESCAPE.sub("%25", part) for part in (parts.path, parts.query, parts.fragment)]
    path, query, fragment = (quote(part, safe=_LEFT, errors="surrogateescape") for part in rest)
    return urlunsplit((parts.scheme, host, path, query, fragment))


def usable(text: str, schemes: Collection[str] = ("https", "http")) -> URL:
    """Parse a URL that can be requested; raises ValueError, whose message doesn't show it.

    yarl accepts invalid hosts, which then fail where that isn't expected.
    """
    if not text.isprintable():
        raise ValueError("it has a newline or another character that no URL has")
    try:
        url = URL(text, encoded=True)
        _ = url.port
    except ValueError:
        raise ValueError("it is not a URL, or its port is none") from None
    if url.scheme not in schemes:
        wanted = " or ".join(sorted(schemes, reverse=True))
        raise ValueError(f"it must be a URL of the scheme {wanted}, not {url.scheme or 'a relative one'}")
    if not url.raw_host or not _is_host(url):
        raise ValueError("its host is no name and no address")
    return url


def _is_host(url: URL) -> bool:
    """Tell whether a host name can be resolved: no label is empty, too long, or invalid punycode."""
    try:
        host = url.host or ""
        return bool(host.encode("idna")) and bool((url.raw_host or "").encode("idna"))
    except UnicodeError:
        return False
