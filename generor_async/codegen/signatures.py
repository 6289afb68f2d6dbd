"""Writes the signatures, calls and imports of the blocking proxies."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import cast

from generor_async.codegen.ir_types import SpecError
from generor_async.codegen.proxies import ProxyClass
from generor_async.codegen.resolved_annotations import (
    ITERATORS,
    alternatives,
    class_at,
    module_and_name,
    name_text,
    names_in,
    resolve,
)
from generor_async.codegen.sources import Function, Module, SourceRef

__all__ = ["ModuleScope"]

BRIDGE = "generor_async.sync.bridge"


class ModuleScope:
    """The names of one generated module, with an import for each name that is used."""

    def __init__(self, target: str, proxies: Mapping[SourceRef, ProxyClass]) -> None:
        self._target = target
        self._proxies = proxies
        self._imports: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._defined: set[SourceRef] = set()

    def imports(self) -> Iterable[str]:
        """Return the statements that the names need."""
        return self._imports.values()

    def variables(self) -> Iterable[str]:
        """Return the type variables among them."""
        return self._variables.values()

    def define(self, proxy: ProxyClass) -> None:
        """Note that a class is defined; annotations before that quote its name."""
        self._defined.add(proxy.ref)

    def take(self, name: str, module: str = BRIDGE) -> str:
        """Return a name that is imported from the blocking modules."""
        return self._import(name, f"from {module} import {name}")

    def impl(self, proxy: ProxyClass) -> str:
        """Return the name of the async class of a proxy."""
        return self.renamed(proxy.ref, proxy.impl_name)

    def renamed(self, ref: SourceRef, name: str) -> str:
        """Return the name under which an object of the async module is imported."""
        alias = "" if ref.name == name else f" as {name}"
        return self._import(name, f"from {ref.module} import {ref.name}{alias}")

    def proxy_name(self, proxy: ProxyClass) -> str:
        """Return the name of a proxy."""
        if proxy.target != self._target:
            self._import(proxy.name, f"from generor_async.sync.{proxy.target} import {proxy.name}")
        return proxy.name

    def read(self, node: ast.expr, module: Module) -> ast.expr:
        """Resolve an annotation, with the aliases replaced that mean something else for the proxy."""
        return resolve(node, module, self._differs)

    def proxy_of(self, node: ast.expr) -> ProxyClass | None:
        """Return the proxy of the class in a resolved annotation."""
        ref = class_at(node)
        return None if ref is None else self._proxies.get(ref)

    def annotation(self, node: ast.expr, *, given: bool = False) -> str:
        """Return the text of a resolved annotation; an async iterable that is `given` may be a plain one."""
        proxies = [proxy for name in names_in(node) if (proxy := self.proxy_of(name)) is not None]
        written = cast("ast.expr", _AnnotationWriter(self, given=given).visit(deepcopy(node)))
        text = " | ".join(dict.fromkeys(map(ast.unparse, alternatives(written))))
        ahead = any(proxy.target == self._target and proxy.ref not in self._defined for proxy in proxies)
        return f'"{text}"' if ahead else text

    def parameters(self, function: Function, module: Module) -> str:
        """Return the parameters of a function."""
        arguments = deepcopy(function.args)
        for argument in _each(arguments):
            if argument.annotation is not None:
                text = self.annotation(self.read(argument.annotation, module), given=True)
                argument.annotation = ast.parse(text, mode="eval").body
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self._use_all(default, module)
        return ast.unparse(arguments)

    def arguments(self, function: Function, module: Module) -> str:
        """Return the arguments that pass a function's parameters on to the async one."""
        arguments = function.args
        by_place = (*arguments.posonlyargs, *arguments.args)
        written = [self._argument(each, module) for each in by_place if each.arg != "self"]
        if arguments.vararg is not None:
            written.append(f"*{self._argument(arguments.vararg, module, many=True)}")
        written += [f"{each.arg}={self._argument(each, module)}" for each in arguments.kwonlyargs]
        if arguments.kwarg is not None:
            written.append(f"**{arguments.kwarg.arg}")
        return ", ".join(written)

    def result(self, node: ast.expr, code: str) -> str:
        """Return the expression of a blocking result: `code`, wrapped in proxies where its annotation needs that."""
        proxy = self.proxy_of(node)
        match node:
            case _ if not self._differs(node):
                return code
            case _ if proxy is not None:
                return f"{self.proxy_name(proxy)}(self._bridge, {code})"
            case ast.Name() if name_text(node) == "Self":
                return f"self._view({code})"
            case ast.Subscript(value=value, slice=items) if name_text(value) in ITERATORS:
                return self._each_result(_first(items), f"self._bridge.iterate({code})", "()")
            case ast.Subscript(value=value, slice=item) if name_text(value) == "list":
                return self._each_result(item, code, "[]")
            case ast.BinOp(left=left, right=ast.Constant(value=None)):
                return f"None if (found := {code}) is None else {self.result(left, 'found')}"
            case _:
                raise SpecError(f"sync/{self._target}.py: there is no rule for what returns {ast.unparse(node)}")

    def _each_result(self, item: ast.expr, code: str, brackets: str) -> str:
        if not self._differs(item):
            return code
        return f"{brackets[0]}{self.result(item, 'each')} for each in {code}{brackets[1]}"

    def _argument(self, argument: ast.arg, module: Module, *, many: bool = False) -> str:
        """Return the expression for an argument of the async function."""
        name = argument.arg
        if argument.annotation is None:
            return name
        annotation = self.read(argument.annotation, module)
        if not many:
            return self._unwrapped(annotation, name)
        if (proxy := self.proxy_of(annotation)) is not None:
            return self._impls(name, proxy)
        each = self._unwrapped(annotation, "each")
        return name if each == "each" else f"[{each} for each in {name}]"

    def _unwrapped(self, node: ast.expr, name: str) -> str:
        """Return the expression that unwraps a value with a resolved annotation."""
        if not self._differs(node):
            return name
        if any(name_text(each) in ITERATORS for each in names_in(node)):
            return f"{self.take('streamed')}({name})"
        proxy = self.proxy_of(node)
        if proxy is not None:
            return self._impl_of(name, [proxy])
        match node:
            case ast.Subscript(value=value, slice=ast.Tuple(elts=[ast.List(elts=[told]), _])) if (
                name_text(value) == "Callable"
            ):
                told_to = f"lambda given: {name}({self.result(told, 'given')})"
                return f"{self.take('wrapped')}({name}, {name!r}, {told_to})"
            case ast.Subscript(slice=item) if (proxy := self.proxy_of(item)) is not None:
                return self._impls(name, proxy)
            case ast.BinOp(left=left, right=ast.Constant(value=None)):
                return f"None if {name} is None else {self._unwrapped(left, name)}"
            case ast.BinOp():
                kinds = list(alternatives(node))
                proxies = [proxy for proxy in map(self.proxy_of, kinds) if proxy is not None]
                if len(proxies) == len(kinds):
                    return self._impl_of(name, proxies)
                if len(proxies) == sum(map(self._differs, kinds)):
                    names = " | ".join(map(self.proxy_name, proxies))
                    return f"{name}._impl if isinstance({name}, {names}) else {name}"
            case _:
                pass
        raise SpecError(f"sync/{self._target}.py: there is no rule for what takes {ast.unparse(node)}")

    def _impls(self, name: str, proxy: ProxyClass) -> str:
        return f"{self.take('impls')}({name}, {name!r}, {self.proxy_name(proxy)})"

    def _impl_of(self, name: str, proxies: Iterable[ProxyClass]) -> str:
        return f"{self.take('impl_of')}({name}, {name!r}, {', '.join(map(self.proxy_name, proxies))})"

    def _differs(self, node: ast.expr) -> bool:
        """Tell whether a value of this type must be wrapped or unwrapped."""
        return any(
            self.proxy_of(each) is not None or name_text(each) in {"Self", *ITERATORS} for each in names_in(node)
        )

    def use(self, name: str, module: Module) -> None:
        """Import a name in the same way as the module from which it is taken."""
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


class _AnnotationWriter(ast.NodeTransformer):
    """Converts a resolved annotation into that of the generated module."""

    def __init__(self, scope: ModuleScope, *, given: bool) -> None:
        self._scope = scope
        self._given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        proxy = self._scope.proxy_of(node)
        if proxy is not None:
            return ast.Name(self._scope.proxy_name(proxy))
        found = module_and_name(node)
        assert found is not None
        module, text = found
        self._scope.use(text.partition(".")[0], module)
        return ast.Name(text)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if name_text(node.value) not in ITERATORS:
            self.generic_visit(node)
            return node
        item = cast("ast.expr", self.visit(_first(node.slice)))
        plain = self._scope.take("Iterable" if self._given else "Iterator", "collections.abc")
        iterated = ast.Subscript(ast.Name(plain), item)
        if not self._given:
            return iterated
        return ast.BinOp(ast.Subscript(cast("ast.expr", self.visit(node.value)), item), ast.BitOr(), iterated)


def _each(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (each for each in (arguments.vararg, arguments.kwarg) if each is not None)


def _first(node: ast.expr) -> ast.expr:
    return node.elts[0] if isinstance(node, ast.Tuple) else node


def _is_type_variable(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "TypeVar"
