"""What users may import and call is written down, and no change of it goes without an entry in CHANGELOG.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import public_api
from tests.docs.pages import PAGES, README, ROOT, blocks

API = public_api.public_api()
UNRELEASED = (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")[1]
EXAMPLES = [*(ROOT / "docs" / "examples").glob("*.py")]

Listing = dict[str, dict[str, str]]


def changes(before: Listing, now: Listing) -> Iterator[tuple[str, str]]:
    """Name what differs: the public name, and the word that an entry must have."""
    for name in before.keys() | now.keys():
        owner, _, last = name.rpartition(".")
        if name not in now or name not in before:
            # What is said of a class that is new says it of its methods.
            if owner in before or owner not in now:
                yield name, last
            continue
        for parameter in before[name].keys() | now[name].keys():
            if before[name].get(parameter) != now[name].get(parameter):
                yield name, parameter.lstrip("*")


def unsaid(before: Listing, now: Listing, changelog: str) -> set[str]:
    """Name the changes of which a changelog does not say anything."""
    said = {word for code in re.findall(r"`([^`]+)`", changelog) for word in re.findall(r"\w+", code)}
    return {f"{name}: {word}" for name, word in changes(before, now) if word not in said}


def test_every_change_since_the_last_release_stands_in_the_changelog() -> None:
    released = json.loads(public_api.RELEASED.read_text("utf-8"))

    assert unsaid(released, API, UNRELEASED) == set(), (
        "name each in backticks below Unreleased in CHANGELOG.md"
    )


def test_the_page_lists_what_the_code_has() -> None:
    listed = public_api.PAGE.read_text("utf-8")

    assert public_api.table() in listed, "write it again: make api"


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"a.F": {"x": "1", "y": "None"}}, {"a.F: y"}),
        ({"a.F": {}}, {"a.F: x"}),
        ({"a.F": {"x": "2"}}, {"a.F: x"}),
        ({}, {"a.F: F"}),
        ({"a.F": {"x": "1"}, "a.G": {}}, {"a.G: G"}),
        ({"a.F": {"x": "1"}}, set()),
    ],
)
def test_a_change_without_an_entry_is_named(now: Listing, said: set[str]) -> None:
    before = {"a.F": {"x": "1"}}

    assert unsaid(before, now, "nothing of `code`, but of F, G, x and y in other words") == said
    assert unsaid(before, now, "- `F(y=None)` and `x`, `a.G`") == set()


@pytest.mark.parametrize("page", [README, *PAGES, *EXAMPLES], ids=lambda page: page.name)
def test_examples_import_what_is_public(page: Path) -> None:
    code = page.read_text("utf-8") if page.suffix == ".py" else "\n".join(each.text for each in blocks(page))

    for module, names in re.findall(r"from airflow_provider_braze\.([\w.]+) import ([\w, ]+)", code):
        for name in names.replace(" ", "").split(","):
            assert f"{module}.{name}" in API, f"{module}.{name}"
