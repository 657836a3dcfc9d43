"""The tab's pages: server-rendered, everything escaped, style and script inside, so that nothing else is fetched."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_provider_braze.plugins import wording


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("airflow_provider_braze.plugins"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda value: f"{value:,.0f}",
        "percent": wording.percent,
        "duration": wording.duration,
        "spaced": wording.spaced,
    }
    environment.globals |= {
        "meanings": wording.OUTCOME_MEANINGS,
        "css": _own_file("tab.css", _css),
        "js": _own_file("tab.js", _js),
    }
    return environment


def _own_file(name: str, shorter: Callable[[str], str]) -> Markup:
    """Read a file of this package, which alone is written into a page as it stands."""
    text = (resources.files("airflow_provider_braze.plugins") / "static" / name).read_text("utf-8")
    # No value of anybody is in it.
    return Markup(shorter(text))  # nosec B704


def _css(text: str) -> str:
    """Leave out the blanks of a style sheet, which is in every page; ours has no comments, and none in its texts."""
    return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"\s+", " ", text))


def _js(text: str) -> str:
    """Leave out the indentation and the lines of comment of a script."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def render(template: str, **given: Any) -> str:
    """Render a page."""
    return _environment().get_template(template).render(given)
