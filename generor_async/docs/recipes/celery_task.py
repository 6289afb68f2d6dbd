"""A Celery task that makes one picture, and pays for it once, however often the task is delivered.

    pip install generor-async 'celery[redis]'
    export LUMA_AGENTS_API_KEY=... PICTURES_REDIS_URL=redis://cache/0
    celery -A celery_task worker

and in the web application: `celery_task.picture.delay("A heron").get()` is the picture's path. PICTURES is the folder
of the pictures (pictures/), PICTURES_STATE where paid calls are kept: a file beside them, or, with workers on several
machines, a postgresql:// URL. PICTURES_REDELIVERY is the number of seconds after which the task of a worker that was
lost is given to another one (3600).

`acks_late` delivers a task again whose worker was killed. The task's id is the idempotency key of the paid call, so
that the second delivery takes up the picture of the first. A call that may have been charged, as its answer was lost,
is not made again: `luma.jobs.unknown()` has it, with the task's id. On SIGTERM a worker lets its tasks end.
"""

import os
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.signals import worker_process_shutdown

from generor_async import GenerorAsyncError, Luma

FOLDER = Path(os.environ.get("PICTURES", "pictures"))
FOLDER.mkdir(parents=True, exist_ok=True)
REDIS = os.environ["PICTURES_REDIS_URL"]

luma = Luma(
    state=os.environ.get("PICTURES_STATE") or FOLDER / "calls.sqlite"
)  # each process connects at its first call

app = Celery("celery_task", broker=REDIS, backend=REDIS)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,  # give a task to another process at once where one process of a worker dies
    worker_prefetch_multiplier=1,  # a task that waits here could wait elsewhere
    broker_transport_options={"visibility_timeout": float(os.environ.get("PICTURES_REDELIVERY", "3600"))},
)


class PictureError(Exception):
    """There is no picture; the message says why, and the id of what was charged."""


@app.task(bind=True)
def picture(self: "Task[..., Any]", prompt: str) -> str:
    """Make a picture; return its path. A second delivery, also beside the first one, gets the same picture."""
    once = luma.with_options(idempotency_key=f"task {self.request.id}", context={"task": self.request.id})
    try:
        generation = once.generations.run(prompt=prompt)
        (path,) = luma.download(generation, FOLDER, overwrite=True)
    except GenerorAsyncError as error:  # Celery's results are JSON, which keeps the class and the message alone
        raise PictureError(str(error)) from error
    return str(path)


@worker_process_shutdown.connect
def close(**_: Any) -> None:
    """Close the client of a process that ends."""
    luma.close()
