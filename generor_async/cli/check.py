"""`generor check`: check a key at no cost."""

import asyncio
from typing import Annotated, Any, Literal

import typer
from attrs import asdict

from generor_async.cli.clients import open_client
from generor_async.cli.error_output import exit_with
from generor_async.cli.exit_codes import FAILED, INTERRUPTED
from generor_async.cli.result_view import print_result
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
    """Check the key in the environment, and print what the API says about its account. Costs nothing.

    Exits with 0 if the key is good; with 1 if it is not, or if the API gave no answer.
    """
    try:
        found = asyncio.run(_check_key(api, base_url, timeout))
    except KeyboardInterrupt:
        raise exit_with("interrupted", INTERRUPTED) from None
    except GenerorAsyncError as error:
        raise exit_with(str(error), FAILED) from None
    print_result({name: value for name, value in asdict(found).items() if value is not None})


async def _check_key(api: str, base_url: str | None, timeout: float | None) -> KeyCheck:
    options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    async with open_client(api, base_url=base_url, **options) as client:
        return await client.check()
