"""The pages of the documentation, cut into what can be checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = ROOT / "README.md"

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(
    r"^### `(\w+)`\n\nType: .+?\. (?:Required|Default: `(.*?)`)\.(?: (Templated)\.)? *$", re.MULTILINE
)


class Block(NamedTuple):
    """One fenced block: where it starts, its language and its text."""

    line: int
    language: str
    text: str


class Option(NamedTuple):
    """One documented option: its default as written (None where it is required), and whether it is templated."""

    default: str | None
    templated: bool


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        yield Block(text.count("\n", 0, found.start()) + 1, found[2], dedent(found[3]))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def options(page: Path) -> dict[str, Option]:
    """The options that a page documents, each under a heading of its own with a line ``Type: ... Default: ...``."""
    return {found[1]: Option(found[2], bool(found[3])) for found in _OPTION.finditer(page.read_text("utf-8"))}
