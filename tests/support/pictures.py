"""Pictures of noise, for tests that don't look at what simulators draw: they take a hundredth of the time."""

from io import BytesIO
from random import Random

from PIL import Image

from generor_async.simulator import outputs

__all__ = ["noise"]

LONGER_SIDE = 64


def noise(
    prompt: str,
    *,
    seed: int,
    ratio: str,
    format: outputs.ImageFormat,  # noqa: A002  # as in `outputs.image`, for which it stands
    size: int = LONGER_SIDE,
) -> bytes:
    """Return a small picture of the ratio and format; the same arguments always give the same bytes."""
    width, height = outputs.dimensions(ratio, size=min(size, LONGER_SIDE))
    pixels = Random(f"{seed}\n{prompt}".encode("utf-8", "surrogatepass")).randbytes(3 * width * height)
    file = BytesIO()
    Image.frombytes("RGB", (width, height), pixels).save(file, format.upper())
    return file.getvalue()
