"""``make demo``: land six exports, let Airflow push them, show and check what came of them."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo.growing import GrowingExport
from demo.stage import DAG_ID, Stage, land_samples, say, stage
from tests.expected import EXTERNAL_IDS, OUTCOMES, PROFILES, REJECTED_LINES, wrong_counts, wrong_profiles
from tests.samples import EXPORTS
from tests.system.real_airflow import FINISHED, RealAirflow

GROWING = next(export for export in EXPORTS if export.execution_id == 5722)
RUN_SECONDS = 300.0
Reports = dict[int, Mapping[str, Any]]


def show() -> int:
    """Run the demo and return its exit status."""
    with stage(scheduled=False) as scene:
        reports = _push_all(scene)
        _print_reports(reports)
        _print_profiles(scene.sandbox.profiles())
        mistakes = _check(reports, scene.sandbox.profiles())
    for mistake in mistakes:
        say(f"WRONG: {mistake}")
    if not mistakes:
        say("All six exports, their reports, their rejects and the profiles are as they must be.")
    return 1 if mistakes else 0


def _push_all(scene: Stage) -> Reports:
    land_samples(scene.base_path, but=GROWING.execution_id)
    say(f"{len(EXPORTS) - 1} exports landed below {scene.base_path}; {GROWING.path} is still being written")
    reports: Reports = {}
    with GrowingExport(GROWING, scene.base_path) as growing:
        reports |= _run(scene.airflow)
        if GROWING.execution_id in reports:
            raise RuntimeError("an export was pushed while it was still being written")
        growing.finish()
    say(f"{GROWING.path} is written to its end")
    return reports | _run(scene.airflow)


def _run(airflow: RealAirflow) -> Reports:
    """Trigger the DAG with an empty form, tell what its tasks do, and return the reports of what was pushed."""
    run_id = airflow.trigger(DAG_ID)
    say(f"Triggered {DAG_ID}")
    told: dict[tuple[str, int], str] = {}
    deadline = time.monotonic() + RUN_SECONDS
    while airflow.run_state(DAG_ID, run_id) not in FINISHED:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{DAG_ID} took longer than {RUN_SECONDS:.0f} s")
        _tell_changes(airflow.tasks(DAG_ID, run_id), told)
        time.sleep(0.5)
    tasks = airflow.tasks(DAG_ID, run_id)
    _tell_changes(tasks, told)
    pushed = any(task["task_id"] == "push_export" and task["state"] == "success" for task in tasks)
    reports = airflow.reports(DAG_ID, run_id) if pushed else []
    return {int(report["channel_execution_id"]): report for report in reports}


def _tell_changes(tasks: list[dict[str, Any]], told: dict[tuple[str, int], str]) -> None:
    for task in tasks:
        key, state = (task["task_id"], task["map_index"]), task["state"]
        if state and told.get(key) != state and state not in ("scheduled", "queued"):
            told[key] = state
            name = "" if key[1] < 0 else f" {task['rendered_map_index'] or key[1]}"
            say(f"  {task['task_id']}{name}: {state}")


def _print_reports(reports: Reports) -> None:
    print("\nReports, in the order of the exports")
    for execution_id, report in sorted(reports.items()):
        counts = ", ".join(f"{report[name]} {name}" for name in OUTCOMES if report[name])
        print(
            f"  {execution_id} {report['mode']}: {report['status']}, {report['records']} records: {counts};"
            f" requests {report['requests']}, retries {report['retries']}, seconds {report['seconds']:.2f}"
        )
        for line, reason in _rejects(report):
            print(f"       line {line}: {reason}")


def _rejects(report: Mapping[str, Any]) -> list[tuple[int, str]]:
    if not report["rejects_path"]:
        return []
    with Path(report["rejects_path"]).open(encoding="utf-8-sig", newline="") as file:
        return [(int(row["_line"]), f"{row['_outcome']}, {row['_reason']}") for row in csv.DictReader(file)]


def _print_profiles(profiles: Mapping[str, Mapping[str, Any]]) -> None:
    print(f"\nThe sandbox holds {len(profiles)} profiles; some of them")
    for external_id in [name for name in PROFILES if name in profiles][:3]:
        print(f"  {external_id}")
        for name, value in profiles[external_id].items():
            for part, content in value.items() if name == "custom_attributes" else [(name, value)]:
                print(f"    {part:<22} {json.dumps(content, ensure_ascii=False)}")
    print(flush=True)


def _check(reports: Reports, profiles: Mapping[str, Mapping[str, Any]]) -> list[str]:
    mistakes = [f"{export.path} was not pushed" for export in EXPORTS if export.execution_id not in reports]
    for execution_id, report in reports.items():
        mistakes += wrong_counts(report, execution_id)
        lines = [line for line, _ in _rejects(report)]
        if lines != REJECTED_LINES.get(execution_id, []):
            mistakes.append(f"{execution_id}: the rejects file names lines {lines}")
    say(f"Checked {len(reports)} reports and {len(EXTERNAL_IDS)} profiles against the exports")
    return mistakes + wrong_profiles(profiles)
