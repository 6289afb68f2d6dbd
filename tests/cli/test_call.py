"""`generor call` as a process: every operation, its output and its exit codes."""

import io
import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from attrs import frozen
from PIL import Image
from support.commands import Commands, Running
from support.terminal import Terminal
from typer.testing import CliRunner

import generor_async
from generor_async.cli.app import app
from generor_async.cli.operation_info import NAMES, operation_info
from generor_async.cli.parameter_values import option_name
from generor_async.simulator import Simulator

CREATE = "luma.generations.create"
GENERATE = ("generor.generators.generate", "--slug", "joke", "--model-id", "37", "--prompt", "a heron")
SPEED = 1_000.0


@frozen
class Shell:
    """A folder and an environment with a simulator, in which commands are run."""

    folder: Path
    environment: dict[str, str]
    simulator: Simulator
    commands: Commands

    def call(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.commands.run("call", *arguments, cwd=self.folder, env=self.environment, stdin=stdin)

    def answer(self, *arguments: str, stdin: str = "") -> Any:
        """Return what a call prints, which must succeed without messages."""
        ended = self.call(*arguments, stdin=stdin)
        assert (ended.returncode, ended.stderr) == (0, ""), ended
        return json.loads(ended.stdout)

    def begin(self, *arguments: str) -> Running:
        return self.commands.begin("call", *arguments, cwd=self.folder, env=self.environment)

    def on_terminal(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """Return the exit code and the text on a terminal."""
        with Terminal(
            self.commands, "call", *arguments, columns=200, cwd=self.folder, environment=self.environment
        ) as terminal:
            terminal.press(typed.encode())
            code = terminal.ended()
        seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.raw.decode())
        return code, seen.replace("\r\n", "\n")

    def charges(self) -> int:
        return len(self.simulator.ledger.charges)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=SPEED, tier="enterprise") as running:
        yield running


@pytest.fixture
def shell(simulator: Simulator, commands: Commands, tmp_path: Path) -> Shell:
    simulator.reset()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(generor_async.__file__).parents[1]),
        "COLUMNS": "200",
        "TERM": "xterm",
        "GENEROR_BASE_URL": simulator.generor_url,
        "GENEROR_API_KEY": simulator.generor_key,
        "LUMA_BASE_URL": simulator.luma_url,
        "LUMA_AGENTS_API_KEY": simulator.luma_key,
    }
    return Shell(tmp_path, environment, simulator, commands)


# --- every operation --------------------------------------------------------------------------------------------------


def walk(shell: Shell) -> dict[str, Any]:
    """Call every operation once, with ids from earlier answers."""
    answers: dict[str, Any] = {}

    def call(name: str, *arguments: object) -> Any:
        ended = shell.call(name, *map(str, arguments))
        assert ended.returncode == 0, (name, ended)
        answers[name] = json.loads(ended.stdout)
        return answers[name]

    _walk_generor(call)
    _walk_luma(call, shell)
    return answers


def _walk_generor(call: Callable[..., Any]) -> None:
    call("generor.generators.list")
    call("generor.generators.get", "--slug", "joke")
    call("generor.generators.list_creations", "--slug", "joke")
    call("generor.models.list")
    call("generor.models.list_by_type", "--type", "text")
    call("generor.models.get", "--type", "text", "--model-id", 37)
    call("generor.generators.estimate", "--slug", "joke", "--model-id", 37, "--count", 2)
    picture = ("--slug", "image", "--model-id", 10003, "--prompt", "a heron", "--aspect-ratio", "1:1")
    made = call("generor.generators.generate", *picture, "--yes", "--out", "pictures")
    own = ("--creation-id", made["creations"][0]["creation_id"])
    call("generor.creations.get", *own)
    call("generor.creations.status", *own)
    call("generor.creations.update", *own, "--privacy-mode", 1)
    call("generor.creations.list", "--generator", "image")
    public = call("generor.creations.list_public", "--per-page", 100)
    call("generor.creations.search", "--q", "sunset")
    other = ("--creation-id", public[0]["creation_id"])
    comment = ("--comment-id", call("generor.comments.create", *other, "--text", "Lovely")["comment_id"])
    call("generor.comments.list", *other)
    call("generor.comments.vote", *comment, "--vote", "up")
    call("generor.comments.delete", *comment)
    call("generor.ratings.rate", *other, "--score", 5)
    call("generor.ratings.get", *other)
    call("generor.creations.delete", *own)
    call("generor.users.me")
    call("generor.users.update_me", "--bio", "Herons, mostly")
    somebody = ("--username", "yuki_w")
    for method in ("get", "list_creations", "list_followers", "list_following", "follow", "is_following", "unfollow"):
        call(f"generor.users.{method}", *somebody)
    call("generor.feed.list")
    team = call("generor.teams.create", "--name", "Herons")
    ours = ("--team-id", team["team_id"])
    call("generor.teams.list")
    call("generor.teams.get", *ours)
    members = call("generor.teams.add_member", *ours, *somebody)["members"]
    call("generor.teams.remove_member", *ours, "--user-id", members[1]["user_id"])
    invite = call("generor.teams.regenerate_invite", *ours)
    call("generor.teams.join", "--invite-code", invite["invite_code"])
    call("generor.teams.list_creations", *ours)
    call("generor.teams.leave", *ours)
    call("generor.credits.balance")
    call("generor.credits.list_transactions", "--type", "spend")
    key = call("generor.api_keys.create", "--name", "mine", "--scopes", "read", "--scopes", "write", "--secret-to", "k")
    call("generor.api_keys.list")
    call("generor.api_keys.revoke", "--key-id", key["key_id"])


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(made, "PNG")
    return made.getvalue()


def _walk_luma(call: Callable[..., Any], shell: Shell) -> None:
    cat = picture()
    (shell.folder / "cat.png").write_bytes(cat)
    recorded = call("luma.files.create", "--mime-type", "image/png", "--size-bytes", len(cat))
    upload = recorded["upload"]
    with urlopen(Request(upload["url"], cat, upload["headers"], method="PUT")) as reply:
        assert reply.status == 200
    call("luma.files.complete", "--file-id", recorded["id"])
    inline = call(
        "luma.files.create_inline", "--content", "@cat.png", "--filename", "cat.png", "--mime-type", "image/png"
    )
    call("luma.files.list", "--limit", 1, "--all")
    call("luma.files.get", "--file-id", inline["id"])
    call("luma.files.delete", "--file-id", inline["id"])
    edit = ("--prompt", "a heron", "--type", "image_edit", "--source", "@cat.png", "--yes")
    call("luma.generations.get", "--generation-id", call(CREATE, *edit)["id"], "--out", "edits")


def test_every_operation_can_be_called(shell: Shell) -> None:
    answers = walk(shell)
    assert set(answers) == set(NAMES)
    assert answers["generor.ratings.get"]["average"] is not None
    assert answers["generor.creations.update"]["privacy_mode"] == 1
    assert answers["generor.users.update_me"]["bio"] == "Herons, mostly"
    assert answers["generor.api_keys.create"]["scopes"] == ["read", "write"]
    assert answers["generor.creations.delete"] is None
    assert len(answers["luma.files.list"]) == 2
    for name, folder in (("generor.generators.generate", "pictures"), ("luma.generations.get", "edits")):
        (path,) = answers[name]["files"]
        assert path.startswith(f"{folder}/")
        assert (shell.folder / path).stat().st_size > 100


def test_the_list_of_operations_is_grouped_with_summaries(shell: Shell) -> None:
    ended = shell.call()
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [name for name in NAMES if not any(line.startswith(f"│ {name} ") for line in lines)] == []
    assert sum(line.startswith(("╭─ generor.", "╭─ luma.")) for line in lines) == 12
    said = " ".join(ended.stdout.split())
    assert "generor.generators.generate Generate content and return it. Costs credits." in said


def test_the_help_of_an_operation_shows_its_own_options(shell: Shell) -> None:
    said = " ".join(shell.call(CREATE, "--help").stdout.replace("│", " ").split())
    assert "Submit one generation and return it queued." in said
    assert "--prompt TEXT Required. What to generate" in said
    assert "Known: uni-1, uni-1-max, ray-3.2." in said
    assert "--image-ref MEDIA" in said
    assert "--video JSON" in said
    assert "Keys: duration, resolution," in said
    assert "--web-search --no-web-search" in said
    assert "@FILE stands for the text of a file" in said


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_operation_has_all_parameters(name: str) -> None:
    ended = CliRunner().invoke(app, ["call", name, "--help"], env={"COLUMNS": "300"})
    assert ended.exit_code == 0
    said = " ".join(ended.stdout.replace("│", " ").replace("`", "").split())
    operation = operation_info(name)
    assert operation.doc.partition("\n")[0].replace("`", "") in said
    for parameter in operation.parameters:
        assert f" {option_name(parameter.name)} " in said
        begins = "Required. " * parameter.required + parameter.doc.replace("`", "")
        assert begins in said
    others = {"--wait": operation.makes_job, "--out": operation.makes_files, "--all": operation.paged}
    for other, is_there in {**others, "--yes": operation.billable, "--json": True, "--simulate": True}.items():
        assert (f" {other} " in said) == is_there


# --- values -----------------------------------------------------------------------------------------------------------


def test_values_come_from_files_and_options_take_precedence_over_json(shell: Shell) -> None:
    (shell.folder / "body.json").write_text('{"bio": "from the body", "website": "https://example.org"}')
    (shell.folder / "bio.txt").write_text("Herons,\nmostly\n")
    told = shell.answer("generor.users.update_me", "--json", "@body.json", "--bio", "@bio.txt")
    assert (told["bio"], told["website"]) == ("Herons,\nmostly", "https://example.org")
    told = shell.answer("generor.users.update_me", "--json", "@-", stdin='{"bio": "piped"}')
    assert told["bio"] == "piped"


BAD: list[tuple[list[str], str]] = [
    ([CREATE], "missing: --prompt"),
    ([CREATE, "--prompt", "x"], "this spends real credits: confirm with --yes, or try it for free with --simulate"),
    ([CREATE, "--promt", "x"], "No such option: --promt"),
    ([CREATE, "--prompt"], "Option '--prompt' requires an argument"),
    ([CREATE, "--prompt", "x", "y"], "Got unexpected extra argument"),
    ([CREATE, "--prompt", "@nowhere.txt"], "--prompt: there is no file nowhere.txt"),
    ([CREATE, "--prompt", ""], "prompt: Prompt must be between 1 and 6000 characters"),
    ([CREATE, "--json", "{"], "--json: '{' is not JSON ("),
    ([CREATE, "--json", '{"promt": "x"}'], "--json: 'promt' is no parameter of luma.generations.c"),
    ([CREATE, "--prompt", "x", "--out", "/dev/null/x"], "--out: the folder /dev/null/x cannot be created ("),
    (["generor.creations.get", "--creation-id", "x"], "--creation-id: 'x' is not a whole number"),
    (["--foo"], "No such option: --foo"),
    (["luma.generation.create"], "no operation is called 'luma.generation.create'; the nearest: luma.generations."),
    (["luma.files.list", "--simulate", "--base-url", "http://127.0.0.1"], "--simulate has its own address"),
    (["generor.api_keys.create", "--name", "x"], "missing: --secret-to"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
def test_wrong_options_are_reported_in_one_line_and_nothing_is_sent(
    shell: Shell, arguments: list[str], said: str
) -> None:
    ended = shell.call(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"generor: {said}")
    assert ended.stderr.count("\n") == 1
    assert shell.simulator.ledger.requests == ()


def test_a_key_only_comes_from_the_environment(shell: Shell) -> None:
    del shell.environment["LUMA_AGENTS_API_KEY"]
    ended = shell.call("luma.files.list")
    assert ended.returncode == 2
    assert re.fullmatch(r"generor: no API key was given\. Set LUMA_AGENTS_API_KEY .*\n", ended.stderr)
    assert "--api-key" not in shell.call("luma.files.list", "--help").stdout


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_list_is_one_page_or_a_number_of_items_or_all(shell: Shell) -> None:
    public = "generor.creations.list_public"
    one = shell.call(public, "--per-page", "5")
    assert len(json.loads(one.stdout)) == 5
    assert (
        one.stderr
        == "generor: this is the first page of several: --all lists all items, --max-items a number of them\n"
    )
    assert len(shell.answer(public, "--per-page", "5", "--max-items", "12")) == 12
    assert len(shell.answer(public, "--per-page", "50", "--all")) == 54


def test_a_terminal_gets_a_table_and_a_pipe_json(shell: Shell) -> None:
    code, seen = shell.on_terminal("generor.models.list_by_type", "--type", "text")
    assert code == 0
    lines = [line.split() for line in seen.splitlines()]
    assert ["id", "name", "type", "provider", "description", "credit_cost"] in lines
    assert any(line[:4] == ["30", "GPT", "5", "Nano"] for line in lines)
    assert "also has: " in seen
    assert isinstance(shell.answer("generor.models.list_by_type", "--type", "text"), list)


def test_control_characters_from_others_do_not_reach_the_terminal(shell: Shell) -> None:
    bio = "red \x1b[31m\x07 alert, \u202eturned, \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"
    shell.answer("generor.users.update_me", "--bio", bio)
    _, seen = shell.on_terminal("generor.users.me")
    assert "red \\x1b[31m\\x07 alert, \\u202eturned, \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}" in seen
    assert shell.answer("generor.users.me")["bio"] == bio


def test_a_new_key_goes_into_a_file_and_nowhere_else(shell: Shell) -> None:
    ended = shell.call("generor.api_keys.create", "--name", "mine", "--secret-to", "key")
    path = shell.folder / "key"
    key = path.read_text().strip()
    assert key.startswith("gnr_live_")
    assert len(key) > 30
    assert key not in ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["api_key"] == "gnr_live_***"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shell.environment["GENEROR_API_KEY"] = key
    assert shell.answer("generor.users.me")["username"] == "johndoe"


def test_a_key_file_is_neither_replaced_nor_left_empty(shell: Shell) -> None:
    (shell.folder / "key").write_text("another\n")
    ended = shell.call("generor.api_keys.create", "--name", "mine", "--secret-to", "key")
    assert ended.returncode == 2
    assert "key cannot be created (File exists)" in ended.stderr
    assert shell.simulator.ledger.requests == ()
    shell.environment["GENEROR_API_KEY"] = "gnr_live_wrong"
    assert shell.call("generor.api_keys.create", "--name", "mine", "--secret-to", "other").returncode == 1
    assert not (shell.folder / "other").exists()


# --- money ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "code", "charges"), [("y\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0)])
def test_a_terminal_is_asked_before_credits_are_spent(shell: Shell, typed: str, code: int, charges: int) -> None:
    ended, seen = shell.on_terminal(*GENERATE, typed=typed)
    assert "generor.generators.generate spends real credits, 1 by the API's estimate. Continue? [y/N]" in seen
    assert ended == code
    assert shell.charges() == charges


def test_lumas_price_is_shown_where_it_is_known(shell: Shell) -> None:
    _, seen = shell.on_terminal(CREATE, "--prompt", "x", typed="n\n")
    assert "spends real credits, about 13.5 ($0.0404), prices of mid-2026. Continue?" in seen
    assert "generor: nothing was sent" in seen
    ray = ("--model", "ray-3.2", "--type", "video")
    _, seen = shell.on_terminal(CREATE, "--prompt", "x", *ray, typed="n\n")
    assert "spends real credits, about 100.0 ($0.30), prices of late 2026. Continue?" in seen
    _, seen = shell.on_terminal(CREATE, "--prompt", "x", "--type", "video", typed="n\n")
    assert "spends real credits, and its price is not known here. Continue?" in seen


def test_the_simulator_costs_nothing_and_needs_no_key(shell: Shell) -> None:
    for name in ("GENEROR_API_KEY", "LUMA_AGENTS_API_KEY"):
        del shell.environment[name]
    assert shell.answer(*GENERATE, "--simulate")["creations"][0]["text"]
    ended = shell.call(CREATE, "--prompt", "a heron", "--simulate", "--out", "out")
    assert re.fullmatch(r"generor: job \S+ was submitted\n", ended.stderr)
    (path,) = json.loads(ended.stdout)["files"]
    assert (shell.folder / path).read_bytes().startswith(b"\x89PNG")
    assert shell.simulator.ledger.requests == ()


@pytest.mark.parametrize("arguments", [(CREATE, "--prompt", "a heron"), GENERATE])
def test_the_simulator_never_gives_an_id_twice(shell: Shell, arguments: tuple[str, ...]) -> None:
    for _ in range(2):
        ended = shell.call(*arguments, "--simulate", "--out", "pictures")
        assert ended.returncode == 0, ended.stderr
    assert len(list((shell.folder / "pictures").iterdir())) == 2


def test_an_unknown_outcome_is_reported_with_the_answer(shell: Shell) -> None:
    shell.simulator.faults.add_spec(f"{CREATE}=reset:after_charge:1x")
    ended = shell.call(CREATE, "--prompt", "a heron", "--yes")
    assert (ended.returncode, ended.stdout) == (1, "")
    (charge,) = shell.simulator.ledger.charges
    assert "it may or may not have taken effect" in ended.stderr
    assert "Luma lists no jobs" in ended.stderr
    assert f"(request id {charge.request_id})" in ended.stderr


def test_the_part_of_a_broken_answer_is_shown(shell: Shell) -> None:
    shell.simulator.faults.add_spec(f"{CREATE}=truncate:after_charge:1x")
    ended = shell.call(CREATE, "--prompt", "a heron", "--yes")
    assert ended.returncode == 1
    (id_,) = shell.simulator.luma.generations
    assert f"ids in what came of the answer: {id_}" in ended.stderr
    assert 'what came of the answer: {"id"' in ended.stderr.replace("{ ", "{")


def test_a_failed_job_is_printed(shell: Shell) -> None:
    ended = shell.call(CREATE, "--prompt", "[[moderate]] a heron", "--yes", "--wait")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["failure_code"] == "content_moderated"
    assert "content_moderated" in ended.stderr.splitlines()[-1]


def test_a_result_is_printed_although_its_download_fails(shell: Shell) -> None:
    id_ = shell.answer(CREATE, "--prompt", "a heron", "--yes")["id"]
    look = ("luma.generations.get", "--generation-id", id_, "--out", "out")
    assert len(shell.answer(*look)["files"]) == 1
    again = shell.call(*look)
    assert again.returncode == 1
    assert json.loads(again.stdout)["state"] == "completed"
    assert "exists" in again.stderr
    assert again.stderr.count("\n") == 1


def test_a_job_outlives_its_wait_and_can_be_found(shell: Shell) -> None:
    shell.simulator.faults.add_spec("luma.generations.get=503")
    ended = shell.call(CREATE, "--prompt", "a heron", "--yes", "--wait", "--timeout", "1")
    assert ended.returncode == 1
    (id_,) = shell.simulator.luma.generations
    assert f"generor call luma.generations.get --generation-id {id_} --wait" in ended.stderr


# --- interrupts -------------------------------------------------------------------------------------------------------


def test_ctrl_c_says_how_to_find_the_job(shell: Shell) -> None:
    shell.simulator.faults.add_spec("luma.generations.get=503")
    process = shell.begin(CREATE, "--prompt", "a heron", "--yes", "--wait")
    submitted = process.stderr.readline()
    process.interrupt()
    code, _, errors = process.end()
    (id_,) = shell.simulator.luma.generations
    assert submitted == f"generor: job {id_} was submitted\n"
    assert code == 130
    assert errors == (
        f"generor: interrupted; job {id_} continues; wait for it with "
        f"generor call luma.generations.get --generation-id {id_} --wait\n"
    )


def test_ctrl_c_says_that_a_call_under_way_may_take_effect(shell: Shell) -> None:
    shell.simulator.faults.add_spec("generor.generators.generate=stall:after_charge")
    process = shell.begin(*GENERATE, "--yes")
    while not shell.charges():
        time.sleep(0.02)
    process.interrupt()
    code, told, errors = process.end()
    assert (code, told) == (130, "")
    (charge,) = shell.simulator.ledger.charges
    assert f"request id {charge.request_id}) was cut off after it was sent: whether it took effect is unknown" in errors


# --- completion -------------------------------------------------------------------------------------------------------


def complete(shell: Shell, **asked: str) -> list[str]:
    ended = shell.commands.run(cwd=shell.folder, env={**shell.environment, **asked})
    assert ended.returncode == 0
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def in_bash(shell: Shell, *words: str) -> list[str]:
    asked = {"COMP_WORDS": "\n".join(("generor", "call", *words)), "COMP_CWORD": str(len(words) + 1)}
    return complete(shell, _GENEROR_COMPLETE="complete_bash", **asked)


def test_bash_completes_operations_options_and_values(shell: Shell) -> None:
    (shell.folder / "cat.png").touch()
    (shell.folder / "pictures").mkdir()
    assert in_bash(shell, "luma.g") == ["luma.generations.create", "luma.generations.get"]
    options = in_bash(shell, CREATE, "--")
    assert {option_name(each.name) for each in operation_info(CREATE).parameters} | {"--wait", "--out", "--yes"} <= set(
        options
    )
    assert in_bash(shell, CREATE, "--model", "u") == ["uni-1", "uni-1-max"]
    assert in_bash(shell, CREATE, "--image-ref", "@") == ["@cat.png", f"@pictures{os.sep}"]


def test_zsh_completes_with_descriptions(shell: Shell) -> None:
    asked = {"_GENEROR_COMPLETE": "complete_zsh"}
    lines = complete(shell, **asked, _TYPER_COMPLETE_ARGS="generor call luma.generations.")
    assert '"luma.generations.get":"Return one generation as it is now."' in lines[1]
    (line,) = complete(shell, **asked, _TYPER_COMPLETE_ARGS=f"generor call {CREATE} --pro")
    assert '"--prompt":"What to generate or how to edit the source, 1 to 6,000 characters."' in line
