"""Presigned URLs, and the bucket's answers to them."""

import hashlib
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from support.luma_service import ORIGIN, START, ask

from generor_async.simulator.messages import Answer
from generor_async.simulator.storage import Bucket, UrlStatus

CONTENT = bytes(range(100))
ETAG = f'"{hashlib.md5(CONTENT).hexdigest()}"'


@pytest.fixture
def storage() -> Bucket:
    storage = Bucket()
    storage.put("generations/d290f1ee/output.png", "image/png", lambda: CONTENT)
    return storage


@pytest.fixture
def url(storage: Bucket) -> str:
    return storage.presign("generations/d290f1ee/output.png", now=START, origin=ORIGIN)


def get(storage: Bucket, url: str, *, now: float = START, method: str = "GET", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(storage.routes, method, url, now=now, headers=sent)


def fault(answer: Answer) -> tuple[int, bytes]:
    """Return the status and the S3 code of an error."""
    assert answer.headers["Content-Type"] == "application/xml"
    assert answer.body is not None
    return answer.status, answer.body.partition(b"<Code>")[2].partition(b"</Code>")[0]


def test_a_presigned_url_names_an_hour_and_the_time_it_was_made(url: str) -> None:
    query = parse_qs(urlsplit(url).query)
    assert url.startswith(f"{ORIGIN}/storage/generations/d290f1ee/output.png?")
    assert query["X-Amz-Expires"] == ["3600"]
    assert query["X-Amz-Date"] == ["20260408T120000Z"]


def test_a_presigned_url_gives_the_file(storage: Bucket, url: str) -> None:
    answer = get(storage, url)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers == {"Content-Type": "image/png", "ETag": ETAG, "Accept-Ranges": "bytes"}


def test_a_file_is_made_once_and_only_when_it_is_fetched() -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return CONTENT

    storage = Bucket()
    storage.put("a", "image/png", make)
    url = storage.presign("a", now=START, origin=ORIGIN)
    assert storage.url_status(url, now=START) == UrlStatus(200, "image/png")
    assert not made
    get(storage, url)
    get(storage, url)
    assert made == [1]


def test_a_file_not_fetched_for_long_is_made_again_just_the_same() -> None:
    storage = Bucket()
    for number in range(100):
        storage.put(f"{number}", "image/png", partial(bytes, [number]))
    urls = [storage.presign(f"{number}", now=START, origin=ORIGIN) for number in range(100)]
    for _ in range(2):
        assert [get(storage, url).body for url in urls] == [bytes([number]) for number in range(100)]


def test_a_url_is_good_for_an_hour_and_answers_403_from_then_on(storage: Bucket, url: str) -> None:
    assert get(storage, url, now=START + 3599).status == 200
    late = get(storage, url, now=START + 3600)
    assert fault(late) == (403, b"AccessDenied")
    assert b"Request has expired" in (late.body or b"")
    assert storage.url_status(url, now=START + 3600) == UrlStatus(403)


def test_the_data_outlives_the_url(storage: Bucket) -> None:
    fresh = storage.presign("generations/d290f1ee/output.png", now=START + 9999, origin=ORIGIN)
    assert get(storage, fresh, now=START + 9999).body == CONTENT


def test_the_lifetime_can_be_chosen() -> None:
    storage = Bucket(lifetime=60)
    storage.put("a", "image/png", lambda: CONTENT)
    url = storage.presign("a", now=START, origin=ORIGIN)
    assert "X-Amz-Expires=60&" in url
    assert get(storage, url, now=START + 60).status == 403


def test_a_url_without_its_signature_is_refused(storage: Bucket, url: str) -> None:
    assert fault(get(storage, url.partition("?")[0])) == (403, b"AccessDenied")


@pytest.mark.parametrize(("part", "forged"), [("X-Amz-Expires=3600", "X-Amz-Expires=9999"), ("d290f1ee", "other")])
def test_a_url_that_was_changed_is_refused(storage: Bucket, url: str, part: str, forged: str) -> None:
    assert fault(get(storage, url.replace(part, forged))) == (403, b"SignatureDoesNotMatch")


def test_a_url_for_reading_is_not_good_for_writing(storage: Bucket, url: str) -> None:
    assert fault(get(storage, url, method="PUT")) == (403, b"SignatureDoesNotMatch")


def test_a_url_for_reading_is_not_good_for_head_which_has_no_body(storage: Bucket, url: str) -> None:
    answer = get(storage, url, method="HEAD")
    assert (answer.status, answer.body) == (403, b"")


def test_a_file_that_is_not_there_is_a_404(storage: Bucket) -> None:
    url = storage.presign("nothing.png", now=START, origin=ORIGIN)
    assert fault(get(storage, url)) == (404, b"NoSuchKey")


def test_an_authorization_header_beside_the_signature_is_refused(storage: Bucket, url: str) -> None:
    assert fault(get(storage, url, authorization="Bearer luma-api-x")) == (400, b"InvalidArgument")


@pytest.mark.parametrize(
    ("asked", "content", "shown"),
    [
        ("bytes=0-9", CONTENT[:10], "bytes 0-9/100"),
        ("bytes=90-", CONTENT[90:], "bytes 90-99/100"),
        ("bytes=-10", CONTENT[90:], "bytes 90-99/100"),
        ("bytes=-500", CONTENT, "bytes 0-99/100"),
        ("bytes=50-500", CONTENT[50:], "bytes 50-99/100"),
    ],
)
def test_a_range_gives_that_part(storage: Bucket, url: str, asked: str, content: bytes, shown: str) -> None:
    answer = get(storage, url, range=asked)
    assert (answer.status, answer.body) == (206, content)
    assert answer.headers["Content-Range"] == shown


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=x"])
def test_a_range_that_makes_no_sense_is_ignored(storage: Bucket, url: str, asked: str) -> None:
    answer = get(storage, url, range=asked)
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=-0"])
def test_a_range_beyond_the_end_is_a_416(storage: Bucket, url: str, asked: str) -> None:
    answer = get(storage, url, range=asked)
    assert fault(answer) == (416, b"InvalidRange")
    assert answer.headers["Content-Range"] == "bytes */100"


def test_if_range_gives_the_part_only_of_the_same_file(storage: Bucket, url: str) -> None:
    assert get(storage, url, range="bytes=5-", if_range=ETAG).status == 206
    assert get(storage, url, range="bytes=5-", if_range='"another"').body == CONTENT


def test_an_upload_that_was_asked_for_is_kept() -> None:
    storage = Bucket()
    storage.allow_upload("uploads/1", "image/jpeg")
    url = storage.presign("uploads/1", now=START, origin=ORIGIN, method="PUT")
    assert storage.uploaded("uploads/1") is None
    answer = ask(storage.routes, "PUT", url, now=START, headers={"Content-Type": "image/jpeg"}, body=CONTENT)
    assert (answer.status, answer.headers["ETag"]) == (200, ETAG)
    assert storage.uploaded("uploads/1") == CONTENT


@pytest.mark.parametrize("headers", [{"Content-Type": "image/png"}, {}])
def test_an_upload_of_another_content_type_is_refused(headers: dict[str, str]) -> None:
    storage = Bucket()
    storage.allow_upload("uploads/1", "image/jpeg")
    url = storage.presign("uploads/1", now=START, origin=ORIGIN, method="PUT")
    answer = ask(storage.routes, "PUT", url, now=START, headers=headers, body=CONTENT)
    assert fault(answer) == (403, b"SignatureDoesNotMatch")


def test_an_upload_with_an_authorization_header_is_refused() -> None:
    storage = Bucket()
    storage.allow_upload("uploads/1", "image/jpeg")
    url = storage.presign("uploads/1", now=START, origin=ORIGIN, method="PUT")
    headers = {"Content-Type": "image/jpeg", "Authorization": "Bearer luma-api-x"}
    answer = ask(storage.routes, "PUT", url, now=START, headers=headers, body=CONTENT)
    assert fault(answer) == (400, b"InvalidArgument")
    assert storage.uploaded("uploads/1") is None


def test_an_upload_url_runs_out_too() -> None:
    storage = Bucket()
    storage.allow_upload("uploads/1", "image/jpeg")
    url = storage.presign("uploads/1", now=START, origin=ORIGIN, method="PUT")
    headers = {"Content-Type": "image/jpeg"}
    answer = ask(storage.routes, "PUT", url, now=START + 3600, headers=headers, body=CONTENT)
    assert fault(answer) == (403, b"AccessDenied")
