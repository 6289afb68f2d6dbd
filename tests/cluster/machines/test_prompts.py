"""A file of prompts on three machines with clocks of their own, with a kill, a cut and a restart of the database.

`--prompts` names a .tsv file with the column `Prompt`, such as PartiPrompts.tsv, or is `generated`.
"""

import csv
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from support.fleets import Fleet, Site, fleet, running_site
from support.machines import Machine, Network
from support.moto import Moto, running_moto

from generor_async.batch.status import report
from generor_async.stores.records import CallRecord

SPEED: Final = 20.0
LEASE: Final = 2.0
AHEAD: Final = (70.0, -70.0, 0.0)
"""Seconds by which the clocks of the clients are ahead."""
GENERATED: Final = 300
BUCKET: Final = "herons"
MEDIA: Final = f"s3://{BUCKET}/wild"
PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "luma": {"aspect_ratio": "1:1"},
    "generor": {"slug": "image", "model_id": 10003},
}


@pytest.fixture
def site(net: Network, tmp_path: Path) -> Iterator[Site]:
    with running_site(net, tmp_path, speed=SPEED, lease=LEASE, luma_rpm=600, luma_jobs=50) as running:
        yield running


@pytest.fixture
def bucket(net: Network, pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[tuple[Machine, Moto]]:
    """S3 on a machine of its own."""
    machine = net.machine()
    with ExitStack() as ends:
        with machine.entered():
            command = str(pytestconfig.getoption("--s3"))
            moto = ends.enter_context(running_moto(command, tmp_path / "s3.log", host=machine.address))
            moto.create_bucket(BUCKET)
        yield machine, moto


@pytest.fixture
def prompts(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """The file of prompts."""
    named = str(pytestconfig.getoption("--prompts"))
    if named != "generated":
        return Path(named).absolute()
    path = tmp_path / "generated.tsv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["Prompt", "Category"])
        writer.writerows([f'heron {number}, "the {number}th"', "Animals"] for number in range(GENERATED))
    return path


def plain(prompt: str) -> str:
    """Leave out what readers of tables make different things of."""
    return prompt.replace('"', "").strip()


def kill(team: Fleet) -> None:
    team.workers[0].signal(signal.SIGKILL)


def cut(team: Fleet) -> None:
    """Cut a machine off from the database until another quarter of the rows has ended without it."""
    team.site.net.cut(team.workers[1].machine, team.site.store)


def mend_and_restart(team: Fleet) -> None:
    team.site.net.mend(team.workers[1].machine, team.site.store)
    team.site.postgres.restart(immediate=True)


def has_ended(team: Fleet, least: int) -> bool:
    """Tell whether so many rows have ended."""
    return team.counts()[1] >= least


EVENTS: Final[tuple[Callable[[Fleet], None], ...]] = (kill, cut, mend_and_restart)


@pytest.mark.parametrize("api", PARAMETERS)
def test_what_the_server_the_bucket_and_the_report_say_agrees(
    api: str,
    site: Site,
    bucket: tuple[Machine, Moto],
    prompts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with prompts.open(newline="", encoding="utf-8") as file:
        wanted = {plain(line["Prompt"]) for line in csv.DictReader(file, delimiter="\t")}
    storage, moto = bucket
    env = moto.environment("hush-hush")
    machines = [site.net.machine(ahead=ahead / SPEED) for ahead in AHEAD]
    order = site.order("parti", api)
    given = {"media": MEDIA, "prompt_column": "Prompt", "common": PARAMETERS[api]}
    site.submit(machines[0], order, prompts, env=env, **given)
    with fleet(site, machines, order, env) as team:
        for number, event in enumerate(EVENTS, 1):
            least = len(wanted) * number // (len(EVENTS) + 1)
            team.until(partial(has_ended, team, least))
            event(team)
        team.finish()
    states = site.check("parti", len(wanted))
    rows = site.rows("parti")
    assert Counter(plain(str(row.parameters["prompt"])) for row in rows) == dict.fromkeys(wanted, 1)
    money = site.check_money(["parti"], api)
    with storage.entered():
        keys = moto.keys(BUCKET)
    check_bucket(keys, rows)
    page = site.ask(lambda: report(site.url, name="parti", page=tmp_path / "report.html", new_thumbnails=0))
    text = page.read_text()
    assert all(f"s3://{BUCKET}/{key}" in text for key in keys)
    with capsys.disabled():
        print(f"\n{api}: {len(rows):,} rows, {dict(states)}; {len(keys):,} objects; {money}; {page}")  # noqa: T201


def check_bucket(keys: list[str], rows: list[CallRecord]) -> None:
    """Check that the bucket has the output of each row that is done, and nothing else."""
    stored = Counter(key.rpartition("/")[2].rpartition("-")[0] for key in keys)
    assert stored == Counter(id_ for row in rows if row.state == "done" for id_ in row.remote_ids)
