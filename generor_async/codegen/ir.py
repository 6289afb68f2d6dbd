"""The intermediate representation of a spec, from which the templates are rendered: operations and resources."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from generor_async.codegen.ir_types import Alias, Schema, Type

__all__ = [
    "Api",
    "Check",
    "DocumentedError",
    "HandedOn",
    "OperationSpec",
    "Parameter",
    "Place",
    "Resource",
    "Result",
    "Submission",
    "WeightSpec",
]


@frozen(kw_only=True)
class Check:
    """A constraint that is checked before sending: a function of `rules.checks` and its keyword arguments."""

    function: Literal["length", "within", "items", "reserved"]
    arguments: tuple[tuple[str, str | float], ...]


Place: TypeAlias = Literal["path", "query", "body", "content", "filename", "media_type", "part"]
"""Where an argument is sent; the last four are parts of a multipart body."""


@frozen(kw_only=True)
class Parameter:
    """One argument of an operation."""

    name: str
    wire: str
    where: Place
    type: Type
    nullable: bool
    required: bool
    positional: bool
    doc: str
    is_url: bool = False
    """Whether it is a URL or a list of URLs."""
    default: str | int | None = None
    """The server's default; None if it isn't documented."""
    checks: tuple[Check, ...] = ()


@frozen(kw_only=True)
class Result:
    """What an operation returns: nothing, one object, pages, a list, or lists by key."""

    kind: Literal["none", "one", "pages", "list", "map"]
    schema: str = ""
    decode: str = ""
    """The expression that reads the body."""


@frozen(kw_only=True)
class DocumentedError:
    """An error in the spec, by the class that is raised for it."""

    error: str
    status: int
    doc: str


@frozen(kw_only=True)
class HandedOn:
    """An argument of a submission that is not sent, but handed on to its hook."""

    name: str
    annotation: str
    default: str
    doc: str


@frozen(kw_only=True)
class Submission:
    """A method with the arguments of an operation, which hands the built operation on to a hook: `_run` for `run`."""

    method: str
    summary: str
    description: str
    more: tuple[HandedOn, ...]
    returns: str
    """The annotation of its result."""
    returns_doc: str
    errors: tuple[tuple[str, str], ...]
    """The names of its exceptions, and when they are raised."""


@frozen(kw_only=True)
class WeightSpec:
    """The rate limit weights of an operation: the default model and type, and all weights other than 1."""

    model: str
    type: str
    table: tuple[tuple[str, str, int], ...]
    """Model, type and units."""


@frozen(kw_only=True)
class OperationSpec:
    """One method: an HTTP method on a path, with one media type of request body."""

    api: str
    resource: str
    method: str
    http: str
    template: str
    retry_safety: str
    auth: str
    scope: str
    quota: tuple[str, ...]
    shows_job: bool
    names: str
    """The attribute of the result that repeats the id in the path; empty for none."""
    weighing: WeightSpec | None
    """None if each request is one unit."""
    timeout: float
    attempt_timeout: float
    parameters: tuple[Parameter, ...]
    body: Literal["none", "json", "form"]
    check: str
    """The function of `rules.checks` that checks the whole body; empty for none."""
    others: str
    """The module of `rules` that explains unknown arguments; empty if Python's own error is enough."""
    derive: str
    """The function of `rules.derived_values` that completes the result; empty for none."""
    result: Result
    takes_user: bool
    """Whether the body has a field for the caller's end user."""
    secrets: tuple[str, ...]
    summary: str
    description: str
    returns: str
    errors: tuple[DocumentedError, ...]
    submissions: tuple[Submission, ...] = ()

    @property
    def name(self) -> str:
        """The dotted name: `luma.generations.create`."""
        return f"{self.api}.{self.resource}.{self.method}"

    @property
    def function(self) -> str:
        """The name of its builder."""
        return f"{self.resource}_{self.method}"

    @property
    def constant(self) -> str:
        """The name of its endpoint."""
        return self.function.upper()

    @property
    def params(self) -> str:
        """The name of the TypedDict of its arguments; empty if there is none.

        Jobs and batches pass on the arguments of operations that cost credits.
        """
        if self.retry_safety != "bills":
            return ""
        return "".join(part.capitalize() for part in self.function.split("_")) + "Params"

    @property
    def defaults(self) -> Mapping[str, str | int]:
        """The server's defaults for arguments of the body."""
        return {each.wire: each.default for each in self.sent_in("body") if each.default is not None}

    @property
    def positional(self) -> tuple[Parameter, ...]:
        """The positional arguments."""
        return tuple(parameter for parameter in self.parameters if parameter.positional)

    @property
    def keywords(self) -> tuple[Parameter, ...]:
        """The keyword arguments, required ones first."""
        named = [parameter for parameter in self.parameters if not parameter.positional]
        return tuple(sorted(named, key=lambda parameter: not parameter.required))

    @property
    def refuses(self) -> bool:
        """Whether building it may raise."""
        return bool(self.parameters)

    def sent_in(self, *places: Place) -> tuple[Parameter, ...]:
        """Return the arguments that are sent in one of `places`."""
        return tuple(parameter for parameter in self.parameters if parameter.where in places)


@frozen(kw_only=True)
class Resource:
    """A group of methods."""

    name: str
    doc: str
    operations: tuple[OperationSpec, ...]

    @property
    def class_name(self) -> str:
        """The name of its class: `ApiKeysResource`."""
        return "".join(part.capitalize() for part in self.name.split("_")) + "Resource"

    @property
    def submitting(self) -> tuple[OperationSpec, ...]:
        """The operations that have submissions."""
        return tuple(each for each in self.operations if each.submissions)

    @property
    def list_name(self) -> str:
        """The name of the type `list` in the class, where a method of that name hides the builtin."""
        return "builtins.list" if any(each.method == "list" for each in self.operations) else "list"


@frozen(kw_only=True)
class Api:
    """The API of one spec."""

    name: str
    title: str
    spec: str
    aliases: tuple[Alias, ...]
    schemas: tuple[Schema, ...] = field(repr=False)
    resources: tuple[Resource, ...] = field(repr=False)

    @property
    def decoders(self) -> tuple[str, ...]:
        """The names of all decoders and shapes."""
        answers = [schema for schema in self.schemas if schema.kind == "answer"]
        names = [name for each in answers for name in (each.decoder, each.shape)]
        names += [name for each in answers if each.partial for name in (each.partial_decoder, each.partial_shape)]
        return tuple(sorted(names))

    def schema(self, name: str) -> Schema:
        """Return a class by its name."""
        return next(each for each in self.schemas if each.name == name)

    def before(self, schema: Schema) -> set[str]:
        """Return the names of the classes that are defined before one."""
        names = [each.name for each in self.schemas]
        return set(names[: names.index(schema.name)])

    @property
    def operations(self) -> tuple[OperationSpec, ...]:
        """Every operation, by resource."""
        return tuple(each for resource in self.resources for each in resource.operations)
