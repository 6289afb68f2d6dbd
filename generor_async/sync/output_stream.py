# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `engine.output_stream`."""

from collections.abc import Iterator
from types import TracebackType

from generor_async.engine.output_stream import OutputStream as AsyncOutputStream
from generor_async.sync.bridge import SyncProxy

__all__ = ["OutputStream"]


class OutputStream(SyncProxy[AsyncOutputStream]):
    """The bytes of one output, as they arrive.

    The request is sent by `with` or `open()`, or by the iteration; from then on the stream knows its `status`,
    `length`, `content_type` and `headers`. `for chunk in stream` yields the bytes, once. To leave the iteration, or the
    block, ends the transfer.
    """

    __slots__ = ()

    def open(self) -> "OutputStream":
        """Send the request, unless it was sent, and return the stream when its first bytes are here.

        Raises:
            InvalidRequestError: This is no output, or there are several.
            DownloadError: There is no output, its host doesn't send it, or it isn't what was asked for.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return OutputStream(self._bridge, self._bridge.run(self._impl.open()))

    @property
    def status(self) -> int:
        """200 for the whole output, 206 for a part of it, 416 where it ends before the range that was asked for."""
        return self._impl.status

    @property
    def length(self) -> int | None:
        """The number of bytes that the stream yields; None where the host doesn't say."""
        return self._impl.length

    @property
    def content_type(self) -> str:
        """The media type, such as `video/mp4`, by the first bytes where these are in the stream."""
        return self._impl.content_type

    @property
    def headers(self) -> dict[str, str]:
        """Headers for an answer that passes the stream on, such as Content-Type, Content-Length and Content-Range."""
        return self._impl.headers

    def close(self) -> None:
        """End the transfer, and give its connection back."""
        self._bridge.release(self._impl.close())

    def __iter__(self) -> Iterator[bytes]:
        return self._bridge.iterate(self._impl.__aiter__())

    def __enter__(self) -> "OutputStream":
        return OutputStream(self._bridge, self._bridge.run(self._impl.__aenter__()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bridge.release(self._impl.__aexit__(kind, error, traceback))
