"""One line of a table: what one process did, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import ROOT, Child, Measured, SinkProcess

PRODUCT = "benchmarks.push"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one variant.

    :param variant: what ran.
    :param records: rows of the export.
    :param objects: profile objects that were accepted (fewer than records, where records of a user were merged).
    :param unchanged: records that needed not be sent.
    :param wall: seconds, from the start of the process to its end.
    :param seconds: seconds the push itself took, by its report; the wall where it says nothing.
    :param cpu: seconds of CPU.
    :param peak_mb: most resident memory in MB.
    :param requests: requests that the sink received.
    :param refused: of these, answered 429.
    :param most_in_3s: most requests in any 3 s, as the sink saw them.
    """

    variant: str
    records: int
    objects: int
    wall: float
    seconds: float
    cpu: float
    peak_mb: float
    requests: int
    refused: int
    most_in_3s: int
    unchanged: int = 0

    @property
    def rows_per_second(self) -> float:
        """Records in a second of wall clock."""
        return self.records / self.wall

    @property
    def objects_per_second(self) -> float:
        """Accepted objects in a second of wall clock."""
        return self.objects / self.wall

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds for a million records."""
        return self.cpu / self.records * 1e6

    @property
    def cores(self) -> float:
        """Share of one core."""
        return self.cpu / self.wall

    def as_dict(self) -> dict[str, Any]:
        """Give what JSON keeps."""
        return {
            key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()
        }


def push(
    variant: str, module: str, path: str, *sink: str, options: Sequence[str] = (), root: Path = ROOT
) -> Run:
    """Push an export into a sink of its own.

    :param options: what the module is told besides.
    :param root: the checkout whose module it is.
    """
    with SinkProcess(*sink) as server:
        measured = Child(module, [path, "--host", server.url, *options], server.trust, root).reap()
    return run_of(variant, measured, server.counts)


def run_of(variant: str, measured: Measured, counts: dict[str, Any]) -> Run:
    """Put together what was measured, said, and counted by the sink.

    :raises RuntimeError: the process did not bring everything through.
    """
    said = measured.said
    records, objects = said["records"], said["objects"]
    unchanged = said.get("unchanged", 0)
    brought = objects + said.get("merged", 0) + unchanged
    if said.get("status", "complete") != "complete" or brought != records:
        raise RuntimeError(f"{variant} did not bring everything through: {said}")
    return Run(
        variant=variant,
        records=records,
        objects=objects,
        wall=measured.wall,
        seconds=said.get("seconds", measured.wall),
        cpu=measured.cpu,
        peak_mb=measured.peak_mb,
        requests=counts["requests"],
        refused=counts["refused"],
        most_in_3s=counts["most_in_3s"],
        unchanged=unchanged,
    )


def of(runs: Iterable[Run], variant: str) -> list[Run]:
    """Select the runs of a variant, in the order of the rounds."""
    return [run for run in runs if run.variant == variant]


def middle(runs: Iterable[Run], value: Callable[[Run], float]) -> float:
    """Take the median of something over runs."""
    return median(map(value, runs))


def paired(runs: list[Run], one: str, other: str, value: Callable[[Run], float]) -> float:
    """Take the median over the rounds of the ratio of two variants that ran side by side."""
    return median(value(a) / value(b) for a, b in pairs(runs, one, other))


def pairs(runs: list[Run], one: str, other: str) -> list[tuple[Run, Run]]:
    """Put the runs of two variants together that ran side by side."""
    return [*zip(of(runs, one), of(runs, other), strict=True)]


def least_ratio(runs: list[Run]) -> float:
    """Compare the rows per CPU-second of this commit with those of the older one, by the least that each took."""
    product, older = (min(run.cpu_per_million for run in of(runs, name)) for name in ("product", "older"))
    return older / product


def variants(runs: Iterable[Run]) -> list[str]:
    """Name the variants in the order in which they first ran."""
    return list(dict.fromkeys(run.variant for run in runs))
