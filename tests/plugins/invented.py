"""Reports and progress as the operator leaves them, of invented pushes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow_provider_braze.pushes.exports.list_report import entry, summed
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES

SCRIPT = "<script>alert('seen')</script>"


def report(**given: Any) -> dict[str, Any]:
    """Make a report; records are what its outcomes add up to."""
    outcomes = {outcome: given.pop(outcome, 0) for outcome in OUTCOMES}
    failed = sum(outcomes[name] for name in ("rejected", "invalid", "unknown", "not_sent"))
    return {
        "status": "complete",
        "mode": "upsert",
        "records": sum(outcomes.values()),
        **outcomes,
        "failed": failed,
        "requests": 12,
        "retries": 2,
        "resumed_after": 0,
        "sent_again": 0,
        "data_points": 4321,
        "reasons": {},
        "notes": [],
        "rate_limited": 0,
        "waited_seconds": 0.0,
        "seconds": 10.0,
        "samples": [[0, 0], [1, 100], [2, 300], [3, 400]],
        "report_path": "/reports/one/report.json",
        "rejects_path": None,
        "export": "/exports/Braze Append/Spring/8828/RPI_Export_6001.txt",
        "channel": "Braze Append",
        "offer": "Spring",
        "workflow_id": "8828",
        "endpoint": "https://rest.iad-01.braze.com",
        "dry_run": False,
        "error": None,
        **given,
    }


def progress(**given: Any) -> dict[str, Any]:
    """Make the progress of a running push."""
    return {
        **dict.fromkeys(OUTCOMES, 0),
        "at": "2026-11-21T12:00:00+00:00",
        "export": "/exports/Braze Append/Spring/8828/RPI_Export_6002.txt",
        "share": 0.4,
        "records": 1000,
        "accepted": 750,
        "invalid": 5,
        "failed": 5,
        "records_per_second": 250.4,
        "requests": 10,
        "waiting_until": None,
        "elapsed": 3.0,
        "samples": [[0, 0], [1, 250], [2, 500], [3, 755]],
        "endpoint": "https://rest.fra-01.braze.eu",
        "try_number": 1,
        **given,
    }


def of_100() -> dict[str, Any]:
    """Make one task that pushed a list of 100 exports, two of which failed."""
    own = [
        report(accepted=1000, export=f"/x/RPI_Export_{6000 + n}.txt", offer=f"Offer {n % 9}")
        for n in range(100)
    ]
    for n in (41, 73):
        own[n] |= {"status": "failed", "error": "The header has no identifier."}
    exports = [
        entry(each["export"], each["status"], each, each["error"], set_aside=each["status"] == "failed")
        for each in own
    ]
    listed = {
        **summed(own, [each["status"] for each in own]),
        "braze_conn_id": "braze_prod",
        "exports": exports,
    }
    return {"task_id": "push_export", "name": "Push to Braze", "state": "failed", "report": listed}


def of_a_month(now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Make four runs a day for 30 days, each with one export; some failed, are late, or were plans."""
    runs = {}
    for number in range(120):
        began = now - timedelta(hours=6 * number + 1)
        weekend = began.weekday() > 4
        accepted = (3000 if weekend else 14_000) + number * 7919 % 5000
        offer = ("Spring Sale", "Welcome", "Loyalty Points", "Weekly Offer")[number % 4]
        given: dict[str, Any] = {
            "accepted": accepted,
            "invalid": number * 31 % 90,
            "data_points": accepted * 12,
        }
        if number % 17 == 3:
            given |= {"status": "failed", "accepted": 0, "invalid": 0, "not_sent": accepted, "data_points": 0}
            given |= {"error": "The header has no column external_id.", "set_aside": True}
        elif number % 23 == 2:
            given["late"] = {
                "newer": f"/x/RPI_Export_{8000 - number + 4}.txt",
                "fields": ["rpi_cdp_attributes"],
            }
        elif number % 19 == 5:
            given |= {"status": "planned", "planned": accepted, "accepted": 0, "invalid": 0, "dry_run": True}
        own = report(
            **given,
            export=f"/exports/Braze Append/{offer}/8828/RPI_Export_{8000 - number}.txt",
            offer=offer,
            channel=("Braze Append", "Braze Onboarding and Upsert")[number % 2],
            braze_conn_id="braze_sandbox" if number % 19 == 5 else "braze_prod",
        )
        state, key = ("failed", "report") if own["error"] else ("success", "return_value")
        task = {"task_id": "push_export", "name": "Push to Braze", "start": began.isoformat()}
        runs[f"scheduled__{began.isoformat()}"] = [{**task, "state": state, key: own}]
    return runs
