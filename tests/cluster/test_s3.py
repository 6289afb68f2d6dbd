"""Outputs in S3, by moto's server: in parts, aborted, killed, and with little memory."""

import asyncio
import sys
import urllib.request
from typing import TYPE_CHECKING

import obstore
import pytest
from obstore.store import S3Store, from_url
from support.forked_programs import ended, fork
from support.moto import Moto
from support.wire import Arrived, Peer, Step, Wire, answer, stall

from generor_async import AsyncLuma, DownloadError, Storage, StorageError
from generor_async.stores.objects import PART_BYTES

if TYPE_CHECKING:
    from obstore.store import S3Credential

JOB = "d290f1ee-6c54-4b01-90e6-d701748f0851"
KEY = f"wild/{JOB}-0.png"
SECRET = "hush-hush"
BLOCK = bytes(range(256)) * 4096
"""1 MiB."""
LARGE = b"\x89PNG\r\n\x1a\n" + BLOCK * 12
"""Two parts, and some more."""
HUGE = 50
"""MiB."""


@pytest.fixture
def bucket(moto: Moto, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own, which the environment leads to."""
    for name, value in moto.environment(SECRET).items():
        monkeypatch.setenv(name, value)
    name = f"herons-{abs(hash(request.node.name))}"
    moto.create_bucket(name)
    return name


def picture(body: bytes) -> Step:
    return answer(200, body, content_type="image/png")


def sent_until(place: int, then: Step) -> Step:
    """Promise the large output, send it up to a place, and go on as `then` does."""

    async def step(peer: Peer, request: Arrived) -> None:
        peer.writer.transport.set_write_buffer_limits(0)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        await peer.send(head.encode() + LARGE[:place])
        await then(peer, request)

    return step


async def hang_up(peer: Peer, request: Arrived) -> None:
    peer.writer.close()


async def huge(peer: Peer, request: Arrived) -> None:
    """Send a large output as fast as it is taken."""
    size = HUGE * len(BLOCK) + 8
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {size}\r\n\r\n"
    await peer.send(head.encode() + b"\x89PNG\r\n\x1a\n")
    for _ in range(HUGE):
        await peer.send(BLOCK)


def api_of(host: Wire) -> Wire:
    """An API that names an output of this host."""
    output = {"type": "image", "url": f"{host.url}/0?X-Amz-Signature={SECRET}"}
    return Wire(
        answer(
            200,
            {
                "id": JOB,
                "type": "image",
                "state": "completed",
                "model": "uni-1",
                "created_at": "2026-04-08T12:00:00Z",
                "output": [output],
                "failure_reason": None,
                "failure_code": None,
            },
        )
    )


def client_of(api: Wire) -> AsyncLuma:
    return AsyncLuma("luma-api-0123456789", base_url=api.url, max_retries=0)


def content(bucket: str, key: str = KEY) -> bytes:
    return bytes(obstore.get(from_url(f"s3://{bucket}"), key).bytes())


async def uploading(moto: Moto, bucket: str) -> None:
    """Wait until an upload has begun."""
    while not await asyncio.to_thread(moto.uploads, bucket):  # noqa: ASYNC110 - another process knows
        await asyncio.sleep(0.02)


async def test_an_output_is_stored_in_parts_with_its_type_and_its_id(moto: Moto, bucket: str) -> None:
    async with Wire(picture(LARGE)) as host, api_of(host) as api, client_of(api) as client:
        storage, result = Storage(f"s3://{bucket}/wild", client), await client.generations.get(JOB)
        (stored,) = await storage.save(result)
        assert (stored.url, stored.size, stored.uploaded) == (f"s3://{bucket}/{KEY}", len(LARGE), True)
        found = obstore.get(from_url(f"s3://{bucket}"), KEY)
        assert bytes(found.bytes()) == LARGE
        assert found.attributes == {"Content-Type": "image/png", "api": "luma", "id": JOB}
        assert str(found.meta["e_tag"]).endswith('-3"'), "three parts"
        (again,) = await storage.save(result)
        assert not again.uploaded
        assert (moto.keys(bucket), moto.uploads(bucket)) == ([KEY], [])


async def test_a_signed_link_opens_the_object(bucket: str) -> None:
    body = LARGE[:1000]
    async with Wire(picture(body)) as host, api_of(host) as api, client_of(api) as client:
        (stored,) = await Storage(f"s3://{bucket}/wild", client).save(await client.generations.get(JOB))
        with await asyncio.to_thread(urllib.request.urlopen, await stored.signed_url(60)) as response:
            assert response.read() == body
            assert response.headers["Content-Type"] == "image/png"


async def test_an_output_that_breaks_off_leaves_neither_object_nor_upload(moto: Moto, bucket: str) -> None:
    broken = sent_until(PART_BYTES + 1_000_000, hang_up)
    async with Wire(broken, picture(LARGE)) as host, api_of(host) as api, client_of(api) as client:
        storage, result = Storage(f"s3://{bucket}/wild", client), await client.generations.get(JOB)
        with pytest.raises(DownloadError):
            await storage.save(result)
        assert (moto.keys(bucket), moto.uploads(bucket)) == ([], [])
        await storage.save(result)
        assert content(bucket) == LARGE


async def test_a_cancelled_save_leaves_neither_object_nor_upload(moto: Moto, bucket: str) -> None:
    endless = sent_until(PART_BYTES + 1_000_000, stall)
    async with Wire(endless, picture(LARGE)) as host, api_of(host) as api, client_of(api) as client:
        storage, result = Storage(f"s3://{bucket}/wild", client), await client.generations.get(JOB)
        saving = asyncio.create_task(storage.save(result))
        await uploading(moto, bucket)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        assert (moto.keys(bucket), moto.uploads(bucket)) == ([], [])
        await storage.save(result)
        assert content(bucket) == LARGE


async def test_a_bucket_that_does_not_exist_is_named(bucket: str) -> None:
    async with Wire(picture(LARGE)) as host, api_of(host) as api, client_of(api) as client:
        with pytest.raises(StorageError, match=f"the bucket {bucket}x does not exist") as caught:
            await Storage(f"s3://{bucket}x/wild", client).save(await client.generations.get(JOB))
        assert caught.value.job_id == JOB


def credentials() -> "S3Credential":
    return {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET, "expires_at": None}


async def test_a_store_of_the_users_own_is_taken(moto: Moto, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in moto.environment(SECRET):
        monkeypatch.delenv(name)
    store = S3Store(
        bucket,
        prefix="wild",
        endpoint=moto.url,
        region="us-east-1",
        credential_provider=credentials,
        client_options={"allow_http": True},
    )
    async with Wire(picture(LARGE)) as host, api_of(host) as api, client_of(api) as client:
        storage = Storage(f"s3://{bucket}/wild", client, store=store)
        (stored,) = await storage.save(await client.generations.get(JOB))
        assert stored.url == f"s3://{bucket}/{KEY}"
        assert moto.keys(bucket) == [KEY]
        assert SECRET not in repr(storage) + repr(stored)


SAVE = f"""
import asyncio, re, sys
from generor_async import AsyncLuma, Storage

def peak():
    with open("/proc/self/status") as status:  # ru_maxrss has that of the parent, whom an exec replaces
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1]) // 1024

async def main(api, bucket):
    async with AsyncLuma("luma-api-0123456789", base_url=api) as client:
        result = await client.generations.get({JOB!r})
        await Storage("memory://", client).save(result)  # whatever is loaded once is loaded
        before = peak()
        stored = await Storage(f"s3://{{bucket}}/wild", client).save(result)
        print([each.uploaded for each in stored], peak() - before)

asyncio.run(main(*sys.argv[1:]))
"""
"""A process that saves one generation, and prints by how many MiB its memory has grown."""


async def test_a_killed_process_leaves_no_object_and_the_next_ones_save_it_once(moto: Moto, bucket: str) -> None:
    small, endless = picture(LARGE[:1000]), sent_until(PART_BYTES + 1_000_000, stall)
    async with Wire(small, endless, small, picture(LARGE), small, picture(LARGE)) as host, api_of(host) as api:
        with ended(fork(["-c", SAVE, api.url, bucket])):
            await uploading(moto, bucket)
        assert moto.keys(bucket) == []
        assert [await saved(api, bucket), await saved(api, bucket)] == ["[True]", "[False]"]
        assert content(bucket) == LARGE


async def test_processes_that_save_the_same_at_once_store_one_whole_object(moto: Moto, bucket: str) -> None:
    async with Wire(picture(LARGE)) as host, api_of(host) as api:
        told = await asyncio.gather(*(saved(api, bucket) for _ in range(3)))
        assert "[True]" in told
        assert content(bucket) == LARGE
        assert (moto.keys(bucket), moto.uploads(bucket)) == ([KEY], [])


async def saved(api: Wire, bucket: str) -> str:
    """Save in another process; return what it says of its uploads."""
    with ended(fork(["-c", SAVE, api.url, bucket])) as process:
        assert process.stdout is not None
        output = await asyncio.to_thread(process.stdout.read)
        return output.rpartition(" ")[0]


async def test_an_output_of_50_mb_is_never_whole_in_memory(bucket: str) -> None:
    async with Wire(picture(LARGE[:1000]), huge) as host, api_of(host) as api:
        arguments = (sys.executable, "-c", SAVE, api.url, bucket)
        process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        uploaded, _, grown = output.decode().rpartition(" ")
        assert uploaded == "[True]"
        assert obstore.head(from_url(f"s3://{bucket}"), KEY)["size"] == HUGE * len(BLOCK) + 8
        assert int(grown) < 35, f"it took {grown} MiB"
