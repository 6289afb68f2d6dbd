"""Finds the classes and functions that get a blocking proxy, with its name and module.

A class gets a proxy if it has async methods, and a client returns it as an attribute, a result, or an item of these.
Objects that are only arguments, such as a clock, are passed on unchanged.
"""

import ast
from collections.abc import Iterator, Mapping

from attrs import frozen

from generor_async.codegen.resolved_annotations import class_at, names_in, resolve
from generor_async.codegen.sources import Class, Function, Module, SourceRef, attributes, functions, load

__all__ = ["FUNCTIONS", "MADE_WITH_CLIENT", "ROOTS", "ProxyClass", "find_proxy_classes", "is_property", "target_of"]

ROOTS = (SourceRef("generor_async.generor", "AsyncGeneror"), SourceRef("generor_async.luma", "AsyncLuma"))
FUNCTIONS = (
    SourceRef("generor_async.batch.runner", "run_batch"),
    SourceRef("generor_async.batch.shift", "run_shift"),
)
"""Functions whose first argument is a client."""

MADE_WITH_CLIENT = (SourceRef("generor_async.storage", "Storage"),)
"""Classes that users make, with a client: the event loop of that client runs their calls."""


def target_of(ref: SourceRef) -> str:
    """Return the module of `sync/` for a proxy: that of its API, of the batch, or of shared classes."""
    parts = ref.module.split(".")[1:]
    target = parts[1] if len(parts) > 1 and parts[0] != "batch" else parts[0]
    return target.removesuffix("_resources").removesuffix("_state")


@frozen(eq=False)
class ProxyClass:
    """A proxy class to be generated for the async class `impl`."""

    ref: SourceRef
    impl: Class

    @property
    def name(self) -> str:
        """Its name."""
        return self.ref.name.removeprefix("Async")

    @property
    def impl_name(self) -> str:
        """The name under which the async class is imported."""
        return f"Async{self.name}"

    @property
    def is_root(self) -> bool:
        """Whether it is a client."""
        return self.ref in ROOTS

    @property
    def is_made_with_client(self) -> bool:
        """Whether users make it with a client."""
        return self.ref in MADE_WITH_CLIENT

    @property
    def target(self) -> str:
        """Its module in `sync/`."""
        return target_of(self.ref)

    @property
    def awaited(self) -> str | None:
        """The method that `await` stands for."""
        for node, _ in functions(self.impl):
            match node:
                case ast.FunctionDef(
                    name="__await__",
                    body=[*_, ast.Return(ast.Call(ast.Attribute(ast.Call(ast.Attribute(attr=method)))))],
                ):
                    return method
                case _:
                    pass
        return None


def find_proxy_classes() -> Mapping[SourceRef, ProxyClass]:
    """Return the classes that get a proxy, each after those that it mentions where possible."""
    found: dict[SourceRef, ProxyClass] = {}
    under_way: set[SourceRef] = set()

    def visit(ref: SourceRef) -> None:
        if ref in under_way:
            return
        under_way.add(ref)
        impl = Class.of(ref)
        for other in _result_classes(impl):
            visit(other)
        if ref in ROOTS or _is_async(impl, {ref}):
            found[ref] = ProxyClass(ref, impl)

    for root in (*ROOTS, *MADE_WITH_CLIENT):
        visit(root)
    for function in FUNCTIONS:
        module = load(function.module)
        returns = module.functions[function.name].returns
        for other in _mentioned(returns, module) if returns is not None else ():
            visit(other)
    return found


def is_property(node: Function) -> bool:
    """Tell whether a function is a property."""
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def _is_async(impl: Class, seen: set[SourceRef]) -> bool:
    """Tell whether a class has async methods, or returns objects that have."""
    if any(isinstance(node, ast.AsyncFunctionDef) for node, _ in _public(impl)):
        return True
    return any(_is_async(Class.of(ref), seen | {ref}) for ref in _result_classes(impl) if ref not in seen)


def _result_classes(impl: Class) -> Iterator[SourceRef]:
    for each in attributes(impl):
        yield from _mentioned(each.annotation, each.module)
    for node, module in _public(impl):
        if node.returns is not None:
            yield from _mentioned(node.returns, module)


def _public(impl: Class) -> Iterator[tuple[Function, Module]]:
    return (found for found in functions(impl) if not found[0].name.startswith("_") or found[0].name.startswith("__"))


def _mentioned(annotation: ast.expr, module: Module) -> Iterator[SourceRef]:
    for name in names_in(resolve(annotation, module, lambda _: True)):
        ref = class_at(name)
        if ref is not None:
            yield ref
