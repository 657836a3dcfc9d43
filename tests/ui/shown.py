"""What the API server of the tests of the tab shows: pushes in every state, and who may look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_provider_braze.rejects.writer import RejectsFile
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.records import RecordReference
from tests.plugins.api_server import ApiServer
from tests.plugins.invented import SCRIPT, progress, report
from tests.ui.screen import Screen

DAG_ID, TASK_ID = "redpoint_to_braze", "push_export"
RUN = "manual__2026-11-21T10:00:00+00:00"
RUN_OF_100 = "manual__2026-11-22T10:00:00+00:00"
UNICODE = "Été à 50 %, früh 日本"
LONG = "RPI_Export_6002_" + "x" * 100


def sign_in(ui: Screen, server: ApiServer, user: str) -> None:
    """Let the window be of a user."""
    ui.page.context.add_cookies([{"name": "_token", "value": server.sign_in(user), "url": server.url}])


def rejects_file(reports_folder: Path) -> str:
    """Write a rejects file as the first push of the run leaves it."""
    identity = PushIdentity(DAG_ID, RUN, TASK_ID, 0)
    path = reports_folder / ("a" * 64) / identity.folder_name / "rejects.csv"
    path.parent.mkdir(parents=True)
    path.with_name("report.json").write_text(json.dumps(report(invalid=38, **identity.as_dict())))
    file = RejectsFile(locate(str(path)), ("external_id", "email"))
    for line in range(2, 40):
        file.write(
            RecordReference(line, (f"Customer{line}", "somebody")),
            "invalid",
            "it is no e-mail address",
            "email",
        )
    url = file.close()
    assert url is not None
    return url


def pushes(rejects_path: str) -> list[dict[str, Any]]:
    planned = {"dry_run": True, "planned_requests": 177, "seconds_at_limit": 0.7}
    return [
        {
            "state": "success",
            "_link_BrazeDashboardLink": "https://dashboard-01.braze.com",
            "return_value": report(
                accepted=9000,
                invalid=38,
                reasons={"email: it is no e-mail address": 38},
                rejects_path=rejects_path,
            ),
        },
        {
            "state": "failed",
            "report": report(
                status="partial",
                accepted=11_000,
                not_sent=2000,
                error="Braze answered 500.",
                offer=UNICODE,
                export=f"/exports/Braze Append/{UNICODE}/8828/{LONG}.txt",
                braze_conn_id="braze_production_of_the_whole_of_europe_and_beyond",
            ),
        },
        {"state": "failed", "report": report(status="failed", not_sent=2000, error="Wrong key (401).")},
        {"state": "success", "return_value": report(status="planned", planned=13_250, samples=[], **planned)},
        {"state": "running", "progress": progress(waiting_until="2026-11-22T12:02:00+00:00")},
        {"state": "deferred", "progress": progress(waiting_until="2026-11-22T13:02:00+00:00")},
        {"state": "success", "return_value": report(accepted=5, offer=SCRIPT, notes=[SCRIPT])},
        {"state": "queued"},
        {"state": "success", "return_value": report(accepted=1, not_found=50, unchanged=12, mode="append")},
    ]
