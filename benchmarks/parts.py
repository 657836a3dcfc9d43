"""What is measured, part by part. Variants alternate within a round, so that a slow hour befalls all of them."""

from __future__ import annotations

import importlib.util
import json
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import clients, generate, hourly, pace
from benchmarks.measure import Child, SinkProcess, python_with
from benchmarks.older import BEFORE_THE_LOOP, OLDER, checkout
from benchmarks.runs import PRODUCT, Run, push, run_of

LATENCY_MS = 50
LIMIT = 3_000
"""Requests in 3 s."""

MOST_SHARDS = 100
_UNLIMITED = ("--requests-per-second", "100000")

SMALL = 75
CHANGED = 0.07
NEVER_THE_SAME = ("RPContactID", "ChannelExecutionID", "country")
"""Columns that are new in each execution, or always sent: with them, no record is ever unchanged."""

CLIENT_RECORDS = 20_000
"""Of these the bodies are made that the clients post."""


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    :param sizes: records of a small, a middle and a large export.
    :param compared: records that the baselines push, some of which are slow.
    :param shared: records that each of the processes pushes that share the limit.
    :param processes: how many they are.
    :param rounds: how often each variant runs.
    :param small_rounds: how often the 75 records are pushed.
    :param requests: requests of a client at full speed; a third of them with latency.
    :param against: the older commit that pushes in turns with this one.
    :param paired: records that both push.
    :param remembered: records that are pushed with the memory of what Braze was told, and without it.
    :param paired_rounds: how often: with so many, the least of each tells what the code costs, and not the machine.
    """

    sizes: tuple[int, int, int] = (100_000, 1_000_000, 5_000_000)
    compared: int = 600_000
    shared: int = 250_000
    processes: int = 4
    rounds: int = 3
    small_rounds: int = 7
    requests: int = 9_000
    against: str = BEFORE_THE_LOOP
    paired: int = 1_000_000
    paired_rounds: int = 8
    remembered: int = 1_000_000


SMOKE = Scale(
    sizes=(1_000, 2_000, 4_000),
    compared=2_000,
    shared=2_000,
    processes=2,
    rounds=1,
    small_rounds=1,
    requests=150,
    paired=1_000,
    paired_rounds=1,
    remembered=2_000,
)

Result = dict[str, Any]


def baselines(scale: Scale, say: Callable[[str], None]) -> Result:
    """Product, waves of threads, HttpHook and the floor, into a sink without latency."""
    path = _export(scale.compared)
    modules = {
        "product": PRODUCT,
        "waves": "benchmarks.baseline_waves",
        "http_hook": "benchmarks.baseline_http_hook",
        "floor": "benchmarks.baseline_floor",
    }
    return _rounds(scale, say, {name: lambda name=name: push(name, modules[name], path) for name in modules})


def growth(scale: Scale, say: Callable[[str], None]) -> Result:
    """The product alone, at full speed, with exports of three sizes."""
    sizes = {_size(records): _pushing(_size(records), records, options=_UNLIMITED) for records in scale.sizes}
    return _rounds(scale, say, sizes)


def limit(scale: Scale, say: Callable[[str], None]) -> Result:
    """The product at Braze's limit with the latency of a real network, over http and TLS; an older commit beside it."""
    sink = _sink(LIMIT)
    variants = {_size(records): _pushing(_size(records), records, *sink) for records in scale.sizes}
    tls = f"{_size(scale.sizes[1])}, TLS"
    variants[tls] = _pushing(tls, scale.sizes[1], *sink, "--tls")
    if (root := checkout(scale.against)) is not None:
        large = _export(scale.sizes[-1])
        variants[OLDER] = lambda: push(OLDER, PRODUCT, large, *sink, root=root)
    return _rounds(scale, say, variants)


def sharing(scale: Scale, say: Callable[[str], None]) -> Result:
    """Four processes, which know nothing of each other, on one limit; sliding windows and windows by the clock."""
    return _rounds(scale, say, _sharing(scale, _sink(LIMIT)))


def third(scale: Scale, say: Callable[[str], None]) -> Result:
    """One process, and four that share it, at a third of Braze's limit: so much a slow machine carries, too."""
    requests = LIMIT // 3
    sink, pace = _sink(requests), ("--requests-per-second", str(requests / 3))
    alone = {
        _size(records): _pushing(_size(records), records, *sink, options=pace) for records in scale.sizes[1:]
    }
    return _rounds(scale, say, alone | _sharing(scale, sink, *pace))


def shards(scale: Scale, say: Callable[[str], None]) -> Result:
    """Two shards of one export as two processes, at the limit and without; and what a passed-over record costs."""
    path, large = _export(scale.sizes[1]), _export(scale.sizes[2])
    half = _export(scale.sizes[1] // 2)
    least = ("--shard", f"1/{MOST_SHARDS}")
    variants = {
        "two shards at the limit": lambda: _in_shards("two shards at the limit", 2, large, _sink(LIMIT)),
        "two shards, no limit": lambda: _in_shards("two shards, no limit", 2, path, _late_sink(), _UNLIMITED),
        # What the cores give to two processes that pass nothing over.
        "two halves, no limit": lambda: _share("two halves, no limit", 2, half, _late_sink(), _UNLIMITED),
        "one process, no limit": lambda: push(
            "one process, no limit", PRODUCT, path, *_late_sink(), options=_UNLIMITED
        ),
        # Of a hundred records, 99 are passed over: what they cost beside one that is mapped.
        "mapped": lambda: push("mapped", PRODUCT, path, options=_UNLIMITED),
        "passed over": lambda: push("passed over", PRODUCT, path, options=(*least, *_UNLIMITED)),
        "start": lambda: push("start", PRODUCT, _export(SMALL)),
    }
    return _rounds(scale, say, variants) | {"records": scale.sizes[1], "shards": MOST_SHARDS}


def course(scale: Scale, say: Callable[[str], None]) -> Result:
    """How a push goes on: the share of the limit in every 3 s, and the memory over the records, as plots."""
    watched = []
    for requests, records in ((LIMIT, scale.sizes[2]), (LIMIT // 3, scale.sizes[1])):
        name = f"{_size(records)}, {requests:,} requests per 3 s"
        told = ("--requests-per-second", str(requests / 3))
        watched.append(pace.watch(name, _export(records), requests, *_sink(requests), options=told))
        say(f"{name}: {watched[-1]['run']['wall']:.1f} s")
    return {"watched": watched}


def small(scale: Scale, say: Callable[[str], None]) -> Result:
    """An export of 75 records through the operator, beside one round trip."""
    path = _export(SMALL)
    turns = []
    for turn in range(scale.small_rounds):
        with SinkProcess("--latency-ms", str(LATENCY_MS)) as sink:
            connection = {"conn_type": "braze", "host": sink.url, "password": "benchmark-key"}
            environment = {"AIRFLOW_CONN_BRAZE_DEFAULT": json.dumps(connection)}
            turns.append(Child("benchmarks.small_export", [path], environment).reap().said)
        say(f"round {turn + 1}: {turns[-1]['first']:.3f} s, then {turns[-1]['second']:.3f} s")
    return {"round_trip": LATENCY_MS / 1000, "turns": turns}


def older(scale: Scale, say: Callable[[str], None]) -> Result:
    """This commit and an older one in turns, without latency, everything on."""
    path, root = _export(scale.paired), checkout(scale.against)
    if root is None:
        say(f"{scale.against} is not in this repository")
        return {"runs": [], "bare_mb": [], "against": scale.against}
    variants = {
        "product": _pushing("product", scale.paired),
        "older": lambda: push("older", PRODUCT, path, root=root),
    }
    return _rounds(scale, say, variants, scale.paired_rounds) | {"against": scale.against}


def memory(scale: Scale, say: Callable[[str], None]) -> Result:
    """With the memory of what Braze was told: the first push, 7 % of the records changed, none; and one without."""
    before, after = (str(generate.export(scale.remembered, share)) for share in (0.0, CHANGED))
    runs: list[Run] = []
    bare = []
    for turn in range(scale.rounds):
        bare.append(python_with(PRODUCT).peak_mb)
        # Whose memory it is, the address tells, so all have the same.
        sink = (*_sink(LIMIT), "--port", str(_free_port()))
        with tempfile.TemporaryDirectory() as folder:
            for name, path, told in (
                ("without", before, ()),
                ("first", before, ("--memory", folder)),
                ("changed", after, ("--memory", folder)),
                ("unchanged", after, ("--memory", folder)),
            ):
                options = (*told, *(word for column in NEVER_THE_SAME for word in ("--omit", column)))
                runs.append(push(name, PRODUCT, path, *sink, options=options))
                say(f"round {turn + 1}: {name}: {runs[-1].wall:.1f} s, {runs[-1].cpu:.1f} CPU s")
    return {"runs": [run.as_dict() for run in runs], "bare_mb": bare}


def entered(scale: Scale, say: Callable[[str], None]) -> Result:  # noqa: ARG001 - one record is one record
    """Functions and files of the package that a push of one record enters."""
    with SinkProcess() as sink:
        connection = {"conn_type": "braze", "host": sink.url, "password": "benchmark-key"}
        environment = {"AIRFLOW_CONN_BRAZE_DEFAULT": json.dumps(connection)}
        said = Child("benchmarks.entered", [_export(1)], environment).reap().said
    say(f"{said['functions']} functions in {said['files']} files")
    return {name: said[name] for name in ("functions", "files")}


def http_clients(scale: Scale, say: Callable[[str], None]) -> Result:
    """aiohttp, pycurl and a Rust client with the same bodies, at full speed and at the pace of the limit."""
    path = _export(CLIENT_RECORDS)
    installed = [name for name in clients.NAMES if importlib.util.find_spec(name)]
    turns: list[Result] = []
    for turn in range(scale.rounds):
        for latency, in_flight, requests in ((0, 32, scale.requests), (LATENCY_MS, 50, scale.requests // 3)):
            for tls in (False, True):
                for name in installed:
                    case = {"client": name, "latency_ms": latency, "tls": tls, "in_flight": in_flight}
                    turns.append(case | _send(name, path, latency, in_flight, requests, tls))
                    say(f"round {turn + 1}: {case} {turns[-1]['cpu_us']:.0f} us")
    return {"turns": turns, "missing": [name for name in clients.NAMES if name not in installed]}


PARTS: dict[str, Callable[[Scale, Callable[[str], None]], Result]] = {
    "baselines": baselines,
    "growth": growth,
    "limit": limit,
    "third": third,
    "sharing": sharing,
    "shards": shards,
    "budget": hourly.measure,
    "course": course,
    "small": small,
    "older": older,
    "memory": memory,
    "entered": entered,
    "clients": http_clients,
}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _export(records: int) -> str:
    return str(generate.export(records))


def _size(records: int) -> str:
    return f"{records:,} records"


def _pushing(variant: str, records: int, *sink: str, options: Sequence[str] = ()) -> Callable[[], Run]:
    path = _export(records)
    return lambda: push(variant, PRODUCT, path, *sink, options=options)


def _rounds(
    scale: Scale, say: Callable[[str], None], variants: dict[str, Callable[[], Run]], rounds: int = 0
) -> Result:
    runs: list[Run] = []
    bare = []
    for turn in range(rounds or scale.rounds):
        bare.append(python_with(PRODUCT).peak_mb)
        # To and fro: what ran last slows down what runs next on some machines.
        for name, run in [*variants.items()][:: -1 if turn % 2 else 1]:
            runs.append(run())
            say(f"round {turn + 1}: {name}: {runs[-1].wall:.1f} s, {runs[-1].cpu:.1f} CPU s")
    return {"runs": [run.as_dict() for run in runs], "bare_mb": bare}


def _sink(requests: int) -> tuple[str, ...]:
    """Answer as a network's distance away, and enforce a limit of so many requests in 3 s."""
    return "--latency-ms", str(LATENCY_MS), "--limit", f"{requests}/3"


def _sharing(scale: Scale, sink: Sequence[str], *options: str) -> dict[str, Callable[[], Run]]:
    path = _export(scale.shared)
    sinks = {"sliding window": sink, "window by the clock": (*sink, "--by-clock")}
    return {
        name: lambda name=name, sink=sink: _share(name, scale.processes, path, sink, options)
        for name, sink in sinks.items()
    }


def _late_sink() -> tuple[str, ...]:
    return "--latency-ms", str(LATENCY_MS)


def _in_shards(variant: str, of: int, path: str, sink: Sequence[str], options: Sequence[str] = ()) -> Run:
    """Push one export with a process for each shard, and take them together as one."""
    each = [("--shard", f"{number}/{of}", *options) for number in range(1, of + 1)]
    return _together(variant, path, sink, each)


def _share(variant: str, processes: int, path: str, sink: Sequence[str], options: Sequence[str]) -> Run:
    """Push the same export with several processes at once, and take them together as one."""
    return _together(variant, path, sink, [options] * processes)


def _together(variant: str, path: str, sink: Sequence[str], options: Sequence[Sequence[str]]) -> Run:
    """Push with a process for each of the options at once."""
    with SinkProcess(*sink) as server:
        children = [Child(PRODUCT, [path, "--host", server.url, *own]) for own in options]
        ended = [child.reap() for child in children]
    each = [run_of(variant, measured, server.counts) for measured in ended]
    wall = max(measured.ended for measured in ended) - min(measured.started for measured in ended)
    return Run(
        variant=variant,
        records=sum(run.records for run in each),
        objects=sum(run.objects for run in each),
        wall=wall,
        seconds=max(run.seconds for run in each),
        cpu=sum(run.cpu for run in each),
        peak_mb=max(run.peak_mb for run in each),
        requests=each[0].requests,
        refused=each[0].refused,
        most_in_3s=each[0].most_in_3s,
    )


def _send(name: str, path: str, latency: float, in_flight: int, requests: int, tls: bool) -> Result:
    with SinkProcess("--latency-ms", str(latency), *(["--tls"] if tls else [])) as sink:
        arguments = [
            name,
            path,
            "--host",
            sink.url,
            "--requests",
            str(requests),
            "--in-flight",
            str(in_flight),
        ]
        if sink.certificate:
            arguments += ["--certificate", sink.certificate]
        measured = Child("benchmarks.clients", arguments, sink.trust).reap()
    said = measured.said
    return {
        "requests_per_second": said["requests"] / said["seconds"],
        "cpu_us": said["client_cpu"] / said["requests"] * 1e6,
        "peak_mb": measured.peak_mb,
        "connections": sink.counts["connections"],
    }
