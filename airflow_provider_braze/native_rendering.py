"""What a template gives in a DAG with ``render_template_as_native_obj``: what was meant, and nothing else.

Airflow reads the text there as Python. Of the id ``1_001`` that makes the number 1001, which is another user; of the
hex id ``12e4`` the number 120000.0; and in JSON the escapes of ``\\/`` and of emoji mean other characters. What Python
reads is taken only where it says the same as the text.

``RedpointExportSensor`` is left to Airflow: of ``2024_03`` that makes a number, and whatever names a folder there
refuses numbers.

Above: operators, and the sensor of syncs. Below: nothing.
"""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment


class NativeRendering:
    """Renders the template fields of an operator or a sensor in such a DAG; it stands before Airflow's class."""

    def render_template(
        self, content: Any, context: Context, jinja_env: Environment | None = None, seen_oids: Any = None
    ) -> Any:
        """Render a text as :func:`render` does; anything else as Airflow does, which asks for each text in it."""
        from jinja2.nativetypes import NativeEnvironment

        task: Any = self
        env = jinja_env or task.get_template_env()
        # What another task has given to a mapped one is data, whatever stands in it.
        is_template = isinstance(content, str) and id(content) not in (seen_oids or ())
        if (
            is_template
            and isinstance(env, NativeEnvironment)
            and not content.endswith(tuple(task.template_ext))
        ):
            return render(content, context, env)
        airflows: Any = super()
        return airflows.render_template(content, context, env, seen_oids)


def render(content: str, context: Context, jinja_env: Environment) -> Any:
    """Render a text: to the one object that it consists of, or to what :func:`read` makes of the text."""
    from jinja2 import Undefined

    template = jinja_env.from_string(content)
    # As Airflow does it: the context's values are looked up only where they are used.
    values: Any = copy.copy(context)
    values.update((name, value) for name, value in template.globals.items() if name not in values)
    try:
        parts = list(template.root_render_func(template.new_context(values, shared=True)))
    except Exception:
        jinja_env.handle_exception()
    # What is not defined is an error as in any other DAG, and no value.
    if len(parts) == 1 and not isinstance(parts[0], str | Undefined):
        return parts[0]
    return read("".join(map(str, parts))) if parts else None


def read(text: str) -> Any:
    """Read a text as Airflow's native rendering does, but JSON as JSON, and a text as no other value.

    A number, a tuple or a name such as ``True`` counts where Python writes it in the same way, and a text in quotes
    where nothing in it is escaped.
    """
    from jinja2.nativetypes import native_concat

    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, str | list | dict):
            return found
    try:
        found = native_concat([text])
    except RecursionError:
        return text
    if isinstance(found, str):
        return found if text.strip() in (f"'{found}'", f'"{found}"') else text
    return found if isinstance(found, list | dict | set) or repr(found) == text.strip() else text
