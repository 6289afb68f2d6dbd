"""Resolves and checks keys and base URLs."""

import ipaddress
import os
from typing import TypeVar, cast

from yarl import URL

from generor_async.errors import InvalidRequestError, MissingAPIKeyError
from generor_async.rules import arguments, older_api, urls
from generor_async.rules.vendors import Vendor
from generor_async.values import Masked, Secret, Unseen, Unset

__all__ = ["as_secret", "is_loopback", "masked_texts", "missing_key", "resolve_base_url", "resolve_key"]


T = TypeVar("T")


def as_secret(key: str | Secret | None) -> Secret | None:
    """Wrap a key in a Secret, so that no traceback with locals shows it."""
    if isinstance(key, str):
        return Secret(key)
    if key is None or _is_harmless(key):
        return key
    return cast("Secret", Unseen(key))  # which is refused later


def _is_harmless(value: object) -> bool:
    return isinstance(value, Secret | Unseen)


def masked_texts(text: T) -> T:
    """Mask a text that may hold a password, or each text of a mapping."""
    if text is None or isinstance(text, Unset | Unseen):
        return text
    if isinstance(text, str):
        return cast("T", Masked(text))
    if arguments.is_mapping(text):
        return cast("T", {name: masked_texts(value) for name, value in text.items()})
    return cast("T", Unseen(text))


def masked_url(place: T) -> T:
    """Mask a URL, which may hold a password; a path stays as it is."""
    return cast("T", Masked(place)) if isinstance(place, str) and "://" in place else place


def resolve_key(vendor: Vendor, key: Secret | None, base_url: str) -> Secret | None:
    """Return the key to use: the given one, or that of the environment variable; None where there is neither.

    The prefix is checked at the vendor's own address only, and the alphabet never: another server may have other keys,
    and the example in the documents has letters that their description excludes.
    """
    source = "api_key"
    if key is None:
        source = vendor.key_variable
        key = as_secret(os.environ.get(source) or None)
        if key is None:
            return None
    wrong = _wrong_key(vendor, key, base_url)
    if wrong is not None:
        problem, advice = wrong
        raise InvalidRequestError(source, problem, advice=advice)
    return key


def _wrong_key(vendor: Vendor, key: Secret, base_url: str) -> tuple[str, str] | None:
    """Return what is wrong with a key, and what to do. The caller raises it, from a frame that doesn't hold the key."""
    text = key.reveal()
    if not text:
        return "the API key is empty", missing_key_advice(vendor)
    if not text.isascii() or not text.isprintable() or " " in text:
        return (
            "the API key contains a space, a newline or another character that no key has",
            "Copy the key again, and strip what came with it (a file's last newline, for example)",
        )
    if base_url == vendor.base_url and not text.startswith(vendor.key_prefix):
        advice = f"Check that it is a key of this API; keys are made {vendor.key_source}"
        return f"the API key does not start with {vendor.key_prefix}", older_api.advice_on_key(vendor, text) or advice
    return None


def missing_key(vendor: Vendor, operation: str = "") -> MissingAPIKeyError:
    """Return the error for a call that needs a key."""
    return MissingAPIKeyError("no API key was given", operation=operation, advice=missing_key_advice(vendor))


def missing_key_advice(vendor: Vendor) -> str:
    """Return advice on how to set a key, and where to get one."""
    return f"Set {vendor.key_variable} or pass api_key=...; keys are made {vendor.key_source}"


def resolve_base_url(vendor: Vendor, base_url: str | None, *, allow_insecure: bool) -> str:
    """Return the base URL to use; http is accepted for loopback hosts only.

    It is in one spelling, by which clients of one address know each other: without a trailing slash and a default port.
    """
    source = "base_url"
    if base_url is None:
        base_url, source = os.environ.get(vendor.url_variable) or vendor.base_url, vendor.url_variable
    base_url = arguments.text(base_url, source)
    if set("@?#") & set(base_url):
        # Told first, so that no other complaint shows what they carry.
        raise InvalidRequestError(source, "the base URL must have neither credentials nor a query nor a fragment")
    if " " in base_url:
        raise InvalidRequestError(source, f"{source} {base_url[:200]!r} has a space", advice="Remove it")
    try:
        url, origin = urls.usable(base_url), URL(base_url).origin()
    except ValueError as error:
        advice = f"The API's own is {vendor.base_url}"
        raise InvalidRequestError(source, f"{source} {base_url[:200]!r}: {error}", advice=advice) from None
    if advice := older_api.advice_on_address(vendor, base_url):
        raise InvalidRequestError(source, f"{base_url} is not the address of this API", advice=advice)
    host = url.host or ""
    if url.scheme == "http" and not allow_insecure and not is_loopback(host):
        raise InvalidRequestError(
            source,
            f"{base_url} would send the API key unencrypted to {host}",
            advice="Use https, or pass allow_insecure=True if you mean it",
        )
    return f"{origin}{url.raw_path}".rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host is the local machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
