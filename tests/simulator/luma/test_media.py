"""Media references: fetched (without a request), decoded, or found by id."""

import base64
from typing import Any

import pytest
from support.luma_service import ORIGIN, Service, refused

from generor_async.simulator.luma.media import MAX_IMAGE_BYTES

PIXEL = base64.b64encode(b"\x89PNG").decode()
INLINE = {"data": PIXEL, "media_type": "image/png"}
VIDEO_EDIT = {"model": "ray-3.2", "type": "video_edit"}


@pytest.fixture
def luma() -> Service:
    return Service(rpm=1000, jobs=1000)


def test_data_that_is_not_base64_gets_the_documented_error(luma: Service) -> None:
    answer = luma.create(image_ref=[{"data": "not-valid-base64!!!", "media_type": "image/png"}])
    assert refused(answer) == (422, "image_ref[0]: invalid base64 data")


def test_an_unknown_host_gets_the_documented_error(luma: Service) -> None:
    answer = luma.create(image_ref=[{"url": "https://nonexistent-domain-12345.com/image.jpg"}])
    assert refused(answer) == (422, "image_ref[0]: failed to fetch URL")


def test_a_missing_image_gets_the_documented_error(luma: Service) -> None:
    answer = luma.create(type="image_edit", source={"url": "https://example.com/deleted-image.jpg"})
    assert refused(answer) == (422, "source: failed to fetch URL (HTTP 404)")


def test_a_document_gets_the_documented_error(luma: Service) -> None:
    answer = luma.create(image_ref=[{"url": "https://example.com/document.pdf"}])
    assert refused(answer) == (422, "image_ref[0]: content-type is not an image")


@pytest.mark.parametrize("where", ["source", "image_ref"])
def test_inline_data_of_more_than_50_mb_gets_the_documented_error(luma: Service, where: str) -> None:
    data = base64.b64encode(bytes(MAX_IMAGE_BYTES + 1)).decode()
    large = {"data": data, "media_type": "image/png"}
    fields: dict[str, Any] = {"type": "image_edit", "source": INLINE, "image_ref": [INLINE]}
    fields |= {"source": large} if where == "source" else {"image_ref": [INLINE, large]}
    assert refused(luma.create(**fields)) == (413, "Image exceeds 50 MB size limit")


@pytest.mark.parametrize(
    ("url", "status", "detail"),
    [
        ("https://host.invalid/a.png", 422, "image_ref[0]: failed to fetch URL"),
        ("ftp://example.com/a.png", 422, "image_ref[0]: failed to fetch URL"),
        ("a.png", 422, "image_ref[0]: failed to fetch URL"),
        ("http://[broken/a.png", 422, "image_ref[0]: failed to fetch URL"),
        ("https://example.com/404", 422, "image_ref[0]: failed to fetch URL (HTTP 404)"),
        ("https://example.com/missing/a.png", 422, "image_ref[0]: failed to fetch URL (HTTP 404)"),
        ("https://example.com/http-500.png", 422, "image_ref[0]: failed to fetch URL (HTTP 500)"),
        ("https://example.com/page.html", 422, "image_ref[0]: content-type is not an image"),
        ("https://example.com/clip.mp4", 422, "image_ref[0]: content-type is not an image"),
        ("https://example.com/too-large.png", 413, "Image exceeds 50 MB size limit"),
        ("https://example.com/bad-gateway.png", 502, "Upstream service unavailable"),
        ("https://example.com/ingestion-unavailable.png", 503, "Image URL ingestion unavailable"),
    ],
)
def test_the_text_of_a_url_decides_its_error(luma: Service, url: str, status: int, detail: str) -> None:
    assert refused(luma.create(image_ref=[{"url": url}])) == (status, detail)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/photo.jpg",
        "https://example.com/photo?format=webp",
        "https://example.com/40404/undeleted.png",
        "http://127.0.0.1:1/a.png",
    ],
)
def test_any_other_url_is_accepted(luma: Service, url: str) -> None:
    assert luma.create(image_ref=[{"url": url}]).status == 201


def test_a_reference_is_named_by_its_path(luma: Service) -> None:
    answer = luma.create(image_ref=[INLINE, INLINE, {"url": "https://host.invalid/"}])
    assert refused(answer) == (422, "image_ref[2]: failed to fetch URL")


def test_a_prompt_can_simulate_an_upstream_outage(luma: Service) -> None:
    answer = luma.create(prompt="[[bad-gateway]]")
    assert refused(answer) == (502, "Upstream service unavailable")


def test_without_ingestion_a_url_is_refused_and_the_same_image_inline_is_taken(luma: Service) -> None:
    prompt = "A similar scene but at sunset [[ingestion-unavailable]]"
    answer = luma.create(prompt=prompt, image_ref=[{"url": "https://example.com/reference.jpg"}])
    assert refused(answer) == (503, "Image URL ingestion unavailable")
    assert luma.create(prompt=prompt, image_ref=[INLINE]).status == 201


def test_inline_data_that_is_no_image_is_refused(luma: Service) -> None:
    answer = luma.create(image_ref=[{"data": PIXEL, "media_type": "application/pdf"}])
    assert refused(answer) == (422, "image_ref[0]: content-type is not an image")


# The simulator's own storage.


def test_an_output_can_be_used_again_by_its_url(luma: Service) -> None:
    url = luma.finished()["output"][0]["url"]
    assert luma.create(type="image_edit", source={"url": url}).status == 201


def test_an_output_whose_url_has_run_out_is_a_403(luma: Service) -> None:
    url = luma.finished()["output"][0]["url"]
    luma.now += 3600
    answer = luma.create(type="image_edit", source={"url": url})
    assert refused(answer) == (422, "source: failed to fetch URL (HTTP 403)")


def test_a_file_that_the_storage_does_not_have_is_a_404(luma: Service) -> None:
    url = luma.storage.presign("nothing.png", now=luma.now, origin=ORIGIN)
    answer = luma.create(type="image_edit", source={"url": url})
    assert refused(answer) == (422, "source: failed to fetch URL (HTTP 404)")


def test_a_video_of_the_storage_is_no_image(luma: Service) -> None:
    url = luma.finished(model="ray-3.2", type="video")["output"][0]["url"]
    assert refused(luma.create(type="image_edit", source={"url": url})) == (
        422,
        "source: content-type is not an image",
    )
    assert luma.create(**VIDEO_EDIT, source={"url": url, "media_type": "video/mp4"}).status == 201


# Earlier generations.


def test_an_edit_can_use_an_earlier_generation(luma: Service) -> None:
    generation_id = luma.finished()["id"]
    assert luma.create(type="image_edit", source={"generation_id": generation_id}).status == 201


def test_a_generation_of_another_key_can_not_be_used(luma: Service) -> None:
    generation_id = luma.finished()["id"]
    answer = luma.create(key="other", type="image_edit", source={"generation_id": generation_id})
    assert refused(answer) == (422, "source: generation not found")


@pytest.mark.parametrize("prompt", ["A sunset", "[[moderate]]"])
def test_a_generation_that_has_not_completed_can_not_be_used(luma: Service, prompt: str) -> None:
    generation_id = luma.submitted(prompt=prompt)
    luma.now += 3600 if "[[" in prompt else 0
    answer = luma.create(type="image_edit", source={"generation_id": generation_id})
    assert refused(answer) == (422, "source: generation is not completed")


def test_a_generation_of_the_wrong_kind_can_not_be_used(luma: Service) -> None:
    video = luma.finished(model="ray-3.2", type="video")["id"]
    image = luma.finished()["id"]
    answer = luma.create(type="image_edit", source={"generation_id": video})
    assert refused(answer) == (422, "source: generation has no image output")
    answer = luma.create(**VIDEO_EDIT, source={"generation_id": image})
    assert refused(answer) == (422, "source: generation has no video output")


@pytest.mark.parametrize("before", [{}, {"model": "ray-3.2", "type": "video"}])
def test_a_video_can_use_an_earlier_image_or_video(luma: Service, before: dict[str, Any]) -> None:
    frame = {"generation_id": luma.finished(**before)["id"]}
    answer = luma.create(model="ray-3.2", type="video", video={"start_frame": frame})
    assert answer.status == 201


def test_a_video_does_not_start_from_a_video_file(luma: Service) -> None:
    frame = {"url": "https://example.com/clip.mp4"}
    answer = luma.create(model="ray-3.2", type="video", video={"start_frame": frame})
    assert refused(answer) == (422, "video.start_frame: content-type is not an image")


def test_a_video_source_that_is_no_video_is_refused(luma: Service) -> None:
    source = {"url": "https://example.com/photo.png", "media_type": "video/mp4"}
    assert refused(luma.create(**VIDEO_EDIT, source=source)) == (422, "source: content-type is not a video")
