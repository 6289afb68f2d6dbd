"""Files that appear whole or not at all."""

import os
from pathlib import Path

import pytest

from generor_async.engine.part_files import FOLDERS_REMEMBERED, Leftovers, PartFile
from generor_async.rules.byte_ranges import PartialFile

ETAG = '"v1"'
pytestmark = pytest.mark.skipif(os.name == "nt", reason="parts are not taken up without locks")


def begun(folder: Path, etag: str | None = ETAG, data: bytes = b"half") -> PartFile:
    part = PartFile(folder, "gen-1-0", Leftovers())
    part.resume()
    part.begin(etag)
    part.write(data)
    return part


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_when_it_is_settled_and_not_before(tmp_path: Path) -> None:
    part = begun(tmp_path, data=b"\x89PNG")
    part.write(b" and more")
    assert part.head() == b"\x89PNG and more"
    part.write(b".")
    assert all(name.startswith(".") for name in names(tmp_path))
    assert part.finish(".png", overwrite=False) == tmp_path / "gen-1-0.png"
    part.drop()
    assert names(tmp_path) == ["gen-1-0.png"]
    assert (tmp_path / "gen-1-0.png").read_bytes() == b"\x89PNG and more."


def test_what_is_left_of_a_known_file_is_taken_up(tmp_path: Path) -> None:
    begun(tmp_path).keep()
    part = PartFile(tmp_path, "gen-1-0", Leftovers())
    part.resume()
    assert part.present == PartialFile(4, ETAG)
    part.write(b"+half")
    assert part.finish(".bin", overwrite=False).read_bytes() == b"half+half"
    assert names(tmp_path) == ["gen-1-0.bin"]


@pytest.mark.parametrize(("etag", "data"), [(None, b"half"), ('"' + "x" * 100 + '"', b"half"), (ETAG, b"")])
def test_what_nobody_could_go_on_with_is_not_left(tmp_path: Path, etag: str | None, data: bytes) -> None:
    begun(tmp_path, etag, data).keep()
    assert names(tmp_path) == []


def test_what_a_killed_process_left_of_an_unknown_file_is_removed(tmp_path: Path) -> None:
    for mark in ("0123456789abcdef", "not hex", b'"v1"'.hex()):
        (tmp_path / f".gen-1-0~{mark}.part").write_bytes(b"" if "2276" in mark else b"half")
    (tmp_path / ".gen-1-01~2276312222.part").write_bytes(b"another's")
    part = PartFile(tmp_path, "gen-1-0", Leftovers())
    part.resume()
    assert part.present == PartialFile()
    assert names(tmp_path) == [".gen-1-01~2276312222.part"]


def test_a_folder_is_looked_through_once_and_what_is_left_later_is_known(tmp_path: Path) -> None:
    leftovers = Leftovers()
    assert leftovers.pop(tmp_path, ".gen-1-0~") == []
    part = PartFile(tmp_path, "gen-1-0", leftovers)
    part.begin(ETAG)
    part.write(b"half")
    part.keep()
    (tmp_path / ".gen-2-0~2276312222.part").write_bytes(b"another process's")
    assert leftovers.pop(tmp_path, ".gen-2-0~") == []
    assert leftovers.pop(tmp_path, ".gen-1-0~") == names(tmp_path)[:1]
    assert leftovers.pop(tmp_path, ".gen-1-0~") == [], "it is somebody's now"
    for number in range(FOLDERS_REMEMBERED):
        folder = tmp_path / str(number)
        folder.mkdir()
        leftovers.pop(folder, ".gen-1-0~")
    assert leftovers.pop(tmp_path, ".gen-2-0~") == [".gen-2-0~2276312222.part"], "one of too many folders"


def test_a_part_that_is_in_use_is_left_alone_and_both_files_are_whole(tmp_path: Path) -> None:
    first, second = begun(tmp_path, data=b"first"), begun(tmp_path, data=b"second")
    assert second.present.size == 6
    assert len(names(tmp_path)) == 2
    assert first.finish(".bin", overwrite=True).read_bytes() == b"first"
    assert second.finish(".bin", overwrite=True).read_bytes() == b"second"
    assert names(tmp_path) == ["gen-1-0.bin"]


def test_starting_again_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    part = begun(tmp_path, data=b"a longer beginning")
    part.begin('"v2"')
    assert part.present == PartialFile(0, '"v2"')
    part.write(b"short")
    assert part.finish(".bin", overwrite=False).read_bytes() == b"short"
    assert names(tmp_path) == ["gen-1-0.bin"]


def test_a_target_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    part = begun(tmp_path)
    (tmp_path / "gen-1-0.bin").write_text("precious")
    with pytest.raises(FileExistsError) as caught:
        part.finish(".bin", overwrite=False)
    assert caught.value.filename == str(tmp_path / "gen-1-0.bin")
    part.drop()
    assert (tmp_path / "gen-1-0.bin").read_text() == "precious"
    assert names(tmp_path) == ["gen-1-0.bin"]


def test_a_part_that_is_a_link_to_something_is_not_written_to(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    folder = tmp_path / "out"
    folder.mkdir()
    mark = ETAG.encode().hex()
    (folder / f".gen-1-0~{mark}.part").symlink_to(elsewhere)
    begun(folder).finish(".bin", overwrite=False)
    assert elsewhere.read_text() == "precious"


def test_a_file_that_was_settled_just_before_its_process_was_killed_is_not_written_to_again(tmp_path: Path) -> None:
    whole, mark = tmp_path / "gen-1-0.bin", ETAG.encode().hex()
    whole.write_text("whole")
    (tmp_path / f".gen-1-0~{mark}.part").hardlink_to(whole)
    part = begun(tmp_path, data=b"half")
    assert whole.read_text() == "whole"
    part.drop()


def test_a_file_system_without_links_or_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setattr("fcntl.flock", refuse)
    assert begun(tmp_path).finish(".bin", overwrite=False).read_bytes() == b"half"
    part = begun(tmp_path)
    with pytest.raises(FileExistsError):
        part.finish(".bin", overwrite=False)
    part.keep()
    part = PartFile(tmp_path, "gen-1-0", Leftovers())
    part.resume()
    assert part.present == PartialFile(), "nobody can tell whether it is in use"


def test_a_written_piece_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def write_some(descriptor: int, data: bytes) -> int:
        return write(descriptor, bytes(data)[:3])

    monkeypatch.setattr(os, "write", write_some)
    part = begun(tmp_path, data=b"0123456789")
    monkeypatch.undo()
    assert part.present.size == 10
    assert part.finish(".bin", overwrite=False).read_bytes() == b"0123456789"
