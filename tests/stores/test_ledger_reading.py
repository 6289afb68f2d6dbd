"""What reading a ledger in SQLite takes: in proportion to its calls, however many they are."""

from pathlib import Path

from stores.ledgers import RULES, new_row

from generor_async.stores.sqlite import open_ledger

CALLS = 1_000
"""They are two pages."""


async def instructions_of_a_scan(path: Path, calls: int) -> int:
    """Return how many hundred of SQLite's instructions it takes to read so many calls."""
    ledger = await open_ledger(path, rules=RULES)
    await ledger.add([new_row(str(number)) for number in range(calls)])
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connection = ledger._connection  # pyright: ignore[reportPrivateUsage] # SQLite counts on a connection
    connection.set_progress_handler(count, 100)
    assert len([call async for call in ledger.scan()]) == calls
    connection.set_progress_handler(None, 100)
    await ledger.close()
    return counted


async def test_reading_four_times_as_many_calls_takes_four_times_as_long(tmp_path: Path) -> None:
    few = await instructions_of_a_scan(tmp_path / "few.sqlite", CALLS)
    many = await instructions_of_a_scan(tmp_path / "many.sqlite", 4 * CALLS)
    assert many < 5 * few
