"""schemathesis holds the simulator against our own spec: requests made from it, some of them wrong on purpose.

An id made up would hardly ever be one that exists, so every other one is taken from what there is (`Things`). Time
flies, so that no window stays full: each documented status is reached by `tests/simulator/test_statuses.py`.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# schemathesis' annotations leave type arguments out

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from zlib import crc32

import pytest
import requests
import schemathesis
from attrs import field, frozen
from hypothesis import settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

import generor_async
from generor_async.simulator import Simulator

SPEC = Path(generor_async.__file__).parent / "spec"
FLYING = 100_000.0
"""Simulated seconds in a real one: the longest video takes a few milliseconds."""
CASES = {"short": 2_000, "full": 10_000}
"""How many cases a profile has at the least, over both APIs: one that has fewer looked at less than it says."""
LONGEST_URL = 8_000
"""Characters: a server's HTTP refuses longer ones, whatever its API would say to them."""
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
    unsupported_method,
    allow_header_conformance,
]
"""The checks that are run. Off, and why:

`negative_data_rejection`: unknown keys of `parameters` are dropped and not rejected, fields that a model has no use
for are passed over, and null is as good as absent; `positive_data_acceptance`: the spec leaves open which ids, models
and ratios there are; `missing_required_header`: none is required but Authorization, which `ignored_auth` looks after;
`use_after_free`, `ensure_resource_availability`, `object_level_authorization`: for runs that follow links, of which
the spec has none.
"""


@frozen
class Things:
    """What there is to ask for, by the name of the path parameter that asks for it."""

    simulator: Simulator
    session: requests.Session = field(factory=requests.Session)
    values: dict[str, list[Any]] = field(factory=dict[str, list[Any]])
    cases: Counter[str] = field(factory=Counter[str])
    """How many requests schemathesis has made of each operation."""

    def renew(self) -> None:
        """Make some of everything, and forget what there was: it may have been deleted."""
        key_id = self._new_key()
        own = [self._generor("generators/joke/generate", prompt="A joke", model_id=37) for _ in range(3)]
        creations = [made["creations"][0]["creation_id"] for made in own]
        comments = [self._generor(f"creations/{number}/comments", text="Great!") for number in creations]
        teams = [self._generor("teams", name="My team") for _ in range(3)]
        self.values.update(
            slug=["joke", "image", "video", "vision", "recipe", "horoscope"],
            creation_id=[*creations, 6001, 6002],
            comment_id=[comment["comment_id"] for comment in comments],
            type=["text", "image", "video", "music"],
            model_id=[37, 10001, 10003, 20051, 20061],
            username=["janedoe", "mira_k", "johndoe"],
            team_id=[team["team_id"] for team in teams],
            user_id=[team["members"][0]["user_id"] for team in teams],
            invite_code=[team["invite_code"] for team in teams],
            key_id=[key_id],
            generation_id=[self._luma("generations", prompt="A sunset")["id"] for _ in range(2)],
            file_id=[self._luma("files", mime_type="image/png", size_bytes=4)["id"] for _ in range(3)],
        )

    def of(self, name: str, number: int) -> Any:
        """Give one of them."""
        return self.values[name][number % len(self.values[name])]

    def _generor(self, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.simulator.generor_key}"}
        reply = self.session.post(f"{self.simulator.generor_url}/{path}", json=body, headers=headers)
        assert reply.status_code in {200, 201}, reply.text
        return reply.json()["data"]

    def _new_key(self) -> int:
        """Make a key in the place of those that earlier cases made, of which there may be ten."""
        for key in self.simulator.generor.state.keys.values():
            key.revoked = key.key != self.simulator.generor_key
        return int(self._generor("api-keys", name="One more")["key_id"])

    def _luma(self, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.simulator.luma_key}"}
        reply = self.session.post(f"{self.simulator.luma_url}/{path}", json=body, headers=headers)
        assert reply.status_code == 201, reply.text
        return reply.json()


Case = schemathesis.Case[Any]
Test = Callable[[Case, Things], None]
THERE: list[Things] = []
"""What is there while the tests run; the strategies are made before."""


@pytest.fixture(scope="module")
def things() -> Iterator[Things]:
    with Simulator(
        speed=FLYING,
        tier="enterprise",
        generor_credits=10**9,
        luma_balance=10**9,
        luma_rpm=10**6,
        luma_jobs=10**6,
    ) as simulator:
        THERE.append(Things(simulator))
        yield THERE[0]
        THERE[0].session.close()
    THERE.clear()


@pytest.fixture(autouse=True)
def renewed(things: Things) -> None:
    things.renew()


def map_path_parameters(context: schemathesis.HookContext, path: dict[str, Any] | None) -> dict[str, Any] | None:
    """Put what is there in the place of every other value, and always the same for the same values."""
    number = crc32(repr(path).encode("utf-8", "surrogatepass"))
    if path is None or number % 2:
        return path
    return {name: THERE[0].of(name, number // 2) for name in path}


def cases_of(name: str) -> Callable[[Test], Test]:
    """Parametrize a test by the cases that schemathesis makes from a spec."""
    schema = schemathesis.openapi.from_path(SPEC / f"{name}.yaml")
    schema.hook(map_path_parameters)
    return cast("Callable[[Test], Test]", schema.parametrize())


@cases_of("generor")
def test_generor_answers_as_its_spec_says(case: Case, things: Things) -> None:
    sent(case, things, base_url=things.simulator.generor_url, key=things.simulator.generor_key)


@cases_of("luma")
def test_luma_answers_as_its_spec_says(case: Case, things: Things) -> None:
    sent(case, things, base_url=things.simulator.luma_url, key=things.simulator.luma_key)


def sent(case: Case, things: Things, *, base_url: str, key: str) -> None:
    url = requests.Request(**case.as_transport_kwargs(base_url=base_url)).prepare().url
    if len(url or "") > LONGEST_URL:
        return
    things.cases[case.operation.label] += 1
    case.call_and_validate(
        base_url=base_url,
        session=things.session,
        headers={"Authorization": f"Bearer {key}"},
        checks=CHECKS,
    )


def test_as_many_cases_were_run_as_the_profile_promises(things: Things) -> None:
    profile = settings.get_current_profile_name()
    assert things.cases.total() >= CASES[profile], things.cases
