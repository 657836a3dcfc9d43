"""The reliability page lists every fault with the outcomes that the tests require, and a soak that lost nothing."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.reliability import matrix

TEXT = (DOCS / "reliability.md").read_text("utf-8")


def between(name: str) -> str:
    found = re.search(rf"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", TEXT, re.DOTALL)
    assert found is not None, name
    return found[1]


ROWS = {
    cells[0].strip(): [cell.strip() for cell in cells[1:]]
    for cells in (line.strip("|\n").split(" | ") for line in between("matrix").splitlines())
}


@pytest.mark.parametrize("case", matrix.cases(), ids=lambda case: case.name)
def test_every_fault_is_listed_with_its_outcomes(case: matrix.Case) -> None:
    outcomes, push, seconds = ROWS[case.name]
    assert set(re.findall(r"`(\w+)`", outcomes)) == case.outcomes
    assert re.findall(r"`(\w+)`", push)[1:] == ([case.error] if case.error else [])
    assert float(seconds.rstrip(" |")) >= 0


def test_no_other_fault_is_listed() -> None:
    assert len(ROWS) == len(list(matrix.cases())) + 2


def test_the_soak_lost_nothing() -> None:
    figures = between("soak")
    assert "| **lost, or counted wrongly** | **0** |" in figures
    records = re.search(r"^\| records \| ([\d,]+):", figures, re.MULTILINE)
    assert records is not None
    assert int(records[1].replace(",", "")) >= 1_000_000


def test_every_command_is_one_of_the_project() -> None:
    targets = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`make (\w+)", TEXT):
        assert f"\n{target}:" in targets, target
    for module in re.findall(r"python -m ([\w.]+)", TEXT):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
