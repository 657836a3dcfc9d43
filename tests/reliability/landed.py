"""Exports with everything that is awkward in them, whose every record is known."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

from tests import model

OFFER = "Spring Welcome"
BLOCKED = ("blocked-1", "blocked-2", "blocked-3")
"""Users whom the sandbox refuses by name."""
BLOCKED_OPTIONS = [part for user in BLOCKED for part in ("--blocked-user", user)]

COLUMNS = [
    "RPContactID",
    "ChannelExecutionID",
    "external_id",
    "first_name",
    "country",
    "dob",
    "output_name",
    "zip",
    "income",
]
MAPPING = {"types": {"income": "integer"}}
OPTIONS = {
    "mode": "upsert",
    "mapping": MAPPING,
    "identifier_column": "external_id",
    "identifier_kind": "external_id",
    "offer": OFFER,
}
"""How the model reads these exports."""


@dataclass
class Landed:
    """One export on disk.

    :param records: physical line and cells of each record.
    """

    path: Path
    records: list[tuple[int, list[str]]]

    def cells(self) -> dict[int, list[str]]:
        """The cells of each record by its line."""
        return dict(self.records)


def land(base: Path, count: int, rng: random.Random, *, number: int = 5719, bad: float = 0.02) -> Landed:
    """Write an export below a base path; one record in eight is of a user who was there before.

    :param bad: share of the records that are invalid or of blocked users.
    """
    path = base / "Braze Onboarding and Upsert" / OFFER / "8828" / f"RPI_Export_{number}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    records, line = [], 2
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for n in range(count):
            cells = _record(n, number, bad, rng)
            writer.writerow(cells)
            records.append((line, cells))
            line += 1 + sum(cell.count("\n") for cell in cells)
    return Landed(path, records)


def _record(n: int, execution: int, bad: float, rng: random.Random) -> list[str]:
    # Near repeats are folded into one object; far ones are sent on their own, after the first was answered.
    user = n if rng.random() > 0.125 else max(0, n - rng.choice([1, 2, 40, 3000]))
    cells = [
        f"C{n}",
        str(execution),
        f"U{user:07}",
        rng.choice(["Ann", "Bo", "Łukasz", "さくら", 'Jo "J"', "two\nlines", ""]),
        rng.choice(["ES", "United States", ""]),
        rng.choice(["1984-02-29", ""]),
        rng.choice(["High Value", "Low Value"]),
        f"0{rng.randrange(10000):04}",
        rng.choice(["007", "-12", ""]),
    ]
    if rng.random() < bad:
        _spoil(cells, rng)
    return cells


def _spoil(cells: list[str], rng: random.Random) -> None:
    trouble = rng.choice(["nobody", "country", "short", "wide", "number", "blocked"])
    if trouble == "short":
        del cells[5:]
    elif trouble == "wide":
        cells.append("one too many")
    else:
        column = {"country": 4, "number": 8}.get(trouble, 2)
        cells[column] = {"nobody": "", "blocked": rng.choice(BLOCKED)}.get(trouble, "Atlantis")


def read(cells: list[str]) -> tuple[str, dict] | None:
    """What the model makes of one record: its user and the change, or None where it is invalid."""
    if len(cells) != len(COLUMNS):
        return None
    try:
        return model._read(dict(zip(COLUMNS, cells, strict=True)), OPTIONS, [])
    except model.BadError:
        return None
