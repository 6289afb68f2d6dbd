"""Makes the errors of failed jobs, and attaches to errors the job or creation that they concern."""

import math
import re
from typing import Final

from generor_async.errors import (
    BudgetExhaustedError,
    ContentModeratedError,
    GenerationFailedError,
    GenerorAsyncError,
    InputRejectedError,
    OutcomeUnknownError,
    OutputNotFoundError,
    ResponseShapeError,
)
from generor_async.rules.luma_prices import REFUNDED_CODES
from generor_async.values import GenerationLike

__all__ = [
    "attach_creation",
    "attach_job",
    "attach_result",
    "job_failure",
    "job_id_of",
    "resubmit_delay",
    "resume_creation_hint",
    "resume_job_hint",
]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_AFTER: Final = {
    "content_moderated": "Modify the prompt or the input and resubmit; do not retry as-is",
    "generation_failed": "Retry the same request: this is typically transient",
    "budget_exhausted": "Add credits, then resubmit; this one may be charged in part, says the vendor's FAQ",
    "output_not_found": "Retry the same request",
    "image_too_large": "Resize the image",
    "unsupported_format": "Convert the input to a supported format",
    "corrupt_input": "Re-encode the input",
    "invalid_request": "Fix the request",
    "rate_limited": "Retry later",
}
"""Advice by failure code: the first four documented, the others documented or from the client's types."""
RETRYABLE: Final = {"generation_failed": 0.0, "output_not_found": 0.0, "rate_limited": 30.0}
"""The codes for which the same request may succeed, and the seconds before a retry (assumed)."""
_CLASSES: Final[dict[str, type[GenerationFailedError]]] = {
    "content_moderated": ContentModeratedError,
    "budget_exhausted": BudgetExhaustedError,
    "output_not_found": OutputNotFoundError,
    "image_too_large": InputRejectedError,
    "unsupported_format": InputRejectedError,
    "corrupt_input": InputRejectedError,
    "invalid_request": InputRejectedError,
}


def resume_job_hint(job_id: str) -> str:
    """Return the rest of a sentence that says how to resume the wait for a Luma job."""
    return f"can be taken up again with generations.job({job_id!r}); Luma documents no way to cancel it"


def resume_creation_hint(creation_id: int | str) -> str:
    """Return the rest of a sentence that says how to fetch a Generor creation."""
    return f"can be waited for with creations.wait({creation_id}), and fetched with creations.get({creation_id})"


def attach_job(error: GenerorAsyncError, job_id: str) -> None:
    """Attach the Luma job to an error that concerns it."""
    error.job_id, error.take_up = job_id, resume_job_hint(job_id)


def job_id_of(error: GenerorAsyncError) -> str | None:
    """Return the job id in the damaged response to a submission; None where there isn't exactly one."""
    ids = error.ids if isinstance(error, OutcomeUnknownError | ResponseShapeError) else ()
    whole = [found for found in ids if _UUID.fullmatch(found)]
    return whole[0] if len(whole) == 1 else None


def attach_result(error: GenerorAsyncError, operation: str, creation_id: int | None) -> None:
    """Attach to the error of a paid call the job or creation that its damaged response names."""
    if operation == "luma.generations.create" and (job := job_id_of(error)) is not None:
        attach_job(error, job)
    elif operation == "generor.generators.generate":
        attach_creation(error, creation_id)


def attach_creation(error: GenerorAsyncError, creation_id: int | None) -> None:
    """Attach the Generor creation to an error that concerns it, where its id is known."""
    if creation_id is not None:
        error.creation_id, error.take_up = creation_id, resume_creation_hint(creation_id)


def job_failure(generation: GenerationLike) -> GenerationFailedError:
    """Make the error of a failed job, with the class and the advice of its failure code."""
    code = generation.failure_code or ""
    reason = generation.failure_reason or "no reason was given"
    refunded = code in REFUNDED_CODES
    told = " (refunded, says the FAQ)" if refunded else ""
    return _CLASSES.get(code, GenerationFailedError)(
        f"generation {generation.id} failed: {code or 'no failure code'}: {reason}{told}",
        generation=generation,
        refunded=refunded,
        retryable=code in RETRYABLE,
        advice=_AFTER.get(code, "This code is not documented: look at the reason before sending it again"),
    )


def resubmit_delay(error: GenerationFailedError, times: int) -> float | None:
    """Return the seconds before a failed job may be resubmitted; None where that can't help.

    `times` counts earlier resubmissions: the wait doubles with each.
    """
    seconds = RETRYABLE.get(error.code or "")
    return None if seconds is None else math.ldexp(seconds, times)
