"""Baseline: ``csv.DictReader``, typed cells, and waves of 20 ``requests.post`` in 20 threads.

The shape of the best-known open importer of CSV files into Braze: every wave is awaited before the next one is
read, and every request opens a connection of its own.

    python -m benchmarks.baseline_waves EXPORT --host http://127.0.0.1:40123
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import requests

from benchmarks.baseline import Tally, main
from benchmarks.profiles import OBJECTS_PER_REQUEST, TRACK, profile

THREADS = 20

_WORDS = {"true": True, "false": False, "null": None}
_IDENTIFYING = ("external_id", "RPContactID", "ChannelExecutionID", "output_name")


def typed(cell: str) -> Any:
    """Guess the type of a cell: word, whole number, number, list, or text."""
    if cell.lower() in _WORDS:
        return _WORDS[cell.lower()]
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            continue
    if cell.startswith("[") and cell.endswith("]"):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def batches(path: str) -> Iterator[list[dict[str, Any]]]:
    """Read the profile objects, 75 at a time."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        objects = (
            profile(
                {name: cell if name in _IDENTIFYING else typed(cell) for name, cell in row.items() if cell}
            )
            for row in csv.DictReader(file)
        )
        while batch := list(islice(objects, OBJECTS_PER_REQUEST)):
            yield batch


def send(path: str, host: str, key: str, tally: Tally) -> None:
    """Push an export in waves."""

    def post(batch: list[dict[str, Any]]) -> int:
        answer = requests.post(
            host + TRACK, json={"attributes": batch}, headers={"Authorization": f"Bearer {key}"}, timeout=30
        )
        answer.json()
        return answer.status_code

    waves = batches(path)
    with ThreadPoolExecutor(THREADS) as pool:
        while wave := list(islice(waves, THREADS)):
            for batch, status in zip(wave, pool.map(post, wave), strict=True):
                tally.add(len(batch), status)


if __name__ == "__main__":
    main(send)
