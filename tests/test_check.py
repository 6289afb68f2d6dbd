"""Is this key good? Asked at no cost; and what is of Luma's older API is told apart."""

from pathlib import Path
from typing import Any

import pytest
from support.wire import Wire, answer

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    AuthenticationError,
    DownloadError,
    Generor,
    InvalidRequestError,
    KeyCheck,
    Luma,
    MissingAPIKeyError,
    NotFoundError,
    PermissionDeniedError,
    ResponseShapeError,
)
from generor_async.batch.parameters import BadRowError, Parameters
from generor_async.simulator import Simulator

KEY = "luma-api-0123456789"
OLDER = "Dream Machine, the vendor's older API"


async def test_a_good_key_of_luma_is_told_by_one_call_that_costs_nothing() -> None:
    async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        found = await luma.check()
        assert found == KeyCheck(api="luma", base_url=simulator.luma_url, api_version="2026-04-01")
        assert [entry.operation for entry in simulator.ledger.requests] == ["luma.files.list"]
        assert not simulator.ledger.charges


async def test_a_good_key_of_generor_is_told_with_the_account_and_what_it_has() -> None:
    async with Simulator(tier="pro") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
        found = await generor.check()
        profile = await generor.users.me()
    assert profile.credits is not None
    assert (found.api, found.account, found.credits) == ("generor", profile.username, profile.credits.total)
    assert found.may_read
    assert found.rate_limit is not None
    assert found.rate_limit.tier == "pro"
    assert not simulator.ledger.charges


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("revoked", AuthenticationError),
        ("expired", AuthenticationError),
        ("suspended", PermissionDeniedError),
        ("deactivated", PermissionDeniedError),
    ],
)
async def test_a_key_of_luma_that_is_no_good_is_told_why(key: str, error: type[Exception]) -> None:
    async with Simulator() as simulator:
        options: dict[str, Any] = simulator.luma_options | {"api_key": simulator.luma.keys[key]}
        async with AsyncLuma(**options) as luma:
            with pytest.raises(error, match=key):
                await luma.check()


async def test_a_key_that_may_only_generate_is_good_and_one_that_nobody_made_is_not() -> None:
    async with Simulator() as simulator, AsyncGeneror(**simulator.generor_options) as owner:
        made = await owner.api_keys.create(name="writes", scopes=["generate"])
        for key, good in ((made.api_key, True), ("gnr_live_nobody", False)):
            async with AsyncGeneror(key, base_url=simulator.generor_url) as generor:
                if good:
                    found = await generor.check()
                    assert (found.may_read, found.account, found.credits) == (False, None, None)
                    assert found.rate_limit is not None
                else:
                    with pytest.raises(AuthenticationError):
                        await generor.check()


async def test_without_a_key_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENEROR_API_KEY", raising=False)
    async with AsyncGeneror(base_url="http://127.0.0.1:9/v1") as generor:
        with pytest.raises(MissingAPIKeyError):
            await generor.check()


def test_the_blocking_clients_check_alike() -> None:
    with Simulator() as simulator:
        with Luma(**simulator.luma_options) as luma:
            assert luma.check().api == "luma"
        with Generor(**simulator.generor_options) as generor:
            assert generor.check().credits is not None


@pytest.mark.parametrize("made", [AsyncLuma, AsyncGeneror])
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [(404, NotFoundError, "Check base_url"), (200, ResponseShapeError, "not JSON|isn't JSON|JSON")],
)
async def test_where_no_api_is_the_error_says_so(
    made: type[AsyncLuma | AsyncGeneror], status: int, error: type[Exception], words: str
) -> None:
    page = answer(status, b"<html>hello", content_type="text/html")
    async with Wire(page) as api, made(KEY, base_url=api.url, max_retries=0) as client:
        with pytest.raises(error, match=words):
            await client.check()


# Luma's older API.


@pytest.mark.parametrize(
    "url",
    [
        "https://api.lumalabs.ai/dream-machine/v1",
        "https://api.lumalabs.ai",
        "https://gateway.example/luma/dream-machine/v1/",
    ],
)
def test_the_older_apis_address_is_told_apart(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match=OLDER) as caught:
        AsyncLuma(KEY, base_url=url)
    assert "https://agents.lumalabs.ai/v1" in str(caught.value)
    monkeypatch.setenv("LUMA_BASE_URL", url)
    with pytest.raises(InvalidRequestError, match=OLDER) as caught:
        AsyncLuma(KEY)
    assert caught.value.field == "LUMA_BASE_URL"
    AsyncGeneror(base_url=url)


def test_a_key_of_the_older_api_is_told_apart_and_not_shown() -> None:
    key = "luma-8a7b6c5d-1234-hush"
    with pytest.raises(InvalidRequestError, match=OLDER) as caught:
        AsyncLuma(key, base_url="https://agents.lumalabs.ai/v1")
    assert "hush" not in str(caught.value)
    with pytest.raises(InvalidRequestError) as other:
        AsyncLuma("sk-hush", base_url="https://agents.lumalabs.ai/v1")
    assert OLDER not in str(other.value)


async def test_fields_of_the_older_api_are_told_apart() -> None:
    frames: Any = {"frame0": {"type": "image", "url": "https://x.example/a.png"}}
    with pytest.raises(BadRowError, match=OLDER):
        Parameters("luma.generations.create").parse({"prompt": "x", "keyframes": frames}, "rows:1")
    async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(InvalidRequestError, match=OLDER):
            await luma.generations.create(prompt="a heron", model="ray-3.2", type="video", video={"keyframes": frames})
        view = luma.with_options(extra_body={"keyframes": frames})
        with pytest.warns(UserWarning, match=OLDER):
            generation = await view.generations.create(prompt="a heron")
        with pytest.raises(AttributeError, match=f"'assets': that is a field of {OLDER}; here it is output"):
            generation.assets  # type: ignore[attr-defined] # noqa: B018
        with pytest.raises(AttributeError, match=r"'Generation' object has no attribute 'asset'$"):
            generation.asset  # type: ignore[attr-defined] # noqa: B018
        assert not hasattr(await luma.files.list().first_page(), "assets")


@pytest.mark.parametrize("method", ["create", "submit", "run"])
async def test_fields_of_the_older_api_are_refused_before_anything_is_sent(method: str) -> None:
    given: Any = {"prompt": "a heron", "keyframes": {"frame0": {"type": "image", "url": "https://x.example/a.png"}}}
    async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(InvalidRequestError, match=OLDER) as caught:
            await getattr(luma.generations, method)(**given)
        assert caught.value.field == "keyframes"
        assert not simulator.ledger.requests


@pytest.mark.parametrize("method", ["create", "submit", "run"])
def test_nor_does_the_blocking_half_send_them(method: str, simulator: Simulator) -> None:
    given: Any = {"prompt": "a heron", "callback_url": "https://x.example"}
    with Luma(**simulator.luma_options) as luma, pytest.raises(InvalidRequestError, match=OLDER) as caught:
        getattr(luma.generations, method)(**given)
    assert caught.value.field == "callback_url"
    assert not simulator.ledger.requests


async def test_answers_of_the_older_api_are_told_in_the_log(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    job = "5f0e8b1c-0000-4c57-9f60-000000000000"
    made = {"id": job, "created_at": "2026-04-08T12:00:00Z", "model": "ray-2", "generation_type": "video"}
    dreaming = {**made, "state": "dreaming", "assets": None}
    done = {**made, "state": "completed", "assets": {"video": "https://cdn.example/a.mp4"}}
    async with Wire(answer(201, dreaming), answer(200, done)) as api, AsyncLuma(KEY, base_url=api.url) as luma:
        generation = await luma.generations.create(prompt="a heron")
        assert (generation.id, generation.state) == (job, "dreaming")
        assert f"odd at $.state: this is an answer of {OLDER}" in caplog.text
        with pytest.raises(DownloadError, match=f"an answer of {OLDER}: check base_url"):
            await luma.download(await luma.generations.get(job), tmp_path)
