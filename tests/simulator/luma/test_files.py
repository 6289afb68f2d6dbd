"""The Files API: upload, ingest, listing and deletion."""

from typing import Any

import pytest
from support.luma_service import Service, refused

from generor_async.simulator.messages import Answer

CONTENT = b"\x89PNG and so on"
WANTED = {"mime_type": "image/png", "size_bytes": len(CONTENT)}
MAIN_FIELDS = {
    "id",
    "created_at",
    "mime_type",
    "purpose",
    "size_bytes",
    "state",
    "deleted_at",
    "expires_at",
    "failure_reason",
    "filename",
    "user_id",
}


@pytest.fixture
def luma() -> Service:
    return Service()


def ask_upload(luma: Service, **fields: Any) -> Any:
    answer = luma.call("POST", "/files", json_body=WANTED | fields)
    assert answer.status == 201, answer.json
    return answer.json


def inline(luma: Service, content: bytes = CONTENT, *, name: str = "a.png", key: str = "main", **fields: str) -> Answer:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields.items()
    ]
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    parts.append(head.encode() + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--b--\r\n")
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return luma.call("POST", "/files", body=b"".join(parts), headers=headers, key=key)


def uploaded(luma: Service, **fields: Any) -> str:
    """Upload a file, complete it, and wait for the end of its ingestion."""
    created = ask_upload(luma, **fields)
    assert luma.put(created["upload"], CONTENT).status == 200
    assert luma.call("POST", f"/files/{created['id']}/complete").status == 200
    luma.now += 10
    return str(created["id"])


def state(luma: Service, file_id: str) -> str:
    return str(luma.call("GET", f"/files/{file_id}").json["state"])


def listing(luma: Service, query: str = "", *, key: str = "main") -> Any:
    answer = luma.call("GET", f"/files{query}", key=key)
    assert answer.status == 200, answer.json
    return answer.json


# Uploads.


def test_a_presigned_upload_has_everything_for_the_put(luma: Service) -> None:
    created = ask_upload(luma, filename="a.png", purpose="reference", user_id="someone")
    assert created["state"] == created["file"]["state"] == "pending"
    assert created["id"] == created["file"]["id"]
    assert set(created["file"]) == MAIN_FIELDS
    assert created["file"]["created_at"] == "2026-04-08T12:00:00Z"
    upload = created["upload"]
    assert upload.pop("url").startswith("http://127.0.0.1:8080/storage/uploads/")
    assert upload == {
        "method": "PUT",
        "headers": {"Content-Type": "image/png"},
        "expires_at": "2026-04-08T13:00:00Z",
    }


def test_a_file_is_pending_until_its_ingest_has_ended(luma: Service) -> None:
    created = ask_upload(luma)
    luma.now += 100
    assert state(luma, created["id"]) == "pending"
    luma.put(created["upload"], CONTENT)
    completed = luma.call("POST", f"/files/{created['id']}/complete")
    assert (completed.status, completed.json["state"]) == (200, "pending")
    luma.now += 10
    assert state(luma, created["id"]) == "ready"


def test_an_upload_can_not_be_completed_before_the_bytes_are_there(luma: Service) -> None:
    answer = luma.call("POST", f"/files/{ask_upload(luma)['id']}/complete")
    assert refused(answer) == (400, "File has not been uploaded")


def test_completing_again_changes_nothing(luma: Service) -> None:
    file_id = uploaded(luma)
    answer = luma.call("POST", f"/files/{file_id}/complete")
    assert (answer.status, answer.json["state"]) == (200, "ready")


def test_a_file_of_another_size_than_announced_fails(luma: Service) -> None:
    file = luma.call("GET", f"/files/{uploaded(luma, size_bytes=5)}").json
    assert (file["state"], file["failure_reason"]) == ("failed", "Uploaded size does not match size_bytes")


def test_a_file_name_can_ask_for_a_failure(luma: Service) -> None:
    file = luma.call("GET", f"/files/{uploaded(luma, filename='[[moderate]].png')}").json
    assert file["state"] == "failed"
    assert file["failure_reason"] == "Generation output was flagged by our content moderation system."


def test_a_small_file_is_uploaded_inline(luma: Service) -> None:
    answer = inline(luma, purpose="reference", user_id="someone")
    assert answer.status == 201
    assert answer.json["upload"] is None
    file = answer.json["file"]
    assert (file["mime_type"], file["size_bytes"], file["filename"]) == ("image/png", len(CONTENT), "a.png")
    assert (file["purpose"], file["user_id"], file["state"]) == ("reference", "someone", "pending")
    luma.now += 10
    assert state(luma, file["id"]) == "ready"


def test_an_inline_file_that_is_too_large_is_refused(luma: Service) -> None:
    assert refused(inline(luma, bytes(32 * 1024**2 + 1))) == (413, "File exceeds 32 MB inline size limit")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"--b\r\n", "Invalid multipart body: multipart body is incomplete"),
        (
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\ninput\r\n--b--\r\n',
            "file is required",
        ),
    ],
)
def test_a_form_without_a_file_is_refused(luma: Service, body: bytes, detail: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert refused(luma.call("POST", "/files", body=body, headers=headers)) == (400, detail)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"mime_type": None}, "mime_type is required"),
        ({"mime_type": 5}, "mime_type must be a string"),
        ({"mime_type": "text/plain"}, "Unsupported mime_type 'text/plain'"),
        ({"size_bytes": 0}, "size_bytes must be between 1 and 5368709120"),
        ({"size_bytes": 5 * 1024**3 + 1}, "size_bytes must be between 1 and 5368709120"),
        ({"size_bytes": True}, "size_bytes must be between 1 and 5368709120"),
        ({"purpose": "fun"}, "Invalid purpose 'fun'. Valid: input, reference"),
        ({"expires_at": "soon"}, "expires_at must be an ISO 8601 date"),
        ({"expires_at": 5}, "expires_at must be an ISO 8601 date"),
        ({"expires_at": "9999-12-31T23:59:59-05:00"}, "expires_at must be an ISO 8601 date"),
    ],
)
def test_an_invalid_file_description_is_refused(luma: Service, fields: dict[str, Any], detail: str) -> None:
    assert refused(luma.call("POST", "/files", json_body=WANTED | fields)) == (400, detail)


# References.


def test_a_ready_file_can_be_referenced(luma: Service) -> None:
    file_id = uploaded(luma)
    assert luma.create(type="image_edit", source={"file_id": file_id}).status == 201


def test_a_file_that_is_not_ready_can_not_be_referenced(luma: Service) -> None:
    pending, deleted = ask_upload(luma)["id"], uploaded(luma)
    luma.call("DELETE", f"/files/{deleted}")
    for file_id in (pending, deleted):
        answer = luma.create(image_ref=[{"file_id": file_id}])
        assert refused(answer) == (422, "image_ref[0]: file is not ready")


def test_a_file_of_another_client_can_not_be_referenced(luma: Service) -> None:
    answer = luma.create(key="other", image_ref=[{"file_id": uploaded(luma)}])
    assert refused(answer) == (422, "image_ref[0]: file not found")


def test_a_video_file_is_a_source_for_video_only(luma: Service) -> None:
    file_id = uploaded(luma, mime_type="video/mp4")
    source = {"file_id": file_id}
    assert luma.create(model="ray-3.2", type="video_edit", source=source).status == 201
    answer = luma.create(type="image_edit", source=source)
    assert refused(answer) == (422, "source: content-type is not an image")


def test_an_uploaded_image_of_more_than_50_mb_is_too_large_to_generate_from(luma: Service) -> None:
    content = bytes(50 * 1024**2 + 1)
    created = ask_upload(luma, size_bytes=len(content))
    luma.put(created["upload"], content)
    luma.call("POST", f"/files/{created['id']}/complete")
    luma.now += 10
    answer = luma.create(image_ref=[{"file_id": created["id"]}])
    assert refused(answer) == (413, "Image exceeds 50 MB size limit")


# Looking, listing, deleting.


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("POST", "/complete")])
def test_a_file_that_is_not_there_or_not_ones_own_is_a_404(luma: Service, method: str, tail: str) -> None:
    file_id = uploaded(luma)
    assert refused(luma.call(method, f"/files/{file_id}{tail}", key="other")) == (404, "File not found")
    assert refused(luma.call(method, f"/files/not-a-uuid{tail}")) == (404, "File not found")


def test_the_keys_of_a_client_share_its_files(luma: Service) -> None:
    sibling = luma.api.add_key(luma.api.client)
    assert luma.call("GET", f"/files/{uploaded(luma)}", key=sibling).status == 200


def test_files_are_listed_newest_first_page_by_page(luma: Service) -> None:
    ids = [ask_upload(luma)["id"] for _ in range(7)]
    seen = list[str]()
    page = listing(luma, "?limit=3")
    while True:
        seen += [file["id"] for file in page["data"]]
        if not page["has_more"]:
            break
        page = listing(luma, f"?limit=3&cursor={page['next_cursor']}")
    assert seen == ids[::-1]
    assert page["next_cursor"] is None


def test_a_page_has_25_files_by_default(luma: Service) -> None:
    for _ in range(26):
        ask_upload(luma)
    page = listing(luma)
    assert (len(page["data"]), page["has_more"]) == (25, True)


def test_a_new_file_does_not_shift_the_pages_that_follow(luma: Service) -> None:
    ids = [ask_upload(luma)["id"] for _ in range(4)]
    page = listing(luma, "?limit=2")
    ask_upload(luma)
    rest = listing(luma, f"?limit=2&cursor={page['next_cursor']}")
    assert [file["id"] for file in rest["data"]] == [ids[1], ids[0]]


def test_a_listing_can_be_narrowed_by_purpose_and_state(luma: Service) -> None:
    ready = uploaded(luma, purpose="reference")
    pending = ask_upload(luma)["id"]
    deleted = uploaded(luma)
    luma.call("DELETE", f"/files/{deleted}")
    queries = {"": [pending, ready], "?state=ready": [ready], "?state=pending": [pending]}
    queries |= {"?state=deleted": [deleted], "?purpose=reference": [ready], "?state=failed": []}
    for query, ids in queries.items():
        assert [file["id"] for file in listing(luma, query)["data"]] == ids


def test_the_files_of_other_clients_are_not_listed(luma: Service) -> None:
    ask_upload(luma)
    assert listing(luma, key="other") == {"data": [], "has_more": False, "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("?limit=0", "limit must be between 1 and 100"),
        ("?limit=101", "limit must be between 1 and 100"),
        ("?limit=many", "limit must be between 1 and 100"),
        ("?cursor=forged", "Invalid cursor"),
        ("?cursor=AAAA", "Invalid cursor"),
        ("?state=lost", "Invalid state 'lost'. Valid: deleted, failed, pending, ready"),
        ("?purpose=fun", "Invalid purpose 'fun'. Valid: input, reference"),
    ],
)
def test_wrong_parameters_of_a_listing_are_refused(luma: Service, query: str, detail: str) -> None:
    assert refused(luma.call("GET", f"/files{query}")) == (400, detail)


def test_a_deletion_is_soft_and_has_no_body(luma: Service) -> None:
    file_id = uploaded(luma)
    answer = luma.call("DELETE", f"/files/{file_id}")
    assert (answer.status, answer.json, answer.body) == (204, None, None)
    file = luma.call("GET", f"/files/{file_id}").json
    assert (file["state"], file["deleted_at"]) == ("deleted", "2026-04-08T12:00:10Z")


def test_a_deleted_file_can_be_neither_deleted_nor_completed_again(luma: Service) -> None:
    file_id = uploaded(luma)
    luma.call("DELETE", f"/files/{file_id}")
    for method, tail in (("DELETE", ""), ("POST", "/complete")):
        assert refused(luma.call(method, f"/files/{file_id}{tail}")) == (404, "File not found")


@pytest.mark.parametrize("expires_at", ["2026-04-08T12:30:00Z", "2026-04-08T12:30:00", "2026-04-08T14:30:00+02:00"])
def test_a_file_is_deleted_when_it_expires(luma: Service, expires_at: str) -> None:
    file_id = uploaded(luma, expires_at=expires_at)
    assert state(luma, file_id) == "ready"
    luma.now += 1800
    file = luma.call("GET", f"/files/{file_id}").json
    assert (file["state"], file["deleted_at"]) == ("deleted", "2026-04-08T12:30:00Z")
    assert file["expires_at"] == "2026-04-08T12:30:00Z"
