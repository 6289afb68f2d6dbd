"""The life of a job, as a table.

    queued ──> processing ──> completed
       │            │
       └────────────┴───────> failed

A state that this table does not know is not terminal: the job is looked at again.
"""

from typing import Final

from generor_async.errors import (
    BudgetExhaustedError,
    ContentModeratedError,
    GenerationFailedError,
    InputRejectedError,
    OutputNotFoundError,
)
from generor_async.values import GenerationLike

__all__ = ["TERMINAL", "failure"]

TERMINAL: Final = frozenset({"completed", "failed"})

_AFTER: Final = {
    "content_moderated": "Modify the prompt or the input and resubmit; do not retry as-is",
    "generation_failed": "Retry the same request: this is typically transient",
    "budget_exhausted": "Add credits, then resubmit",
    "output_not_found": "Retry the same request",
    "image_too_large": "Resize the image",
    "unsupported_format": "Convert the input to a supported format",
    "corrupt_input": "Re-encode the input",
    "invalid_request": "Fix the request",
    "rate_limited": "Retry later",
}
"""What to do after each failure code: the first four documented, the others documented or from the client's types."""

RETRYABLE: Final = frozenset({"generation_failed", "output_not_found", "rate_limited"})

_CLASSES: Final[dict[str, type[GenerationFailedError]]] = {
    "content_moderated": ContentModeratedError,
    "budget_exhausted": BudgetExhaustedError,
    "output_not_found": OutputNotFoundError,
    "image_too_large": InputRejectedError,
    "unsupported_format": InputRejectedError,
    "corrupt_input": InputRejectedError,
    "invalid_request": InputRejectedError,
}


def failure(generation: GenerationLike) -> GenerationFailedError:
    """Make the error of a job that failed: the class of its code, and what to do."""
    code = generation.failure_code or ""
    reason = generation.failure_reason or "no reason was given"
    return _CLASSES.get(code, GenerationFailedError)(
        f"generation {generation.id} failed: {code or 'no failure code'}: {reason}",
        generation=generation,
        retryable=code in RETRYABLE,
        advice=_AFTER.get(code, "This code is not documented: look at the reason before sending it again"),
    )
