"""The pages of `generor_async/docs`, and the code that they show."""

import re
from pathlib import Path

__all__ = ["blocks", "page"]

DOCS = Path(__file__).parents[2] / "generor_async/docs"


def page(name: str) -> str:
    """Return a page's text."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    return found
