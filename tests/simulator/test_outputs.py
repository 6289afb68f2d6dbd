"""Outputs are real, small files of the requested ratio, and the same for the same arguments."""

import subprocess
import sys
import wave
from io import BytesIO
from math import log

import pytest
from PIL import Image

from generor_async.simulator import outputs

ODD_PROMPTS = {
    "empty": "",
    "blank": " \n\t ",
    "emoji": "🦊🌙 a fox 👩‍🚀",
    "long": "a lighthouse in the storm " * 230,
    "one long word": "x" * 6000,
    "newlines": "first line\nsecond\r\nthird",
    "Japanese": "夜明けの山と湖",
    "Arabic": "غروب فوق الجبال",
    "accents": "Größe, façade, naïve — “quoted” Łódź",
    "lone surrogate": "half \ud83e of a fox",
    "control characters": "a\x00b\x07\u202ec",
}
SAMPLES = ["hills and pines", "the sea", "a city at night", "saturn", "abstract silk", "geometric tiles"]


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_picture_is_of_the_format_asked_for(form: outputs.ImageFormat) -> None:
    data = outputs.image("a red fox", seed=1, ratio="1:1", format=form)
    assert opened(data).format == form.upper()


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("1:1", (512, 512)),
        ("16:9", (512, 288)),
        ("9:16", (288, 512)),
        ("4:3", (512, 384)),
        ("3:2", (510, 340)),
        ("21:9", (511, 219)),
        ("3:1", (510, 170)),
        ("1:3", (170, 510)),
        ("1000:999", (512, 511)),
        ("1.91:1", (512, 268)),
    ],
)
def test_a_picture_has_the_ratio_asked_for(ratio: str, size: tuple[int, int]) -> None:
    assert opened(outputs.image("dunes", seed=1, ratio=ratio, format="png")).size == size


def test_the_longer_side_can_be_chosen() -> None:
    assert opened(outputs.image("dunes", seed=1, ratio="2:1", format="jpeg", size=1024)).size == (1024, 512)


@pytest.mark.parametrize("prompt", SAMPLES)
@pytest.mark.parametrize("ratio", ["1:20", "20:1"])
def test_every_scene_fits_a_narrow_picture(prompt: str, ratio: str) -> None:
    drawn = opened(outputs.image(prompt, seed=1, ratio=ratio, format="png"))
    assert sorted(drawn.size) == [25, 500]


@pytest.mark.parametrize("prompt", SAMPLES)
@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_the_same_arguments_give_the_same_bytes_and_few_of_them(prompt: str, form: outputs.ImageFormat) -> None:
    first = outputs.image(prompt, seed=3, ratio="1:1", format=form)
    assert first == outputs.image(prompt, seed=3, ratio="1:1", format=form)
    assert len(first) < 200_000


def test_pictures_do_not_depend_on_the_process_that_draws_them() -> None:
    code = (
        "import sys; from generor_async.simulator import outputs;"
        "sys.stdout.buffer.write(outputs.image('a fox', seed=3, ratio='4:3', format='png'))"
    )
    drawn = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    assert drawn == outputs.image("a fox", seed=3, ratio="4:3", format="png")


def test_seed_and_prompt_both_change_the_picture() -> None:
    one = outputs.image("a mountain at dawn", seed=1, ratio="1:1", format="png")
    assert one != outputs.image("a mountain at dawn", seed=2, ratio="1:1", format="png")
    assert one != outputs.image("a hill at dawn", seed=1, ratio="1:1", format="png")


@pytest.mark.parametrize("prompt", ODD_PROMPTS.values(), ids=ODD_PROMPTS)
@pytest.mark.parametrize("ratio", ["1:1", "1:3", "21:9"])
def test_an_odd_prompt_is_drawn_all_the_same(prompt: str, ratio: str) -> None:
    data = outputs.image(prompt, seed=1, ratio=ratio, format="png")
    assert opened(data).format == "PNG"
    assert len(data) < 200_000


def test_the_prompt_is_set_over_the_foot_of_the_picture() -> None:
    plain = opened(outputs.image("", seed=1, ratio="1:1", format="png")).crop((0, 420, 512, 512))
    captioned = opened(outputs.image("W" * 90, seed=1, ratio="1:1", format="png")).crop((0, 420, 512, 512))
    white = (255, 252, 245)
    assert white in {color for _, color in captioned.getcolors(1 << 20) or ()}
    assert white not in {color for _, color in plain.getcolors(1 << 20) or ()}


@pytest.mark.parametrize("count", [2, 5])
def test_layers_lie_over_an_opaque_background(count: int) -> None:
    drawn = [opened(outputs.layer("hills", seed=1, ratio="16:9", index=index, count=count)) for index in range(count)]
    assert {(picture.format, picture.mode, picture.size) for picture in drawn} == {("PNG", "RGBA", (1024, 576))}
    extremes = [picture.getchannel("A").getextrema() for picture in drawn]
    assert extremes == [(0, 255)] * (count - 1) + [(255, 255)]
    assert len({picture.tobytes() for picture in drawn}) == count


@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.3])
def test_a_sound_has_the_length_asked_for_and_can_be_heard(seconds: float) -> None:
    data = outputs.wav("a lullaby", seed=1, seconds=seconds)
    assert data == outputs.wav("a lullaby", seed=1, seconds=seconds)
    with wave.open(BytesIO(data)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(seconds, abs=0.001)
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    assert 20_000 < max(map(abs, samples)) < 32_767


def test_sounds_differ_by_prompt_and_seed() -> None:
    heard = {outputs.wav(prompt, seed=seed) for prompt in ("rain", "wind") for seed in (1, 2)}
    assert len(heard) == 4


def boxes(data: bytes) -> dict[str, bytes]:
    """Split an MP4 into its top-level boxes."""
    found: dict[str, bytes] = {}
    while data:
        length = int.from_bytes(data[:4], "big")
        found[data[4:8].decode("ascii")] = data[8:length]
        data = data[length:]
    return found


def frame_size(data: bytes) -> tuple[int, int]:
    """Read a clip's width and height from its track header."""
    header = data.index(b"tkhd") + 4
    width, height = (int.from_bytes(data[header + place : header + place + 4], "big") for place in (76, 80))
    return width >> 16, height >> 16


@pytest.mark.parametrize("ratio", outputs.CLIP_RATIOS)
def test_a_clip_is_a_small_mp4_of_its_ratio_that_can_be_streamed(ratio: str) -> None:
    data = outputs.video(ratio=ratio, seed=1)
    assert data == outputs.video(ratio=ratio, seed=1)
    assert [name for name in boxes(data) if name != "free"] == ["ftyp", "moov", "mdat"]
    wide, high = map(int, ratio.split(":"))
    width, height = frame_size(data)
    assert width * high == height * wide
    assert len(data) < 100_000


@pytest.mark.parametrize(("ratio", "clip"), [("2:1", "16:9"), ("3:1", "21:9"), ("5:4", "4:3"), ("1:3", "9:16")])
def test_any_other_ratio_gets_the_nearest_clip(ratio: str, clip: str) -> None:
    width, height = frame_size(outputs.video(ratio=ratio, seed=1))
    wide, high = map(int, clip.split(":"))
    assert log(width / height) == pytest.approx(log(wide / high))


def test_clips_of_two_seeds_differ_in_a_box_that_players_skip() -> None:
    one, other = boxes(outputs.video(ratio="1:1", seed=1)), boxes(outputs.video(ratio="1:1", seed=2))
    assert one.pop("free") == b"seed 1"
    assert other.pop("free") == b"seed 2"
    assert one == other
