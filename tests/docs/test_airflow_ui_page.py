"""The pictures and the form's fields on the page about the UI are those that exist."""

from __future__ import annotations

import re

from tests.dags.test_shipped_dags import load
from tests.docs.pages import DOCS, PAGES, README

LARGEST = 300_000
_PICTURE = re.compile(r"!\[([^\]]*)\]\((?:docs/)?images/([^)]+)\)")
_IN_BOTH_THEMES = re.compile(
    r'srcset="(?:docs/)?images/([^"]+)">\s+<img src="(?:docs/)?images/([^"]+)" alt="([^"]+)">'
)


def test_every_picture_is_shown_described_and_small() -> None:
    texts = [page.read_text("utf-8") for page in [README, *PAGES]]
    shown = [found for text in texts for found in _PICTURE.findall(text)]
    for dark, light, said in (found for text in texts for found in _IN_BOTH_THEMES.findall(text)):
        shown += [(said, dark), (said, light)]

    assert {name for _, name in shown} == {path.name for path in (DOCS / "images").iterdir()}
    assert all(len(text) > 20 for text, _ in shown)
    assert not [path.name for path in (DOCS / "images").iterdir() if path.stat().st_size > LARGEST]


def test_every_field_of_the_form_is_documented_with_what_it_refuses() -> None:
    page = (DOCS / "airflow-ui.md").read_text("utf-8")
    params = load("redpoint_to_braze").params

    for name in params:
        schema = params.get_param(name).schema
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {schema['title']} | `{name}` |"))
        if name != "workflow_id":
            assert schema.get("$comment", "") in row
