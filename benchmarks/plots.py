"""The plots of docs/benchmarks.md, drawn from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import svg
from benchmarks.pace import in_three_seconds
from benchmarks.verdicts import Parts

SHARE, MEMORY = "benchmark-share-of-limit.svg", "benchmark-memory.svg"
_COLOURS = ("#1565c0", "#ef6c00", "#2e7d32")


def write(folder: Path, parts: Parts) -> None:
    """Draw the plots of what was measured."""
    if "course" not in parts:
        return
    watched = parts["course"]["watched"]
    folder.mkdir(exist_ok=True)
    (folder / SHARE).write_text(share_of_limit(watched), encoding="utf-8")
    (folder / MEMORY).write_text(memory(watched), encoding="utf-8")


def share_of_limit(watched: list[dict[str, Any]]) -> str:
    """Draw the requests of every 3 s as a share of those that the server lets through in 3 s."""
    drawn = [
        svg.Line(
            each["run"]["variant"],
            [(second, 100 * count / each["limit"]) for second, count in in_three_seconds(each["by_tenth"])],
            colour,
        )
        for each, colour in zip(watched, _COLOURS, strict=False)
    ]
    return svg.lines(
        "Share of the limit, in every window of 3 s",
        "seconds since the first request",
        "requests of the last 3 s",
        drawn,
        unit="%",
        limit=(100, "what the server lets through in 3 s"),
    )


def memory(watched: list[dict[str, Any]]) -> str:
    """Draw the resident memory of the process over the records that it has sent."""
    drawn = [
        svg.Line(
            each["run"]["variant"],
            [(records / 1e6, megabytes) for records, megabytes in each["memory"]],
            colour,
        )
        for each, colour in zip(watched, _COLOURS, strict=False)
    ]
    return svg.lines(
        "Memory over records, everything included",
        "million records sent",
        "resident memory",
        drawn,
        unit=" MB",
    )
