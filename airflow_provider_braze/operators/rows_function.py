"""A function that gives rows: Airflow calls whatever is callable in a template field, with arguments of its own.

Above: the operators and the decorator. Below: how given rows are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_braze.pushes.rows.given_rows import is_function


class RowsFunction:
    """Holds a function that gives rows until the task runs.

    :param function: returns or yields rows.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __repr__(self) -> str:
        # Without the address, which would make every parsing of the DAG a new version of it.
        return f"rows of {getattr(self.function, '__qualname__', type(self.function).__name__)}"


def unrendered(rows: Any) -> Any:
    """Keep a function out of Airflow's own rendering; anything else it renders."""
    return RowsFunction(rows) if is_function(rows) else rows


def rows_of(rows: Any) -> Any:
    """Take the function out again."""
    return rows.function if isinstance(rows, RowsFunction) else rows
