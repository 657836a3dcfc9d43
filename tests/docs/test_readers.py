"""The site is laid out for its readers: five groups, and each page says at once for whom it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import DOCS, PAGES, ROOT, blocks


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, in which a tag may name what only MkDocs knows."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)

NAV: list[dict[str, Any]] = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), _Loader)["nav"]
FITS = 110
"""Characters of a line of code beside both columns of a window of 1280 px; tests/ui/test_docs_site.py measures it."""
GROUPS = ["Start", "Guides", "Reference", "Guarantees and measurements", "Contribute"]


def pages_of(entry: Any) -> Iterator[str]:
    """Give the pages below an entry of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for each in entry.values() if isinstance(entry, dict) else entry:
            yield from pages_of(each)


def test_the_navigation_has_five_groups_and_each_page_once() -> None:
    assert [name for group in NAV for name in group] == GROUPS
    assert sorted(pages_of(NAV)) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_in_its_first_line_for_whom_it_is(page: Path) -> None:
    assert _first_line(page.name).startswith("For ")


@pytest.mark.parametrize("page", [*pages_of(NAV[GROUPS.index("Guides")])])
def test_a_guide_begins_with_what_the_reader_wants(page: str) -> None:
    assert " want " in _first_line(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_line_of_code_fits(page: Path) -> None:
    code = [each for each in blocks(page) if each.language in ("python", "bash", "json", "csv")]

    assert [line for each in code for line in each.text.splitlines() if len(line) > FITS] == []


def _first_line(page: str) -> str:
    title, blank, first, *_ = (DOCS / page).read_text("utf-8").splitlines()
    assert title.startswith("# ")
    assert blank == ""
    return first
