"""The official client uploads files by both ways, completes, lists and deletes them at the simulator."""

from datetime import UTC, datetime, timedelta

import httpx
import luma_agents
import pytest
from luma_agents.types import File, PresignedUpload
from official.clients import Official

CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(64)
SOON = 60.0
"""Simulated seconds after which an ingest has ended."""


def presigned(official: Official, size: int = len(CONTENT), **fields: str) -> tuple[str, PresignedUpload]:
    """Ask for a URL to which a file can be put."""
    created = official.wait(official.luma.files.create(mime_type="image/png", size_bytes=size, extra_body=fields))
    assert created.state == created.file.state == "pending"
    assert created.upload is not None
    assert created.upload.method == "PUT"
    return created.id, created.upload


def put(http: httpx.Client, upload: PresignedUpload) -> int:
    return http.put(upload.url, content=CONTENT, headers=upload.headers).status_code


def seen(official: Official, file_id: str) -> File:
    official.simulator.advance(SOON)
    return official.wait(official.luma.files.get(file_id))


def test_a_file_is_put_to_a_presigned_url_completed_and_ready(official: Official, http: httpx.Client) -> None:
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    created = official.wait(
        official.luma.files.create(
            mime_type="image/png",
            size_bytes=len(CONTENT),
            filename="heron.png",
            purpose="reference",
            user_id="somebody",
            expires_at=expires,
        )
    )
    assert created.upload is not None
    assert put(http, created.upload) == 200
    assert official.wait(official.luma.files.complete(created.id)).state == "pending"
    file = seen(official, created.id)
    assert (file.id, file.state, file.failure_reason) == (created.id, "ready", None)
    assert (file.mime_type, file.size_bytes, file.filename) == ("image/png", len(CONTENT), "heron.png")
    assert (file.purpose, file.user_id, file.expires_at) == ("reference", "somebody", expires)


def test_a_small_file_is_sent_inline_and_ready(official: Official) -> None:
    created = official.upload(CONTENT, "image/png", filename="heron.png", purpose="reference", user_id="somebody")
    assert (created.state, created.upload) == ("pending", None)
    file = seen(official, created.id)
    assert (file.state, file.mime_type, file.size_bytes) == ("ready", "image/png", len(CONTENT))
    assert (file.filename, file.purpose, file.user_id) == ("heron.png", "reference", "somebody")


def test_a_file_of_another_size_than_was_said_fails(official: Official, http: httpx.Client) -> None:
    file_id, upload = presigned(official, size=len(CONTENT) + 1)
    assert put(http, upload) == 200
    official.wait(official.luma.files.complete(file_id))
    file = seen(official, file_id)
    assert file.state == "failed"
    assert file.failure_reason


@pytest.mark.parametrize("marker", ["moderate", "fail:unsupported_format", "fail:a_code_of_tomorrow"])
def test_a_file_that_is_not_taken_says_why(official: Official, marker: str) -> None:
    file = seen(official, official.upload(CONTENT, "image/png", filename=f"[[{marker}]].png").id)
    assert file.state == "failed"
    assert file.failure_reason


def test_a_presigned_url_is_good_for_an_hour(official: Official, http: httpx.Client) -> None:
    file_id, upload = presigned(official)
    official.simulator.advance(3_601)
    assert put(http, upload) == 403
    with pytest.raises(luma_agents.BadRequestError, match="File has not been uploaded"):
        official.wait(official.luma.files.complete(file_id))


def test_files_are_listed_newest_first_by_the_cursor(official: Official) -> None:
    ids = [presigned(official)[0] for _ in range(5)]
    page = official.wait(official.luma.files.list(limit=2))
    listed = [file.id for file in page.data]
    while page.has_more:
        assert page.next_cursor is not None
        page = official.wait(official.luma.files.list(limit=2, cursor=page.next_cursor))
        listed += [file.id for file in page.data]
    assert listed == ids[::-1]
    assert page.next_cursor is None


def test_files_are_listed_by_purpose_and_state(official: Official) -> None:
    reference = official.upload(CONTENT, "image/png", filename="a.png", purpose="reference").id
    ready = official.upload(CONTENT, "image/png", filename="b.png").id
    official.simulator.advance(SOON)
    pending, _ = presigned(official)
    of = official.luma.files.list
    assert [file.id for file in official.wait(of(purpose="reference")).data] == [reference]
    assert [file.id for file in official.wait(of(state="ready")).data] == [ready, reference]
    assert [file.id for file in official.wait(of(state="pending", purpose="input")).data] == [pending]


def test_a_deleted_file_is_gone_from_the_list_and_can_not_be_used(official: Official) -> None:
    file_id = official.upload(CONTENT, "image/png", filename="heron.png").id
    official.simulator.advance(SOON)
    official.wait(official.luma.files.delete(file_id))
    assert official.wait(official.luma.files.list()).data == []
    deleted = official.wait(official.luma.files.list(state="deleted")).data
    assert [(file.id, file.state, file.deleted_at is not None) for file in deleted] == [(file_id, "deleted", True)]
    with pytest.raises(luma_agents.UnprocessableEntityError):
        official.create(prompt="At night", type="image_edit", source={"file_id": file_id})
    with pytest.raises(luma_agents.NotFoundError):
        official.wait(official.luma.files.delete(file_id))
