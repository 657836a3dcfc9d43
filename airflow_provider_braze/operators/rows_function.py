"""Rows that Airflow must not render in its own way: functions, and templates that give JSON.

Airflow calls whatever is callable in a template field, with arguments of its own; and a DAG with
``render_template_as_native_obj`` reads JSON as if it were Python, in which its escapes mean other characters.

Above: the operators and the decorator. Below: how given rows are read.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_braze.pushes.rows.given_rows import is_function

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment


class RowsFunction:
    """Holds a function that gives rows until the task runs.

    :param function: returns or yields rows.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __repr__(self) -> str:
        # Without the address, which would make every parsing of the DAG a new version of it.
        return f"rows of {getattr(self.function, '__qualname__', type(self.function).__name__)}"


class RowsTemplate(str):
    """The text of a template that gives rows, which Airflow calls to have it rendered."""

    __slots__ = ()

    def __call__(self, context: Context, jinja_env: Environment) -> Any:
        """Render it: to the one object that it consists of, or to text, which in a DAG with native rendering may also
        be a list as Python writes it. JSON stays the text that it is.
        """
        from jinja2.nativetypes import NativeEnvironment, native_concat

        template = jinja_env.from_string(str(self))
        # As Airflow does it: the context's values are looked up only where they are used.
        values: Any = copy.copy(context)
        values.update((name, value) for name, value in template.globals.items() if name not in values)
        try:
            parts = list(template.root_render_func(template.new_context(values, shared=True)))
        except Exception:
            jinja_env.handle_exception()
        if len(parts) == 1 and not isinstance(parts[0], str):
            # There are no rows, which as the parameter's own value would mean that it was not given.
            return "" if parts[0] is None else parts[0]
        text = "".join(map(str, parts))
        if not isinstance(jinja_env, NativeEnvironment):
            return text
        try:
            # JSON of a JSON text, which is taken where text is read anyway.
            return found if isinstance(found := json.loads(text), str) else text
        except (ValueError, RecursionError):
            return native_concat([text]) if text.strip().startswith(("[", "{")) else text


def unrendered(rows: Any) -> Any:
    """Keep a function, and the text of a template, out of Airflow's own rendering; anything else it renders."""
    if isinstance(rows, str):
        return RowsTemplate(rows)
    return RowsFunction(rows) if is_function(rows) else rows


def rows_of(rows: Any) -> Any:
    """Take the function out again."""
    return rows.function if isinstance(rows, RowsFunction) else rows
