"""The `generor` command."""

import sys

from generor_async.cli.std_streams import repair_streams

__all__ = ["main"]


def main() -> None:
    """Run the command; where a package that it needs is missing, say how to install it."""
    repair_streams()
    try:
        from generor_async.cli.app import app  # noqa: PLC0415 - typer and rich come with an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("generor_async"):
            raise
        sys.exit(
            f"generor: the command needs the package {error.name!r}: install it with pip install 'generor-async[cli]'"
        )
    app()
