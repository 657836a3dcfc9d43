"""A soak: exports and rows of one's own pushed through random faults and random kills, and nothing may be lost.

``python -m tests.reliability.soak --minutes 10``. Each export is pushed by worker processes that are killed at random
moments, and tried again with the same task state store until the push is complete, as Airflow would. Then everything
is compared: the workspace with an independent model of the export, the counts of the report, and the rejects file.
It ends with status 1 when anything is lost, and keeps the folder; ``--seed`` makes the same exports, faults and kills.
"""

from __future__ import annotations

import argparse
import inspect
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.reliability import (
    compare,
    document,
    home,  # noqa: F401 - before what imports Airflow
    landed,
    own_rows,
    pushing,
)
from tests.reliability.trouble import Trouble
from tests.reliability.worker import KILLED_AFTER, Store, Try
from tests.sandbox_process import SandboxProcess

_MOST_TRIES = 60
_DEFERS = "max_wait_on_worker" in inspect.signature(pushing.BrazeUserTrackOperator.__init__).parameters
_TIMEOUT = [1, 2.5]
_SHARE_OF_ROWS = 0.4


@dataclass
class Figures:
    """What a soak has come to so far."""

    seed: int
    seconds: float = 0
    exports: int = 0
    pushes_of_rows: int = 0
    records: int = 0
    tries: int = 0
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    terminations: int = 0
    given_up: int = 0
    stopped: int = 0
    deferred: int = 0
    resumed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    sent_again: int = 0
    lost: int = 0
    by_push: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if not isinstance(value, Counter)}
        return {**plain, "faults": dict(self.faults.most_common()), "outcomes": dict(self.outcomes)}


class Soak:
    """Pushes exports, one after the other, through everything that can go wrong.

    :param seed: of exports, faults and kills.
    :param records: of one export, at most.
    :param base: folder for the exports.
    """

    def __init__(self, seed: int, records: int, base: Path) -> None:
        self.figures = Figures(seed)
        self.wrong: list[str] = []
        self._records, self._base = records, base
        self._rng = random.Random(seed)

    @property
    def pushes(self) -> int:
        """Pushes that have come to their end."""
        return self.figures.exports + self.figures.pushes_of_rows

    def push_one(self, sandbox: SandboxProcess) -> None:
        """Push one export to its end, whatever it takes, and compare."""
        rng, figures = random.Random(self._rng.random()), self.figures
        number = 1000 + figures.exports + figures.pushes_of_rows
        count = rng.randint(self._records // 4, self._records)
        export: landed.Landed | own_rows.OwnRows
        if rng.random() < _SHARE_OF_ROWS:
            # They are held in memory, and each row is an object of Python's.
            export = own_rows.make(self._base, count // 5, rng, number=number)
        else:
            export = landed.land(self._base / "rpi", count, rng, number=number)
        sandbox.reset()
        if isinstance(export, own_rows.OwnRows):
            sandbox.put_profiles(export.users())
        before = figures.tries, figures.kills + figures.terminations
        report = self._until_complete(sandbox, export, self._base / f"task{number}", rng)
        stats = sandbox.stats()
        is_rows = isinstance(export, own_rows.OwnRows)
        figures.exports += not is_rows
        figures.pushes_of_rows += is_rows
        figures.records += len(export.records)
        figures.requests += stats["requests"]
        figures.faults.update(stats["by_fault"])
        outcomes = {name: report[name] for name in compare.OUTCOMES if report[name]}
        figures.outcomes.update(outcomes)
        kind = "rows" if is_rows else "export"
        befallen = sum(stats["by_fault"].values())
        tries, ended = figures.tries - before[0], figures.kills + figures.terminations - before[1]
        name = f"{kind} of {len(export.records):,}: {befallen} faults, {tries} tries, {ended} kills"
        figures.by_push.append({"name": name, "outcomes": outcomes})
        figures.resumed += bool(report.get("resumed_after"))
        figures.sent_again += max(0, stats["objects"] - stats["refused_objects"] - report["objects"])
        if isinstance(export, own_rows.OwnRows):
            wrong = export.differences(report, sandbox.profiles())
        else:
            wrong = compare.differences(export, report, sandbox.profiles())
        self._wrong(*(f"export {number}: {what}" for what in wrong))
        if not wrong:
            export.path.unlink(missing_ok=is_rows)
            shutil.rmtree(self._base / f"task{number}")

    def _until_complete(
        self,
        sandbox: SandboxProcess,
        export: landed.Landed | own_rows.OwnRows,
        task: Path,
        rng: random.Random,
    ) -> dict[str, Any]:
        extras = {"timeout": _TIMEOUT, "max_in_flight": rng.choice([4, 16, 96])}
        environment = {pushing.CONNECTION: pushing.connection(sandbox.url, sandbox.key, **extras)}
        given: dict[str, Any] = {"max_wait_on_worker": rng.choice([0.5, 60])} if _DEFERS else {}
        is_rows = isinstance(export, own_rows.OwnRows)
        if isinstance(export, own_rows.OwnRows):
            given |= export.given(task / "reports")
        kills, number, deferral = rng.randint(0, 10), 1, None
        store = Store(task / "state")
        while number < _MOST_TRIES:
            calm = number > _MOST_TRIES // 2
            trouble = Trouble(sandbox, rng, 0.8)
            settled = _settled(store) if number > 1 or deferral else 0
            running = Try(None if is_rows else export.path, task, number, environment, given, deferral)
            self.figures.tries += deferral is None
            kill = rng.uniform(0.1, 6) if kills > 0 and rng.random() < 0.8 else None
            kills -= self._watch(running, None if calm else trouble, kill, rng)
            trouble.end()
            told, deferral = running.told(), None
            if told is not None and told["state"] == "deferred":
                self.figures.deferred += 1
                deferral = told["deferral"]
                time.sleep(max(0.0, deferral["until"] - time.time()))
                continue
            number += 1
            if told is None:
                continue
            report = told["report"]
            if settled and report is not None and not report["resumed_after"]:
                self._wrong(f"{export.path.name}: try {number - 1} began at zero, not after {settled}")
            if told["state"] == "success":
                return dict(report)
            self._check_partial(export, told)
        raise TimeoutError(f"{export.path} is not complete after {_MOST_TRIES} tries")

    def _watch(self, running: Try, trouble: Trouble | None, kill: float | None, rng: random.Random) -> int:
        """Make trouble while it runs; whether it was killed."""
        began, at, last = time.monotonic(), kill, None
        gentle = rng.random() < 0.4
        while running.process.is_alive():
            running.process.join(0.02)
            if trouble is not None:
                trouble.turn()
            now = time.monotonic() - began
            if at is not None and now > at:
                running.kill(signal.SIGTERM if gentle else signal.SIGKILL)
                self.figures.terminations += gentle
                self.figures.kills += not gentle
                at, last = None, now + KILLED_AFTER if gentle else None
            elif last is not None and now > last:
                running.kill(signal.SIGKILL)
                self.figures.kills += 1
                last = None
        return kill is not None and at is None

    def _check_partial(self, export: landed.Landed | own_rows.OwnRows, told: dict[str, Any]) -> None:
        """A push that stopped tells the truth about its records too."""
        stopped = told["state"] == "failed"
        self.figures.stopped += stopped
        self.figures.given_up += not stopped
        report = told["report"]
        if report is None:
            self._wrong(f"{export.path.name}: no report: {told['said']}")
            return
        self.figures.resumed += bool(report.get("resumed_after"))
        if isinstance(export, own_rows.OwnRows):
            _, wrong = export.outcomes_of(report)
        else:
            _, wrong = compare.outcomes_of(export, report)
        self._wrong(*(f"{export.path.name}, {report['status']}: {what}" for what in wrong))

    def _wrong(self, *what: str) -> None:
        self.wrong += what
        self.figures.lost += len(what)


def _settled(store: Store) -> int:
    """How many records a try can go on after, by the checkpoint that the last one left."""
    checkpoint = store.get("braze_checkpoint")
    return int(checkpoint["account"]["settled"]["records"]) if checkpoint else 0


def main(arguments: list[str] | None = None) -> None:
    lines = argparse.ArgumentParser(prog="python -m tests.reliability.soak", description=__doc__)
    lines.add_argument("--minutes", type=float, default=10, help="no further export after this (10)")
    lines.add_argument("--exports", type=int, default=10**9, help="no further export after so many")
    lines.add_argument("--records", type=int, default=100_000, help="the largest export (100,000)")
    lines.add_argument("--seed", type=int, default=None, help="repeats a soak")
    lines.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    options = lines.parse_args(arguments)
    # Told to stop, it leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    base = Path(tempfile.mkdtemp(prefix="soak-"))
    soak = Soak(seed, options.records, base)
    print(f"Seed {seed}; files below {base}", flush=True)
    began = time.monotonic()
    with SandboxProcess(*landed.BLOCKED_OPTIONS) as sandbox:
        while time.monotonic() - began < options.minutes * 60 and soak.pushes < options.exports:
            soak.push_one(sandbox)
            soak.figures.seconds = round(time.monotonic() - began, 1)
            shown = {
                name: value for name, value in vars(soak.figures).items() if isinstance(value, int | float)
            }
            print(" ".join(f"{name}={value}" for name, value in shown.items()), flush=True)
    print(json.dumps(soak.figures.as_dict(), indent=2), flush=True)
    if soak.wrong:
        print("\n".join(soak.wrong))
        sys.exit(f"{len(soak.wrong)} differences; repeat with --seed {seed}. The files are below {base}.")
    shutil.rmtree(base)
    if options.write:
        document.write_soak(soak.figures.as_dict())


if __name__ == "__main__":
    main()
