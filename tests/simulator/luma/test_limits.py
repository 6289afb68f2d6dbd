"""Units, slots, the limit against abuse, and an unavailable limiter, on the simulated Luma Agents API."""

from statistics import median, quantiles
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from support.luma_service import Service, refused

from generor_async.simulator.luma.limit_rules import read_weights
from generor_async.simulator.luma.slots import ReleaseAt, SlotCounter, SlotRules

SOURCE = {"url": "https://example.com/a.jpg"}
EDIT: dict[str, Any] = {"type": "image_edit", "source": SOURCE}
HEAVY: dict[str, Any] = {"model": "uni-1-max", **EDIT}
MEASURED = read_weights("measured")


# Units.


def test_each_request_is_one_unit_unless_it_weighs_more() -> None:
    for name, left in (("contract", ["29", "28", "27", "26"]), ("measured", ["27", "26", "25", "22"])):
        luma = Service(jobs=30, weights=read_weights(name))
        asked = [HEAVY, EDIT, {"model": "uni-1-max"}, HEAVY]
        assert [luma.create(**fields).headers["X-RateLimit-Remaining"] for fields in asked] == left


def test_three_heavy_edits_fill_ten_slots_and_the_fourth_is_refused() -> None:
    luma = Service(jobs=10, weights=MEASURED, wording="units")
    answers = [luma.create(**HEAVY) for _ in range(3)]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["27", "24", "21"]
    told = "Concurrent generation capacity reached (limit=10 weight units, needs 3)"
    assert refused(luma.create(**HEAVY)) == (429, told)
    assert luma.create(**EDIT).status == 201
    assert refused(luma.create(**EDIT)) == (429, told.replace("needs 3", "needs 1"))


def test_ten_light_edits_run_at_once() -> None:
    luma = Service(jobs=10, weights=MEASURED)
    assert [luma.create(**EDIT).status for _ in range(11)] == [201] * 10 + [429]


def test_a_heavy_request_may_be_refused_while_units_are_left() -> None:
    luma = Service(rpm=4, weights=MEASURED)
    luma.submitted()
    luma.now += 10
    luma.submitted()
    answer = luma.create(**HEAVY)
    assert refused(answer) == (429, "Rate limit exceeded")
    assert (answer.headers["X-RateLimit-Remaining"], answer.headers["Retry-After"]) == ("2", "50")
    luma.now += 50
    assert luma.create(**HEAVY).status == 201


@pytest.mark.parametrize(("count_errors", "left"), [(True, "6"), (False, "9")])
def test_a_refused_request_counts_all_its_units_or_none(count_errors: bool, left: str) -> None:
    luma = Service(rpm=10, weights=MEASURED, count_errors=count_errors)
    assert luma.create(model="uni-1-max", type="image_edit").status == 400
    assert luma.create().headers["X-RateLimit-Remaining"] == left


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model": [], "type": {}}', b'{"model": "uni-1-max", "type": null}'])
def test_a_body_that_names_no_known_model_and_type_is_one_unit(body: bytes) -> None:
    luma = Service(rpm=10, weights=MEASURED)
    assert luma.call("POST", "/generations", body=body).status == 400
    assert luma.create().headers["X-RateLimit-Remaining"] == "8"


def test_a_table_of_weights_can_be_written_out() -> None:
    written = read_weights("uni-1-max/image_edit=3, ray-3.2/video=2")
    assert written == {("uni-1-max", "image_edit"): 3, ("ray-3.2", "video"): 2} == read_weights(written)
    assert read_weights("contract") == {}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("heavy", "luma_weights must be contract or measured, or MODEL/TYPE=UNITS, not 'heavy'"),
        ("uni-1/image=1.5", "luma_weights must be contract or measured, or MODEL/TYPE=UNITS, not 'uni-1/image=1.5'"),
        ("uni-1/video=2", "luma_weights names uni-1/video, which no model offers"),
        ("uni-1/image=0", "luma_weights must be whole numbers of at least 1, not 0 for uni-1/image"),
        ({("uni-1", "image"): True}, "luma_weights must be whole numbers of at least 1, not True for uni-1/image"),
    ],
)
def test_an_invalid_table_of_weights_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_weights(given)
    assert str(raised.value) == sentence


# Slots.


@frozen
class Held:
    """A job in the model of slots, which is a plain list."""

    job_id: str
    weight: int
    created_at: float
    ends_at: float
    polls: list[float]

    def free_at(self, rules: SlotRules) -> float:
        ended = [self.ends_at] if rules.release_at == "end" else [at for at in self.polls if at >= self.ends_at]
        return min([at + rules.release_lag for at in ended] + [self.created_at + rules.expiry])


steps = st.lists(
    st.tuples(st.integers(0, 40), st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(0, 150)))), max_size=40
)


@given(
    steps, st.sampled_from(["end", "poll"]), st.sampled_from([0.0, 5.0]), st.sampled_from([60.0, 3_600.0]), st.data()
)
def test_slots_agree_with_a_list_of_all_jobs(
    steps: list[tuple[int, tuple[int, int] | None]],
    release_at: ReleaseAt,
    lag: float,
    expiry: float,
    data: st.DataObject,
) -> None:
    rules = SlotRules(release_at=release_at, release_lag=lag, expiry=expiry)
    slots, jobs, now = SlotCounter(rules), list[Held](), 1e9
    for pause, job in steps:
        now += pause
        if job is not None:
            weight, seconds = job
            jobs.append(Held(f"{len(jobs)}", weight, now, now + seconds, []))
            slots.occupy(f"{len(jobs) - 1}", weight, created_at=now, ends_at=now + seconds)
        elif jobs:
            polled = data.draw(st.sampled_from(jobs))
            polled.polls.append(now)
            if polled.ends_at <= now:
                slots.note_poll(polled.job_id, now)
        assert slots.peek(now) == slots.used(now) == sum(held.weight for held in jobs if held.free_at(rules) > now)


def test_a_job_holds_its_slot_for_an_hour_at_most() -> None:
    luma = Service(jobs=1, release_at="poll")
    luma.submitted()
    luma.now += 3_599
    assert luma.create().status == 429
    luma.now += 1
    assert luma.create().status == 201


def test_a_slot_that_waits_for_a_poll_is_free_at_the_first_one_after_the_end() -> None:
    luma = Service(jobs=1, release_at="poll", release_lag=2.0)
    generation_id = luma.submitted(prompt="[[fail:generation_failed]]")
    luma.now = luma.api.generations[generation_id].ends_at - 1
    luma.generation(generation_id)
    luma.now += 60
    assert luma.create().status == 429
    luma.generation(generation_id)
    luma.now += 1
    luma.generation(generation_id)
    assert luma.create().status == 429
    luma.now += 1
    assert luma.create().status == 201


def test_slots_of_foreign_users_are_not_available() -> None:
    luma = Service(jobs=4)
    luma.api.client.slots.held_by_others = 3
    assert [luma.create().status for _ in range(2)] == [201, 429]
    assert luma.api.active(luma.api.client, luma.now) == 1


# The ceiling against abuse.


def test_the_abuse_limit_counts_requests_of_every_kind() -> None:
    luma = Service(abuse_limit=3)
    generation_id = luma.submitted()
    luma.now += 20
    luma.generation(generation_id)
    luma.call("GET", "/files")
    for answer in (luma.call("GET", f"/generations/{generation_id}"), luma.create(), luma.call("GET", "/files")):
        assert refused(answer) == (429, "Too many requests")
        assert answer.headers == {"Retry-After": "40", "X-API-Version": "2026-04-01"}
        assert answer.caller == "main"
    assert luma.call("GET", "/files", key="other").status == 200
    assert luma.call("GET", "/files", key=None).status == 401
    luma.now += 40
    assert luma.call("GET", "/files").status == 200


def test_an_unknown_path_counts_against_the_abuse_limit() -> None:
    luma = Service(abuse_limit=2)
    known = {"Authorization": f"Bearer {luma.api.key}"}
    assert [refused(luma.unrouted(headers=headers)) for headers in (known, {}, known, {}, known)] == [
        (404, "Not Found"),
        (404, "Not Found"),
        (404, "Not Found"),
        (404, "Not Found"),
        (429, "Too many requests"),
    ]


def test_there_is_no_abuse_limit_by_default(luma: Service) -> None:
    assert {luma.call("GET", "/files").status for _ in range(5_000)} == {200}


# Limits that are down.


def test_while_the_rate_limiter_is_down_nothing_is_counted_or_reported() -> None:
    luma = Service(rpm=1, jobs=1, abuse_limit=1)
    luma.limits_down = True
    for _ in range(3):
        answer = luma.create()
        assert (answer.status, set(answer.headers), answer.charged) == (201, {"X-API-Version"}, 0.0404)
    assert luma.create(prompt="").status == 400
    assert luma.api.active(luma.api.client, luma.now) == 0
    luma.limits_down = False
    answer = luma.create()
    assert (answer.status, answer.headers["X-RateLimit-Remaining"]) == (201, "0")


# Durations.


def test_an_edit_takes_as_long_as_two_apps_have_measured() -> None:
    luma = Service(rpm=1000, jobs=1000)
    jobs = [luma.api.generations[luma.submitted(**EDIT)] for _ in range(300)]
    seconds = sorted(job.ends_at - job.created_at for job in jobs)
    assert 64 < median(seconds) < 68
    assert 55 < seconds[0] < seconds[-1] < 80


@pytest.mark.parametrize(
    ("fields", "usual", "least", "most"),
    [
        ({}, 32, 24, 42),
        (EDIT, 66, 60, 73),
        (HEAVY, 94, 70, 125),
        ({"model": "ray-3.2", "type": "video"}, 101, 80, 120),
        (
            {
                "model": "ray-3.2",
                "type": "video_edit",
                "source": {"url": "https://example.com/a.mp4", "media_type": "video/mp4"},
            },
            521,
            300,
            900,
        ),
    ],
)
def test_durations_can_be_as_they_were_measured(fields: dict[str, Any], usual: int, least: int, most: int) -> None:
    luma = Service(rpm=1000, jobs=1000, durations="measured")
    jobs = [luma.api.generations[luma.submitted(**fields)] for _ in range(300)]
    seconds = [job.ends_at - job.created_at for job in jobs]
    assert median(seconds) == pytest.approx(usual, rel=0.05)
    nearly_all = quantiles(seconds, n=20)
    assert least < nearly_all[0] < nearly_all[-1] < most


@pytest.fixture
def luma() -> Service:
    return Service()
