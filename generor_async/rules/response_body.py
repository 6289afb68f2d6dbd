"""Decodes the body of a response: as JSON, as text for people, and without secrets."""

import json
import re

from generor_async.rules.partial_responses import to_utf8
from generor_async.values import JSON, Secret, is_array, is_object

__all__ = ["body_text", "mask_secrets", "read_json"]

LONGEST_BODY_TEXT = 65_536
"""Characters that are kept of a body that isn't JSON."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def read_json(body: bytes) -> JSON:
    """Decode strict JSON in any Unicode encoding; raises ValueError for anything else, at any depth."""
    try:
        text = body.decode()
        if text[:1] == "{":
            value, end = _decoder.raw_decode(text)
            if end == len(text):
                return value
        return _decoder.decode(text)
    except ValueError:
        if (written := to_utf8(body)) != body:
            return read_json(written)
        raise
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def body_text(body: bytes) -> str:
    """Return the text of a body that isn't JSON, cut to `LONGEST_BODY_TEXT`."""
    return to_utf8(body)[:LONGEST_BODY_TEXT].decode("utf-8", "replace")


def mask_secrets(body: JSON, secrets: tuple[str, ...]) -> JSON:
    """Mask the values of secret fields, in place, so that no traceback shows them; return the body.

    In a text that isn't JSON, or broke off, they are replaced by asterisks. Any depth is fine, without recursion.
    """
    if isinstance(body, str):
        names = "|".join(secrets)
        return re.sub(rf'((?:{names})\\*"\s*:\s*\\*")[^"\\]*', r"\1***", body) if secrets else body
    pending: list[JSON] = [body] if secrets else []
    while pending:
        value = pending.pop()
        if is_object(value):
            for name in secrets:
                if isinstance(found := value.get(name), str):
                    value[name] = Secret(found)
            pending += value.values()
        elif is_array(value):
            pending += value
    return body
