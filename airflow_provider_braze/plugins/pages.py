"""The tab's pages: server-rendered, everything escaped, style and script inside, so that nothing else is fetched."""

from __future__ import annotations

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
        "css": _own_file("tab.css"),
        "js": _own_file("tab.js"),
    }
    return environment


def _own_file(name: str) -> Markup:
    """Read a file of this package, which alone is written into a page as it stands."""
    text = (resources.files("airflow_provider_braze.plugins") / "static" / name).read_text("utf-8")
    # No value of anybody is in it.
    return Markup(text)  # nosec B704


def render(template: str, **given: Any) -> str:
    """Render a page."""
    return _environment().get_template(template).render(given)
