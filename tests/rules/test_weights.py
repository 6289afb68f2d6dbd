"""Weights of requests: by the table, by refusals, and by falls of Remaining."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.api.luma.operations import GENERATIONS_CREATE, GENERATIONS_GET
from generor_async.rules.weights import (
    DEFAULT_TYPE,
    HEAVIEST,
    LearnedWeights,
    RefusalNumbers,
    RequestType,
    parse_refusal_numbers,
)

IMAGE, EDIT, VIDEO = (
    RequestType("uni-1", "image"),
    RequestType("uni-1-max", "image_edit", 3),
    RequestType("ray-3.2", "video"),
)
kinds = st.sampled_from([IMAGE, EDIT, VIDEO])


# --- the kind of a request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "model", "kind", "weight"),
    [
        ({"prompt": "x"}, "uni-1", "image", 1),
        ({"model": "uni-1-max", "type": "image_edit"}, "uni-1-max", "image_edit", 3),
        ({"type": "image_edit"}, "uni-1", "image_edit", 1),
        ({"model": "ray-3.2", "type": "video"}, "ray-3.2", "video", 1),
        ({"model": None, "type": 7}, "uni-1", "image", 1),
        (None, "uni-1", "image", 1),
    ],
)
def test_a_request_has_the_type_of_its_body_or_the_default_one(body: Any, model: str, kind: str, weight: int) -> None:
    assert GENERATIONS_CREATE.weighing is not None
    found = GENERATIONS_CREATE.weighing.request_type_of(body)
    assert (found.model, found.type, found.weight) == (model, kind, weight)
    assert GENERATIONS_GET.weighing == GENERATIONS_CREATE.weighing


def test_video_jobs_are_known_by_their_type() -> None:
    assert VIDEO.is_video
    assert RequestType("ray-3.2", "video_edit").is_video
    assert not EDIT.is_video


# --- numbers in a refusal ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Concurrent generation limit reached (10)", RefusalNumbers(10)),
        ("Concurrent generation limit reached (4). Please retry later", RefusalNumbers(4)),
        (
            "Concurrent generation capacity reached (limit=10 weight units; this request needs 3)",
            RefusalNumbers(10, 3, in_units=True),
        ),
        (
            "Concurrent generation capacity reached: limit=10 weight units, needs 3.",
            RefusalNumbers(10, 3, in_units=True),
        ),
        ("concurrent limit = 12", RefusalNumbers(12)),
        ("Too many concurrent jobs", RefusalNumbers()),
        ("concurrent limit reached (0)", RefusalNumbers()),
        ("concurrent limit reached (-4)", RefusalNumbers()),
        ("concurrent limit reached (10.5)", RefusalNumbers()),
        ("concurrent limit=10.5", RefusalNumbers()),
        ("concurrent limit reached (999999)", RefusalNumbers()),
        ("concurrent limit reached (1234567890123)", RefusalNumbers()),
        ("concurrent limit=1234567890123 units, needs 400", RefusalNumbers(in_units=True)),
        ("concurrent request (id 77af)", RefusalNumbers()),
        ("x" * 5_000 + "(10)", RefusalNumbers()),
        ("", RefusalNumbers()),
    ],
)
def test_a_refusal_names_the_limit_and_the_units_of_the_request(text: str, named: RefusalNumbers) -> None:
    assert parse_refusal_numbers(text) == named


@given(st.text(alphabet="concurrent limit=()0123456789needs .-units٣", max_size=60))
def test_numbers_out_of_range_are_ignored(text: str) -> None:
    named = parse_refusal_numbers(text)
    assert named.limit is None or 1 <= named.limit <= 10_000
    assert named.needs is None or 1 <= named.needs <= HEAVIEST


# --- learned weights --------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 9), st.integers(3, 8))
def test_a_wrong_weight_is_right_after_three_answers(table: int, real: int, answers: int) -> None:
    weights, kind = LearnedWeights(), RequestType("m", "t", table)
    for _ in range(answers):
        weights.observe(kind, real)
    assert weights.of(kind) == real
    assert weights.seen == (real != 1)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32), st.integers(20, 60))
def test_usage_by_others_is_not_taken_for_weight(table: int, real: int, seed: int, answers: int) -> None:
    """Others take places in a third of the answers; the last eight never were all theirs."""
    dice, weights, kind = Random(seed), LearnedWeights(), RequestType("m", "t", table)
    clean = 0
    for number in range(answers):
        foreign = dice.randint(1, 9) if dice.random() < 0.33 and number - clean < 7 else 0
        clean = clean if foreign else number
        weights.observe(kind, real + foreign)
    assert weights.of(kind) == real


def test_a_lighter_weight_is_believed_at_once_and_a_heavier_one_where_two_falls_agree() -> None:
    weights = LearnedWeights()
    weights.observe(EDIT, 1)
    assert weights.of(EDIT) == 1
    weights.observe(IMAGE, 3)
    assert weights.of(IMAGE) == 1
    weights.observe(IMAGE, 3)
    assert weights.of(IMAGE) == 3


@pytest.mark.parametrize("fall", [0, -5, HEAVIEST + 1, 2**31])
def test_a_fall_that_no_request_explains_says_nothing(fall: int) -> None:
    weights = LearnedWeights()
    for _ in range(5):
        weights.observe(EDIT, fall)
    assert weights.of(EDIT) == 3
    assert not weights.seen


def test_a_weight_in_a_refusal_takes_precedence_over_falls() -> None:
    weights = LearnedWeights()
    for _ in range(8):
        weights.observe(IMAGE, 1)
    weights.believe_refusal(IMAGE, 3)
    assert weights.of(IMAGE) == 3
    weights.observe(IMAGE, 3)
    assert weights.of(IMAGE) == 3


def test_several_requests_of_one_kind_share_a_fall() -> None:
    weights = LearnedWeights()
    for _ in range(3):
        weights.observe_all({VIDEO: 3}, 7)
    assert weights.of(VIDEO) == 2, "others may have taken one of the seven"


def test_of_several_kinds_the_one_that_is_not_known_is_learned() -> None:
    weights = LearnedWeights()
    for _ in range(3):
        weights.observe(IMAGE, 1)
        weights.observe_all({IMAGE: 2, VIDEO: 1}, 6)
    assert weights.of(VIDEO) == 4
    for _ in range(3):
        weights.observe_all({IMAGE: 1, VIDEO: 1}, 9)
        weights.observe_all({EDIT: 1, DEFAULT_TYPE: 1}, 9)
    assert [weights.of(kind) for kind in (IMAGE, VIDEO, EDIT, DEFAULT_TYPE)] == [1, 4, 3, 1], (
        "nothing says whose it was"
    )


@given(st.lists(st.tuples(kinds, st.integers(-1, 12), st.booleans()), max_size=30), st.integers(0, 30))
def test_another_process_goes_on_where_one_was(steps: list[tuple[RequestType, int, bool]], moment: int) -> None:
    one = other = LearnedWeights()
    for number, (kind, units, told) in enumerate(steps):
        if number == moment:
            other = LearnedWeights()
            other.load(json.loads(json.dumps(one.dump(), allow_nan=False)))
        for weights in {id(one): one, id(other): other}.values():
            (weights.believe_refusal if told else weights.observe)(kind, units)
        assert [one.of(each) for each in (IMAGE, EDIT, VIDEO)] == [other.of(each) for each in (IMAGE, EDIT, VIDEO)]
        assert one.seen == other.seen


@pytest.mark.parametrize("data", [{}, {"shown": 1, "falls": []}, {"shown": [["a"]], "falls": []}])
def test_invalid_stored_weights_are_refused(data: Any) -> None:
    with pytest.raises(ValueError):
        LearnedWeights().load(data)
