"""`resume --after-failover`: only what may lack something is accepted as it is, and then whoever waits goes on."""

import asyncio
import json
from typing import Any

import psycopg
import pytest
from support.fleet_commands import Fleet, wait_for

from generor_async import AsyncLuma, DatabaseChangedError

ROWS = 3
ACCEPT = ("resume", "--after-failover")


def execute(fleet: Fleet, query: str) -> None:
    with psycopg.connect(fleet.environment["GENEROR_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(query.encode())


def client(fleet: Fleet) -> AsyncLuma:
    options: dict[str, Any] = fleet.simulator.luma_options
    return AsyncLuma(**options, state=fleet.environment["GENEROR_DATABASE_URL"])


def call(fleet: Fleet, key: str) -> str:
    """Have a client buy something under a key, and return the job's id."""

    async def main() -> str:
        async with client(fleet) as luma:
            return (await luma.with_options(idempotency_key=key).generations.create(prompt=key)).id

    return asyncio.run(main())


def test_a_database_that_has_not_changed_is_accepted_by_force_alone(fleet: Fleet) -> None:
    fleet.submit("herons", ROWS)
    fleet.run("stop")
    told = fleet.refused(*ACCEPT)
    assert "is in the database that it was written to, and nothing shows that anything was lost" in told
    assert "--force" in told
    assert fleet.states("herons") == {"ready": ROWS}
    assert json.loads(fleet.run("status", code=3))["reason"] == "stopped", "it isn't resumed either"
    assert f"{ROWS} rows may have been lost, and are unknown" in fleet.run(*ACCEPT, "--force")
    assert fleet.states("herons") == {"unknown": ROWS}


def test_a_run_in_a_database_that_has_changed_is_not_resumed_by_the_way(fleet: Fleet) -> None:
    fleet.submit("herons", ROWS)
    execute(fleet, "UPDATE generor.runs SET timeline = '0000000F'")
    assert "is another server, or another history of it" in fleet.refused("resume")
    assert fleet.states("herons") == {"ready": ROWS}
    assert f"{ROWS} rows may have been lost, and are unknown" in fleet.run(*ACCEPT)
    fleet.worker("--lease", "4")
    fleet.run("retry", "--unknown")
    wait_for(lambda: fleet.states("herons") == {"done": ROWS})


def test_clients_whose_state_is_in_the_database_go_on_by_a_command_that_the_error_names(fleet: Fleet) -> None:
    fleet.environment["COLUMNS"] = "200"
    assert "there is no state of clients in" in fleet.refused(*ACCEPT, "--clients")
    first = call(fleet, "first")
    assert "nothing shows that anything was lost" in fleet.refused(*ACCEPT, "--clients")
    execute(fleet, "UPDATE generor.runs SET timeline = '0000000F'")
    execute(fleet, "UPDATE generor.calls SET state = 'ready'")  # as it was before it was bought
    with pytest.raises(DatabaseChangedError, match="`generor batch resume --clients --after-failover`"):
        call(fleet, "second")
    told = fleet.run(*ACCEPT, "--clients")
    assert "clients go on with postgresql://" in told
    assert "1 call may have been lost, and is unknown" in told
    assert call(fleet, "second") != first

    async def main() -> None:
        async with client(fleet) as luma:
            assert [unknown.idempotency_key async for unknown in luma.jobs.unknown()] == ["first"]

    asyncio.run(main())
    assert len(fleet.simulator.ledger.charges) == 2


@pytest.mark.parametrize("options", [["--clients"], ["--force"], ["--after-failover", "--clients", "--name", "herons"]])
def test_options_that_do_not_belong_together_are_refused(fleet: Fleet, options: list[str]) -> None:
    fleet.environment["COLUMNS"] = "200"
    assert "--after-failover alone" in (told := fleet.refused("resume", *options)) or "leave out --name" in told
