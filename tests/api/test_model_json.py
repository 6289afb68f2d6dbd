"""Models as JSON: `to_dict`, `to_json` and `from_dict`, and pydantic and FastAPI, which use them."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import pytest
from api.test_models import SHAPES, wire_object
from fastapi import Body, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.examples import examples

from generor_async.api.generor.models import NEW_API_KEY, Creation, Estimate, NewApiKey
from generor_async.api.luma.models import Generation, Output
from generor_async.values import Model, Secret
from generor_async.values.shapes import Shape

GENERATION: dict[str, Any] = {
    "id": "g-1",
    "type": "image",
    "state": "completed",
    "model": "uni-1",
    "created_at": "2026-01-02T03:04:05.60Z",
    "output": [{"type": "image", "url": "https://media/1.png?signature=s", "new": 1}],
    "soon": {"a": [1]},
}
KEY = "gnr_live_0123456789abcdefghijklmnop"
NEW_KEY = {"key_id": 1, "api_key": KEY, "prefix": "gnr_live", "name": "n", "message": f"Keep {KEY}!"}


def finite(value: Any) -> Any:
    """Return JSON whose infinite numbers, which JSON lacks, are replaced."""
    return json.loads(json.dumps(value), parse_constant=lambda _: 0)


@pytest.mark.parametrize("shape", [each for each in SHAPES if each.values[0] is not NEW_API_KEY])
@given(data=st.data())
@examples(4)
def test_a_model_is_the_same_after_json(shape: Shape[Any], data: st.DataObject) -> None:
    model = shape.strict(finite(data.draw(wire_object(shape.cls, shape))))
    again = shape.strict(json.loads(model.to_json()))
    assert again == model
    assert again.to_dict() == model.to_dict() == json.loads(model.to_json())
    assert model.extra.items() <= model.to_dict().items()


@pytest.mark.parametrize("shape", [each for each in SHAPES if not str(each.id).startswith("PARTIAL_")])
@given(data=st.data())
@examples(4)
def test_pydantic_reads_what_it_wrote(shape: Shape[Any], data: st.DataObject) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(shape.cls)
    source = finite(data.draw(wire_object(shape.cls, shape)))
    model = shape.strict(source)
    try:
        shape.identified(model, "$")
    except Exception:  # noqa: BLE001 - nothing identifies it
        with pytest.raises(ValidationError):
            adapter.validate_python(source)
        return
    assert adapter.validate_python(model) is model
    again = adapter.validate_json(adapter.dump_json(model))
    assert again.to_dict() == model.to_dict()
    if shape.cls is not NewApiKey:
        assert again == model


def test_all_attributes_and_all_other_fields_are_in_it_and_a_datetime_is_as_the_api_wrote_it() -> None:
    expected = {**GENERATION, "failure_reason": None, "failure_code": None}
    expected["output"] = [{**GENERATION["output"][0], "layer": None}]
    assert Generation.from_dict(GENERATION).to_dict() == expected


def test_a_changed_attribute_is_what_is_written() -> None:
    generation = Generation.from_dict(GENERATION)
    generation.created_at = datetime(2027, 1, 1, tzinfo=UTC)
    generation.output = [Output(type="image", url="https://mine")]
    dumped = generation.to_dict()
    assert dumped["created_at"] == "2027-01-01T00:00:00Z"
    assert dumped["output"] == [{"type": "image", "url": "https://mine", "layer": None}]


def test_to_dict_shares_nothing_with_the_model() -> None:
    generation = Generation.from_dict(GENERATION)
    generation.to_dict()["soon"]["a"].append(2)
    assert generation.extra["soon"] == {"a": [1]}


def test_no_key_is_written_wherever_it_stands() -> None:
    key = NewApiKey.from_dict(NEW_KEY)
    assert key.api_key.reveal() == KEY
    assert KEY not in key.to_json()
    assert key.to_dict()["message"] == "Keep gnr_live_***!"
    assert KEY.encode() not in TypeAdapter(NewApiKey).dump_json(key)
    again = NewApiKey.from_dict(key.to_dict())
    assert str(again.api_key) == str(key.api_key)
    assert isinstance(again.raw["api_key"], Secret)
    with pytest.raises(ValueError, match="pickled or dumped"):
        again.api_key.reveal()


def test_what_no_writer_of_json_takes_is_replaced() -> None:
    source: dict[str, Any] = json.loads(
        '{"type": "image", "url": "half \\ud83d", "new": [1e999, "\\ud800"], "\\udc00": 1}'
    )
    output = Output.from_dict(source)
    expected = {"type": "image", "url": "half \ufffd", "new": [None, "\ufffd"], "\ufffd": 1, "layer": None}
    assert output.to_dict() == json.loads(output.to_json().encode()) == expected
    assert json.loads(TypeAdapter(Output).dump_json(output)) == expected
    assert output.raw == source


def test_what_the_client_computed_is_kept() -> None:
    estimate = Estimate.from_dict(
        {
            "generator": "image",
            "model_id": 10001,
            "model_type": "image",
            "model_name": "m",
            "credit_cost": {"total": 1, "per_item": 1, "count": 1, "discount": 0, "discount_percent": 0},
            "time_estimate": {},
            "applied_parameters": {},
        }
    )
    estimate.dropped_parameters = ["styel"]
    again = Estimate.from_dict(json.loads(estimate.to_json()))
    assert again == estimate
    assert dict(again.extra) == {}


@pytest.mark.parametrize(
    ("source", "problem"),
    [({}, r"\$.id: expected a string, found nothing"), ([1], "found list"), (None, "found nothing")],
)
def test_what_is_no_such_object_is_refused(source: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Generation.from_dict(source)
    with pytest.raises(ValidationError, match=problem):
        TypeAdapter(Generation).validate_python(source)


def test_a_class_without_a_decoder_says_so() -> None:
    with pytest.raises(TypeError, match="Model has no decoder"):
        Model.from_dict({})


class Post(BaseModel):
    """What an application stores."""

    made: Generation
    others: list[Generation] = []
    origin: Creation | None = None


def test_a_model_is_a_field_in_both_directions() -> None:
    generation = Generation.from_dict(GENERATION)
    post = Post.model_validate({"made": GENERATION, "others": [generation]})
    assert post.made == generation
    assert post.others[0] is generation
    assert Post.model_validate_json(post.model_dump_json()) == post
    assert post.model_dump()["made"] == generation.to_dict()
    assert json.loads(post.model_dump_json())["made"]["created_at"] == GENERATION["created_at"]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_json_schema_names_models_and_their_fields(mode: Any) -> None:
    schema = Post.model_json_schema(mode=mode)
    assert schema["properties"]["made"] == {"$ref": "#/$defs/Generation"}
    found = schema["$defs"]["Generation"]
    assert found["required"] == ["id", "type", "state", "model", "created_at", "output"]
    assert found["properties"]["output"]["items"] == {"$ref": "#/$defs/Output"}
    assert found["properties"]["created_at"]["format"] == "date-time"
    assert found["additionalProperties"] is True
    key = TypeAdapter(NewApiKey).json_schema(mode=mode)["properties"]["api_key"]
    assert key["type"] == "string"


async def test_fastapi_takes_models_as_bodies_and_responses() -> None:
    application = FastAPI()

    async def one() -> Generation:
        return Generation.from_dict(GENERATION)

    async def several() -> list[Generation]:
        return [Generation.from_dict(GENERATION)]

    async def take(generation: Annotated[Generation, Body()]) -> Post:
        return Post(made=generation)

    application.get("/one")(one)
    application.get("/several")(several)
    application.post("/take")(take)
    dumped = Generation.from_dict(GENERATION).to_dict()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://here") as client:
        assert (await client.get("/one")).json() == dumped
        assert (await client.get("/several")).json() == [dumped]
        assert (await client.post("/take", json=dumped)).json()["made"] == dumped
        assert (await client.post("/take", json={})).status_code == 422
        described = (await client.get("/openapi.json")).json()
    assert {"Generation", "Output", "Layer"} <= described["components"]["schemas"].keys()


def test_models_import_no_pydantic() -> None:
    code = (
        "import sys; from generor_async.api.luma.models import Generation;"
        f"Generation.from_dict({GENERATION!r}).to_json(); print([each for each in sys.modules if 'pydantic' in each])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"
