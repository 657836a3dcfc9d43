"""Writes the tables of docs/benchmarks.md between its markers; the words around them are written by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import hourly, plots
from benchmarks.runs import Run, least_ratio, middle, of, paired, pairs, variants
from benchmarks.verdicts import Parts, gains_of_two, records_of_shards, rows, runs

_NAMES = {
    "product": "**this provider**",
    "waves": "waves of 20 `requests.post` in threads, typed cells",
    "http_hook": "Airflow's `HttpHook` in a loop",
    "floor": "floor: csv, msgspec, raw socket; no checks",
    "aiohttp": "aiohttp",
    "pycurl": "pycurl (this provider's client)",
    "pyreqwest": "pyreqwest (Rust's reqwest)",
}


def write(path: Path, machine: Mapping[str, Any], parts: Parts) -> None:
    """Replace what stands between the markers of everything that was measured."""
    text = path.read_text(encoding="utf-8")
    tables = {"machine": _machine(machine), "promises": _promises(parts)}
    tables |= {name: f"{_when(part)}\n\n{_TABLES[name](part)}" for name, part in parts.items()}
    for name, table in tables.items():
        text, count = re.subn(
            rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)",
            lambda found, table=table: f"{found[1]}{table}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{path} has not one pair of markers for {name}")
    path.write_text(text, encoding="utf-8")
    plots.write(path.parent / "images", parts)


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    head = list(head)
    return "\n".join(
        "| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *map(list, lines)]
    )


def _machine(machine: Mapping[str, Any]) -> str:
    return table(("", ""), ((name, str(value)) for name, value in machine.items()))


def _promises(parts: Parts) -> str:
    head = ("what", "must", "goal", "measured", "verdict")
    return table(head, ((row.what, row.must, row.goal, row.measured, row.verdict) for row in rows(parts)))


def _when(part: Mapping[str, Any]) -> str:
    noise = f"everything else on the machine used {part['others']:.0%} of a core meanwhile"
    where = f" on {part['processor']}" if "processor" in part else ""
    return (
        f"*Measured {part['measured']} in {part['minutes']:.1f} minutes{where}, {part['version']}; {noise}.*"
    )


def _line(found: list[Run], name: str) -> list[str]:
    return [
        _NAMES.get(name, name),
        f"{middle(found, lambda run: run.rows_per_second):,.0f}",
        f"{middle(found, lambda run: run.cpu_per_million):.1f}",
        f"{middle(found, lambda run: run.cores):.0%}",
        f"{middle(found, lambda run: run.peak_mb):.0f}",
        f"{middle(found, lambda run: run.requests):,.0f}",
        f"{middle(found, lambda run: run.refused):,.0f}",
        f"{max(run.most_in_3s for run in found):,}",
        f"{min(run.wall for run in found):.1f} - {max(run.wall for run in found):.1f}",
    ]


_HEAD = (
    "what",
    "rows/s",
    "CPU s per M rows",
    "of one core",
    "peak MB",
    "requests",
    "429",
    "most in 3 s",
    "wall s",
)


def _runs(part: Mapping[str, Any]) -> str:
    found = runs(part)
    return table(_HEAD, (_line(of(found, name), name) for name in variants(found)))


def _baselines(part: Mapping[str, Any]) -> str:
    found = runs(part)
    others = [name for name in variants(found) if name != "product"]
    ratios = table(
        ("against", "rows per CPU-second", "rows/s", "peak memory"),
        (
            [
                _NAMES[name],
                f"{paired(found, name, 'product', lambda run: run.cpu_per_million):.2f}x",
                f"{paired(found, 'product', name, lambda run: run.rows_per_second):.2f}x",
                f"{paired(found, 'product', name, lambda run: run.peak_mb):.2f}x",
            ]
            for name in others
        ),
    )
    said = f"{found[0].records:,} records, no latency. Ratios of this provider to each, medians of pairs in one round:"
    return f"{_runs(part)}\n\n{said}\n\n{ratios}"


def _older(part: Mapping[str, Any]) -> str:
    found = runs(part)
    if not found:
        return f"Commit {part['against']} is not in this repository."
    bare = min(part["bare_mb"])
    lines = []
    for name, said in (("product", "this commit"), ("older", f"commit {part['against']}")):
        costs = sorted(run.cpu_per_million for run in of(found, name))
        lines.append(
            [
                said,
                f"{costs[0]:.2f}",
                f"{median(costs):.2f}",
                f"{costs[-1]:.2f}",
                f"{max(run.rows_per_second for run in of(found, name)):,.0f}",
                f"{max(run.peak_mb for run in of(found, name)):.0f}",
            ]
        )
    head = ("what", "CPU µs a record, least", "median", "most", "rows/s, most", "peak MB")
    each = [f"{a.cpu_per_million:.2f}/{b.cpu_per_million:.2f}" for a, b in pairs(found, "product", "older")]
    return (
        f"{table(head, lines)}\n\n{found[0].records:,} records, no latency, {len(each)} turns, whole processes with "
        f"their start; this commit's interpreter with all imported has {bare:.0f} MB. Pairs, this commit before the "
        f"older one: {', '.join(each)}. Rows per CPU-second, by the least of each: {least_ratio(found):.2f}x."
    )


def _shards(part: Mapping[str, Any]) -> str:
    (gain, most), (mapped, passed) = gains_of_two(part), records_of_shards(part)
    return (
        f"{_runs(part)}\n\nWithout a limit, two shards push {gain:.2f}x as many rows/s as one process, and two with "
        f"an export of half the size each, which pass nothing over, {most:.2f}x: more the cores do not give. "
        f"Without the start of a process, a mapped record costs {mapped * 1e6:.2f} CPU µs, one that is passed over "
        f"{passed * 1e6:.2f}, which is {passed / mapped:.1%} of that."
    )


def _budget(part: Mapping[str, Any]) -> str:
    lines = []
    for name in dict.fromkeys(turn["variant"] for turn in part["turns"]):
        turns = [turn for turn in part["turns"] if turn["variant"] == name]
        used, furthest = zip(*map(hourly.shares, turns), strict=True)
        refused, requests = (sum(turn[key] for turn in turns) for key in ("refused", "requests"))
        lines.append([name, f"{median(used):.1%}", f"{max(furthest):.1%}", f"{refused:,} of {requests:,}"])
    return table(("pushes", "used of what is there", "furthest from a fair share", "answered 429"), lines)


def _memory(part: Mapping[str, Any]) -> str:
    found = runs(part)
    bare, without = min(part["bare_mb"]), _least(found, "without")
    lines = []
    for name, said in _REMEMBERED.items():
        some, least = of(found, name), _least(found, name)
        lines.append(
            [
                said,
                f"{least:.2f}",
                f"{least / without:.2f}x",
                f"{middle(some, lambda run: run.wall):.1f}",
                f"{paired(found, name, 'without', lambda run: run.wall):.2f}x",
                f"{max(run.peak_mb for run in some) - bare:.0f}",
                f"{middle(some, lambda run: run.requests):,.0f}",
                f"{middle(some, lambda run: run.unchanged):,.0f}",
            ]
        )
    head = (
        "push",
        "CPU µs a record, least",
        "of that without",
        "wall s",
        "of that without",
        "MB",
        "requests",
        "unchanged",
    )
    return (
        f"{table(head, lines)}\n\n{found[0].records:,} records, {len(of(found, 'without'))} turns, 50 ms and the limit "
        f"enforced. MB is the most memory above an interpreter that has the package imported ({bare:.0f} MB)."
    )


def _least(found: list[Run], name: str) -> float:
    return min(run.cpu_per_million for run in of(found, name))


_REMEMBERED = {
    "without": "without the memory",
    "first": "the first with it",
    "changed": "7 % of the records changed in two values",
    "unchanged": "the same again",
}


def _entered(part: Mapping[str, Any]) -> str:
    return f"{part['functions']} functions in {part['files']} files."


def _small(part: Mapping[str, Any]) -> str:
    lines = []
    for name, key in (("first `execute` of a process", "first"), ("second", "second")):
        times = [turn[key] for turn in part["turns"]]
        lines.append(
            [name, f"{median(times):.3f}", f"{median(times) - part['round_trip']:.3f}", f"{max(times):.3f}"]
        )
    return table(
        ("75 records", "s", f"s beside one round trip of {part['round_trip'] * 1000:.0f} ms", "slowest s"),
        lines,
    )


def _clients(part: Mapping[str, Any]) -> str:
    cases = list(
        dict.fromkeys((turn["latency_ms"], turn["in_flight"], turn["tls"]) for turn in part["turns"])
    )
    names = list(dict.fromkeys(turn["client"] for turn in part["turns"]))
    lines = []
    for latency, in_flight, tls in cases:
        for name in names:
            turns = [
                turn
                for turn in part["turns"]
                if (turn["latency_ms"], turn["tls"], turn["client"]) == (latency, tls, name)
            ]
            values = [
                median(turn[key] for turn in turns) for key in ("cpu_us", "requests_per_second", "peak_mb")
            ]
            place = f"{latency} ms, {in_flight} in flight, {'https' if tls else 'http'}"
            lines.append([place, _NAMES[name], f"{values[0]:.0f}", f"{values[1]:,.0f}", f"{values[2]:.0f}"])
    return table(("sink", "client", "CPU µs a request", "requests/s", "peak MB"), lines)


def _course(part: Mapping[str, Any]) -> str:
    return table(_HEAD, (_line([Run(**each["run"])], each["run"]["variant"]) for each in part["watched"]))


_TABLES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "baselines": _baselines,
    "growth": _runs,
    "limit": _runs,
    "third": _runs,
    "sharing": _runs,
    "shards": _shards,
    "budget": _budget,
    "course": _course,
    "small": _small,
    "older": _older,
    "memory": _memory,
    "entered": _entered,
    "clients": _clients,
}
