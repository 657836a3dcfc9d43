"""Which column of a rejects file names the person, by the report of the push that wrote it.

Above: the preview, and the search for one user. Below: how columns are named and mapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.redpoint.reading.header import normalised
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping

DEFAULT_IDENTIFIER = "external_id"


def identifier_of(report: Mapping[str, Any]) -> str:
    """Give the column that identified users in a push, as names are compared."""
    try:
        identifier = ExportMapping.of_report(report.get("mapping")).identifier
    except (BrazeError, TypeError, ValueError):
        identifier = None
    return normalised(identifier.column) if identifier else DEFAULT_IDENTIFIER
