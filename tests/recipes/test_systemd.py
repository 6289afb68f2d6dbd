"""The unit for systemd is one, and its command is ours."""

import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

from support.commands import Commands
from support.pages import blocks

(UNIT,) = blocks("recipes/systemd.md", "ini")


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "generor-worker.service"
    unit.write_text(UNIT.replace("/opt/generor/bin/generor", sys.executable))
    verify = shutil.which("systemd-analyze")
    assert verify is not None
    ended = subprocess.run([verify, "verify", unit], capture_output=True, text=True, check=False)
    complaints = [line for line in ended.stderr.splitlines() if unit.name in line]
    assert not complaints
    assert ended.returncode == 0, ended.stderr


def test_its_command_is_one_and_has_time_to_drain(commands: Commands) -> None:
    known = ConfigParser(strict=False)
    known.optionxform = str  # type: ignore[assignment,method-assign] # as the documentation says
    known.read_string(UNIT)
    program, *arguments = shlex.split(known["Service"]["ExecStart"])
    assert program.endswith("/generor")
    ended = commands.run(*arguments, "--help")
    assert ended.returncode == 0, ended.stderr
    assert "Usage: generor batch worker" in re.sub(r"\s+", " ", ended.stdout)
    drain = float(arguments[arguments.index("--drain") + 1])
    assert float(known["Service"]["TimeoutStopSec"]) >= drain + 10
