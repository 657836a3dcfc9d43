"""Writes the tables and plots of docs/reliability.md; the words around them are written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks import svg
from tests.reliability.compare import OUTCOMES
from tests.sandbox_process import ROOT

if TYPE_CHECKING:
    from tests.reliability.matrix import Met

PAGE = ROOT / "docs" / "reliability.md"
FAULTS, SOAK = "fault-outcomes.svg", "soak-outcomes.svg"
_MOST_BARS = 60


def write_matrix(results: Iterable[Met]) -> None:
    """Write what came of every case."""
    results = list(results)
    lines = ["| what happens | outcomes of the valid records | the push | seconds |", "|---|---|---|---|"]
    for met in results:
        outcomes = ", ".join(f"`{name}`" for name in sorted(met.case.outcomes))
        ends = f"`{met.report['status']}`" + (f", `{met.error}`" if met.error else "")
        lines.append(f"| {met.case.name} | {outcomes} | {ends} | {met.seconds:.1f} |")
    _put("matrix", "\n".join(lines))
    write_plot(
        FAULTS,
        f"What became of each record of {results[0].report['records']}, fault by fault",
        {met.case.name: _outcomes(met.report) for met in results},
    )


def write_soak(figures: dict[str, Any]) -> None:
    """Write the figures of one soak."""
    faults = figures["faults"]
    outcomes = ", ".join(f"{count:,} `{name}`" for name, count in figures["outcomes"].items())
    rows = {
        "when, how long, seed": f"{datetime.now(UTC):%Y-%m-%d}, {figures['seconds'] / 60:.0f} minutes, "
        f"seed {figures['seed']}",
        "pushes of rows of one's own": f"{figures['pushes_of_rows']:,}",
        "exports": f"{figures['exports']:,}",
        "records": f"{figures['records']:,}: {outcomes}",
        "requests that the sandbox got": f"{figures['requests']:,}",
        "of them befallen by a fault": f"{sum(faults.values()):,}: "
        + ", ".join(f"{count:,} {name}" for name, count in faults.items()),
        "tries of tasks": f"{figures['tries']:,}",
        "workers killed (SIGKILL)": f"{figures['kills']:,}",
        "workers told to stop (SIGTERM)": f"{figures['terminations']:,}",
        "pushes that stopped with a report and were tried again": f"{figures['given_up']:,}",
        "pushes stopped by 401, 403 or a redirect, and cleared": f"{figures['stopped']:,}",
        "pushes that left the worker for a wait (deferred)": f"{figures['deferred']:,}",
        "reports of pushes that had gone on from a checkpoint": f"{figures['resumed']:,}",
        "profile objects that Braze got more than once": f"{figures['sent_again']:,}",
        "**lost, or counted wrongly**": f"**{figures['lost']}**",
    }
    _put(
        "soak", "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
    )

    plot_soak(figures)


def plot_soak(figures: dict[str, Any]) -> None:
    """Draw what became of the records of each push of a soak."""
    write_plot(
        SOAK,
        f"What became of each record in a soak of {figures['seconds'] / 60:.0f} minutes, seed {figures['seed']}",
        {push["name"]: push["outcomes"] for push in figures["by_push"][:_MOST_BARS]},
    )


def write_plot(name: str, title: str, rows: dict[str, dict[str, int]]) -> None:
    """Draw a bar for each row, cut into outcomes."""
    (PAGE.parent / "images" / name).write_text(svg.bars(title, rows, svg.COLOURS), encoding="utf-8")


def _outcomes(report: dict[str, Any]) -> dict[str, int]:
    return {name: report[name] for name in OUTCOMES if report.get(name)}


def _put(name: str, table: str) -> None:
    text, count = re.subn(
        rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)",
        lambda found: f"{found[1]}{table}\n{found[2]}",
        PAGE.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(f"{PAGE} has not one pair of markers for {name}")
    PAGE.write_text(text, encoding="utf-8")
