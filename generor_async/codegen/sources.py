"""Reads the async classes with `ast`: modules, their classes, and what their names refer to."""

import ast
from collections.abc import Iterator
from functools import cache

from attrs import field, frozen

from generor_async.codegen.document import ROOT
from generor_async.codegen.ir_types import SpecError

__all__ = [
    "Class",
    "Function",
    "Imported",
    "InstanceAttribute",
    "Module",
    "SourceRef",
    "attributes",
    "functions",
    "lineage",
    "load",
]

PACKAGE = "generor_async"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@frozen
class SourceRef:
    """A class or function of the package, by module and name."""

    module: str
    name: str


@frozen
class Imported:
    """An imported name: a module, or an object of a module."""

    module: str
    name: str | None = None


@frozen(eq=False)
class Module:
    """A module of the package with its top-level names."""

    name: str
    imports: dict[str, Imported] = field(factory=dict[str, Imported])
    classes: dict[str, ast.ClassDef] = field(factory=dict[str, ast.ClassDef])
    functions: dict[str, Function] = field(factory=dict[str, Function])
    variables: dict[str, ast.expr] = field(factory=dict[str, ast.expr])
    aliases: set[str] = field(factory=set[str])
    """The variables that are type aliases."""

    def find(self, dotted: str) -> "tuple[Module, str] | None":
        """Return where in the package a name is defined: `Job`, or `resources.FilesResource`."""
        name, _, rest = dotted.partition(".")
        if name in self.classes or name in self.variables:
            return self, name
        imported = self.imports.get(name)
        if imported is None:
            return None
        module = imported.module if imported.name is None or rest == "" else f"{imported.module}.{imported.name}"
        return load(module).find(rest or imported.name or "") if _is_ours(module) else None


@frozen(eq=False)
class Class:
    """A class and its module."""

    module: Module
    node: ast.ClassDef

    @classmethod
    def of(cls, ref: SourceRef) -> "Class":
        """Return the class of a reference."""
        module = load(ref.module)
        return cls(module, module.classes[ref.name])


@frozen(eq=False)
class InstanceAttribute:
    """A public attribute of instances."""

    name: str
    annotation: ast.expr
    doc: str | None
    module: Module


@cache
def load(name: str) -> Module:
    """Read a module of the package."""
    path = ROOT.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    module = Module(name)
    for node in _statements(ast.parse(path.read_text("utf-8")).body):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    module.imports[alias.asname or alias.name.partition(".")[0]] = Imported(alias.name)
            case ast.ImportFrom(module=str(source), names=names, level=0):
                for alias in names:
                    module.imports[alias.asname or alias.name] = Imported(source, alias.name)
            case ast.ClassDef(name=defined):
                module.classes[defined] = node
            case ast.FunctionDef(name=defined) | ast.AsyncFunctionDef(name=defined):
                module.functions[defined] = node
            case ast.Assign(targets=[ast.Name(id=defined)], value=value):
                module.variables[defined] = value
            case ast.AnnAssign(target=ast.Name(id=defined), annotation=annotation, value=ast.expr() as value):
                module.variables[defined] = value
                if ast.unparse(annotation) == "TypeAlias":
                    module.aliases.add(defined)
            case _:
                pass
    return module


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, including those for type checkers."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from node.body
        else:
            yield node


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE and ROOT.joinpath(*module.split(".")[:-1]).is_dir()


def lineage(found: Class) -> Iterator[Class]:
    """Yield a class, then its base classes in the package."""
    yield found
    for base in found.node.bases:
        place = found.module.find(ast.unparse(base).partition("[")[0])
        if place is not None:
            yield from lineage(Class.of(SourceRef(place[0].name, place[1])))


def functions(found: Class) -> Iterator[tuple[Function, Module]]:
    """Yield the methods and properties of a class, its own and then inherited ones."""
    seen: set[str] = set()
    for each in lineage(found):
        names: set[str] = set()
        for node in each.node.body:
            if isinstance(node, Function) and node.name not in seen:
                names.add(node.name)
                yield node, each.module
        seen |= names


def attributes(found: Class) -> Iterator[InstanceAttribute]:
    """Yield the public attributes of instances: annotated in the class, or set in `__init__`."""
    seen: set[str] = set()
    for each in lineage(found):
        for name, annotation, doc in (*_annotated(each.node.body), *_set_at_first(each)):
            if name not in seen and not name.startswith("_"):
                seen.add(name)
                yield InstanceAttribute(name, annotation, doc, each.module)


def _annotated(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr, str | None]]:
    for index, node in enumerate(body):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if "ClassVar" not in ast.unparse(annotation):
                    yield name, annotation, _doc_after(body, index)
            case _:
                pass


def _set_at_first(found: Class) -> Iterator[tuple[str, ast.expr, str | None]]:
    init = next((node for node in found.node.body if isinstance(node, Function) and node.name == "__init__"), None)
    if init is None:
        return
    arguments = (*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs)
    known = {argument.arg: argument.annotation for argument in arguments}
    for index, node in enumerate(init.body):
        match node:
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name), annotation=annotation):
                yield name, annotation, _doc_after(init.body, index)
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                given = known.get(value.id) if isinstance(value, ast.Name) else None
                if given is not None:
                    yield name, given, _doc_after(init.body, index)
                elif not name.startswith("_"):
                    raise SpecError(f"{found.module.name}.{found.node.name}.{name} has no annotation")
            case _:
                pass


def _doc_after(body: list[ast.stmt], index: int) -> str | None:
    match body[index + 1 : index + 2]:
        case [ast.Expr(value=ast.Constant(value=str(text)))]:
            return text
        case _:
            return None
