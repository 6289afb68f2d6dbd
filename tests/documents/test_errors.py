"""Every error that the two documents describe is met at the simulator: first bare, then through our client.

Bare, the answer has the very status, words and headers; through the client it is the right class with the right
fields. What the client refuses by itself never arrives, and is then sent past its checks.
"""

import inspect
import math
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from documents.corpus import GENEROR, LUMA, DescribedError
from documents.scenes import BUILDERS, ENDPOINTS, REQUEST_ID, Raw, Scene, hurried, scene_of

import generor_async
from generor_async import (
    APIStatusError,
    AsyncGeneror,
    AsyncLuma,
    DownloadError,
    GenerationFailedError,
    InternalServerError,
    InvalidRequestError,
    MissingAPIKeyError,
    OutcomeUnknownError,
    RateLimitError,
)
from generor_async.simulator import Simulator
from generor_async.simulator.generor import users as generor_users
from generor_async.simulator.generor.access import AuthorizedRequest
from generor_async.simulator.generor.envelope import GenerorRefusal


def errors(*, failed: bool) -> pytest.MarkDecorator:
    """Parametrize by the errors that are answers, or else by the failures of accepted jobs."""
    return pytest.mark.parametrize(
        ("error", "luma"),
        [
            pytest.param(error, corpus is LUMA, id=f"{'luma' if corpus is LUMA else 'generor'}-{error.name}")
            for corpus in (GENEROR, LUMA)
            for error in corpus.errors
            if (error.failure_code is not None) is failed and error.operation != "storage.get"
        ],
    )


@pytest.fixture(autouse=True)
def without_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENEROR_API_KEY", "GENEROR_BASE_URL", "LUMA_AGENTS_API_KEY", "LUMA_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@errors(failed=False)
async def test_an_error_is_answered_and_raised_as_described(
    error: DescribedError, luma: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if error.provoke.get("state") == "server error":
        monkeypatch.setattr(generor_users.UserEndpoints, "me", broken_handler)
    async with scene_of(error, luma=luma) as scene:
        answered = await scene.ask()
        assert_answered(scene, answered)
        charges = len(scene.simulator.ledger.charges)
        if error.checked_by_client:
            await assert_never_sent(scene)
        if luma and scene.key is None:
            return  # such a client can't even be made
        async with scene.client() as client:
            past_checks = error.checked_by_client or error.operation is None
            with pytest.raises(APIStatusError) as caught:
                await (scene.request if past_checks else scene.call)(scene.asking(client))
        assert_raised(scene, caught.value, answered, operation=None if past_checks else error.operation)
        assert len(scene.simulator.ledger.charges) == charges


def assert_answered(scene: Scene, answered: Raw) -> None:
    """Hold the bare answer against what is described."""
    error, body = scene.error, answered.body
    if error.status is None:
        assert 400 <= answered.status < 500
    else:
        assert answered.status == error.status
    if scene.luma:
        assert body == {"detail": error.detail}
    else:
        told = body["error"]
        assert body == {"success": False, "error": {**told, "status": answered.status}}
        assert told.keys() == {"code", "message", "status"}
        assert told["code"] == (error.code or told["code"])
        assert told["message"] == (error.message or told["message"])
        assert told["message"]
    for name, value in error.headers.items():
        assert name in answered.headers
        assert value in {None, answered.headers[name]}
    for name in error.absent:
        assert name not in answered.headers
    if "X-Request-Id" in error.headers:
        assert answered.headers["X-Request-Id"] == REQUEST_ID


def assert_raised(scene: Scene, raised: APIStatusError, answered: Raw, *, operation: str | None) -> None:
    """Hold the exception against what is described, and against the bare answer."""
    error = scene.error
    cls = getattr(generor_async, error.error_class)
    assert isinstance(raised, cls)
    assert type(raised) is cls or error.status is None
    assert raised.status_code == answered.status
    assert (raised.code, raised.message) == told_by(answered.body)
    assert raised.body == answered.body
    assert raised.retryable is (error.retryable or False)
    wait = answered.headers.get("Retry-After")
    assert raised.retry_after == (None if wait is None else float(wait))
    assert raised.request_id == REQUEST_ID
    assert raised.outcome == ("unknown" if answered.status == 500 else "refused")
    assert raised.operation == (operation or ("luma.request" if scene.luma else "generor.request"))
    assert raised.attempts == 1
    if isinstance(raised, RateLimitError):
        assert raised.scope == (error.scope or "unknown")
    assert raised.response is not None
    assert raised.response.status == answered.status
    assert all(name in raised.headers for name in error.headers)
    line = str(raised)
    assert raised.message.rstrip(".") in line
    assert REQUEST_ID in line
    assert "\n" not in line
    if error.needs is not None:
        assert error.needs in line
    assert scene.key is None or scene.key not in line + repr(raised)


def told_by(body: Any) -> tuple[str | None, str]:
    if "error" in body:
        return body["error"]["code"], body["error"]["message"]
    return None, body["detail"]


async def assert_never_sent(scene: Scene) -> None:
    """Make the call as a user would: it is refused in the vendor's words, and nothing arrives."""
    error, ledger = scene.error, scene.simulator.ledger
    arrived = len(ledger.requests)
    if scene.key is None:
        with pytest.raises(MissingAPIKeyError, match="API_KEY") as missing:
            async with scene.client() as client:
                await scene.call(client)
        refused: MissingAPIKeyError | InvalidRequestError = missing.value
    elif error.operation == "generor.generators.generate" and "model_id" not in scene.body:
        async with scene.client() as client:
            with pytest.raises(TypeError, match="model_id"):
                await scene.call(client)
        return
    else:
        async with scene.client() as client:
            with pytest.raises(InvalidRequestError) as invalid:
                await scene.call(client)
        refused = invalid.value
        assert isinstance(refused, ValueError)
        assert refused.problem == refused.message
        assert refused.problem.endswith(error.detail or refused.problem)
        (parameter,) = re.findall(r"^\w+", refused.field)
        assert parameter in str(refused)
        assert parameter in inspect.signature(BUILDERS[str(error.operation)]).parameters
    if error.status != 413:  # what is too large is refused here as anything else that can't be right
        assert isinstance(refused, getattr(generor_async, error.error_class))
        assert refused.status_code == error.status
    assert refused.response is None
    assert refused.outcome == "not_sent"
    assert len(ledger.requests) == arrived


def broken_handler(users: generor_users.UserEndpoints, ask: AuthorizedRequest) -> None:
    """Fail as the server does whose faults can't be ordered."""
    raise GenerorRefusal("SERVER_ERROR", "Internal server error")


@pytest.mark.parametrize("reason", ["generation_failed", "upstream_timeout"])
async def test_a_500_for_something_paid_is_of_unknown_outcome(reason: str) -> None:
    async with Simulator(speed=0.001) as simulator:
        async with AsyncGeneror(**simulator.generor_options, timeout=math.inf) as generor:
            making = generor.generators.generate("joke", model_id=37, prompt=f"[[fail:{reason}]] A joke")
            with pytest.raises(OutcomeUnknownError, match="may or may not") as caught:
                await hurried(simulator, making)
        cause = caught.value.__cause__
        assert type(cause) is InternalServerError
        assert (cause.status_code, cause.code) == (500, "SERVER_ERROR")
        assert reason in cause.message
        sent = [entry for entry in simulator.ledger.requests if entry.operation == caught.value.operation]
        assert len(sent) == 1
        assert sent[0].charged == 0


@errors(failed=True)
async def test_a_job_fails_as_described(error: DescribedError, luma: bool) -> None:
    async with Simulator(speed=0.001) as simulator:
        async with AsyncLuma(**simulator.luma_options, timeout=math.inf) as client:
            job = await client.generations.submit(**error.provoke["json"])
            with pytest.raises(GenerationFailedError) as caught:
                await hurried(simulator, job)
        raised = caught.value
        assert type(raised) is getattr(generor_async, error.error_class)
        assert raised.code == error.failure_code
        assert raised.reason == (error.failure_reason or raised.reason)
        assert raised.reason
        assert raised.retryable is error.retryable
        assert raised.generation.id == job.id
        assert raised.reason in str(raised)
        answered = await poll(simulator, job.id)
        assert answered.status == error.status
        for name, value in error.headers.items():
            assert value in {None, answered.headers[name]}
        assert answered.headers["X-Request-Id"] == REQUEST_ID
        assert answered.body["state"] == "failed"
        assert answered.body["output"] == []
        assert answered.body["failure_code"] == error.failure_code
        assert answered.body["failure_reason"] == raised.reason


async def poll(simulator: Simulator, generation_id: str) -> Raw:
    headers = {"Authorization": f"Bearer {simulator.luma_key}", "X-Request-Id": REQUEST_ID}
    url = f"{simulator.luma_url}/generations/{generation_id}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
        return Raw(reply.status, reply.headers, await reply.json())


(EXPIRED,) = (error for error in LUMA.errors if error.operation == "storage.get")


async def test_an_expired_url_is_refused_and_then_fetched_anew(tmp_path: Path) -> None:
    async with Simulator(speed=0.001) as simulator:
        async with AsyncLuma(**simulator.luma_options, timeout=math.inf) as luma, aiohttp.ClientSession() as session:
            generation = await hurried(simulator, luma.generations.run(**EXPIRED.provoke["json"]))
            url = generation.output[0].url
            simulator.advance(EXPIRED.provoke["after_seconds"] - 10)
            async with session.get(url) as fresh:
                assert fresh.status == 200
            simulator.advance(10)
            async with session.get(url) as stale:
                assert stale.status == EXPIRED.status
            before = len(simulator.ledger.requests)
            (path,) = await luma.download(generation, tmp_path)
            assert path.stat().st_size > 0
        seen = [(entry.operation, entry.status) for entry in simulator.ledger.requests[before:]]
        assert seen == [("luma.generations.get", 200), ("storage.get", 200)], "its age is known"


async def test_a_url_that_stays_expired_ends_in_a_download_error(tmp_path: Path) -> None:
    async with Simulator(speed=0.001) as simulator:

        def expire(event: object) -> None:
            """Let each URL grow old before it is used."""
            simulator.advance(EXPIRED.provoke["after_seconds"])

        async with AsyncLuma(**simulator.luma_options, timeout=math.inf) as luma:
            generation = await hurried(simulator, luma.generations.run(**EXPIRED.provoke["json"]))
        simulator.advance(EXPIRED.provoke["after_seconds"])
        async with AsyncLuma(**simulator.luma_options, on_event=expire) as luma:
            with pytest.raises(DownloadError) as caught:
                await luma.download(generation, tmp_path)
        assert type(caught.value) is getattr(generor_async, EXPIRED.error_class)
        assert "?" not in caught.value.url
        assert "X-Amz" not in str(caught.value) + repr(caught.value)
        assert_empty(tmp_path)


def assert_empty(folder: Path) -> None:
    assert list(folder.iterdir()) == []


def test_every_operation_described_is_one_of_ours() -> None:
    named = {error.operation for error in GENEROR.errors + LUMA.errors} - {None, "storage.get"}
    assert named <= set(ENDPOINTS)
