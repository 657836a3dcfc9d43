"""The report beside a rejects file: that of the push which wrote it, by whose mode and mapping it is pushed again.

Above: whoever is given a rejects file. Below: the reports folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError, ExportRefusedError
from airflow_provider_braze.rejects.rejects_header import RejectsHeader
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import read_small
from airflow_provider_braze.storage.reports.reports_folder import (
    MOST_REPORT_BYTES,
    REPORT_NAME,
    ROWS_FOLDER,
    in_reports_folder,
)

ROWS_COLUMNS = ("array", "object")
"""Columns of the rejects file of rows of an author's own: the array a row belongs to, and the row as JSON."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def parent_report(path: str, header: RejectsHeader) -> dict[str, Any]:
    """Read the report beside a rejects file, which says how its records are to be pushed again.

    :raises BrazeSetupError: it is not there, or not the report of a push that writes such rejects.
    """
    # What stands above keeps its backslashes: elsewhere than on Windows, a name may have some.
    folder = path[: max(path.rfind("/"), path.rfind("\\"))]
    try:
        report = json.loads(read_small(beside_report(f"{folder}/{REPORT_NAME}"), MOST_REPORT_BYTES))
        if not isinstance(report, dict):
            raise ValueError("no JSON object")
    except ConnectionError as error:
        raise BrazeError(f"The {REPORT_NAME} beside {path} is out of reach ({error}).") from error
    except (OSError, ValueError, RecursionError, ExportRefusedError) as error:
        raise BrazeSetupError(
            f"{path} is a rejects file: it is pushed again with the mode and the mapping that the {REPORT_NAME} beside "
            f"it says, which cannot be read ({type(error).__name__}). Push it from the folder of its push, or copy "
            f"that {REPORT_NAME} beside it: keep the two together."
        ) from error
    # Without its export, a report must not make rows of what were records.
    if "export" in report:
        fits = isinstance(report["export"], str)
    else:
        fits = isinstance(report.get("failed_rows"), list) and header.original == ROWS_COLUMNS
    if not fits or not _is_well_formed(report):
        raise BrazeSetupError(
            f"The {REPORT_NAME} beside {path} is not that of the push which wrote these rejects: it names no export "
            "that they are records of, and they are no rows of your own. Put the report of its push there."
        )
    # Older versions wrote no token into the file; whoever wrote one has it in its report, too.
    if header.token is not None and header.token != report.get("token"):
        raise BrazeSetupError(
            f"{path} was written by another push than the {REPORT_NAME} beside it, whose mode and mapping would be "
            f"taken for it. Put the {REPORT_NAME} of its own push beside it, or push it from the folder of its push."
        )
    return report


def _is_well_formed(report: Mapping[str, Any]) -> bool:
    """Tell whether what is taken from a report, which anybody may have written, is what a push writes there."""
    try:
        for name in ("channel", "offer", "workflow_id"):
            str(report.get(name)).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return isinstance(report.get("mapping"), Mapping | None)


def lies_in_place(path: str) -> bool:
    """Tell whether a file lies where a push puts its files in a reports folder."""
    names = path.replace("\\", "/").rstrip("/").split("/")
    return len(names) > 3 and (names[-3] == ROWS_FOLDER or bool(_FINGERPRINT.fullmatch(names[-3])))


def beside_report(path: str) -> Location:
    """Locate a file of a push: as a part of its reports folder, or of the one folder that it was copied to."""
    return in_reports_folder(path, 3 if lies_in_place(path) else 1)
