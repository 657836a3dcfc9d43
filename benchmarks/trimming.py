"""What it costs to look for blanks where there are none: read and map with ``trim=True`` and ``trim=False``, in turns.

    python -m benchmarks.trimming --records 200000 --rounds 10

Nothing is sent. Of each variant the least CPU time of all rounds counts: what other programs take away only adds to it.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.pushes.sources.export_source import ExportSource, ResolvedExport
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.path import ExportPath
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from benchmarks import generate

FORMS: dict[str, int | None] = {
    "no qualifiers": None,
    "text columns in qualifiers": csv.QUOTE_NONNUMERIC,
    "every value in qualifiers": csv.QUOTE_ALL,
}


def written(export: Path, quoting: int | None) -> bytes:
    """Write an export again, tab-delimited, with another rule for qualifiers."""
    text = export.read_text("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header, *records = rows
    plain = [[" ".join(cell.replace('"', "").split()) for cell in row] for row in records]
    if quoting is None:
        return "".join("\t".join(row) + "\n" for row in [header, *plain]).encode()
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t", quoting=quoting, lineterminator="\n")
    is_number = [all(row[at].isdecimal() for row in plain[:1000]) for at in range(len(header))]
    writer.writerow(header)
    if quoting == csv.QUOTE_NONNUMERIC:
        writer.writerows(
            [int(cell) if number else cell for cell, number in zip(row, is_number, strict=True)]
            for row in plain
        )
    else:
        writer.writerows(plain)
    return out.getvalue().encode()


def cost(content: bytes, *, trim: bool) -> tuple[float, int]:
    """Read and map once; CPU seconds and records."""
    item = ExportItem("RPI_Export_5719.txt", ExportPath("", "", "", "RPI_Export_5719.txt"))
    reading = ResolvedExport(item, "upsert", ExportMapping(trim=trim), Dialect())
    began = time.process_time()
    ledger = Ledger(NullSink())
    for _ in ExportSource(io.BytesIO(content), reading).objects(ledger):
        pass
    return time.process_time() - began, ledger.records


def measure(records: int, rounds: int, say: Callable[[str], None]) -> dict[str, tuple[float, float]]:
    """Give the least CPU seconds with and without, by form."""
    export = generate.export(records)
    found = {}
    for name, quoting in FORMS.items():
        content = written(export, quoting)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(rounds):
            # To and fro, so that neither always comes first.
            for trim in (True, False) if turn % 2 else (False, True):
                spent, read = cost(content, trim=trim)
                assert read == records
                seconds[trim].append(spent)
        with_trim, without = min(seconds[True]), min(seconds[False])
        found[name] = with_trim, without
        say(
            f"{name}: trim=True {with_trim:.3f} s, trim=False {without:.3f} s: {with_trim / without - 1:+.1%} "
            f"(least of {rounds}, {records:,} records)"
        )
    return found


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.trimming", description=__doc__)
    options.add_argument("--records", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=10)
    given = options.parse_args()
    measure(given.records, given.rounds, print)


if __name__ == "__main__":
    main()
