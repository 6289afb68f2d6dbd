"""The vendor's Python snippets run when only the import is changed."""

import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from generor_async import InsufficientCreditsError, Luma, RateLimitError
from generor_async.simulator import Simulator

TEXT = Path(__file__).with_name("snippets.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
CODES, BASE64, RETRY, INLINE, FAILURES, FRESH = SNIPPETS


@pytest.fixture(autouse=True)
def environ(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_AGENTS_API_KEY", simulator.luma_key)
    monkeypatch.setenv("LUMA_BASE_URL", simulator.luma_url)


@pytest.fixture
def client() -> Iterator[Luma]:
    with Luma(max_retries=0) as client:
        yield client


def run(snippet: str, **known: object) -> dict[str, Any]:
    """Run a snippet with predefined names, and return its variables."""
    names: dict[str, Any] = {"__name__": "__main__", **known}
    exec(compile(snippet.replace("from luma_agents import", "from generor_async import"), "snippet", "exec"), names)
    return names


def ended(client: Luma, prompt: str) -> Any:
    """Submit a generation, and return it when it has ended."""
    generation = client.generations.create(prompt=prompt)
    while generation.state not in {"completed", "failed"}:
        time.sleep(0.05)
        generation = client.generations.get(generation.id)
    return generation


def test_every_snippet_is_tested() -> None:
    assert TEXT.count("```python") == 6


def test_codes_are_told_apart(client: Luma) -> None:
    retried: list[Any] = []
    failed = ended(client, "A heron [[fail:generation_failed]]")
    run(CODES, generation=failed, retry_generation=retried.append)
    assert retried == [failed]
    with pytest.raises(ValueError, match="Content policy violation: Generation output was flagged"):
        run(CODES, generation=ended(client, "A heron [[moderate]]"), retry_generation=retried.append)
    run(CODES, generation=ended(client, "A heron"), retry_generation=retried.append)
    assert len(retried) == 1


def test_a_429_is_retried(client: Luma, simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    simulator.faults.add(operation="luma.generations.create", fault="429", retry_after=1, times=1)
    create = run(RETRY)["create_with_retry"]
    assert create(client, prompt="A heron").state == "queued"
    assert capsys.readouterr().out == "Rate limited. Retrying in 1.0s (attempt 1/5)\n"


def test_a_429_is_raised_when_there_are_too_many(client: Luma, simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.generations.create", fault="429", retry_after=1)
    with pytest.raises(RateLimitError) as raised:
        run(RETRY)["create_with_retry"](client, max_retries=1, prompt="A heron")
    assert raised.value.response is not None
    assert raised.value.response.headers.get("Retry-After") == "1"


def test_other_errors_are_raised_at_once(client: Luma, simulator: Simulator) -> None:
    simulator.luma.client.balance = Decimal(0)
    with pytest.raises(InsufficientCreditsError):
        run(RETRY)["create_with_retry"](client, prompt="A heron")


def test_an_image_is_sent_as_base64(client: Luma) -> None:
    url = ended(client, "A heron").output[0].url
    made = run(
        INLINE.replace("https://example.com/reference.jpg", url).replace("image/jpeg", "image/png"), client=client
    )
    assert made["generation"].state == "queued"
    inline = run(f"import base64\nmade = {BASE64}", image_bytes=httpx.get(url).content)
    assert inline["made"] == made["image_b64"]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param("Success: http", id="completed"),
        pytest.param(
            "Content policy violation — do not retry with the same prompt",
            id="moderated",
            marks=pytest.mark.simulator(moderation_rate=1.0),
        ),
        pytest.param("Transient error — safe to retry", id="failed", marks=pytest.mark.simulator(failure_rate=1.0)),
    ],
)
def test_failures_are_handled(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(FAILURES)
    names["client"].close()
    assert capsys.readouterr().out.splitlines()[-1].startswith(told)


def test_a_fresh_url_is_fetched(client: Luma, simulator: Simulator) -> None:
    made = ended(client, "A heron")
    simulator.advance(3_601)
    assert httpx.get(made.output[0].url).status_code == 403
    names = run(FRESH.replace("d290f1ee-6c54-4b01-90e6-d701748f0851", made.id), client=client)
    assert httpx.get(names["fresh_url"]).status_code == 200
