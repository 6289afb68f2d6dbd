"""Operations, from a spec's paths."""

from typing import Any

import pytest
from codegen.small import api, document, obj, only_operation, operation, text

from generor_async.codegen.annotations import (
    call_arguments,
    handed_on,
    result_annotation,
    signature,
    submission_signature,
)
from generor_async.codegen.docs import submission_doc
from generor_async.codegen.expressions import check_calls, json_value, path_expression, query_value
from generor_async.codegen.ir import OperationSpec, WeightSpec
from generor_async.codegen.ir_types import SpecError
from generor_async.codegen.render import read_api

ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}


def posting(properties: dict[str, Any], *required: str, **more: Any) -> OperationSpec:
    request = obj(*required, properties=properties, **{"x-unpack": True, **more})
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ThingRequest"}}}
    return only_operation("/things", "post", requestBody={"content": content}, schemas={"ThingRequest": request})


def asking(name: str, node: dict[str, Any], **more: Any) -> OperationSpec:
    return only_operation(parameters=[{"name": name, "in": "query", "schema": node, **more}])


def test_an_operation_has_the_weights_of_its_requests() -> None:
    weight = {"model": "m", "type": "t", "units": {"big": {"edit": 3, "video": 2}}}
    found = only_operation(**{"x-weight": weight}).weighing
    assert found == WeightSpec(model="m", type="t", table=(("big", "edit", 3), ("big", "video", 2)))
    assert only_operation().weighing is None


def test_path_parameters_are_positional_and_renamed_in_the_path() -> None:
    found = only_operation("/things/{id}", parameters=[{**ID, "x-python": "thing_id"}])
    assert signature(found) == "thing_id: int"
    assert path_expression(found) == "f\"/things/{arguments.whole(thing_id, 'thing_id')}\""
    assert found.template == "/things/{thing_id}"


def test_parameters_of_the_whole_path_come_first() -> None:
    node = operation(parameters=[{"name": "q", "in": "query", "schema": {"type": "string"}}])
    (found,) = api(paths={"/things/{id}": {"parameters": [ID], "get": node}}).operations
    assert signature(found, method=True) == "self, id: int, *, q: str | Unset = UNSET"


def test_header_parameters_are_left_to_the_engine() -> None:
    header = {"name": "X-Request-Id", "in": "header", "schema": {"type": "string"}}
    assert only_operation(parameters=[header]).parameters == ()


def test_required_keywords_come_before_the_others() -> None:
    found = posting({"note": text(), "name": text()}, "name")
    assert signature(found) == "*, name: str, note: str | Unset = UNSET"
    assert call_arguments(found) == "name=name, note=note"


def test_none_is_taken_only_where_the_api_takes_null() -> None:
    found = posting({"note": {"type": ["string", "null"]}, "name": text()})
    assert signature(found) == "*, note: str | Unset | None = UNSET, name: str | Unset = UNSET"


def test_a_query_parameter_may_be_positional() -> None:
    assert signature(asking("q", {"type": "string"}, required=True, **{"x-positional": True})) == "q: str"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "string"}, "arguments.text(q, 'q')"),
        ({"type": "integer"}, "str(arguments.whole(q, 'q'))"),
        ({"type": "boolean"}, '"true" if arguments.boolean(q, \'q\') else "false"'),
        ({"type": "string", "x-datetime": True}, "arguments.moment(q, 'q').isoformat()"),
    ],
)
def test_a_query_holds_text(node: dict[str, Any], expected: str) -> None:
    assert query_value(asking("q", node).parameters[0]) == expected


@pytest.mark.parametrize(
    ("node", "annotation", "value"),
    [
        ({"type": ["string", "integer"]}, "str | int", "arguments.text_or_whole(q, 'q')"),
        (
            {"type": "array", "items": {"type": "string"}},
            "list[str] | tuple[str, ...]",
            "to_json(arguments.texts(q, 'q'))",
        ),
        ({"type": "array", "items": {"type": "integer"}}, "Sequence[int]", "to_json(arguments.items(q, 'q'))"),
        ({"type": "object"}, "Mapping[str, Any]", "to_json(arguments.mapping(q, 'q'))"),
        ({"type": "string", "x-datetime": True}, "datetime", "arguments.moment(q, 'q').isoformat()"),
        (
            {"type": ["string", "null"], "x-datetime": True},
            "datetime | Unset | None",
            "None if q is None else arguments.moment(q, 'q').isoformat()",
        ),
    ],
)
def test_a_body_holds_json(node: dict[str, Any], annotation: str, value: str) -> None:
    found = posting({"q": node})
    assert signature(found).removeprefix("*, q: ").removesuffix(" = UNSET").removesuffix(" | Unset") == annotation
    assert json_value(found.parameters[0]) == value


def test_media_of_a_hand_written_class_is_taken_from_values() -> None:
    request = obj(properties={"image": {"$ref": "#/components/schemas/MediaRef"}}, **{"x-unpack": True})
    content = {"application/json": {"schema": request}}
    found = only_operation(
        "/things", "post", requestBody={"content": content}, schemas={"MediaRef": obj(properties={})}
    )
    assert signature(found) == "*, image: MediaRef | models.MediaRefDict | Unset = UNSET"


def test_constraints_become_calls_with_the_refusal_in_the_vendors_words() -> None:
    found = posting({"score": {"type": "integer", "minimum": 1, "maximum": 5, "x-refusal": "1 to 5"}}, "score")
    assert check_calls(found.parameters[0]) == [
        "checks.within(score, 'score', at_least=1, at_most=5, refusal='1 to 5')"
    ]
    assert found.refuses


def test_a_reserved_name_is_refused_in_favour_of_another_call() -> None:
    node = {"type": "string", "not": {"const": "me"}}
    parameter = {"name": "name", "in": "path", "required": True, "schema": node, "x-instead": "things.me()"}
    (call,) = check_calls(only_operation("/things/{name}", parameters=[parameter]).parameters[0])
    assert call == "checks.reserved(name, 'name', taken='me', instead='things.me()')"


def test_a_check_of_the_whole_body_is_named_by_its_schema() -> None:
    assert posting({"a": text()}, **{"x-check": "luma_generation"}).check == "luma_generation"


def test_a_parameter_may_not_hide_what_the_function_uses() -> None:
    with pytest.raises(SpecError, match="query is taken"):
        asking("query", {"type": "string"})


def test_two_media_types_are_two_methods() -> None:
    own = {"x-resource": "things", "x-retry-safety": "plain"}
    form = {"file": {"type": "string", "format": "binary", "x-python": "content", "x-positional": True}}
    part = {
        "filename": {"type": "string", "required": True},
        "mime_type": {"type": "string", "required": True},
    }
    content = {
        "application/json": {**own, "x-method": "create", "schema": obj(properties={"a": text()})},
        "multipart/form-data": {
            **own,
            "x-method": "create_inline",
            "x-summary": "Send it.",
            "x-part-arguments": part,
            "schema": obj("file", properties={**form, "note": text()}),
        },
    }
    paths = {"/things": {"post": operation(requestBody={"content": content})}}
    plain, inline = api(paths=paths).operations
    assert (plain.name, plain.body, plain.summary) == ("luma.things.create", "json", "Return one thing.")
    assert (inline.name, inline.body, inline.summary) == ("luma.things.create_inline", "form", "Send it.")
    assert signature(inline) == "content: bytes, *, filename: str, mime_type: str, note: str | Unset = UNSET"
    assert [each.where for each in inline.parameters] == ["filename", "media_type", "content", "part"]


def test_timeouts_follow_retry_safety_unless_the_spec_says_otherwise() -> None:
    read, paid = only_operation(), only_operation(**{"x-retry-safety": "bills", "x-timeout": 900})
    assert (read.timeout, read.attempt_timeout) == (60.0, 30.0)
    assert (paid.timeout, paid.attempt_timeout) == (900.0, 900.0)


@pytest.mark.parametrize(
    ("more", "decode", "returned", "sent"),
    [
        ({}, "plain(models.THING)", "models.Thing", "models.Thing"),
        (
            {"x-paged": "cursor"},
            "cursor_page_of(models.THING)",
            "Pages[models.Thing]",
            "PageData[models.Thing]",
        ),
        ({"x-result": None, "x-result-none": True}, "nothing", "None", "None"),
    ],
)
def test_a_bare_answer_is_read_as_it_is(more: dict[str, Any], decode: str, returned: str, sent: str) -> None:
    found = only_operation(**more)
    assert found.result.decode == decode
    assert (result_annotation(found), result_annotation(found, sent=True)) == (returned, sent)


@pytest.mark.parametrize(
    ("more", "decode"),
    [
        ({}, "enveloped(models.THING)"),
        ({"x-answer": "assumed"}, "enveloped(models.PARTIAL_THING, assumed=True)"),
        ({"x-paged": "number"}, "page_of(models.THING)"),
        ({"x-paged": "number", "x-answer": "assumed"}, "page_of(models.PARTIAL_THING)"),
        ({"x-result": None, "x-result-list": "Thing"}, "enveloped_list(models.THING)"),
        ({"x-result": None, "x-result-map": "Thing"}, "enveloped_map(models.THING)"),
        ({"x-result": None, "x-result-none": True}, "nothing"),
    ],
)
def test_an_enveloped_answer_is_opened(more: dict[str, Any], decode: str) -> None:
    assert only_operation(schemas={"Envelope": obj(properties={})}, **more).result.decode == decode


def test_keys_in_an_answer_are_named_as_secrets() -> None:
    thing = obj("key", properties={"key": text(format="password")})
    assert only_operation(schemas={"Thing": thing}).secrets == ("key",)


def test_errors_are_named_by_the_class_that_is_raised() -> None:
    (error,) = only_operation().errors
    assert (error.error, error.status, error.doc) == ("NotFoundError", 404, "No such thing.")


def test_an_operation_documents_its_source() -> None:
    assert only_operation(**{"x-source": "client"}).description == "Source: client."
    assert "the answer holds is assumed" in only_operation(**{"x-answer": "assumed"}).description


def test_an_assumed_answer_of_an_api_without_envelope_is_read_as_it_is() -> None:
    assert only_operation(**{"x-answer": "assumed"}).result.decode == "plain(models.PARTIAL_THING)"


def test_a_billable_operation_has_a_typed_dict_of_its_arguments() -> None:
    assert only_operation(**{"x-retry-safety": "bills"}).params == "ThingsGetParams"
    assert only_operation().params == ""


def test_a_submission_has_the_arguments_of_its_operation_and_its_own() -> None:
    node = {
        "method": "run",
        "summary": "Make a thing, and wait for it.",
        "parameters": [
            {"name": "times", "annotation": "int", "default": 0, "description": "How often."},
            {"name": "told", "annotation": "generor_async.Job | None", "default": None, "description": "Whom."},
        ],
        "returns": "generor_async.Job",
        "returns-what": "The job.",
        "raises": {"APIError": "It failed."},
    }
    found = only_operation(
        "/things/{id}", "get", parameters=[{**ID, "description": "The id."}], **{"x-submissions": [node]}
    )
    (run,) = found.submissions
    assert submission_signature(found, run) == (
        'self, id: int, *, times: int = 0, told: "generor_async.Job | None" = None'
    )
    assert handed_on(run, call=True) == "times=times, told=told"
    doc = submission_doc(found, run)
    for part in (
        "Make a thing, and wait for it.",
        "id: The id.",
        "times: How often.",
        "The job.",
        "APIError: It failed.",
    ):
        assert part in doc


def test_an_operation_without_a_result_is_refused() -> None:
    with pytest.raises(SpecError, match="no x-result"):
        read_api("luma", document({"/things": {"get": operation(**{"x-result": None})}}))


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="refers to nothing"):
        only_operation(parameters=[{"$ref": "#/components/parameters/Missing"}])
