"""`python -m generor_async.codegen`: regenerate `api/`, or check that it is what the spec says."""

import argparse
import difflib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from generor_async.codegen.document import ROOT
from generor_async.codegen.render import generate

API = ROOT / "generor_async" / "api"


def main() -> int:
    """Regenerate or check; the exit code is 1 where the tree and the spec disagree."""
    parser = argparse.ArgumentParser(prog="python -m generor_async.codegen", description="Regenerate api/ from spec/.")
    parser.add_argument("--out", type=Path, default=API, metavar="DIR", help="where to write (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; say where DIR and the spec disagree")
    options = parser.parse_args()
    if not options.check:
        generate(options.out)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        differences = list(compare(options.out, Path(scratch)))
    for line in differences:
        print(line, file=sys.stderr)  # noqa: T201 - this is a command
    return 1 if differences else 0


def compare(tree: Path, fresh: Path) -> Iterator[str]:
    """Yield a line for each generated file that isn't in `tree` as it is in `fresh`."""
    for name in sorted({*_modules(tree), *_modules(fresh)}):
        old, new = tree / name, fresh / name
        if not new.exists():
            yield f"{name}: not generated any more"
        elif not old.exists():
            yield f"{name}: missing"
        elif (before := old.read_text("utf-8")) != (after := new.read_text("utf-8")):
            changes = list(difflib.ndiff(before.splitlines(), after.splitlines()))
            added, removed = (sum(line.startswith(sign) for line in changes) for sign in ("+ ", "- "))
            yield f"{name}: regenerating adds {added} lines and removes {removed}"


def _modules(folder: Path) -> Iterator[Path]:
    return (path.relative_to(folder) for path in folder.rglob("*.py"))


if __name__ == "__main__":
    sys.exit(main())
