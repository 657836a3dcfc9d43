"""``make airflow``: the same Airflow with its UI, new exports landing, until Ctrl-C."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from demo.stage import DAG_ID, land_samples, say, stage
from tests.samples import UPSERT_CHANNEL, UPSERT_COLUMNS, SampleExport

SECONDS_BETWEEN_EXPORTS = 60.0
PEOPLE_PER_EXPORT = 200
OUTPUTS = ("Newsletter", "High Value, Spain", "Lapsed 6-12m")


def serve(port: int) -> int:
    """Run until interrupted, and return the exit status."""
    if not _is_free(port):
        say(f"Port {port} is taken: choose another one with make airflow PORT={port + 1}")
        return 1
    try:
        with stage(port=port, scheduled=True) as scene:
            land_samples(scene.base_path)
            print(
                f"\n  Open    {scene.airflow.url}/dags/{DAG_ID} and press Trigger"
                "\n  Login   none is asked for: whoever opens it from this machine is admin"
                f"\n  Exports {scene.base_path}, a new one every {SECONDS_BETWEEN_EXPORTS:.0f} s"
                f"\n  Sandbox {scene.sandbox.url}/sandbox/profiles shows the profiles"
                "\n  Ctrl-C  stops everything\n",
                flush=True,
            )
            _keep_landing(scene.base_path)
    except KeyboardInterrupt:
        say("Stopped")
    return 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _keep_landing(base_path: Path) -> None:
    execution_id = 6000
    while True:
        time.sleep(SECONDS_BETWEEN_EXPORTS)
        execution_id += 1
        export = invent_export(execution_id)
        export.land(base_path)
        say(f"Landed {export.path} with {PEOPLE_PER_EXPORT} records")


def invent_export(execution_id: int, people: int = PEOPLE_PER_EXPORT) -> SampleExport:
    """Make an export of invented people, some of whom were in the one before."""
    first = (execution_id - 6000) * PEOPLE_PER_EXPORT // 2
    rows = [UPSERT_COLUMNS]
    for number in range(first, first + people):
        output = OUTPUTS[number % len(OUTPUTS)]
        rows.append(
            f"{execution_id}{number:06},{execution_id},D{number:06},Person,Number {number},p{number}@example.com,ES,"
            f'1990-01-01,F,Sevilla,+3460{number:07},"{output}",Secondary,{20000 + number},Single,{number % 53000:05}'
        )
    return SampleExport(
        channel=UPSERT_CHANNEL,
        offer="Weekly Offer",
        workflow_id="9001",
        execution_id=execution_id,
        content=("\r\n".join(rows) + "\r\n").encode(),
    )
