"""The rendered templates of a small spec."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from codegen.small import api, obj, operation, ref, text

from generor_async.codegen.__main__ import compare
from generor_async.codegen.ir import Api
from generor_async.codegen.render import generate, modules
from generor_async.values.decoding import UnexpectedShape

if TYPE_CHECKING:
    from generor_async.values import Problem


def run(small: Api, name: str) -> dict[str, Any]:
    """Run a generated module and return its names."""
    source = dict(modules([small]))[f"luma/{name}.py"]
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec"), names)
    return names


def test_every_module_names_its_source() -> None:
    for name, source in modules([api()]):
        assert source.startswith("# Generated from spec/"), name


def test_generating_twice_gives_the_same() -> None:
    assert list(modules([api()])) == list(modules([api()]))


def test_a_class_may_hold_itself() -> None:
    properties = {"id": text(), "parts": {"type": "array", "items": ref("Thing")}}
    names = run(api(schemas={"Thing": obj("id", properties=properties)}), "models")
    whole = names["decode_thing"]({"id": "a", "parts": [{"id": "b"}, {"id": "c"}]})
    assert [part.id for part in whole.parts] == ["b", "c"]
    nameless: dict[str, Any] = {}
    odd = {"id": "a", "parts": [{"id": "b"}, {"id": "c", "parts": [nameless]}]}
    with pytest.raises(UnexpectedShape):
        names["decode_thing"](odd)
    problems: list[Problem] = []
    whole = names["THING"].lenient(odd, "$", problems)
    assert [part.id for part in whole.parts] == ["b", "c"]
    assert [problem.path for problem in problems] == ["$.parts[1].parts[0].id"]


def test_one_of_two_scalars_is_read() -> None:
    properties = {"code": {"type": ["string", "integer"]}}
    names = run(api(schemas={"Thing": obj("code", properties=properties)}), "models")
    assert [names["decode_thing"]({"code": code}).code for code in ("a", 1)] == ["a", 1]
    with pytest.raises(UnexpectedShape):
        names["decode_thing"]({"code": True})
    problems: list[Problem] = []
    assert names["THING"].lenient({"code": True}, "$", problems).code is None
    assert [problem.problem for problem in problems] == ["expected an integer, found bool"]


def test_an_answer_without_identity_is_refused() -> None:
    names = run(api(schemas={"Thing": obj("id", properties={"id": text()}, **{"x-identity": ["id"]})}), "models")
    assert names["decode_thing"]({"id": "a"}).id == "a"
    with pytest.raises(UnexpectedShape):
        names["decode_thing"]({"id": ""})
    assert names["THING"].identity == ("id",)


def test_an_undocumented_answer_needs_no_field() -> None:
    paths = {"/things": {"get": operation(**{"x-answer": "assumed"})}}
    names = run(api(paths=paths, schemas={"Thing": obj("id", properties={"id": text()})}), "models")
    assert names["decode_partial_thing"]({}).id is None
    problems: list[Problem] = []
    names["PARTIAL_THING"].lenient({"id": []}, "$", problems)
    assert [problem.path for problem in problems] == ["$.id"]


def test_regenerating_leaves_no_difference(tmp_path: Path) -> None:
    generate(tmp_path / "first")
    generate(tmp_path / "second")
    assert list(compare(tmp_path / "first", tmp_path / "second")) == []


def test_differences_are_reported_by_file(tmp_path: Path) -> None:
    tree, fresh = tmp_path / "tree", tmp_path / "fresh"
    for folder, files in (
        (tree, {"old.py": "", "same.py": "a\n", "changed.py": "a\nb\n"}),
        (fresh, {"new.py": "", "same.py": "a\n", "changed.py": "a\nc\nd\n"}),
    ):
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
    assert list(compare(tree, fresh)) == [
        "changed.py: regenerating adds 2 lines and removes 1",
        "new.py: missing",
        "old.py: not generated any more",
    ]
