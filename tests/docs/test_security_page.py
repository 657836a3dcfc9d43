"""SECURITY.md names the tests of its claims, and is the same page in the repository and in the documentation."""

from __future__ import annotations

import re

from tests.docs.pages import DOCS, ROOT

TEXT = (ROOT / "SECURITY.md").read_text("utf-8")


def test_every_test_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:tests|docs)/[\w/.]+)`", TEXT))
    assert len(named) > 12
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_every_claim_names_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 8
    assert [row for row in rows if "`tests/" not in row.split("|")[4]] == []


def test_it_is_a_page_of_the_documentation_too() -> None:
    assert (DOCS / "security.md").read_text("utf-8") == TEXT
    # It is read from two places, so that a relative link would be broken in one of them.
    assert "](" not in TEXT
    assert "[SECURITY.md](SECURITY.md)" in (ROOT / "README.md").read_text("utf-8")


def test_it_names_nobody() -> None:
    assert not re.search(r"[\w.]+@[\w-]+\.\w+", TEXT)
