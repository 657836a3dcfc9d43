"""Checkpoints that an older version has written: an update while a task waits for its retry loses nothing.

``tests/data/e852b51`` holds what that version left when Braze had ordered a long wait.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import settled
from tests.jobs import export_push, rows_push
from tests.reports import check, rejects
from tests.sandbox_process import SandboxProcess

DATA = Path(__file__).parents[2] / "data" / "e852b51"


def bound(*settings: Any) -> str:
    """What that version bound a checkpoint to; its sandbox had another port."""
    text = json.dumps([1, *settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def test_rows_go_on(sandbox: SandboxProcess) -> None:
    data = json.loads((DATA / "rows.json").read_text())
    rows, checkpoint = data["rows"], data["checkpoint"]
    lines = [b"attributes\n", b"events\n"]
    lines += [json.dumps(row, sort_keys=True, separators=(",", ":")).encode() + b"\n" for row in rows]
    digest = hashlib.sha256(b"".join([*lines, b"purchases\n"])).hexdigest()
    bound_to = ("rows", digest, "braze_default")
    assert checkpoint["bound_to"] == bound(*bound_to, data["endpoint"], None, "auto", False)
    checkpoint["bound_to"] = bound(*bound_to, sandbox.url, None, "auto", False)
    report = rows_push(
        workspace=Workspace(endpoint=sandbox.url, api_key=sandbox.key),
        braze_conn_id="braze_default",
        run="try1",
        events=rows,
        checkpoint=checkpoint,
        save=lambda _: None,
    ).execute()
    check(report, records=30, accepted=29, rejected=1, status="complete")
    assert report["resumed_after"] == settled(checkpoint) == 5
    sent = {
        int(event["name"].split()[1])
        for profile in sandbox.profiles().values()
        for event in profile["events_received"]
    }
    assert sent == set(range(30)) - set(data["arrived"]) - {3}


def test_an_export_goes_on(sandbox: SandboxProcess, tmp_path: Path) -> None:
    base = tmp_path / "base"
    data = json.loads((DATA / "export.json").read_text().replace("{base}", str(base)))
    path = base / "Braze Onboarding and Upsert" / "Spring Welcome" / "8828" / "RPI_Export_5719.txt"
    path.parent.mkdir(parents=True)
    path.write_text(data["export"])
    os.utime(path, (data["modified"], data["modified"]))
    checkpoint = data["checkpoint"]
    home = Path(checkpoint["homes"][0])
    home.mkdir(parents=True)
    (home / "rejects.csv.1.part").write_bytes((DATA / "rejects.part").read_bytes())
    dialect = dict.fromkeys(("delimiter", "qualifier", "encoding", "line_end", "columns"))
    bound_to = [
        home.parent.name,
        "braze_default",
        data["endpoint"],
        None,
        "upsert",
        {},
        False,
        dialect,
        False,
    ]
    assert checkpoint["bound_to"] == bound(*bound_to)
    bound_to[2] = sandbox.url
    report = export_push(
        export=str(path),
        workspace=Workspace(endpoint=sandbox.url, api_key=sandbox.key),
        braze_conn_id="braze_default",
        run="try1",
        checkpoint={**checkpoint, "bound_to": bound(*bound_to)},
        save=lambda _: None,
    ).execute()
    check(report, records=200, accepted=187, invalid=12, merged=1, status="complete")
    assert report["resumed_after"] == settled(checkpoint) == 91
    assert report["objects"] >= 187
    assert len(rejects(report)) == 12
    # Older versions counted an object with its first record, and did not say what was sent when they were killed.
    assert report["upper_bounds"] == ["data_points", "objects", "sent_again"]
    assert report["sent_again"] > 90
