"""A blocking call in a thread with a running event loop: it blocks the loop, and warns once."""

import pytest
from support.programs import begin, finished

from generor_async.simulator import Simulator

PROGRAM = """
    import asyncio
    from generor_async import Luma

    async def main():
        with Luma() as luma:
            for _ in range(3):
                luma.files.list().collect()  # the line that is meant
            await asyncio.to_thread(luma.files.list().collect)
            print("done")

    asyncio.run(main())
"""
ELSEWHERE = """
    import asyncio
    from generor_async import Luma

    luma = Luma()
    luma.files.list().collect()
    asyncio.run(asyncio.to_thread(luma.files.list().collect))
    luma.close()
    print("done")
"""


def test_it_warns_once_and_names_the_alternative(simulator: Simulator) -> None:
    code, out, err = finished(begin(simulator, PROGRAM, "-Walways"))
    assert (code, out) == (0, "done\n")
    assert err.count("Warning") == 1, err
    assert err.startswith("<string>:8: RuntimeWarning: "), "the caller's own line"
    assert "use AsyncGeneror or AsyncLuma there" in err


@pytest.mark.parametrize("options", [("-Walways",), ("-Werror",)])
def test_without_a_running_loop_it_does_not_warn(simulator: Simulator, options: tuple[str, ...]) -> None:
    assert finished(begin(simulator, ELSEWHERE, *options)) == (0, "done\n", "")


def test_the_warning_as_an_error_prevents_the_call(simulator: Simulator) -> None:
    code, _, err = finished(begin(simulator, PROGRAM, "-Werror"))
    assert code == 1
    assert "RuntimeWarning: a blocking call" in err
    assert "never awaited" not in err
    assert not simulator.ledger.requests
