"""The tab's pages: server-rendered, everything escaped, style and script inside, so that nothing else is fetched.

Above: the app. Below: the templates, and the words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from airflow_provider_braze.plugins.rendering import wording


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
        "breakable": _breakable,
    }
    environment.globals |= {
        "meanings": wording.OUTCOME_MEANINGS,
        "css": _own_file("tab.css", _css),
        "css_of_all": _own_file("all.css", _css),
        "js": _own_file("tab.js", _js),
        "js_of_again": _own_file("again.js", _js),
    }
    return environment


_SHORT = 24
"""Characters of a name that is never broken."""


def _breakable(name: str) -> Markup:
    """Let a long name be broken after its signs, and nowhere in a word while there is room for it."""
    # What is escaped has none of these signs in it, and what is put in is ours.
    shown = escape(name)
    return Markup(re.sub(r"(?<=[_/.-])(?=\w)", "<wbr>", shown)) if len(name) > _SHORT else shown  # nosec B704


def _read(name: str) -> str:
    return (resources.files("airflow_provider_braze.plugins") / "static" / name).read_text("utf-8")


def _own_file(name: str, shorter: Callable[[str], str]) -> Markup:
    """Read a file of this package, which alone is written into a page as it stands."""
    # No value of anybody is in it.
    return Markup(shorter(_read(name)))  # nosec B704


_NAMED_BY_AIRFLOW = ("--bg", "--fg", "--fg-muted", "--font")
"""Names of values that the script sets, as Airflow has them."""


def _css(text: str) -> str:
    """Leave out of a style sheet what a browser does not need, as it is in every page; ours has no comments."""
    text = re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"\s+", " ", text))
    # Only a declaration has a blank after its colon, and the last one of a block needs no semicolon.
    text = text.replace(": ", ":").replace(";}", "}")
    names = [name for name in _names() if name not in _NAMED_BY_AIRFLOW]
    short = {name: f"--{number}" for number, name in enumerate(names)}
    return re.sub(r"--[a-z-]+", lambda found: short.get(found[0], found[0]), text)


def _names() -> list[str]:
    """List the values that the style sheet names."""
    return sorted(set(re.findall(r"(--[a-z-]+):", _read("tab.css"))))


def _js(text: str) -> str:
    """Leave out of a script its indentation, its lines of comment, and blanks; none of its texts has an operator."""
    lines = (line.strip() for line in text.splitlines())
    kept = "\n".join(line for line in lines if line and not line.startswith("//"))
    kept = re.sub(r" (===|=>|=|&&|\|\||\?\?|\?|:) ", r"\1", kept)
    # A line that ends so ends no statement that a line's end would have to.
    return re.sub(r"([;{,])\n", r"\1", kept)


def render(template: str, **given: Any) -> str:
    """Render a page."""
    return _environment().get_template(template).render(given)
