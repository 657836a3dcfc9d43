"""The comparison of ``trim`` is kept alive; nothing is said about times."""

from __future__ import annotations

from benchmarks.trimming import FORMS, measure


def test_it_measures_each_form() -> None:
    said: list[str] = []
    assert list(measure(200, 1, said.append)) == list(FORMS)
    assert len(said) == len(FORMS)
