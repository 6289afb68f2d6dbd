"""Packages that come with extras, and are not needed by most commands."""

from importlib.util import find_spec

from generor_async.cli.error_output import exit_with
from generor_async.cli.exit_codes import BAD_USE

__all__ = ["has_packages", "need_extra"]


def has_packages(*packages: str) -> bool:
    """Tell whether all of these packages are installed."""
    return all(find_spec(package) is not None for package in packages)


def need_extra(extra: str, *packages: str) -> None:
    """End the command, and say how to install what it needs, where one of these packages is missing."""
    missing = next((package for package in packages if not has_packages(package)), None)
    if missing is not None:
        message = f"the command needs the package {missing!r}: install it with pip install 'generor-async[{extra}]'"
        raise exit_with(message, BAD_USE)
