"""The models of the simulated Generor.

Documented are 34, 37, 10001, 10003, 20050, 20051 and 20060 to 20062 with what is said of them, and the traits
of Veo 3.1, Seedance 1.5 Pro, Seedance 2.0, Wan 2.6 I2V, Seedance Pro Lite and Kling v3. Everything else is
assumed: the ids, prices and times of these, the further models, and the id ranges of the types beyond text,
image and video.
"""

from collections.abc import Iterator, Mapping

from attrs import evolve

from generor_async.simulator.catalog.types import (
    IMAGE_RATIOS,
    VIDEO_RATIOS,
    Latency,
    Model,
    ModelType,
    VideoTraits,
)

__all__ = ["MODELS"]


def _model(kind: ModelType, number: int, name: str, price: int, seconds: float, about: str, provider: str) -> Model:
    """Describe a model that takes about `seconds` an item."""
    return Model(
        id=number,
        name=name,
        type=kind,
        provider=provider,
        description=about,
        credit_cost=price,
        latency=Latency(seconds, 0.3),
    )


def _image(number: int, name: str, price: int, seconds: float, about: str, *, img2img: bool) -> Model:
    model = _model("image", number, name, price, seconds, about, "replicate")
    return evolve(model, supports_img2img=img2img, aspect_ratios=IMAGE_RATIOS)


def _video(
    number: int,
    name: str,
    price: int,
    seconds: float,
    *,
    provider: str = "replicate",
    durations: tuple[int, ...],
    default: int,
    audio_multiplier: int | None = None,
    end_frame: bool = False,
    qualities: Mapping[str, int] | None = None,
    group: str | None = None,
) -> Model:
    """Describe a video model, priced by the second; no `audio_multiplier` means no audio toggle."""
    group_name = group or name
    traits = VideoTraits(
        supported_durations=durations,
        default_duration=default,
        supports_audio=audio_multiplier is not None,
        audio_cost_multiplier=audio_multiplier or 1,
        supports_end_frame=end_frame,
        qualities=qualities or {"720p": number},
        group_slug=group_name.lower().replace(" ", "-").replace(".", "-"),
        group_name=group_name,
    )
    return Model(
        id=number,
        name=name,
        type="video",
        provider=provider,
        credit_cost=price,
        priced_by="second",
        aspect_ratios=VIDEO_RATIOS,
        video=traits,
        latency=Latency(seconds, 0.3),
        actual_ratios=(1.0, 1.0, 1.1, 1.25),
    )


def _dreamina(quality: str, number: int, price: int, seconds: float) -> Model:
    model = _video(
        number,
        f"Dreamina Seedance 2.0 ({quality})",
        price,
        seconds,
        provider="byteplus",
        durations=(5, 6, 7, 8, 10, 12, 15),
        default=8,
        audio_multiplier=1,
        end_frame=True,
        qualities={"480p": 20060, "720p": 20061, "1080p": 20062},
        group="Dreamina Seedance 2.0",
    )
    assert model.video is not None
    return evolve(
        model,
        video=evolve(model.video, group_slug="dreamina-seedance-2-direct"),
        takes_video=True,
        takes_reference_audio=True,
        max_reference_images=9,
        max_reference_videos=3,
    )


_TEXT = (
    _model("text", 30, "GPT 5 Nano", 1, 6, "Small and quick, for short forms.", "openai"),
    _model("text", 33, "Claude Haiku 4.5", 2, 8, "Quick, with a good ear for tone.", "anthropic"),
    _model("text", 37, "Gemini 3.5 Flash", 1, 10, "Fast all-round writing in many languages.", "google"),
    evolve(
        _model("text", 34, "Qwen VL Max", 2, 9, "Describes what is in a picture.", "alibaba"),
        needs_image=True,
    ),
    _model("text", 36, "DeepSeek V3.2", 1, 14, "Long, reasoned answers at a low price.", "deepseek"),
    _model("text", 38, "Claude Sonnet 4.5", 6, 15, "Careful prose and code.", "anthropic"),
    _model("text", 39, "GPT 5", 8, 20, "Deep reasoning for long texts.", "openai"),
    _model("text", 41, "Llama 4 Maverick", 1, 9, "An open model for everyday writing.", "replicate"),
)
_IMAGE = (
    _image(10001, "Flux 1.1 Pro", 80, 18, "High-quality image generation...", img2img=True),
    _image(10002, "black-forest-labs/flux-dev", 30, 16, "An open model, with img2img.", img2img=True),
    evolve(
        _image(10003, "black-forest-labs/flux-schnell", 6, 20, "Pictures in few steps.", img2img=False),
        actual_ratios=(4.0,),  # the documents' own example: 6 estimated, 24 charged
    ),
    _image(10005, "Ideogram V3 Turbo", 40, 14, "Posters and lettering.", img2img=False),
    _image(10007, "Seedream 4", 35, 22, "Large pictures and edits that keep their subject.", img2img=True),
    _image(10009, "Imagen 4", 50, 20, "Photographic detail.", img2img=False),
    _image(10011, "Nano Banana Pro", 140, 35, "Edits told in plain words.", img2img=True),
    _image(10014, "Recraft V3", 45, 17, "Illustration in a steady style.", img2img=False),
)
_VIDEO = (
    _video(20020, "Seedance Pro Lite", 3, 70, durations=(5, 10), default=5, end_frame=True),
    evolve(
        _video(20030, "Wan 2.6 I2V", 4, 120, durations=(5, 10, 15), default=5, end_frame=True),
        needs_image=True,
        aspect_ratios=(),
    ),
    _video(20035, "Seedance 1.5 Pro", 5, 110, durations=(4, 5, 6, 8, 10, 12), default=5, audio_multiplier=2),
    evolve(
        _video(20040, "Veo 3.1", 20, 140, durations=(4, 6, 8), default=8, audio_multiplier=2, end_frame=True),
        max_reference_images=3,
    ),
    _video(20045, "Kling v3", 9, 180, durations=(5, 10), default=5, end_frame=True),
    evolve(
        _video(20050, "Happy Horse 1.0 R2V", 8, 150, provider="alibaba", durations=(4, 5, 6, 8, 10), default=5),
        max_reference_images=9,
    ),
    evolve(
        _video(20051, "Happy Horse Video Edit", 10, 160, provider="alibaba", durations=(3, 5, 8, 10), default=5),
        needs_video=True,
        takes_video=True,
        max_reference_images=5,
        aspect_ratios=(),
    ),
    evolve(
        _video(20055, "Seedance 2.0", 7, 130, durations=(5, 10, 15), default=5),
        max_reference_images=9,
        max_reference_videos=3,
    ),
    _dreamina("480p", 20060, 3, 45),
    _dreamina("720p", 20061, 6, 60),
    _dreamina("1080p", 20062, 14, 150),
)
_SOUND = (
    _model("speech", 30001, "MiniMax Speech 2.6 Turbo", 6, 5, "Natural voices in forty languages.", "replicate"),
    _model("speech", 30002, "ElevenLabs v3", 18, 8, "Expressive narration.", "elevenlabs"),
    _model("speech", 30003, "Kokoro 82M", 1, 3, "A small open voice.", "replicate"),
    _model("music", 40001, "Lyria 2", 30, 35, "Instrumental pieces.", "google"),
    _model("music", 40002, "MiniMax Music 2.0", 15, 50, "Songs from lyrics.", "replicate"),
    _model("music", 40003, "Stable Audio 2.5", 20, 20, "Loops and beds of up to three minutes.", "replicate"),
    _model("soundeffect", 50001, "ElevenLabs Sound Effects", 8, 9, "Any noise put into words.", "elevenlabs"),
    _model("soundeffect", 50002, "MMAudio V2", 4, 15, "Sounds that fit a clip.", "replicate"),
)
_TOOLS = (
    _model("upscale", 60001, "Real-ESRGAN", 2, 6, "Doubles or quadruples a picture's size.", "replicate"),
    _model("upscale", 60002, "Clarity Upscaler", 16, 30, "Adds detail as it enlarges.", "replicate"),
    _model("vector", 70001, "Recraft V3 SVG", 80, 18, "Draws SVG from a prompt.", "replicate"),
    _model("vector", 70002, "Recraft Vectorize", 10, 9, "Traces a picture into SVG.", "replicate"),
    _model("backgroundremoval", 80001, "BiRefNet", 2, 5, "Cuts the subject out.", "replicate"),
    _model("backgroundremoval", 80002, "Bria RMBG 2.0", 6, 6, "Cuts hair and glass out too.", "replicate"),
)


def _completed(models: tuple[Model, ...]) -> Iterator[Model]:
    """Give each model its place among those of its type, and what all of a type have in common."""
    places: dict[ModelType, int] = {}
    for model in models:
        places[model.type] = places.get(model.type, 0) + 1
        placed = evolve(model, choice=str(places[model.type]))
        if model.type == "speech":
            placed = evolve(placed, priced_by="thousand_characters", actual_ratios=(1.0, 1.05, 1.2))
        if model.type in {"upscale", "backgroundremoval"} or model.id == 70002:
            placed = evolve(placed, needs_image=True, supports_img2img=True)
        yield placed


MODELS = tuple(_completed((*_TEXT, *_IMAGE, *_VIDEO, *_SOUND, *_TOOLS)))
