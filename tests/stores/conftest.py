"""Opens each store that the suites are run over."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stores.ledgers import LEDGERS, SERVER_LEDGERS, Ledgers, OpenLedger, PostgresLedgers, SettableClock
from support.limit_stores import FORMS, SERVER_FORMS, Place, StoreForm
from support.server_fixtures import postgres, redis

from generor_async.stores.ledger import Ledger

if TYPE_CHECKING:
    from support.servers import PostgresServer

__all__ = ["postgres", "redis"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the suites over all forms of a store, some tests over those alone that processes can open."""
    names = set(metafunc.fixturenames) & {"form", "shared_form"}
    forms = list(SERVER_FORMS) if metafunc.config.getoption("--servers") else FORMS
    for name in names:
        chosen = [form for form in forms if name == "form" or isinstance(form, str) or form.path is not None]
        metafunc.parametrize(name, chosen, indirect=True, ids=[getattr(form, "name", form) for form in chosen])
    if "ledgers" in metafunc.fixturenames:
        ledgers = SERVER_LEDGERS if metafunc.config.getoption("--servers") else LEDGERS
        shared = "ledger_place" in metafunc.fixturenames  # what is in memory is in one process
        chosen_ledgers = [name for name in ledgers if not shared or name != "memory"]
        metafunc.parametrize("ledgers", chosen_ledgers, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, of a run over servers, the tests of these suites that use none."""
    if config.getoption("--servers"):
        here = Path(__file__).parent
        forms = {"form", "shared_form", "ledgers"}
        others = [
            item for item in items if item.path.parent == here and not forms & set(getattr(item, "fixturenames", ()))
        ]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture
def form(request: pytest.FixtureRequest) -> StoreForm:
    """A form of limit store."""
    found: StoreForm | str = request.param
    return found if isinstance(found, StoreForm) else SERVER_FORMS[found](request.getfixturevalue(found))


shared_form = form
"""One that other processes can open."""


@pytest.fixture
def place(form: StoreForm, tmp_path: Path) -> Place:
    """An empty store of each form."""
    return form.begin(tmp_path)


@pytest.fixture
def clock() -> SettableClock:
    """The clock of the store."""
    return SettableClock()


@pytest.fixture(scope="session")
def ledgers(request: pytest.FixtureRequest) -> type[Ledgers]:
    """A form of ledger."""
    name: str = request.param
    return LEDGERS[name] if name in LEDGERS else SERVER_LEDGERS[name](request.getfixturevalue(name))


@pytest.fixture
def ledger_place(ledgers: type[Ledgers], request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The place of a ledger that several processes can open."""
    if not issubclass(ledgers, PostgresLedgers):
        yield str(tmp_path / "ledger.sqlite")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
async def open_ledger(ledgers: type[Ledgers], tmp_path: Path, clock: SettableClock) -> AsyncIterator[OpenLedger]:
    """Open one store as often as it is called, each time as another owner; all of them are closed in the end."""
    store = ledgers(tmp_path, clock)
    yield store.open
    await store.close()


@pytest.fixture
async def ledger(open_ledger: OpenLedger) -> Ledger:
    """The store of `open_ledger`, opened once."""
    return await open_ledger()
