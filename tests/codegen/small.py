"""The spec of a small API."""

from typing import Any

from generor_async.codegen.document import Document
from generor_async.codegen.ir import Api, OperationSpec
from generor_async.codegen.ir_types import Schema
from generor_async.codegen.render import read_api


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", "description": "A text.", **more}


def obj(*required: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "An object.",
        "required": list(required),
        "properties": properties,
        **more,
    }


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def operation(**more: Any) -> dict[str, Any]:
    """Return an operation; None in `more` takes a key out."""
    node: dict[str, Any] = {
        "operationId": "things.get",
        "summary": "Return one thing.",
        "x-resource": "things",
        "x-method": "get",
        "x-auth": "required",
        "x-scope": "none",
        "x-retry-safety": "read",
        "x-quota": [],
        "x-result": "Thing",
        "responses": {
            "200": {"description": "The thing."},
            "404": {"description": "No such thing. Look again."},
        },
        **more,
    }
    return {key: value for key, value in node.items() if value is not None}


def document(
    paths: dict[str, Any] | None = None,
    schemas: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
) -> Document:
    known = {"Thing": obj("id", properties={"id": text()}), **(schemas or {})}
    return Document(
        {
            "info": {"title": "Small API"},
            "tags": [{"name": "things", "description": "Things."}],
            "paths": paths or {"/things": {"get": operation()}},
            "components": {"schemas": known, "parameters": parameters or {}},
        }
    )


def api(**parts: Any) -> Api:
    return read_api("luma", document(**parts))


def schema(name: str, **parts: Any) -> Schema:
    return next(each for each in api(**parts).schemas if each.name == name)


def only_operation(path: str = "/things", http: str = "get", /, *, schemas: Any = None, **more: Any) -> OperationSpec:
    (found,) = api(paths={path: {http: operation(**more)}}, schemas=schemas).operations
    return found
