"""Reports and progress as the operator leaves them, of invented pushes."""

from __future__ import annotations

from typing import Any

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
