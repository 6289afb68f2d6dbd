"""What commands ask of workers: to look for runs at once, or to see that one was stopped."""

from generor_async.fleet.queue import defer_assignment, make_app, open_app, stop_shifts

__all__ = ["end_shifts", "wake_workers"]


async def wake_workers(url: str) -> None:
    """Have the workers look for runs at once, where they would within seconds.

    Raises:
        QueueError: The queue can't be reached.
    """
    app = make_app(url)
    async with open_app(app, url):
        await defer_assignment(app)


async def end_shifts(url: str, run: str) -> None:
    """Have all shifts of a run that workers have begun see at once that it was stopped, and begin none that waits.

    Raises:
        QueueError: The queue can't be reached.
    """
    app = make_app(url)
    async with open_app(app, url):
        await stop_shifts(app, run)
