"""What may be asked for over HTTP: URLs whose parts can all be used."""

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
"""What an address may hold as it is, beside letters and digits."""


def encoded(address: str) -> str:
    """Return an address as it may be sent: what it may not hold as it is, such as spaces and letters, is encoded."""
    if (address.isascii() and not _ILLEGAL.search(address)) or _CONTROL.search(address):
        return address  # what is of more than one line was never one
    parts = urlsplit(address.strip())
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    rest = [_BROKEN_ESCAPE.sub("%25", part) for part in (parts.path, parts.query, parts.fragment)]
    path, query, fragment = (quote(part, safe=_LEFT, errors="surrogateescape") for part in rest)
    return urlunsplit((parts.scheme, host, path, query, fragment))


def usable(text: str, schemes: Collection[str] = ("https", "http")) -> URL:
    """Return a URL that can be asked, as it is; ValueError says what is wrong with it, and never shows it.

    yarl takes hosts for granted until they are used, and they fail then where nobody expects it.
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
    """Tell whether a host can be looked up: no label is empty, too long, or only looks like an encoded one."""
    try:
        host = url.host or ""
        return bool(host.encode("idna")) and bool((url.raw_host or "").encode("idna"))
    except UnicodeError:
        return False
