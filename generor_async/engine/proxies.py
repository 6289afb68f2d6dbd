"""Checks HTTP proxies, given by the caller or by the environment."""

from urllib.request import getproxies, proxy_bypass

from yarl import URL

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, urls
from generor_async.values import Masked

__all__ = ["env_proxy", "given_proxy"]

SOCKS = "For a SOCKS proxy, install aiohttp-socks and pass connector=ProxyConnector.from_url(...)"


def given_proxy(value: str | None) -> Masked | None:
    """Return the address of a proxy, masked as it may hold a password; raises InvalidRequestError."""
    return None if value is None else _checked(Masked(arguments.text(value, "proxy")), "proxy")


def env_proxy(base_url: str) -> Masked | None:
    """Return the proxy that the environment names for a base URL, masked; None where it names none.

    aiohttp's own `trust_env` would also read ~/.netrc, and send the credentials in it.

    Raises:
        InvalidRequestError: The proxy is not an HTTP proxy.
    """
    url = URL(base_url)
    if url.host is None or proxy_bypass(url.host):
        return None
    known = {scheme: Masked(address) for scheme, address in getproxies().items()}
    for scheme in (url.scheme, "all"):
        if found := known.get(scheme):
            # Without a scheme it is an HTTP proxy, as it is for curl.
            return _checked(found if "://" in found else Masked(f"http://{found}"), f"{scheme.upper()}_PROXY")
    return None


def _checked(text: Masked, name: str) -> Masked:
    try:
        urls.usable(text)
    except ValueError as error:
        problem = str(error)
    else:
        return text
    advice = SOCKS if text.lower().startswith("socks") else "Write http://host:port"
    raise InvalidRequestError(name, f"{name}: {problem}", advice=advice)
