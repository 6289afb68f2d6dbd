"""`python -m generor_async.codegen`: regenerate `api/` and `sync/`, or check that they are up to date."""

import argparse
import difflib
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from generor_async.codegen.blocking import BY_HAND
from generor_async.codegen.document import ROOT
from generor_async.codegen.render import generate, generate_blocking

PACKAGE = ROOT / "generor_async"


def main() -> int:
    """Regenerate or check; the exit code is 1 if a generated file is out of date."""
    parser = argparse.ArgumentParser(
        prog="python -m generor_async.codegen", description="Regenerate api/ from spec/, and then sync/ from both."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say where they disagree")
    options = parser.parse_args()
    if not options.check:
        generate(PACKAGE / "api")
        generate_blocking(PACKAGE / "sync")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        api, sync = Path(scratch, "api"), Path(scratch, "sync")
        generate(api)
        generate_blocking(sync)
        differences = [*compare(PACKAGE / "api", api), *compare(PACKAGE / "sync", sync, by_hand=BY_HAND)]
    for line in differences:
        print(line, file=sys.stderr)  # noqa: T201 - this is a command
    return 1 if differences else 0


def compare(tree: Path, fresh: Path, *, by_hand: Collection[str] = ()) -> Iterator[str]:
    """Yield a line for each generated file that differs between `tree` and `fresh`."""
    for name in sorted(name for name in {*_modules(tree), *_modules(fresh)} if str(name) not in by_hand):
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
