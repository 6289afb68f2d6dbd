"""Checks the `parameters` of Generor's calls against schemas that are fetched once for each client and generator.

A schema that can't be fetched is no reason to fail the call, which goes out unchecked; a warning in the log says so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote

from attrs import frozen

from generor_async.errors import GenerorAsyncError, InvalidRequestError
from generor_async.rules.parameter_schemas import ParameterField, check_parameters
from generor_async.values import JSON, Clock

__all__ = ["FETCH_SECONDS", "SCHEMA_SECONDS", "ParameterChecks"]

SCHEMA_SECONDS: Final = 3_600.0
"""Seconds for which a schema is used."""
FRESH_SECONDS: Final = 60.0
"""Seconds after which a schema is fetched anew before a call is refused by it: generators get new parameters."""
RETRY_SECONDS: Final = 60.0
"""Seconds for which a schema that could not be fetched is not asked for again."""
FETCH_SECONDS: Final = 10.0
"""Most seconds that a call waits for a schema."""

_logger: Final = logging.getLogger("generor_async")


_Fetch: TypeAlias = Callable[[str], Awaitable[Sequence[ParameterField] | None]]
"""Fetches the fields of the generator at a path; None where the answer has none."""


@frozen
class _Schema:
    """What a generator takes; None where that is unknown."""

    fields: Sequence[ParameterField] | None
    fetched_at: float


class ParameterChecks:
    """The schemas of generators, which the views of a client share. Times are seconds of the client's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._schemas: dict[str, _Schema] = {}
        self._fetches: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[_Schema]] = {}

    async def check(
        self, path: str, parameters: Mapping[str, JSON], fetch: _Fetch, *, timeout: float | None = None
    ) -> None:
        """Raise InvalidRequestError for parameters that the generator at a path doesn't take, by its schema.

        At most half of the call's `timeout` is spent on fetching it: a paid call isn't cut off by that.
        """
        seconds = FETCH_SECONDS if timeout is None else min(FETCH_SECONDS, timeout / 2)
        known = self._schemas.get(path)
        if known is None or self._age(known) >= (RETRY_SECONDS if known.fields is None else SCHEMA_SECONDS):
            known = await self._shared_fetch(path, fetch, seconds)
        try:
            _check(path, parameters, known)
        except InvalidRequestError:
            if self._age(known) < FRESH_SECONDS:
                raise
            _check(path, parameters, await self._shared_fetch(path, fetch, seconds))

    def _age(self, schema: _Schema) -> float:
        return self._clock.monotonic() - schema.fetched_at

    async def _shared_fetch(self, path: str, fetch: _Fetch, seconds: float) -> _Schema:
        """Fetch a schema, or wait for the fetch under way in this event loop; a caller that leaves doesn't end it."""
        key = asyncio.get_running_loop(), path
        task = self._fetches.get(key)
        if task is None:
            task = self._fetches[key] = asyncio.create_task(self._fetch(path, fetch))
            task.add_done_callback(lambda _: self._fetches.pop(key, None))
        done, _ = await asyncio.wait([task], timeout=seconds / self._clock.speed)
        return task.result() if done else _Schema(None, self._clock.monotonic())

    async def _fetch(self, path: str, fetch: _Fetch) -> _Schema:
        fields = None
        try:
            fields = await fetch(path)
        except GenerorAsyncError as error:
            _logger.warning("parameters of %s are not checked: its schema can't be fetched: %s", path, error)
        schema = self._schemas[path] = _Schema(fields, self._clock.monotonic())
        return schema


def _check(path: str, parameters: Mapping[str, JSON], schema: _Schema) -> None:
    if schema.fields is not None:
        check_parameters(parameters, schema.fields, unquote(path.rpartition("/")[2]))
