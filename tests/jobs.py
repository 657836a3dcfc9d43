"""Pushes with what is asked of any push (``pushes.attempt.job.Job``) and what is their own given together."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.exports.export import ExportPush
from airflow_provider_braze.pushes.rows.rows import RowsPush
from airflow_provider_braze.storage.reports.push_identity import PushIdentity

_OF_THE_JOB = {field.name for field in fields(Job)}


def export_push(**given: Any) -> ExportPush:
    """A push of an export."""
    return ExportPush(**_parted(given))


def rows_push(**given: Any) -> RowsPush:
    """A push of rows."""
    return RowsPush(**_parted(given))


def _parted(given: dict[str, Any]) -> dict[str, Any]:
    given = {
        "braze_conn_id": "braze_default",
        "identity": PushIdentity(run_id=given.pop("run", "run-1")),
        **given,
    }
    job = Job(**{name: value for name, value in given.items() if name in _OF_THE_JOB})
    return {"job": job, **{name: value for name, value in given.items() if name not in _OF_THE_JOB}}
