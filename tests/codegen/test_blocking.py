"""Generated blocking clients of small async ones."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import generor_async
from generor_async.codegen import blocking, proxies, sources
from generor_async.codegen.__main__ import compare
from generor_async.codegen.blocking import BY_HAND, blocking_modules
from generor_async.codegen.ir_types import SpecError
from generor_async.codegen.render import generate_blocking
from generor_async.codegen.sources import SourceRef

HEAD = """
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
    from typing import Generic, Literal, Self, TypeAlias, TypeVar, Unpack

    T = TypeVar("T")
    Told: TypeAlias = Callable[["Job"], object]
    Source: TypeAlias = str | AsyncIterable[bytes]
    Names: TypeAlias = list[str]

    class Base:
        def __init__(self, api_key: str | None = None, *, on_event: Callable[[int], object] | None = None) -> None: ...
        async def close(self) -> None: ...

    class Job:
        '''`await job` waits.'''

        def __init__(self, id: str) -> None:
            self.id = id
            '''What it is called.'''
            self._hidden = None

        async def wait(self) -> int: ...
        def __await__(self): return self.wait().__await__()

    class Box(Generic[T]):
        async def open(self) -> T: ...

    class AsyncLarge(Base):
        async def get(self) -> int: ...

    def run_job(client: AsyncSmall | AsyncLarge, parts: Source, *, limit: int = 3) -> Job:
        '''Run a job; `await job` waits.'''

    class Shelf:
        def __init__(self, url: str, client: AsyncSmall | AsyncLarge | None = None, *, depth: int = 1) -> None: ...
        async def put(self, job: Job) -> int: ...

    class AsyncSmall(Base):
        '''A client, async.'''

        job: Job
        box: Box[str]
        _hidden: int
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Write a client with this method, and return the generated module."""
    package = tmp_path / "generor_async"
    package.mkdir()
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setattr(
        proxies, "ROOTS", tuple(SourceRef("generor_async.small", f"Async{name}") for name in ("Small", "Large"))
    )
    monkeypatch.setattr(proxies, "MADE_WITH_CLIENT", (SourceRef("generor_async.small", "Shelf"),))
    for module in (proxies, blocking):
        monkeypatch.setattr(module, "FUNCTIONS", (SourceRef("generor_async.small", "run_job"),))

    def write(method: str) -> str:
        sources.load.cache_clear()
        text = textwrap.dedent(HEAD) + textwrap.indent(textwrap.dedent(method), "    ")
        (package / "small.py").write_text(text)
        return dict(blocking_modules())["small.py"]

    yield write
    sources.load.cache_clear()


RULES = {
    "a coroutine is run": (
        "async def get(self, name: str, *, wide: bool = False) -> int: ...",
        "def get(self, name: str, *, wide: bool=False) -> int:",
        "return self._bridge.run(self._impl.get(name, wide=wide))",
    ),
    "what returns nothing": ("async def put(self) -> None: ...", "-> None:", "self._bridge.run(self._impl.put())"),
    "a plain method is called": (
        "def take(self) -> Job: ...",
        "-> Job:",
        "return Job(self._bridge, self._impl.take())",
    ),
    "variable arguments": (
        "async def many(self, *names: str, **more: Unpack[dict]) -> int: ...",
        "*names: str, **more: Unpack[dict]",
        "self._impl.many(*names, **more)",
    ),
    "what comes out is a proxy": (
        'async def submit(self) -> "Job": ...',
        "-> Job:",
        "return Job(self._bridge, self._bridge.run(self._impl.submit()))",
    ),
    "or none": (
        "async def find(self) -> Job | None: ...",
        "-> Job | None:",
        "return None if (found := self._bridge.run(self._impl.find())) is None else Job(self._bridge, found)",
    ),
    "or several": (
        "async def all(self) -> list[Job]: ...",
        "-> list[Job]:",
        "return [Job(self._bridge, each) for each in self._bridge.run(self._impl.all())]",
    ),
    "a class with a parameter": (
        "def boxed(self) -> Box[int]: ...",
        "-> Box[int]:",
        "return Box(self._bridge, self._impl.boxed())",
    ),
    "an async generator is iterated": (
        "async def walk(self) -> AsyncIterator[int]:\n    yield 1",
        "-> Iterator[int]:",
        "return self._bridge.iterate(self._impl.walk())",
    ),
    "and its items are proxies": (
        "async def jobs(self) -> AsyncIterator[Job]:\n    yield Job()",
        "-> Iterator[Job]:",
        "return (Job(self._bridge, each) for each in self._bridge.iterate(self._impl.jobs()))",
    ),
    "an iterator that is waited for": (
        "async def later(self) -> AsyncIterator[int]: ...",
        "-> Iterator[int]:",
        "return self._bridge.iterate(self._bridge.run(self._impl.later()))",
    ),
    "what goes in is the impl": (
        "async def wait(self, job: Job) -> int: ...",
        "job: Job",
        "self._impl.wait(impl_of(job, 'job', Job))",
    ),
    "if it is one": (
        "async def see(self, job: Job | str) -> int: ...",
        "job: Job | str",
        "self._impl.see(job._impl if isinstance(job, Job) else job)",
    ),
    "or several of them": (
        "async def wait_all(self, jobs: Iterable[Job]) -> int: ...",
        "jobs: Iterable[Job]",
        "self._impl.wait_all(impls(jobs, 'jobs', Job))",
    ),
    "or as many as there are": (
        "async def race(self, *jobs: Job) -> int: ...",
        "*jobs: Job",
        "self._impl.race(*impls(jobs, 'jobs', Job))",
    ),
    "a callback is told of the proxy": (
        "async def tell(self, *, told: Told | None = None) -> int: ...",
        "told: Callable[[Job], object] | None=None",
        "told=None if told is None else wrapped(told, 'told', lambda given: told(Job(self._bridge, given)))",
    ),
    "an iterable need not be async": (
        "async def upload(self, source: Source) -> int: ...",
        "source: str | AsyncIterable[bytes] | Iterable[bytes]",
        "self._impl.upload(streamed(source))",
    ),
    "other aliases stay": (
        "async def name(self, names: Names) -> Names: ...",
        "names: Names) -> Names:",
        "name(names)",
    ),
    "text in a Literal is no type": (
        'async def choose(self, kind: Literal["Job"]) -> int: ...',
        "kind: Literal['Job']",
        "self._impl.choose(kind)",
    ),
    "a view of the client": ("def view(self) -> Self: ...", "-> Self:", "return self._view(self._impl.view())"),
    "a property": (
        "@property\ndef seen(self) -> Job: ...",
        "@property\n    def seen(self) -> Job:",
        "return Job(self._bridge, self._impl.seen)",
    ),
}


@pytest.mark.parametrize(("method", "signature", "body"), RULES.values(), ids=RULES)
def test_a_method_is_generated(written: Callable[[str], str], method: str, signature: str, body: str) -> None:
    text = written(method)
    assert signature in text
    assert body in text


def test_a_client_hides_its_key(written: Callable[[str], str]) -> None:
    text = written("async def get(self) -> int: ...")
    assert "api_key = as_secret(api_key)" in text
    assert "super().__init__(AsyncSmall(api_key, on_event=on_event))" in text
    assert "def close" not in text, "the bridge closes"


def test_a_function_uses_the_bridge_of_its_client(written: Callable[[str], str]) -> None:
    text = written("async def get(self) -> int: ...")
    assert "from generor_async.small import run_job as async_run_job" in text
    assert (
        "client: Small | Large, parts: str | AsyncIterable[bytes] | Iterable[bytes], *, limit: int=3) -> Job:" in text
    )
    assert "impl = async_run_job(impl_of(client, 'client', Small, Large), streamed(parts), limit=limit)" in text
    assert "return Job(client._bridge, impl)" in text
    assert '__all__ = ["Job", "Box", "Small", "Large", "Shelf", "run_job"]' in text


def test_an_object_that_is_made_with_a_client_uses_its_bridge(written: Callable[[str], str]) -> None:
    text = written("async def get(self) -> int: ...")
    assert "def __init__(self, url: str, client: Small | Large, *, depth: int=1) -> None:" in text
    assert "url = masked_texts(url)" in text
    assert "impl = AsyncShelf(url, impl_of(client, 'client', Small, Large), depth=depth)" in text
    assert "super().__init__(client._bridge, impl)" in text


def test_attributes_are_properties(written: Callable[[str], str]) -> None:
    text = written("async def get(self) -> int: ...")
    assert "def job(self) -> Job:" in text
    assert "return Box(self._bridge, self._impl.box)" in text
    assert 'def id(self) -> str:\n        """What it is called."""\n        return self._impl.id' in text
    assert "_hidden" not in text


def test_docstrings_are_adapted_to_blocking_calls(written: Callable[[str], str]) -> None:
    text = written("async def get(self) -> int:\n    '''Use `async with`, or `await AsyncSmall().get()`.'''")
    assert '"""A client, blocking.\n' in text
    assert '"""`job.wait()` waits."""' in text
    assert '"""Use `with`, or `Small().get()`."""' in text


@pytest.mark.parametrize(
    "method",
    [
        "async def get(self): ...",
        "@staticmethod\ndef make() -> int: ...",
        "async def get(self) -> dict[str, Job]: ...",
        "async def get(self, jobs: list[Job] | Job) -> int: ...",
    ],
)
def test_code_without_a_rule_is_refused(written: Callable[[str], str], method: str) -> None:
    with pytest.raises(SpecError, match=r"small|there is no rule"):
        written(method)


def test_the_generated_clients_are_up_to_date(tmp_path: Path) -> None:
    generate_blocking(tmp_path)
    tree = Path(generor_async.__file__).parent / "sync"
    assert list(compare(tree, tmp_path, by_hand=BY_HAND)) == []
