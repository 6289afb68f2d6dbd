"""A browser for each test: an empty page in Chromium, told of as `--chromium`."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from support.browser import Page, browse


@pytest.fixture
async def page(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Page]:
    """An empty page, as large as a laptop's."""
    async with browse(str(request.config.getoption("--chromium")), tmp_path / "profile") as opened:
        await opened.resize(1280, 900)
        yield opened
