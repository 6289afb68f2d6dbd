"""What may be asked for over HTTP: URLs whose parts can all be used."""

from collections.abc import Collection

from yarl import URL

__all__ = ["usable"]


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
