"""What every test shares: the event loop's kind, and whether it is the wheel that is tested."""

import os
import signal
from collections.abc import Iterator
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.commands import Commands
from support.commands import commands as have_commands
from support.examples import register_profiles
from support.plugin import PLUGIN

import generor_async

HERE = Path(__file__).parent
register_profiles()
# Begun in the background of a script, or by nohup, this process ignores Ctrl-C, SIGQUIT or hangups, and so would those
# that the tests interrupt, and servers that are to end.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
_caches = TemporaryDirectory()
# What the command keeps for its next run is not the user's.
os.environ["XDG_CACHE_HOME"] = _caches.name
pytest_plugins = [PLUGIN]  # found by itself where the wheel is installed


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--installed", action="store_true", help="fail unless the package under test is the installed wheel's"
    )
    parser.addoption("--kills", default="8", help="how often a batch's process is killed at random moments")
    parser.addoption(
        "--attacks", default="0", help="how many signals each kind of attack on a batch sends; 0: a few kinds, one each"
    )
    parser.addoption("--mutations", default="200", help="how many garbled answers of each kind are sent")
    parser.addoption(
        "--prompts", help="a .tsv file of prompts, or `generated`, to run whole (tests/whole alone needs it)"
    )
    parser.addoption("--hours", help="how many hours a bot and a website are used for (tests/hours alone needs it)")
    parser.addoption("--hours-pace", default="60", help="how many of these hours' seconds pass in a real one")
    parser.addoption("--prism", help="the Prism command to run mocks with (tests/mock alone needs it)")
    parser.addoption("--s3", help="the moto_server command to store objects with (tests/cluster alone needs it)")
    parser.addoption(
        "--servers",
        action="store_true",
        help="run the suites of stores over those on servers, which the tests start, instead of files (tests/stores)",
    )
    parser.addoption(
        "--machines", action="store_true", help="run tests on network namespaces as well, as root (tests/cluster)"
    )
    parser.addoption("--pgbouncer", help="the PgBouncer command to reach PostgreSQL through (tests/cluster)")
    parser.addoption(
        "--faults", choices=["each", "all"], default="each", help="one fault of each kind on several machines, or many"
    )
    parser.addoption("--recipes", action="store_true", help="try what the recipes show (tests/recipes)")
    parser.addoption(
        "--chromium", help="the Chromium command to look at pages with (tests/browser and tests/recipes need it)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--installed"):
        return
    imported = Path(generor_async.__file__).resolve()
    installed = {Path(str(file.locate())).resolve() for file in files("generor-async") or ()}
    if imported not in installed:
        raise pytest.UsageError(f"the tests would run against {imported}, which is not the installed wheel's")
    if any((imported.parent / name).exists() for name in ("codegen", "docs")):
        raise pytest.UsageError("the wheel carries the code generator or pages, which are for development alone")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests that this run has no means for: they have sessions of their own.

    The mock's need Prism, which comes from npm, those of a cluster moto, and on several machines root, those of pages
    a browser, those of a whole file the file, those of recipes what these are for, the code generator's that it is
    there, as it isn't in the wheel, and those of the schema a profile, which says how many cases there are to be.
    """
    match collection_path.relative_to(HERE).parts[:2]:
        case ("mock", *_) if config.getoption("--prism") is None:
            return True
        case ("cluster", *_) if config.getoption("--s3") is None:
            return True
        case ("cluster", "test_pooler.py") if config.getoption("--pgbouncer") is None:
            return True
        case ("cluster", "machines") if not config.getoption("--machines"):
            return True
        case ("recipes", *_) if not config.getoption("--recipes"):
            return True
        case ("browser", *_) if config.getoption("--chromium") is None:
            return True
        case ("hours", *_) if config.getoption("--hours") is None:
            return True
        case ("whole", *_) if config.getoption("--prompts") is None:
            return True
        case ("schema", *_) if config.getoption("--hypothesis-profile") not in {"short", "full"}:
            return True
        case ("codegen", *_) if find_spec("generor_async.codegen") is None:
            return True
        case _:
            return None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def pictures_of_noise(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have simulators draw nothing that takes time, but where what they draw is looked at."""
    if request.path.relative_to(HERE).parts[0] not in {"browser", "mock", "rules", "simulator", "whole"}:
        from support.pictures import noise

        monkeypatch.setattr("generor_async.simulator.outputs.image", noise)


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """The command `generor`, for tests that need no interpreter of its own."""
    with have_commands() as running:
        yield running
