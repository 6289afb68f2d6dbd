"""`generor check`: is the key good, at no cost."""

import asyncio
from typing import Annotated, Any, Literal

import typer
from attrs import asdict

from generor_async.cli.clients import opened
from generor_async.cli.exit_codes import FAILED, INTERRUPTED, stop
from generor_async.cli.result_view import show
from generor_async.errors import GenerorAsyncError
from generor_async.values import KeyCheck

__all__ = ["command"]

command = typer.Typer(add_completion=False)


@command.command()
def check(
    api: Annotated[Literal["luma", "generor"], typer.Option(help="The API whose key it is.")] = "luma",
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="The API's address, if not its own.")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="How long it may take.")] = None,
) -> None:
    """Find out whether the key in the environment is good, and what the API says of its account; costs nothing.

    Exits with 0 where it is good, with 1 where it isn't or nobody could say.
    """
    try:
        found = asyncio.run(_checked(api, base_url, timeout))
    except KeyboardInterrupt:
        raise stop("interrupted", INTERRUPTED) from None
    except GenerorAsyncError as error:
        raise stop(str(error), FAILED) from None
    show({name: value for name, value in asdict(found).items() if value is not None})


async def _checked(api: str, base_url: str | None, timeout: float | None) -> KeyCheck:
    options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    async with opened(api, base_url=base_url, **options) as client:
        return await client.check()
