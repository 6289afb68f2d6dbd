"""Outputs in object storage: each whole or not at all, uploaded once, and without credentials in what is shown."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import traceback
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import obstore
import pytest
from obstore.store import MemoryStore
from support.clock import FakeClock
from support.wire import Arrived, Peer, Step, Wire, answer, closed_port, drip, hang_up, stall

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    ClientClosedError,
    DeadlineExceededError,
    DownloadError,
    InvalidRequestError,
    Storage,
    StorageError,
)
from generor_async.api.generor.models import Creation
from generor_async.api.luma.models import Generation
from generor_async.stores.objects import PART_BYTES

JOB = "d290f1ee-6c54-4b01-90e6-d701748f0851"
SECRET = "hush-hush"
SIGNED = f"X-Amz-Signature={SECRET}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_000)
LARGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * (2 * PART_BYTES // 256 + 999)
"""Two parts, and a little more."""


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the developer has."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)


def picture(body: bytes = PNG, **headers: str) -> Step:
    return answer(200, body, content_type="image/png", headers=headers)


def rest_of(body: bytes, etag: str) -> Step:
    """Answer a range request with what is asked for."""

    async def step(peer: Peer, request: Arrived) -> None:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}", "ETag": etag}
        await answer(206, body[start:], content_type="image/png", headers=headers)(peer, request)

    return step


def cut(body: bytes, at: int, etag: str) -> Step:
    """Promise a whole body, send it up to a place, and break off."""

    async def step(peer: Peer, _: Arrived) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\nETag: {etag}\r\n\r\n"
        peer.writer.transport.set_write_buffer_limits(0)  # all of it is to be sent before the connection is closed
        await peer.send(head.encode() + body[:at])
        peer.writer.close()

    return step


def sent_until(place: int, sent: asyncio.Event) -> Step:
    """Promise a large output, send it up to a place, set the event, and send nothing more."""

    async def step(peer: Peer, request: Arrived) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        await peer.send(head.encode() + LARGE[:place])
        sent.set()
        await stall(peer, request)

    return step


def generation(host: Wire, count: int = 1) -> dict[str, Any]:
    outputs = [{"type": "image", "url": f"{host.url}/{place}?{SIGNED}"} for place in range(count)]
    return {
        "id": JOB,
        "type": "image",
        "state": "completed",
        "model": "uni-1",
        "created_at": "2026-04-08T12:00:00Z",
        "output": outputs,
        "failure_reason": None,
        "failure_code": None,
    }


async def any_file(folder: Path) -> None:
    """Wait until something is in a folder."""
    while not list(folder.iterdir()):  # noqa: ASYNC110, ASYNC240 - a file of another program's
        await asyncio.sleep(0.01)


async def completed(client: AsyncLuma) -> Generation:
    return await client.generations.get(JOB)


class Setting:
    """A host of outputs, an API that names them, a client of it, and a store in memory."""

    def __init__(self, *steps: Step, count: int = 1) -> None:
        self.host = Wire(*steps)
        self.count = count
        self.store = MemoryStore()

    async def __aenter__(self) -> "Setting":
        await self.host.__aenter__()
        self.api = Wire(answer(200, generation(self.host, self.count)))
        await self.api.__aenter__()
        self.client = AsyncLuma("luma-api-0123456789", base_url=self.api.url, clock=FakeClock(), max_retries=2)
        await self.client.__aenter__()
        self.storage = Storage("memory://", self.client, store=self.store)
        self.result = await completed(self.client)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.__aexit__(*error)
        await self.api.__aexit__(*error)
        await self.host.__aexit__(*error)

    def content(self, key: str) -> bytes:
        return bytes(obstore.get(self.store, key).bytes())

    def keys(self) -> list[str]:
        listed = obstore.list(self.store).collect()  # pyright: ignore[reportUnknownMemberType] # it may be of pyarrow
        return sorted(meta["path"] for meta in listed)


async def test_outputs_are_stored_under_the_id_of_their_job() -> None:
    async with Setting(picture(), count=2) as here:
        stored = await here.storage.save(here.result)
        assert here.keys() == [f"{JOB}-0.png", f"{JOB}-1.png"]
        assert [(each.key, each.url) for each in stored] == [(key, f"memory://{key}") for key in here.keys()]  # noqa: SIM118 - it is no dict
        assert {(each.size, each.media_type, each.uploaded) for each in stored} == {(len(PNG), "image/png", True)}
        assert here.content(stored[0].key) == PNG
        attributes = obstore.get(here.store, stored[0].key).attributes
        assert attributes == {"Content-Type": "image/png", "api": "luma", "id": JOB}


async def test_a_job_is_saved_as_its_generation_is() -> None:
    async with Setting(picture()) as here:
        job = here.client.generations.job(JOB)
        await job
        (stored,) = await here.storage.save(job)
        assert here.keys() == [stored.key]


@pytest.mark.parametrize("body", [PNG, LARGE], ids=["small", "in parts"])
async def test_what_is_stored_is_not_sent_again(body: bytes) -> None:
    async with Setting(picture(body)) as here:
        (first,) = await here.storage.save(here.result)
        at = obstore.head(here.store, first.key)["e_tag"]
        (second,) = await here.storage.save(here.result)
        assert (first.uploaded, second.uploaded) == (True, False)
        assert (second.key, second.size, second.media_type) == (first.key, first.size, first.media_type)
        assert obstore.head(here.store, first.key)["e_tag"] == at
        assert here.content(first.key) == body


async def test_an_object_of_another_size_is_replaced() -> None:
    async with Setting(picture()) as here:
        obstore.put(here.store, f"{JOB}-0.png", PNG[:500])
        (stored,) = await here.storage.save(here.result)
        assert stored.uploaded
        assert here.content(stored.key) == PNG


async def test_an_output_that_breaks_off_goes_on_where_it_was() -> None:
    at = PART_BYTES + 1_000_000
    async with Setting(cut(LARGE, at, '"v1"'), rest_of(LARGE, '"v1"')) as here:
        (stored,) = await here.storage.save(here.result)
        # What has arrived when the connection breaks off, and is not read yet, is lost.
        assert 0 < int(here.host.requests[1].headers["Range"][len("bytes=") : -1]) <= at
        assert here.content(stored.key) == LARGE


async def test_an_output_that_has_changed_meanwhile_is_stored_as_it_is_now() -> None:
    changed = LARGE[:-10] + b"0123456789"
    async with Setting(cut(LARGE, PART_BYTES + 1_000_000, '"v1"'), picture(changed, ETag='"v2"')) as here:
        (stored,) = await here.storage.save(here.result)
        assert here.content(stored.key) == changed


async def test_an_output_of_unknown_size_is_stored() -> None:
    async with Setting(drip(PNG, times=3, headers={"Content-Type": "image/png"})) as here:
        (stored,) = await here.storage.save(here.result)
        assert (stored.size, here.content(stored.key)) == (3 * len(PNG), 3 * PNG)


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ((cut(LARGE, PART_BYTES + 1_000_000, '"v1"'), hang_up), "closed the connection"),
        ((cut(LARGE, PART_BYTES + 1_000_000, '"v1"'), answer(404)), "answered 404"),
        ((answer(200, b"<html>" * 100, content_type="text/html"),), "text/html where image"),
        ((answer(200, b"no", content_type="text/plain"),), "text/plain where image"),
    ],
)
async def test_an_output_that_can_not_be_downloaded_leaves_no_object(steps: tuple[Step, ...], problem: str) -> None:
    async with Setting(*steps) as here:
        with pytest.raises(DownloadError, match=problem) as caught:
            await here.storage.save(here.result)
        assert here.keys() == []
        assert caught.value.job_id == JOB
        assert SECRET not in shown(caught.value)


async def test_a_cancelled_save_leaves_no_object_and_can_be_repeated(tmp_path: Path) -> None:
    sent = asyncio.Event()
    async with Setting(sent_until(PART_BYTES + 1_000_000, sent), picture(LARGE)) as here:
        here.storage = Storage(tmp_path.as_uri(), here.client)
        saving = asyncio.create_task(here.storage.save(here.result))
        await sent.wait()
        await any_file(tmp_path)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await saving
        assert SECRET not in shown(caught.value)
        assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a local folder
        (stored,) = await here.storage.save(here.result)
        assert (tmp_path / stored.key).read_bytes() == LARGE
        assert stored.url == f"{tmp_path.as_uri()}/{JOB}-0.png"


async def test_a_folder_is_created_and_holds_plain_files(tmp_path: Path) -> None:
    async with Setting(picture()) as here:
        folder = tmp_path / "new" / "a b"
        (stored,) = await Storage(folder.as_uri() + "/", here.client).save(here.result)
        assert [path.name for path in folder.iterdir()] == [stored.key]


async def test_a_folder_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    async with Setting(picture()) as here:
        with pytest.raises(StorageError, match=r"the folder .*file/x cannot be used") as caught:
            await Storage((tmp_path / "file" / "x").as_uri(), here.client).save(here.result)
        assert caught.value.job_id == JOB
        assert SECRET not in shown(caught.value)


async def test_texts_and_media_of_a_creation_are_stored_under_its_id() -> None:
    store = MemoryStore()
    async with Wire(picture()) as host:
        creation = {"creation_id": 42, "text": "GIF89a is how a GIF begins", "image": f"{host.url}/a.png?{SIGNED}"}
        answered = {"success": True, "data": creation}
        async with Wire(answer(200, answered)) as api, AsyncGeneror("gnr_live_test", base_url=api.url) as client:
            result = await client.creations.get(42)
            assert isinstance(result, Creation)
            stored = await Storage("memory://", client, store=store).save(result)
            assert [(each.key, each.media_type) for each in stored] == [
                ("42-0.png", "image/png"),
                ("42.txt", "text/plain"),
            ]
            assert bytes(obstore.get(store, "42.txt").bytes()) == b"GIF89a is how a GIF begins"
            assert obstore.get(store, "42.txt").attributes["id"] == "42"


async def test_a_result_without_an_id_is_not_stored_under_a_name_that_another_may_have() -> None:
    async with Wire(picture()) as host:
        answered = {"success": True, "data": {"creations": [{"image": f"{host.url}/a.png"}]}}
        async with Wire(answer(200, answered)) as api, AsyncGeneror("gnr_live_test", base_url=api.url) as client:
            result = await client.generators.generate("herons", model_id=10001, prompt="a heron")
            with pytest.raises(StorageError, match="has no id"):
                await Storage("memory://", client).save(result)


async def test_without_a_client_one_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Setting(answer(403), picture()) as here:
        monkeypatch.setenv("LUMA_AGENTS_API_KEY", "luma-api-0123456789")
        monkeypatch.setenv("LUMA_BASE_URL", here.api.url)
        (stored,) = await Storage("memory://", store=here.store).save(here.result)
        assert here.keys() == [stored.key]
        assert len(here.api.requests) == 2, "the URL had expired, and was fetched anew"


async def test_folders_and_memory_have_no_signed_links() -> None:
    async with Setting(picture()) as here:
        (stored,) = await here.storage.save(here.result)
        with pytest.raises(StorageError, match="memory: storage has no signed links"):
            await stored.signed_url(60)
        wrong: tuple[Any, ...] = (0, 8 * 24 * 3600, True, "60")
        for seconds in wrong:
            with pytest.raises(InvalidRequestError, match="expires_in"):
                await stored.signed_url(seconds)


async def test_the_representations_show_where_and_nothing_else() -> None:
    async with Setting(picture()) as here:
        assert repr(Storage("s3://bucket/herons/")) == "Storage('s3://bucket/herons')"
        (stored,) = await here.storage.save(here.result)
        assert repr(stored) == (
            f"StoredOutput(key='{JOB}-0.png', url='memory://{JOB}-0.png', size={len(PNG)}, media_type='image/png',"
            " uploaded=True)"
        )


@pytest.mark.parametrize(
    "url",
    [
        f"s3://key:{SECRET}@bucket/x",
        f"s3://key:hush/{SECRET}@bucket/x",
        f"az://container/x?sig={SECRET}",
        f"https://bucket.s3.amazonaws.com/{SECRET}",
        f"s3://bucket/x#{SECRET}",
        f"{SECRET}",
        f"s3://[{SECRET}",
    ],
)
def test_a_url_with_credentials_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Storage(url)
    assert SECRET not in shown(caught.value)
    assert SECRET not in repr(caught.value)


def shown(error: BaseException) -> str:
    """Return a traceback with the local variables of all frames but those of the tests."""
    printed = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert printed.__context__ is None
    ours = [frame for frame in printed.stack if not frame.filename.startswith(str(Path(__file__).parent))]
    printed.stack = traceback.StackSummary.from_list(ours)
    return "".join(printed.format())


@pytest.mark.parametrize("wrong", [None, 5, b"s3://bucket"])
def test_anything_but_a_text_is_no_url(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match="url"):
        Storage(wrong)


async def test_anything_but_a_result_is_refused() -> None:
    wrong: Any = JOB
    with pytest.raises(InvalidRequestError, match="result"):
        await Storage("memory://").save(wrong)
    with pytest.raises(InvalidRequestError, match="client"):
        Storage("memory://", wrong)


def test_without_the_extra_the_error_names_it() -> None:
    code = (
        "import sys\n"
        "sys.modules['obstore'] = None\n"
        "import generor_async\n"
        "try:\n"
        "    generor_async.Storage('s3://bucket/x')\n"
        "except generor_async.StorageError as error:\n"
        "    print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "obstore, which is not installed" in ended.stdout
    assert "pip install 'generor-async[objects]'" in ended.stdout


def test_the_package_imports_no_obstore_until_something_is_saved() -> None:
    code = (
        "import sys\n"
        "from generor_async import *\n"
        "import generor_async.batch.runner, generor_async.sync\n"
        "print('obstore' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


SAVE = f"""
import asyncio, sys
from generor_async import AsyncLuma, Storage

async def main(api, url):
    async with AsyncLuma("luma-api-0123456789", base_url=api) as client:
        stored = await Storage(url, client).save(await client.generations.get({JOB!r}))
        print([each.uploaded for each in stored])

asyncio.run(main(*sys.argv[1:]))
"""
"""A process that saves one generation."""


FORK = f"""
import asyncio, os, sys
from generor_async import AsyncLuma, Storage, StorageError

async def main(api, url):
    async with AsyncLuma("luma-api-0123456789", base_url=api) as client:
        try:
            stored = await Storage(url, client).save(await client.generations.get({JOB!r}))
        except StorageError as error:
            print(error.message, flush=True)
        else:
            print(stored[0].uploaded, flush=True)

if sys.argv[3] == "before":
    asyncio.run(main(*sys.argv[1:3]))
if pid := os.fork():
    sys.exit(os.waitpid(pid, 0)[1])
asyncio.run(main(*sys.argv[1:3]))
sys.stdout.flush()
os._exit(0)  # one of obstore's threads may abort a forked interpreter that ends
"""
"""A process whose child saves, after it has saved before or not."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize(("when", "said"), [("before", "before this process was forked"), ("never", "True")])
async def test_a_forked_process_saves_unless_its_parent_has_and_never_hangs(
    when: str, said: str, tmp_path: Path
) -> None:
    async with Setting(picture()) as here:
        arguments = (sys.executable, "-W", "ignore", "-c", FORK, here.api.url, tmp_path.as_uri(), when)
        forking = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await forking.communicate()
        assert forking.returncode == 0
        assert said in output.decode().splitlines()[-1]


async def test_a_save_that_takes_too_long_is_ended_and_leaves_no_object(tmp_path: Path) -> None:
    async with Setting(sent_until(PART_BYTES + 1_000_000, asyncio.Event())) as here:
        storage = Storage(tmp_path.as_uri(), here.client.with_options(timeout=1))
        with pytest.raises(DeadlineExceededError, match="saving the outputs") as caught:
            await storage.save(here.result)
        assert caught.value.job_id == JOB
        assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a local folder


async def test_a_client_that_is_closed_ends_its_saves(tmp_path: Path) -> None:
    sent = asyncio.Event()
    async with Setting(sent_until(PART_BYTES + 1_000_000, sent)) as here:
        saving = asyncio.create_task(Storage(tmp_path.as_uri(), here.client).save(here.result))
        await sent.wait()
        await any_file(tmp_path)
        await here.client.close()
        with pytest.raises(ClientClosedError, match="saving outputs was cancelled") as caught:
            await saving
        assert caught.value.job_id == JOB
        assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a local folder


async def test_a_process_that_is_killed_in_the_midst_leaves_no_object_and_the_next_one_saves_it(tmp_path: Path) -> None:
    sent = asyncio.Event()
    async with Setting(sent_until(PART_BYTES + 1_000_000, sent), picture(LARGE)) as here:
        arguments = (sys.executable, "-c", SAVE, here.api.url, tmp_path.as_uri())
        killed = await asyncio.create_subprocess_exec(*arguments)
        await sent.wait()
        await any_file(tmp_path)
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
        target = tmp_path / f"{JOB}-0.png"
        assert not target.exists()
        for uploaded in ("[True]\n", "[False]\n"):
            again = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
            assert (await again.communicate())[0].decode() == uploaded
            assert target.read_bytes() == LARGE


TAKEN = answer(200, b"", headers={"ETag": '"e"'})
"""The object is stored."""


def code(status: int, name: str) -> Step:
    """Refuse in the words of S3."""
    body = f'<?xml version="1.0"?><Error><Code>{name}</Code><Message>No, {SECRET}</Message></Error>'
    return answer(status, body.encode(), content_type="application/xml")


@pytest.fixture
def s3_keys(monkeypatch: pytest.MonkeyPatch, no_credentials: None) -> None:
    """Credentials in the environment, as a deployment has them."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": f"token-{SECRET}",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("s3_keys")
@pytest.mark.parametrize("body", [PNG, LARGE], ids=["small", "in parts"])
@pytest.mark.parametrize(
    ("looked_up", "sent", "problem", "retryable"),
    [
        (answer(404), code(404, "NoSuchBucket"), "the bucket herons does not exist. Create it", False),
        (answer(403), code(403, "AccessDenied"), "the bucket herons refused access to these credentials", False),
        (answer(400), code(400, "ExpiredToken"), "the credentials for the bucket herons have expired. Renew", False),
        (answer(403), code(403, "InvalidAccessKeyId"), "are missing or wrong. Set AWS_ACCESS_KEY_ID", False),
        (answer(403), code(403, "SignatureDoesNotMatch"), "are missing or wrong. Set AWS_ACCESS_KEY_ID", False),
        (answer(403), code(403, "RequestTimeTooSkewed"), "refused the time of this machine's clock", False),
        (answer(404), code(400, "InvalidRequest"), r"could not do it \(it answered 400\)", True),
    ],
)
async def test_what_a_store_refuses_is_said_in_words(
    body: bytes,
    looked_up: Step,
    sent: Step,
    problem: str,
    retryable: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    async with Setting(picture(body)) as here, Wire(looked_up, sent) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        storage = Storage("s3://herons/wild", here.client)
        with pytest.raises(StorageError, match=problem) as caught:
            await storage.save(here.result)
        assert [request.method for request in s3.requests] == ["HEAD", "PUT" if body is PNG else "POST"]
        error = caught.value
        assert (error.retryable, error.job_id) == (retryable, JOB)
        assert error.url == f"s3://herons/wild/{JOB}-0.png"
        for text in (shown(error), repr(error), str(error), repr(storage), caplog.text):
            assert SECRET not in text


@pytest.mark.usefixtures("s3_keys")
async def test_credentials_that_may_not_look_objects_up_can_save_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Setting(picture()) as here, Wire(answer(403), TAKEN, answer(403)) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        (stored,) = await Storage("s3://herons", here.client).save(here.result)
        assert stored.uploaded
        _, sent, _ = s3.requests
        assert sent.body == PNG
        assert sent.headers["Content-Type"] == "image/png"
        assert (sent.headers["x-amz-meta-api"], sent.headers["x-amz-meta-id"]) == ("luma", JOB)


@pytest.mark.usefixtures("s3_keys")
async def test_an_object_of_another_size_than_was_sent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"Last-Modified": "Mon, 30 Nov 2026 12:00:00 GMT", "ETag": '"e"', "Content-Length": "7"}
    async with Setting(picture()) as here, Wire(answer(404), TAKEN, answer(200, headers=found)) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        with pytest.raises(StorageError, match="1,008 bytes were sent, and 7 are stored"):
            await Storage("s3://herons", here.client).save(here.result)


@pytest.mark.usefixtures("s3_keys")
async def test_a_store_that_can_not_be_reached_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Setting(picture()) as here:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
        with pytest.raises(StorageError, match="the bucket herons could not be reached") as caught:
            await Storage("s3://herons", here.client).save(here.result)
        assert caught.value.retryable
        assert SECRET not in shown(caught.value)


@pytest.mark.usefixtures("s3_keys")
async def test_a_setting_that_can_not_be_used_is_an_error_of_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{SECRET}@[")
    async with Setting(picture()) as here:
        with pytest.raises(StorageError, match="bucket herons") as caught:
            await Storage("s3://herons", here.client).save(here.result)
        assert SECRET not in shown(caught.value)


def test_a_store_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="store"):
        Storage("s3://herons", store="s3://herons")


@pytest.mark.usefixtures("s3_keys")
async def test_a_signed_link_names_the_object_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Setting(picture()) as here, Wire(answer(404), TAKEN, answer(403)) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        (stored,) = await Storage("s3://herons/wild", here.client).save(here.result)
        link = urlsplit(await stored.signed_url(90))
        assert link.path == f"/herons/wild/{JOB}-0.png"
        assert dict(parse_qsl(link.query))["X-Amz-Expires"] == "90"
        assert SECRET not in repr(stored)


def google(url: str, tmp_path: Path) -> dict[str, str]:
    """Return the environment of Google Cloud Storage at this address."""
    account = {
        "gcs_base_url": url,
        "disable_oauth": True,
        "client_email": "",
        "private_key": SECRET,
        "private_key_id": "",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    return {"GOOGLE_SERVICE_ACCOUNT": str(tmp_path / "account.json")}


def azure(url: str, tmp_path: Path) -> dict[str, str]:
    """Return the environment of Azure at this address."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "AZURE_STORAGE_ACCOUNT_KEY": b64encode(SECRET.encode()).decode(),
        "AZURE_STORAGE_ENDPOINT": url,
        "AZURE_ALLOW_HTTP": "true",
    }


@pytest.mark.parametrize(
    ("url", "environment", "prefix", "missing", "named"),
    [
        ("gs://herons/wild", google, "x-goog-meta-", "NoSuchBucket", "the bucket herons does not exist"),
        ("az://herons/wild", azure, "x-ms-meta-", "ContainerNotFound", "the container herons does not exist"),
    ],
)
async def test_google_and_azure_are_used_as_s3_is(
    url: str,
    environment: Callable[[str, Path], dict[str, str]],
    prefix: str,
    missing: str,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = answer(201, b"", headers={"ETag": '"e"', "Last-Modified": "Mon, 30 Nov 2026 12:00:00 GMT"})
    steps = (answer(404), taken, answer(403), answer(404), code(404, missing))
    async with Setting(picture()) as here, Wire(*steps) as server:
        for name, value in environment(server.url, tmp_path).items():
            monkeypatch.setenv(name, value)
        storage = Storage(url, here.client)
        (stored,) = await storage.save(here.result)
        assert stored.url == f"{url}/{JOB}-0.png"
        sent = server.requests[1]
        assert unquote(urlsplit(sent.target).path).endswith(f"herons/wild/{JOB}-0.png")
        assert sent.body == PNG
        assert sent.headers.get("x-ms-blob-content-type", sent.headers.get("Content-Type")) == "image/png"
        assert (sent.headers[f"{prefix}api"], sent.headers[f"{prefix}id"]) == ("luma", JOB)
        with pytest.raises(StorageError, match=named) as caught:
            await storage.save(here.result)
        assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    ("url", "environment", "named"),
    [
        ("s3://herons", {}, "the bucket herons are missing or wrong. Set AWS_ACCESS_KEY_ID"),
        ("az://herons", {}, "the container herons are missing or wrong. Set AZURE_STORAGE_ACCOUNT_NAME"),
        ("gs://herons", {"GOOGLE_SERVICE_ACCOUNT": f"/none/{SECRET}"}, "the bucket herons are missing or wrong"),
        ("gs://herons", {"GOOGLE_SERVICE_ACCOUNT_KEY": SECRET}, "the bucket herons are missing or wrong"),
    ],
)
async def test_missing_credentials_are_said_to_be_missing(
    url: str, environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with Setting(picture()) as here:
        with pytest.raises(StorageError, match=named) as caught:
            await Storage(url, here.client).save(here.result)
        assert not caught.value.retryable
        assert SECRET not in shown(caught.value)
