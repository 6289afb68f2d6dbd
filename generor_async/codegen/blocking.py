"""Generates `sync/`, the blocking clients: a proxy for each public async class, whose methods call the async ones.

The only base class of a proxy is `SyncProxy`: inherited methods are written into it. Signatures and docstrings are
copied, and adapted where blocking code differs. Code for which there is no rule raises SpecError, which names the
place.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy

from generor_async.codegen.docs import WIDTH
from generor_async.codegen.ir_types import SpecError
from generor_async.codegen.proxies import FUNCTIONS, ProxyClass, find_proxy_classes, is_property, target_of
from generor_async.codegen.signatures import ModuleScope
from generor_async.codegen.sources import (
    Function,
    InstanceAttribute,
    Module,
    SourceRef,
    attributes,
    functions,
    lineage,
    load,
)

__all__ = ["BY_HAND", "blocking_modules"]

BY_HAND = frozenset({"bridge.py", "calls.py", "registrations.py", "threads.py"})
"""The modules of `sync/` that are not generated."""

LAZY_MODULES = ("batch", "storage")
"""The modules that are imported on demand, as most programs don't need them."""
GETTER = '''
def __getattr__(name: str) -> object:
    """Import on demand what most programs don't need."""
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
'''
HEADER = """\
# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`."""
MASKED_PARAMETERS = (
    {"api_key": "as_secret"}
    | dict.fromkeys(("base_url", "proxy", "extra_headers", "extra_query", "url", "media"), "masked_texts")
    | {"state": "masked_url"}
)
"""Parameters that may contain a key, and the function that masks it in traceback locals."""
MASKED_PLACES = {"to": "masked_url"}
"""The same for functions of the batch: a path, or the URL of a database."""
NOT_PROXIED = frozenset({"__await__", "__del__", "__dir__", "__repr__"})
"""Methods that a proxy doesn't need."""
INHERITED_BY_CLIENTS = frozenset({"__aenter__", "__aexit__", "close"})
"""Methods that a client's proxy has from its base class."""
RELEASING = frozenset({"__aexit__", "close"})
"""Methods that do nothing where the client was closed before."""
BLOCKING_NAMES = {"__aiter__": "__iter__", "__aenter__": "__enter__", "__aexit__": "__exit__"}
"""Names of special methods in a proxy."""
KEPT_DECORATORS = frozenset({"without_others"})
"""Decorators that are copied to a proxy's method."""
BLOCKING_NOTE = """\
Each call blocks its thread until it is done; threads may share a client. All blocking clients of a process share an
event loop in a thread of its own, where calls and callbacks such as `on_event` run; a callback can't make blocking
calls. Ctrl-C cancels a call, and a note of the KeyboardInterrupt says what is known about it. The clients also work
inside a running event loop, but block it."""
"""The paragraph that the docstring of a blocking client has in addition to that of its async client."""
REPLACEMENTS = (
    (r"\bAsync(?=[A-Z])", ""),
    (r", async\.", ", blocking."),
    (r"\basync (?=with\b|for\b)", ""),
    (r"\basync (?=iterator\b|iterable\b)", ""),
    (r", once for each event loop", ""),
)
"""Replacements in docstrings; `await` is handled separately."""


def blocking_modules() -> Iterator[tuple[str, str]]:
    """Yield path and unformatted text of every generated module of `sync/`."""
    proxies = find_proxy_classes()
    yield "__init__.py", _package(proxies.values())
    for target in sorted({proxy.target for proxy in proxies.values()}):
        yield f"{target}.py", _module(target, proxies)


def _package(proxies: Iterable[ProxyClass]) -> str:
    doc = "The blocking clients: each class is a proxy that passes its calls to an async object."
    places = [(proxy.target, proxy.name) for proxy in proxies] + [(target_of(ref), ref.name) for ref in FUNCTIONS]
    at_once = [
        f"from generor_async.sync.{target} import {name}" for target, name in places if target not in LAZY_MODULES
    ]
    lazy = {name: target for target, name in places if target in LAZY_MODULES}
    later = [f"    from generor_async.sync.{target} import {name}" for name, target in lazy.items()]
    names = [name for _, name in places]
    imports = ["import importlib", "import typing", *at_once, "if typing.TYPE_CHECKING:", *later]
    return _text(doc, imports, names, f"_LAZY: typing.Final = {lazy}", GETTER)


def _module(target: str, proxies: Mapping[SourceRef, ProxyClass]) -> str:
    ours = [proxy for proxy in proxies.values() if proxy.target == target]
    scope = ModuleScope(target, proxies)
    functions = [ref for ref in FUNCTIONS if target_of(ref) == target]
    body = [_class(proxy, scope) for proxy in ours] + [_function(ref, scope) for ref in functions]
    impls = dict.fromkeys(f"`{proxy.ref.module.removeprefix('generor_async.')}`" for proxy in reversed(ours))
    names = [proxy.name for proxy in ours] + [ref.name for ref in functions]
    return _text(f"Blocking proxies of {' and '.join(impls)}.", scope.imports(), names, *scope.variables(), *body)


def _text(doc: str, imports: Iterable[str], names: Iterable[str], *body: str) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return "\n".join([HEADER, f'"""{doc}"""', *imports, f"__all__ = [{quoted}]", *body, ""])


def _function(ref: SourceRef, scope: ModuleScope) -> str:
    """Return the proxy of a function whose first argument is a client."""
    module = load(ref.module)
    node = module.functions[ref.name]
    assert node.returns is not None
    kind = scope.read(node.returns, module)
    impl, client = scope.renamed(ref, f"async_{ref.name}"), node.args.args[0].arg
    is_awaited = isinstance(node, ast.AsyncFunctionDef)
    given = scope.result(kind, "self._bridge.run(impl)" if is_awaited else "impl")
    return "\n".join(
        [
            f"def {ref.name}({scope.parameters(node, module)}) -> {scope.annotation(kind)}:",
            _docstring(ast.get_docstring(node) or "", None, 4),
            *(f"    {line}" for line in _hidden(node, scope, MASKED_PARAMETERS | MASKED_PLACES)),
            f"    impl = {impl}({scope.arguments(node, module)})",  # checks the client, which is used next
            f"    return {given.replace('self.', f'{client}.')}",
            "",
        ]
    )


def _class(proxy: ProxyClass, scope: ModuleScope) -> str:
    """Return the code of a proxy class."""
    base = f"{scope.take('SyncClient' if proxy.is_root else 'SyncProxy')}[{scope.impl(proxy)}]"
    generic = next(
        (ast.unparse(each) for each in proxy.impl.node.bases if ast.unparse(each).startswith("Generic[")), ""
    )
    if generic:
        variables = generic.removeprefix("Generic[").removesuffix("]")
        scope.use("Generic", proxy.impl.module)
        for name in variables.split(", "):
            scope.use(name, proxy.impl.module)
        base = f"{scope.take('SyncProxy')}[{scope.impl(proxy)}[{variables}]], {generic}"
    members = [_attribute(each, proxy, scope) for each in attributes(proxy.impl)]
    members += [
        _member(node, module, proxy, scope) for node, module in functions(proxy.impl) if _is_proxied(node, proxy)
    ]
    scope.define(proxy)
    return "\n".join(
        [f"class {proxy.name}({base}):", _docstring(_class_doc(proxy), proxy, 4), "    __slots__ = ()", "", *members]
    )


def _is_proxied(node: Function, proxy: ProxyClass) -> bool:
    if node.name == "__init__":
        return proxy.is_root or proxy.is_made_with_client
    if proxy.is_root and node.name in INHERITED_BY_CLIENTS:
        return False
    hidden = node.name.startswith("_") and not node.name.startswith("__")
    return not hidden and node.name not in NOT_PROXIED


def _attribute(attribute: InstanceAttribute, proxy: ProxyClass, scope: ModuleScope) -> str:
    """Return a property for an attribute of the async instance."""
    kind = scope.read(attribute.annotation, attribute.module)
    other = scope.proxy_of(kind)
    doc = attribute.doc
    if doc is None and other is not None:
        doc = _class_doc(other).partition("\n")[0]
    return _property(
        attribute.name,
        scope.annotation(kind),
        _docstring(doc or f"The {proxy.name.lower()}'s {attribute.name}.", proxy, 8),
        scope.result(kind, f"self._impl.{attribute.name}"),
    )


def _property(name: str, annotation: str, doc: str, value: str) -> str:
    return f"    @property\n    def {name}(self) -> {annotation}:\n{doc}\n        return {value}\n"


def _member(node: Function, module: Module, proxy: ProxyClass, scope: ModuleScope) -> str:
    """Return a method or property."""
    place = f"{module.name}.{proxy.ref.name}.{node.name}"
    if node.name == "__init__" and proxy.is_made_with_client:
        node = _with_required_client(node)
    if node.returns is None:
        raise SpecError(f"{place} has no annotation of what it returns")
    doc = _docstring(ast.get_docstring(node) or "", proxy, 8)
    kind = scope.read(node.returns, module)
    returns = scope.annotation(kind)
    if is_property(node):
        return _property(node.name, returns, doc, scope.result(kind, f"self._impl.{node.name}"))
    decorators = [ast.unparse(each) for each in node.decorator_list]
    for each in decorators:
        if each not in KEPT_DECORATORS:
            raise SpecError(f"{place}: there is no rule for {each}")
        scope.use(each, module)
    name = BLOCKING_NAMES.get(node.name, node.name)
    head = f"    def {name}({scope.parameters(node, module)}) -> {returns}:"
    code = _init(node, module, proxy, scope) if name == "__init__" else _body(node, module, kind, scope)
    body = [*_hidden(node, scope), code]
    head = "".join(f"    @{each}\n" for each in decorators) + head
    return "\n".join([head, *([doc] if doc else []), *(f"        {line}" for line in body), ""])


def _body(node: Function, module: Module, returns: ast.expr, scope: ModuleScope) -> str:
    """Return the body of a method, which passes the call on."""
    code = f"self._impl.{node.name}({scope.arguments(node, module)})"
    if isinstance(node, ast.AsyncFunctionDef) and not _yields(node):
        code = f"self._bridge.{'release' if node.name in RELEASING else 'run'}({code})"
    return code if ast.unparse(returns) == "None" else f"return {scope.result(returns, code)}"


def _init(node: Function, module: Module, proxy: ProxyClass, scope: ModuleScope) -> str:
    """Return the `__init__` of a client, or of what is made with one."""
    made = f"{scope.impl(proxy)}({scope.arguments(node, module)})"
    if proxy.is_made_with_client:
        return f"impl = {made}\n        super().__init__(client._bridge, impl)"
    return f"super().__init__({made})"


def _with_required_client(node: Function) -> Function:
    """Return an `__init__` whose last positional parameter, `client`, can't be None."""
    changed = deepcopy(node)
    client, default = changed.args.args[-1], changed.args.defaults.pop()
    assert client.arg == "client"
    assert ast.unparse(default) == "None"
    assert isinstance(client.annotation, ast.BinOp)
    client.annotation = client.annotation.left
    return changed


def _hidden(node: Function, scope: ModuleScope, masked: Mapping[str, str] = MASKED_PARAMETERS) -> list[str]:
    """Return the lines that mask keys and passwords in the frame's locals."""
    given = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
    hides = {name: hide for name, hide in masked.items() if name in given}
    return [f"{name} = {scope.take(hide, 'generor_async.engine.auth')}({name})" for name, hide in hides.items()]


def _yields(node: ast.AsyncFunctionDef) -> bool:
    """Tell whether a function is a generator."""
    return any(isinstance(each, ast.Yield) for statement in node.body for each in _walk_own(statement))


def _walk_own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of nested functions."""
    yield node
    if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
        for child in ast.iter_child_nodes(node):
            yield from _walk_own(child)


def _class_doc(proxy: ProxyClass) -> str:
    """Return the docstring of the async class; a client's arguments are in that of its base class."""
    docs = [ast.get_docstring(each.node) or "" for each in lineage(proxy.impl)]
    if not proxy.is_root:
        return docs[0]
    return "\n\n".join(filter(None, [docs[0], BLOCKING_NOTE, *(text.partition("\n\n")[2] for text in docs[1:])]))


def _docstring(text: str, proxy: ProxyClass | None, indent: int) -> str:
    """Return a docstring adapted to the blocking clients."""
    if not text:
        return ""
    paragraphs = [_paragraph(each, proxy, WIDTH - indent) for each in text.split("\n\n")]
    quoted = '"""' + "\n\n".join(paragraphs)
    quoted += '\n"""' if "\n" in quoted else '"""'
    return textwrap.indent(quoted, " " * indent)


def _paragraph(text: str, proxy: ProxyClass | None, width: int) -> str:
    """Return a paragraph adapted to the blocking clients, rewrapped if it changed and is no list."""
    said = text
    for pattern, instead in REPLACEMENTS:
        said = re.sub(pattern, instead, said)
    if proxy is not None and proxy.awaited is not None:
        said = re.sub(rf"\bawait {proxy.name.lower()}\b", f"{proxy.name.lower()}.{proxy.awaited}()", said)
    said = re.sub(r"\bawait ", "", said)
    if "\n " in said or said == text:
        return said
    return textwrap.fill(said, width, break_long_words=False, break_on_hyphens=False)
