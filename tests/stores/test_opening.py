"""What is kept is opened by its place."""

import subprocess
import sys
from pathlib import Path

import pytest

from generor_async.batch.run_key import OperationRequests
from generor_async.stores.ledger import UnusableLedgerError
from generor_async.stores.opening import is_cut_short, ledger_files, open_ledger, open_reader
from generor_async.stores.records import NewRow

POSTGRES = "postgresql://ada:secret@db.example/ledger"
RULES = OperationRequests("luma.generations.create")


async def test_a_path_is_the_place_of_a_file(tmp_path: Path) -> None:
    for place in (tmp_path / "a", str(tmp_path / "b")):
        ledger = await open_ledger(place, rules=RULES)
        await ledger.add([NewRow(id="a", parameters={"prompt": "heron"}, place="rows:1")])
        reader = await open_reader(place)
        assert reader is not None
        assert (await reader.counts())["ready"] == 1
        await reader.close()
        await ledger.close()
        assert [path.exists() for path in ledger_files(Path(place))] == [False, False, True]
        assert not is_cut_short(Path(place))


@pytest.mark.parametrize("url", ["mysql://ada:secret@db.example/ledger", "redis://cache"])
async def test_a_url_is_refused_in_words_without_its_password(url: str) -> None:
    for opening in (open_ledger(url, rules=RULES), open_reader(url)):
        with pytest.raises(UnusableLedgerError) as caught:
            await opening
        assert caught.value.problem == f"a ledger cannot be kept at {url.partition('://')[0]}://"
        assert "secret" not in f"{caught.value}{caught.value.advice}"


async def test_a_database_without_its_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_: str) -> None:
        """No package is installed."""

    monkeypatch.setattr("generor_async.stores.opening.find_spec", find_nothing)
    for opening in (open_ledger(POSTGRES, rules=RULES), open_reader(POSTGRES)):
        with pytest.raises(UnusableLedgerError) as caught:
            await opening
        assert "pip install 'generor-async[postgres]'" in str(caught.value.advice)


def test_a_file_needs_no_driver_of_a_database(tmp_path: Path) -> None:
    program = """if True:
        import asyncio, sys
        from generor_async.batch.run_key import OperationRequests
        from generor_async.stores.opening import open_ledger

        asyncio.run(open_ledger(sys.argv[1], rules=OperationRequests("luma.generations.create")))
        loaded = {"psycopg", "psycopg_pool", "redis", "procrastinate", "obstore"} & sys.modules.keys()
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "ledger")], check=True)
