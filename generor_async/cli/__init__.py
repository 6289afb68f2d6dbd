"""The command `generor`."""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; say how to install what it needs where that is missing."""
    _open_streams()
    try:
        from generor_async.cli.app import app  # noqa: PLC0415 - typer and rich come with an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("generor_async"):
            raise
        sys.exit(
            f"generor: the command needs the package {error.name!r}: install it with pip install 'generor-async[cli]'"
        )
    app()


def _open_streams() -> None:
    """Have each standard stream lead nowhere that was closed, as by `>&-`: no file of ours may take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for as long as it runs
