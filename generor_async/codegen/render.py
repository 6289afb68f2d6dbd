"""Renders the intermediate representation into files, with templates and ruff."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from generor_async.codegen import annotations, docs, expressions
from generor_async.codegen.blocking import blocking_modules
from generor_async.codegen.document import ROOT, Document
from generor_async.codegen.ir import Api
from generor_async.codegen.operations import OperationReader
from generor_async.codegen.schemas import read_schemas
from generor_async.codegen.type_reader import TypeReader

__all__ = ["generate", "generate_blocking", "modules", "read_api"]

SPECS = ROOT / "generor_async" / "spec"


def generate(out: Path) -> None:
    """Write `api/`, generated from the specs, into the folder `out`."""
    apis = [read_api(path.stem, Document.load(path)) for path in sorted(SPECS.glob("*.yaml"))]
    _write(out, modules(apis))


def generate_blocking(out: Path) -> None:
    """Write `sync/`, generated from the async classes, into the folder `out`."""
    _write(out, blocking_modules())


def _write(out: Path, texts: Iterable[tuple[str, str]]) -> None:
    for name, text in texts:
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    # The templates import whatever any spec may need and list what they export as it comes.
    _ruff("check", "--fix", "--quiet", "--select", "F401,I001,RUF022", str(out))
    _ruff("format", "--quiet", str(out))


def read_api(name: str, document: Document) -> Api:
    """Return the intermediate representation of one document."""
    types = TypeReader(document)
    schemas = read_schemas(document, types)
    resources = OperationReader(document, types, {each.name: each for each in schemas}, name).resources()
    return Api(
        name=name,
        title=document.root["info"]["title"],
        spec=f"{name}.yaml",
        aliases=types.aliases,
        schemas=schemas,
        resources=resources,
    )


def modules(apis: list[Api]) -> Iterator[tuple[str, str]]:
    """Yield path and unformatted text of every generated module."""
    templates = _environment()
    yield "__init__.py", templates.get_template("package.py.jinja").render(apis=apis)
    for api in apis:
        for module in ("__init__", "models", "operations", "resources"):
            yield f"{api.name}/{module}.py", templates.get_template(f"{module}.py.jinja").render(api=api)


def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - what comes out is Python, not HTML
        loader=PackageLoader("generor_async.codegen"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for module in (annotations, docs, expressions):
        for name in module.__all__:
            environment.filters[name] = getattr(module, name)
    return environment


def _ruff(*arguments: str) -> None:
    command = [sys.executable, "-m", "ruff", *arguments, "--config", str(ROOT / "pyproject.toml")]
    subprocess.run(command, check=True)  # noqa: S603 - a command of our own
