"""What a reader can hold in mind: how long modules and functions may be, and that a name is one class."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("airflow_provider_braze", "benchmarks", "demo", ".ci")
MODULES = sorted(path for name in SHIPPED for path in (ROOT / name).rglob("*.py"))

LINES_OF_A_MODULE = 350
LINES_OF_A_FUNCTION = 60


def too_long(source: str) -> list[str]:
    """Name what is too long in a module's source."""
    lines = len(source.splitlines())
    found = [f"the module has {lines} lines"] if lines > LINES_OF_A_MODULE else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LINES_OF_A_FUNCTION:
                found.append(f"{node.name} has {lines} lines")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_and_no_function_is_too_long_to_be_held_in_mind(path: Path) -> None:
    assert too_long(path.read_text(encoding="utf-8")) == []


def test_what_is_too_long_is_named() -> None:
    assert too_long("def f():\n" + "    pass\n" * 60) == ["f has 61 lines"]
    assert too_long("async def f():\n" + "    pass\n" * 59) == []
    assert too_long("x = 1\n" * 351) == ["the module has 351 lines"]


def test_a_class_has_its_name_for_itself() -> None:
    """A name that stands for two things has to be looked up each time; what is the same is shared."""
    package = [path for path in MODULES if path.is_relative_to(ROOT / "airflow_provider_braze")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in package]
    names = Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))
    assert [name for name, times in names.items() if times > 1] == []
