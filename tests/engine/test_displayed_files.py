"""After a download, notebooks show the files with the model they belong to."""

import base64
from pathlib import Path

import pytest

from generor_async import Generor, Luma
from generor_async.simulator import Simulator
from generor_async.values import Model


def shown(model: Model) -> dict[str, str]:
    return model._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage] # as IPython does


def test_a_generation_and_its_output_show_the_downloaded_file(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Luma(simulator.luma_key, base_url=simulator.luma_url, clock=simulator.clock) as luma:
        generation = luma.generations.run(prompt="A heron")
        assert shown(generation) == shown(generation.output[0]) == {}
        (path,) = luma.download(generation, "out/")
    picture = base64.b64encode(path.read_bytes()).decode()
    monkeypatch.chdir("/")
    assert shown(generation) == shown(generation.output[0]) == {"image/png": picture}
    (tmp_path / path).unlink()
    assert "is no longer there" in shown(generation)["text/html"]
    (tmp_path / path).mkdir()
    assert "cannot be read: Is a directory" in shown(generation)["text/html"]


def test_a_job_shows_its_files_with_its_generation(simulator: Simulator, tmp_path: Path) -> None:
    with Luma(simulator.luma_key, base_url=simulator.luma_url, clock=simulator.clock) as luma:
        job = luma.generations.submit(prompt="A heron")
        job.wait()
        job.download(tmp_path)
        assert job.generation is not None
        assert shown(job.generation).keys() == {"image/png"}


def test_a_result_of_generor_shows_its_pictures_and_not_its_texts(simulator: Simulator, tmp_path: Path) -> None:
    with Generor(simulator.generor_key, base_url=simulator.generor_url, clock=simulator.clock) as generor:
        image = generor.generators.generate("image", model_id=10003, prompt="A heron")
        paths = generor.download(image, tmp_path)
        joke = generor.generators.generate("joke", model_id=37, prompt="herons")
        generor.download(joke, tmp_path)
    pictures = [path for path in paths if path.suffix != ".txt"]
    assert len(pictures) == 1
    (encoded,) = shown(image).values()
    assert base64.b64encode(pictures[0].read_bytes()).decode() in encoded
    assert shown(joke) == {}
