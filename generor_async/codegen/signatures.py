"""Signatures and calls of the blocking half: how they differ from the async half's, and what has to be imported."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy

from generor_async.codegen.ir import SpecError
from generor_async.codegen.sources import Function, Module, Ref
from generor_async.codegen.twins import Twin, plain

__all__ = ["Scope"]

ITERATORS = frozenset({"AsyncGenerator", "AsyncIterable", "AsyncIterator"})
BRIDGE = "generor_async.sync.bridge"


class Scope:
    """The names of one generated module: whoever writes one has it imported."""

    def __init__(self, target: str, twins: Mapping[Ref, Twin]) -> None:
        self._target = target
        self._twins = twins
        self._imports: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._defined: set[Ref] = set()

    def imports(self) -> Iterable[str]:
        """Return the statements that the names need."""
        return self._imports.values()

    def variables(self) -> Iterable[str]:
        """Return the type variables among them."""
        return self._variables.values()

    def define(self, twin: Twin) -> None:
        """Note that a class is there: until then, what names it stands in quotes."""
        self._defined.add(twin.ref)

    def take(self, name: str, module: str = BRIDGE) -> str:
        """Return the name of something that the half doesn't have."""
        return self._import(name, f"from {module} import {name}")

    def half(self, twin: Twin) -> str:
        """Return the name of a twin's half."""
        alias = "" if twin.ref.name == twin.half_name else f" as {twin.half_name}"
        return self._import(twin.half_name, f"from {twin.ref.module} import {twin.ref.name}{alias}")

    def twin_of(self, node: ast.expr, module: Module) -> Twin | None:
        """Return the twin that stands for the class that an expression names."""
        ref = module.class_of(node.value if isinstance(node, ast.Subscript) else node)
        return self._twins.get(ref) if ref is not None else None

    def twin_name(self, twin: Twin) -> str:
        """Return the name of a twin."""
        if twin.target != self._target:
            self._import(twin.name, f"from generor_async.sync.{twin.target} import {twin.name}")
        return twin.name

    def annotation(self, node: ast.expr, module: Module, *, given: bool = False) -> str:
        """Write an annotation. What is `given` may be iterated plainly where the half would have it async."""
        writing = _Writing(self, module, given=given)
        text = ast.unparse(writing.visit(plain(node)))
        ahead = any(each.target == self._target and each.ref not in self._defined for each in writing.twins)
        return f'"{text}"' if ahead else text

    def parameters(self, function: Function, module: Module) -> str:
        """Write the parameters of a function."""
        arguments = deepcopy(function.args)
        for argument in _each(arguments):
            if argument.annotation is not None:
                text = self.annotation(argument.annotation, module, given=True)
                argument.annotation = ast.parse(text, mode="eval").body
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self._use_all(default, module)
        return ast.unparse(arguments)

    def arguments(self, function: Function, module: Module) -> str:
        """Write what a call of the half with the function's own parameters takes."""
        arguments = function.args
        written = [self._handed_on(each, module) for each in (*arguments.posonlyargs, *arguments.args)[1:]]
        if arguments.vararg is not None:
            written.append(f"*{self._handed_on(arguments.vararg, module, many=True)}")
        written += [f"{each.arg}={self._handed_on(each, module)}" for each in arguments.kwonlyargs]
        if arguments.kwarg is not None:
            written.append(f"**{arguments.kwarg.arg}")
        return ", ".join(written)

    def result(self, node: ast.expr, module: Module, code: str) -> str:
        """Write what the twin returns where the half returns the value of `code`, annotated so."""
        node = plain(node)
        twin = self.twin_of(node, module)
        match node:
            case _ if twin is not None and not isinstance(node, ast.BinOp):
                return f"{self.twin_name(twin)}(self._bridge, {code})"
            case ast.Name(id="Self"):
                return f"self._view({code})"
            case ast.Subscript(value=ast.Name(id=name)) if name in ITERATORS:
                return self._each(_first(node.slice), module, f"self._bridge.iterate({code})", "()")
            case ast.Subscript(value=ast.Name(id="list")):
                return self._each(node.slice, module, code, "[]")
            case ast.BinOp(op=ast.BitOr(), left=left, right=ast.Constant(value=None)) if self._differs(left, module):
                return f"None if (found := {code}) is None else {self.result(left, module, 'found')}"
            case _ if self._differs(node, module):
                raise SpecError(f"sync/{self._target}.py: there is no rule for what returns {ast.unparse(node)}")
            case _:
                return code

    def _each(self, item: ast.expr, module: Module, code: str, brackets: str) -> str:
        if not self._differs(item, module):
            return code
        return f"{brackets[0]}{self.result(item, module, 'each')} for each in {code}{brackets[1]}"

    def _handed_on(self, argument: ast.arg, module: Module, *, many: bool = False) -> str:
        """Write an argument as the half takes it."""
        name, annotation = argument.arg, argument.annotation
        if annotation is None:
            return name
        annotation = plain(annotation)
        if any(_is_async(each) for each in ast.walk(annotation)):
            return f"{self.take('streamed')}({name})"
        if many:
            return self._each_half(annotation, module, name)
        match annotation:
            case ast.Subscript(slice=item) if self.twin_of(annotation, module) is None:
                return self._each_half(item, module, name)
            case _:
                return self._half_of(annotation, module, name)

    def _each_half(self, item: ast.expr, module: Module, name: str) -> str:
        half = self._half_of(item, module, "each")
        return name if half == "each" else f"[{half} for each in {name}]"

    def _half_of(self, node: ast.expr, module: Module, name: str) -> str:
        """Write what the half takes for a value of a type, or one of several."""
        if not self._differs(node, module):
            return name
        twin = self.twin_of(node, module)
        if twin is not None:
            return f"{self.take('half_of')}({name})"
        match node:
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                for kind, other in ((left, right), (right, left)):
                    twin = self.twin_of(kind, module)
                    if twin is not None:
                        rest = self._half_of(other, module, name)
                        return (
                            f"{self.take('half_of')}({name}) if isinstance({name}, {self.twin_name(twin)}) else {rest}"
                        )
        raise SpecError(f"sync/{self._target}.py: there is no rule for what takes {ast.unparse(node)}")

    def _differs(self, node: ast.expr, module: Module) -> bool:
        """Whether a value of this type is another one for the twin."""
        return any(
            isinstance(each, ast.Name | ast.Attribute)
            and (self.twin_of(each, module) is not None or ast.unparse(each) == "Self" or _is_async(each))
            for each in ast.walk(plain(node))
        )

    def use(self, name: str, module: Module) -> None:
        """Bind a name as the module binds it that it is taken from."""
        if name in module.imports:
            source = module.imports[name]
            start = f"import {source.module}" if source.name is None else f"from {source.module} import {source.name}"
            self._import(name, start if name == (source.name or source.module) else f"{start} as {name}")
        elif name in module.variables and _is_type_variable(value := module.variables[name]):
            self._variables[name] = f"{name} = {ast.unparse(value)}"
            self._use_all(value, module)
        elif name in module.classes or name in module.variables:
            self._import(name, f"from {module.name} import {name}")

    def _use_all(self, node: ast.AST, module: Module) -> None:
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                self.use(each.id, module)

    def _import(self, name: str, statement: str) -> str:
        known = self._imports.setdefault(name, statement)
        if known != statement:
            raise SpecError(f"sync/{self._target}.py: {name} would be both `{known}` and `{statement}`")
        return name


class _Writing(ast.NodeTransformer):
    """Translates one annotation, and notes which twins it names."""

    def __init__(self, scope: Scope, module: Module, *, given: bool) -> None:
        self.twins: list[Twin] = []
        self._scope = scope
        self._module = module
        self._given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._named(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._named(node, ast.unparse(node).partition(".")[0])

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id == "Literal":
            self._scope.use("Literal", self._module)
            return node
        if not _is_async(node.value):
            self.generic_visit(node)
            return node
        item = self.visit(_first(node.slice))
        plainly = "Iterable" if self._given else "Iterator"
        self._scope.take(plainly, "collections.abc")
        iterated = ast.Subscript(ast.Name(plainly), item)
        if not self._given:
            return iterated
        self._scope.use(ast.unparse(node.value), self._module)
        return ast.BinOp(ast.Subscript(node.value, item), ast.BitOr(), iterated)

    def _named(self, node: ast.expr, root: str) -> ast.expr:
        twin = self._scope.twin_of(node, self._module)
        if twin is None:
            self._scope.use(root, self._module)
            return node
        self.twins.append(twin)
        return ast.Name(self._scope.twin_name(twin))


def _each(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (each for each in (arguments.vararg, arguments.kwarg) if each is not None)


def _first(node: ast.expr) -> ast.expr:
    return node.elts[0] if isinstance(node, ast.Tuple) else node


def _is_async(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ITERATORS


def _is_type_variable(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "TypeVar"
