"""Reads the operations of a spec: one for each method."""

from collections.abc import Iterator, Mapping
from typing import Literal

from attrs import frozen

from generor_async.codegen.document import Document, Node, first_sentence, python_name, with_source
from generor_async.codegen.ir import (
    Check,
    DocumentedError,
    HandedOn,
    OperationSpec,
    Parameter,
    Place,
    Resource,
    Result,
    Submission,
    WeightSpec,
)
from generor_async.codegen.ir_types import Scalar, Schema, SpecError
from generor_async.codegen.type_reader import TypeReader, read_checks
from generor_async.errors import APIStatusError, InternalServerError, InvalidRequestError, MissingAPIKeyError

__all__ = ["OperationReader"]

HTTP_METHODS = ("get", "put", "post", "patch", "delete")
TIMEOUTS: Mapping[str, tuple[float, float]] = {
    "read": (60.0, 30.0),
    "idempotent": (60.0, 30.0),
    "plain": (60.0, 60.0),
    "bills": (60.0, 60.0),
}
"""Seconds for a call and for an attempt, by `retry_safety`."""

Body = Literal["none", "json", "form"]
BODIES: Mapping[str, Body] = {"application/json": "json", "multipart/form-data": "form"}
PART_ARGUMENTS: Mapping[str, Place] = {"filename": "filename", "mime_type": "media_type"}
"""Arguments that are sent as headers of the file's part."""
RESERVED_NAMES = frozenset({"self", "body", "query", "fields", "max_items", "others"})
"""Names that the generated functions use themselves."""


def _error_names() -> Mapping[int, str]:
    """Return the class that is raised for each status."""
    refused_here = (InvalidRequestError, MissingAPIKeyError)
    names: dict[int, str] = {}
    todo: list[type[APIStatusError]] = [APIStatusError]
    while todo:
        error = todo.pop(0)
        todo += [each for each in error.__subclasses__() if each not in refused_here]
        if error.status is not None:
            names.setdefault(error.status, error.__name__)
    return {500: InternalServerError.__name__, **names}


ERRORS = _error_names()


@frozen
class OperationReader:
    """Reads the operations of one document, after its schemas."""

    document: Document
    types: TypeReader
    schemas: Mapping[str, Schema]
    api: str

    def resources(self) -> tuple[Resource, ...]:
        """Return the groups of methods, in the order of the document's tags."""
        operations = list(self._operations())
        return tuple(
            Resource(
                name=tag["name"],
                doc=with_source(tag),
                operations=tuple(each for each in operations if each.resource == tag["name"]),
            )
            for tag in self.document.root["tags"]
        )

    def _operations(self) -> Iterator[OperationSpec]:
        for path, item in self.document.root["paths"].items():
            for http in HTTP_METHODS:
                if http not in item:
                    continue
                node: Node = {
                    **item[http],
                    "parameters": [*item.get("parameters", ()), *item[http].get("parameters", ())],
                }
                content: Node = node.get("requestBody", {}).get("content") or {"": {}}
                for media_type, media in content.items():
                    yield self._operation(http, path, _for_media(node, media), media, BODIES.get(media_type, "none"))

    def _operation(self, http: str, path: str, node: Node, media: Node, body: Body) -> OperationSpec:
        schema = self.document.resolve(media.get("schema", {}))
        parameters = tuple(self._parameters(node, media, schema, body))
        for parameter in parameters:
            path = path.replace(f"{{{parameter.wire}}}", f"{{{parameter.name}}}")
            if parameter.name in RESERVED_NAMES:
                raise SpecError(f"{node['operationId']}: {parameter.name} is taken, give it an x-python")
        timeout, attempt_timeout = TIMEOUTS[node["x-retry-safety"]]
        result = self._result(node)
        return OperationSpec(
            api=self.api,
            resource=node["x-resource"],
            method=node["x-method"],
            http=http.upper(),
            template=path,
            retry_safety=node["x-retry-safety"],
            auth=node["x-auth"],
            scope=node["x-scope"],
            quota=tuple(node["x-quota"]),
            shows_job=node.get("x-shows-job", False),
            names=python_name(node.get("x-names", "")),
            weighing=_weights(node.get("x-weight")),
            timeout=float(node.get("x-timeout", timeout)),
            attempt_timeout=float(node.get("x-timeout", attempt_timeout)),
            parameters=parameters,
            body=body,
            check=schema.get("x-check", ""),
            others=schema.get("x-others", ""),
            derive=node.get("x-derive", ""),
            result=result,
            takes_user=any(each.get("x-end-user") for each in schema.get("properties", {}).values()),
            secrets=self._secrets(result.schema),
            summary=node["summary"].strip(),
            description=_description(node),
            returns=next(text for status, text in self._responses(node) if status < 300),
            errors=tuple(self._errors(node)),
            submissions=tuple(map(_submission, node.get("x-submissions", ()))),
        )

    def _parameters(self, node: Node, media: Node, schema: Node, body: Body) -> Iterator[Parameter]:
        around = node.get("x-source", "")
        for each in map(self.document.resolve, node["parameters"]):
            if each["in"] != "header":
                yield self._parameter(each["name"], each, each["in"], each.get("required", False), around)
        for name, each in media.get("x-part-arguments", {}).items():
            yield self._parameter(name, each, PART_ARGUMENTS[name], each.get("required", False), around)
        for name, each in schema.get("properties", {}).items():
            place: Place = "content" if each.get("format") == "binary" else "body" if body == "json" else "part"
            yield self._parameter(name, each, place, name in schema.get("required", ()), around)

    def _parameter(self, wire: str, node: Node, where: Place, required: bool, around: str) -> Parameter:
        schema: Node = node.get("schema", node)
        read, nullable = self.types.read(schema, wire)
        return Parameter(
            name=node.get("x-python") or python_name(wire),
            wire=wire,
            where=where,
            type=read,
            nullable=nullable,
            required=required,
            positional=where == "path" or node.get("x-positional", False),
            doc=with_source(node, within=around),
            default=schema.get("default"),
            is_url="uri" in {schema.get("format"), schema.get("items", {}).get("format")},
            checks=_checks(node, schema),
        )

    def _result(self, node: Node) -> Result:
        """Return the result, and the expression that decodes it."""
        enveloped = "Envelope" in self.document.schemas
        key = next((each for each in RESULTS if each in node), None)
        if key is None:
            raise SpecError(f"{node['operationId']}: no x-result")
        if key == "x-result-none":
            return Result(kind="none", decode="nothing")
        schema = self.schemas[node[key]]
        assumed = node.get("x-answer") == "assumed"
        shape = f"models.{schema.partial_shape if assumed and schema.partial else schema.shape}"
        if key == "x-result-map":
            return Result(kind="map", schema=schema.name, decode=f"enveloped_map({shape})")
        if key == "x-result-list":
            return Result(kind="list", schema=schema.name, decode=f"enveloped_list({shape})")
        if "x-paged" in node:
            opener = "page_of" if node["x-paged"] == "number" else "cursor_page_of"
            return Result(kind="pages", schema=schema.name, decode=f"{opener}({shape})")
        if not enveloped:
            return Result(kind="one", schema=schema.name, decode=f"plain({shape})")
        lenient = ", assumed=True" if assumed else ""  # of where the object stands
        return Result(kind="one", schema=schema.name, decode=f"enveloped({shape}{lenient})")

    def _secrets(self, schema: str) -> tuple[str, ...]:
        if not schema:
            return ()
        return tuple(field.wire for field in self.schemas[schema].fields if field.type == Scalar("secret"))

    def _responses(self, node: Node) -> Iterator[tuple[int, str]]:
        for status, response in node["responses"].items():
            yield int(status), self.document.resolve(response)["description"].strip()

    def _errors(self, node: Node) -> Iterator[DocumentedError]:
        for status, text in self._responses(node):
            if status >= 400:
                yield DocumentedError(error=ERRORS[status], status=status, doc=first_sentence(text)[0])


RESULTS = ("x-result-none", "x-result", "x-result-list", "x-result-map")


def _for_media(node: Node, media: Node) -> Node:
    """Return an operation for one of its media types, whose own keys take precedence."""
    own = {key: value for key, value in media.items() if key.startswith("x-")}
    texts = {key: own[f"x-{key}"] for key in ("summary", "description") if f"x-{key}" in own}
    return {**node, **own, **texts}


def _description(node: Node) -> str:
    """Return an operation's description with its source."""
    text = node.get("description", "").strip()
    if source := node.get("x-source"):
        source = f"Source: {source}."
    elif node.get("x-answer") == "assumed" and "x-result-none" not in node:
        source = "Source: documented; what the answer holds is assumed."
    return "\n\n".join(part for part in (text, source) if part)


def _submission(node: Node) -> Submission:
    return Submission(
        method=node["method"],
        summary=node["summary"].strip(),
        description=node.get("description", "").strip(),
        more=tuple(
            HandedOn(
                name=each["name"], annotation=each["annotation"], default=str(each["default"]), doc=each["description"]
            )
            for each in node["parameters"]
        ),
        returns=node["returns"],
        returns_doc=node["returns-what"],
        errors=tuple(node["raises"].items()),
    )


def _weights(node: Node | None) -> WeightSpec | None:
    if node is None:
        return None
    table = [(model, kind, units) for model, kinds in node["units"].items() for kind, units in kinds.items()]
    return WeightSpec(model=node["model"], type=node["type"], table=tuple(table))


def _checks(node: Node, schema: Node) -> tuple[Check, ...]:
    if reserved := schema.get("not", {}).get("const"):
        return (Check(function="reserved", arguments=(("taken", reserved), ("instead", node["x-instead"]))),)
    return read_checks(schema, node.get("x-refusal", ""))
