"""The lock of a folder: with the system's locks, without them, and in a copy of a folder in use."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from attrs import asdict, evolve

from generor_async.batch.folder_lock import FolderLock, LockedError, LockHolder, SystemLock, system_lock

HOLD = """
import sys
from pathlib import Path
from generor_async.batch.folder_lock import FolderLock, system_lock
def no_locks(file):
    raise OSError(37, "No locks available")
lock = FolderLock(Path(sys.argv[1]), lock=no_locks if sys.argv[2] == "no_locks" else system_lock)
print("held", flush=True)
sys.stdin.readline()
lock.release()
"""
ELSEWHERE: dict[str, Any] = {"host": "elsewhere", "boot": "another"}

Hold = Callable[[Path, SystemLock], "subprocess.Popen[str]"]


def no_locks(_: IO[str]) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


with_and_without_locks = pytest.mark.parametrize("system", [system_lock, no_locks])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "original").mkdir()
    return tmp_path / "original" / "journal.lock"


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Lock a folder in another process."""
    running: list[subprocess.Popen[str]] = []

    def begin(path: Path, system: SystemLock) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLD, str(path), system.__name__]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def name(path: Path, **other: Any) -> None:
    """Write a lock file that names an ended process of this machine, or another process."""
    path.touch()
    this = LockHolder.current_process(path.stat().st_ino)
    path.write_text(json.dumps(asdict(evolve(this, **{"pid": 4242, "started": "0", **other}))))


@with_and_without_locks
def test_a_lock_belongs_to_one_process_until_it_is_released(path: Path, hold: Hold, system: SystemLock) -> None:
    other = hold(path, system)
    with pytest.raises(LockedError, match=rf"is in use by process {other.pid} \(since "):
        FolderLock(path, lock=system)
    other.communicate("\n")
    assert path.read_text() == "", "it names nobody"
    FolderLock(path, lock=system).release()


@with_and_without_locks
def test_a_lock_ends_with_its_process(path: Path, hold: Hold, system: SystemLock) -> None:
    other = hold(path, system)
    other.kill()
    other.wait()
    lock = FolderLock(path, lock=system)
    assert json.loads(path.read_text())["pid"] == os.getpid()
    lock.release()


@with_and_without_locks
def test_a_process_can_lock_a_folder_only_once(path: Path, system: SystemLock) -> None:
    lock = FolderLock(path, lock=system)
    with pytest.raises(LockedError, match=f"is in use by process {os.getpid()}"):
        FolderLock(path, lock=system)
    assert lock.is_in_place
    lock.release()


def test_a_lock_file_of_an_earlier_version_can_be_locked(path: Path) -> None:
    path.write_text("123\n")
    FolderLock(path).release()


@pytest.mark.parametrize("other", [ELSEWHERE, {"boot": "another"}, {"boot": None}])
def test_without_locks_a_process_of_another_machine_blocks_until_take_over(path: Path, other: dict[str, Any]) -> None:
    name(path, **other)
    with pytest.raises(LockedError) as caught:
        FolderLock(path, lock=no_locks)
    assert caught.value.problem.startswith("may be in use by process 4242")
    assert ("on elsewhere" in caught.value.problem) is ("host" in other)
    assert "No locks available" in caught.value.problem
    assert "--take-over" in caught.value.advice
    FolderLock(path, lock=no_locks, take_over=True).release()
    assert path.read_text() == ""


def test_a_file_system_without_any_locks_is_refused_with_advice(path: Path) -> None:
    with pytest.raises(LockedError, match="is on a file system without locks, which the journal needs") as caught:
        FolderLock(path, lock=no_locks, range_lock=no_locks, take_over=True)
    assert "move it there as a whole" in caught.value.advice


def test_a_reused_process_id_does_not_count_as_alive(path: Path) -> None:
    name(path, pid=os.getpid(), started="another time")
    FolderLock(path, lock=no_locks).release()


def test_a_process_notices_that_its_lock_was_taken_over(path: Path) -> None:
    first = FolderLock(path, lock=no_locks)
    second = FolderLock(path, lock=no_locks, take_over=True)
    assert not first.is_in_place
    assert second.is_in_place
    first.release()
    assert json.loads(path.read_text())["pid"] == os.getpid(), "it still names the second"
    second.release()


def test_the_system_lock_decides_over_the_name_in_the_file(path: Path) -> None:
    name(path, **ELSEWHERE)
    FolderLock(path).release()


def test_take_over_does_not_break_a_working_lock(path: Path, hold: Hold) -> None:
    hold(path, system_lock)
    with pytest.raises(LockedError, match="is in use by process"):
        FolderLock(path, take_over=True)


def copied(path: Path) -> Path:
    copy = path.parent.with_name("copy")
    shutil.copytree(path.parent, copy)
    return copy / path.name


def test_a_copy_of_a_folder_in_use_is_refused(path: Path, hold: Hold) -> None:
    other = hold(path, system_lock)
    with pytest.raises(LockedError) as caught:
        FolderLock(copied(path))
    assert caught.value.problem.startswith(f"is a copy of a folder that is in use, by process {other.pid}")
    assert "--take-over" in caught.value.advice


def test_a_copy_of_a_folder_used_elsewhere_needs_take_over(path: Path) -> None:
    name(path, **ELSEWHERE)
    copy = copied(path)
    with pytest.raises(LockedError, match=r"was in use when it was copied, by process 4242 \(on elsewhere"):
        FolderLock(copy)
    FolderLock(copy, take_over=True).release()
    FolderLock(copy).release()


@pytest.mark.parametrize("ends", ["lets go", "is killed"])
def test_a_copy_of_a_folder_no_longer_in_use_is_accepted(path: Path, hold: Hold, ends: str) -> None:
    other = hold(path, system_lock)
    if ends == "lets go":
        other.communicate("\n")
    else:
        other.kill()
        other.wait()
    FolderLock(copied(path)).release()


def test_a_lock_knows_where_its_file_was_moved(path: Path) -> None:
    lock = FolderLock(path)
    moved = path.parent.rename(path.parent.with_name("moved"))
    assert (lock.is_in_place, lock.is_deleted, lock.moved_to) == (False, False, moved / path.name)
    shutil.rmtree(moved)
    assert (lock.is_in_place, lock.is_deleted) == (False, True)
    lock.release()


def test_an_error_of_creating_the_lock_file_is_raised_as_it_is(path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        FolderLock(Path(__file__) / path.name)
