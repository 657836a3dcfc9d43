"""Stray qualifiers anywhere, pushed into a sandbox: no text of one record is in another's value, no line is a person.

``make explore`` tries others than the fixed ones.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.connections import connect
from tests.reports import rejects
from tests.sandbox_process import SandboxProcess

NUMBERS = itertools.count()
BEYOND_DETECTION = ["x" * 90] * 800
"""Notes of so many records that the first strays stand behind the 64 KiB that detection looks at."""


@dataclass(frozen=True)
class Export:
    content: bytes = field(repr=False)
    count: int
    beyond: bool
    columns: int


def _with_stray(cell: str, qualifier: str, how: str) -> str:
    half = len(cell) // 2
    return {
        "start": qualifier + cell,
        "end": cell + qualifier,
        "middle": cell[:half] + qualifier + cell[half:],
        "wrapped": qualifier + cell + qualifier,
        "doubled": qualifier + cell[:half] + qualifier * 2 + cell[half:] + qualifier,
    }[how]


@st.composite
def exports(draw: st.DrawFn) -> Export:
    columns = draw(st.sampled_from([2, 3, 4, 6]))
    delimiter, qualifier = draw(st.sampled_from(",\t|;")), draw(st.sampled_from("\"'"))
    notes = draw(st.sampled_from([[], BEYOND_DETECTION]))
    count = len(notes) + draw(st.integers(4, 14))
    rows = [
        [f"P{n}", *(f"r{n}c{at}-{notes[n] if n < len(notes) else ''}" for at in range(1, columns))]
        for n in range(count)
    ]
    # The first record is bare: were every value of a column wrapped so far, the next would be a value over many lines.
    places = st.tuples(st.integers(max(2, len(notes)), count - 1), st.integers(0, columns - 1))
    how = st.sampled_from(["start", "start", "end", "middle", "wrapped", "doubled"])
    strays = draw(st.dictionaries(places, how, max_size=4))
    # One that opens, and below it the next one that would close: all between would be one value.
    opens, closes = sorted(draw(st.lists(places, min_size=2, max_size=2, unique_by=lambda place: place[0])))
    strays |= {opens: "start", closes: "end"}
    if draw(st.booleans()):
        # From there on, the qualifier is known for one.
        rows[1][1] = _with_stray(rows[1][1], qualifier, "wrapped")
    for (row, at), stray in strays.items():
        rows[row][at] = _with_stray(rows[row][at], qualifier, stray)
    encoding, line_end = (
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])),
        draw(st.sampled_from(["\r\n", "\n", "\r"])),
    )
    header = ["external_id", *(f"note_{at}" for at in range(1, columns))]
    text = "".join(delimiter.join(row) + line_end for row in (header, *rows))
    return Export(text.encode(encoding), count, bool(notes), columns)


@pytest.fixture(scope="module")
def workspace(sandbox_process: SandboxProcess) -> Iterator[tuple[SandboxProcess, pytest.MonkeyPatch]]:
    logging.disable(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        yield sandbox_process, patch
    logging.disable(logging.NOTSET)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(export=exports())
def test_nobody_is_in_anothers_value(
    workspace: Any, tmp_path_factory: pytest.TempPathFactory, export: Export
) -> None:
    sandbox, patch = workspace
    connect(patch, sandbox)
    sandbox.reset()
    folder = tmp_path_factory.getbasetemp() / f"stray{next(NUMBERS)}" / "Any Channel" / "Offer" / "1"
    folder.mkdir(parents=True)
    (folder / "RPI_Export_7.txt").write_bytes(export.content)

    report = BrazeUserTrackOperator(
        task_id="push", export=str(folder / "RPI_Export_7.txt"), mode="upsert", max_rejected=10_000
    ).execute({})

    event(f"beyond: {export.beyond}, invalid: {bool(report['invalid'])}, columns: {export.columns}")
    assert report["records"] == export.count == report["accepted"] + report["merged"] + report["invalid"]
    refused = {int(row["_line"]) for row in rejects(report)} if report["rejects_path"] else set()
    held = set()
    for profile in sandbox.all_profiles():
        text = re.sub(r"[\"'\\]", "", f"{profile['custom_attributes']}")
        whose = set(re.findall(r"r(\d+)c", text))
        # The identifier may hold a stray one itself, which is a character of it.
        assert whose == {re.sub(r"[P\"']", "", profile["external_id"])}
        held |= whose
    # Each line is one record: it is there, or it is named.
    assert {str(line - 2) for line in refused} | held == set(map(str, range(export.count)))
