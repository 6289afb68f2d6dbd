"""What a failed job raises."""

import pytest
from support.calls import Generation

from generor_async import errors
from generor_async.errors import GenerationFailedError
from generor_async.rules.lifecycle import TERMINAL, failure

CODES: dict[str | None, tuple[type[GenerationFailedError], bool]] = {
    "content_moderated": (errors.ContentModeratedError, False),
    "generation_failed": (GenerationFailedError, True),
    "budget_exhausted": (errors.BudgetExhaustedError, False),
    "output_not_found": (errors.OutputNotFoundError, True),
    "rate_limited": (GenerationFailedError, True),
    "image_too_large": (errors.InputRejectedError, False),
    "unsupported_format": (errors.InputRejectedError, False),
    "corrupt_input": (errors.InputRejectedError, False),
    "invalid_request": (errors.InputRejectedError, False),
    "brand_new_code": (GenerationFailedError, False),
    None: (GenerationFailedError, False),
}


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_class_and_says_whether_another_try_may_help(code: str | None) -> None:
    generation = Generation(failure_code=code)
    error = failure(generation)
    assert (type(error), error.retryable) == CODES[code]
    assert (error.generation, error.code, error.reason) == (generation, code, "the model gave up")
    assert "gen-1" in str(error)
    assert "the model gave up" in str(error)
    assert error.advice


def test_an_unknown_state_is_not_terminal() -> None:
    assert "dreaming" not in TERMINAL
    assert {"completed", "failed"} == TERMINAL
