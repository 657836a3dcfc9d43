"""The texts of the code that may become messages, with ``…`` where a value is put in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from tests.docs.pages import ROOT


@cache
def texts() -> tuple[str, ...]:
    """Every text of the package that is no docstring."""
    found: list[str] = []
    for module in sorted((ROOT / "airflow_provider_braze").rglob("*.py")):
        found += _texts(ast.parse(module.read_text("utf-8")))
    return tuple(found)


def _texts(tree: ast.AST) -> Iterator[str]:
    parts: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            parts.add(node.value)
        if node in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            parts |= {*ast.walk(node)}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
