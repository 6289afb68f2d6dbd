"""The corpus agrees with itself; what it says about the APIs is tested beside it."""

import pytest
from documents.corpus import GENEROR, LUMA, Corpus, DescribedError, Example, at_path

CORPORA = pytest.mark.parametrize("corpus", [GENEROR, LUMA], ids=["generor", "luma"])


@CORPORA
def test_names_are_unique(corpus: Corpus) -> None:
    for entries in (corpus.examples, corpus.errors):
        names = [entry.name for entry in entries]
        assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("example", GENEROR.examples + LUMA.examples, ids=lambda example: example.name)
def test_paths_of_an_example_lead_somewhere(example: Example) -> None:
    for path in (example.at, *example.elided):
        at_path(example.json, path)


@pytest.mark.parametrize("error", GENEROR.errors + LUMA.errors, ids=lambda error: error.name)
def test_paths_of_a_provocation_lead_to_strings(error: DescribedError) -> None:
    for key in ("lengthen", "inline_bytes"):
        for path in error.provoke.get(key, {}):
            assert isinstance(at_path(error.provoke["json"], path), str)


def test_every_error_printed_for_an_operation_is_described_too() -> None:
    described = {
        (error.operation, error.status, error.detail or error.message) for error in LUMA.errors + GENEROR.errors
    }
    for example in LUMA.examples + GENEROR.examples:
        if example.kind == "error" and example.operation is not None:
            body = example.json
            text = body["detail"] if "detail" in body else body["error"]["message"]
            assert (example.operation, example.status, text) in described, example.name


def test_every_request_luma_refuses_is_provoked_as_printed() -> None:
    provoked = [error.provoke["json"] for error in LUMA.errors if "json" in error.provoke]
    accepted = {"create-request"}
    for example in LUMA.examples:
        if example.kind == "request" and example.name not in accepted:
            assert example.json in provoked, example.name
