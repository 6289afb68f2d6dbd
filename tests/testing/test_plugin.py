"""The pytest plugin beside other plugins and runners."""

import pytest
from support.plugin import MODULE, provide

pytest_plugins = ["pytester"]

TEST = """
    import pytest

    @pytest.mark.simulator(speed=30, luma_rpm=3)
    async def test_it(simulator, luma, generor):
        await luma.generations.run(prompt="A red bicycle")
        assert (await generor.users.me()).username
        assert len(simulator.ledger.charges) == 1

    def test_it_plainly(simulator, luma_sync, generor_sync):
        luma_sync.generations.run(prompt="A red bicycle")
        assert generor_sync.users.me().username
        assert len(simulator.ledger.charges) == 1

    class TestIt:
        async def test_it(self, luma):
            await luma.generations.create(prompt="A red bicycle")
"""


@pytest.fixture
def fresh(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder of another project, where warnings are errors and this package is installed."""
    monkeypatch.setenv("PYTHONPATH", provide(pytester.path))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def run(fresh: pytest.Pytester, *options: str) -> pytest.RunResult:
    plugins = ("-p", MODULE, "-p", "no:cacheprovider")
    return fresh.runpytest_subprocess("-W", "error", "--strict-markers", *plugins, *options)


def test_anyio_runs_them(fresh: pytest.Pytester) -> None:
    fresh.makeini("[pytest]\nanyio_mode = auto")
    fresh.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'")
    fresh.makepyfile(TEST)
    run(fresh, "-p", "no:asyncio").assert_outcomes(passed=3)


@pytest.mark.parametrize("scope", ["function", "session"])
def test_pytest_asyncio_runs_them_in_its_auto_mode(fresh: pytest.Pytester, scope: str) -> None:
    fresh.makeini(
        "[pytest]\nasyncio_mode = auto\n"
        f"asyncio_default_fixture_loop_scope = {scope}\nasyncio_default_test_loop_scope = {scope}"
    )
    fresh.makepyfile(TEST)
    run(fresh).assert_outcomes(passed=3)


def test_xdist_gives_each_worker_a_port_of_its_own(fresh: pytest.Pytester) -> None:
    fresh.makepyfile(
        """
        import asyncio
        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_it(simulator, luma, number):
            asyncio.run(luma.generations.create(prompt="A red bicycle"))
            assert len(simulator.ledger.requests) == 1
        """
    )
    run(fresh, "-p", "no:asyncio", "-n", "2").assert_outcomes(passed=8)


def test_without_its_fixtures_nothing_is_imported(fresh: pytest.Pytester) -> None:
    fresh.makepyfile(
        """
        import sys

        def test_it(request):
            assert request.config.pluginmanager.has_plugin("pytest_generor_async")
            assert not {"generor_async", "aiohttp", "PIL"} & set(sys.modules)
        """
    )
    run(fresh, "-p", "no:asyncio").assert_outcomes(passed=1)


def test_a_wrong_marker_is_reported_in_a_sentence(fresh: pytest.Pytester) -> None:
    wrong = {
        "speed=0": "asks for what there isn't: speed must be greater than 0*",
        "sped=60": "asks for what there isn't: *'sped'*",
        "faults=['luma.generations.create=rset']": "asks for what there isn't: no fault is called 'rset'; *",
        "faults=[{'falt': 'reset'}]": "asks for what there isn't: *fault*",
        "60": "takes keywords alone, not 60",
    }
    tests = (
        f"@pytest.mark.simulator({marker})\ndef test_{number}(simulator): pass" for number, marker in enumerate(wrong)
    )
    fresh.makepyfile("\n".join(["import pytest", *tests]))
    result = run(fresh, "-p", "no:asyncio")
    result.assert_outcomes(errors=len(wrong))
    result.stdout.fnmatch_lines([f"the marker `simulator` {said}" for said in wrong.values()])
    result.stdout.no_fnmatch_line("*During handling*")
