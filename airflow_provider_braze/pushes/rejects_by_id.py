"""Find the rejects of one push by its id below the reports folder: what a form may ask for, since it is no free path.

Above: the DAG that pushes rejects again. Below: the reports folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.pushes.sources.rejects_parent import parent_report
from airflow_provider_braze.rejects.rejects_header import HEAD_BYTES, RejectsHeader
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import open_for_reading
from airflow_provider_braze.storage.reports.browsing import noting, reports_folder_of, sorted_names
from airflow_provider_braze.storage.reports.reports_folder import REPORT_NAME, ROWS_FOLDER

ID_PATTERN = rf"^([0-9a-f]{{64}}|{ROWS_FOLDER})/(?!\.+$)[A-Za-z0-9._@+-]{{1,255}}$"
"""The last two folders of a report's path."""


def id_of(path: str) -> str:
    """Give the id of the push that wrote a report or a rejects file; empty where it lies elsewhere."""
    found = "/".join(path.replace("\\", "/").rstrip("/").split("/")[-3:-1])
    return found if re.fullmatch(ID_PATTERN, found) else ""


def find_rejects(
    reports_path: str, push_id: str, file_name: str | None = None
) -> tuple[str, Mapping[str, Any]]:
    """Find the newest rejects file of a push, above all the mended one that was put beside its report.

    :param reports_path: the reports folder, or the base path above it.
    :param push_id: as ``id_of`` gives it.
    :param file_name: which of several (default: the one that was changed last).
    :return: its URL, and the report beside it.
    :raises BrazeSetupError: the id is none, or no rejects file or no report lies there.
    """
    place, header = _beside(reports_path, push_id, file_name)[0]
    return place.url, parent_report(place.url, header)


def names_beside(reports_path: str, push_id: str) -> tuple[list[str], Mapping[str, Any]]:
    """List the rejects files of a push by their names, the one that was changed last first, and read its report.

    :raises BrazeSetupError: as :func:`find_rejects`.
    """
    found = _beside(reports_path, push_id)
    place, header = found[0]
    return [_name(each) for each, _ in found], parent_report(place.url, header)


def _beside(
    reports_path: str, push_id: str, file_name: str | None = None
) -> list[tuple[Location, RejectsHeader]]:
    """Find the rejects files in the folder of a push, the one that was changed last first; none is an error."""
    if not re.fullmatch(ID_PATTERN, push_id.strip()):
        raise BrazeSetupError(
            f"{push_id!r} is no id of a push: it is the last two folders of the report's path, as the card in the "
            "Braze tab names it."
        )
    folder = reports_folder_of(reports_path).root.child(push_id.strip())
    found = _rejects_in(folder)
    if not found:
        raise BrazeSetupError(
            f"{folder.url} holds no rejects file: no record of the push failed, or it was tidied away. A mended file "
            "belongs there, beside the report."
        )
    if file_name:
        names = ", ".join(sorted(_name(place) for place, _ in found))
        found = [each for each in found if _name(each[0]) == file_name.strip()]
        if not found:
            raise BrazeSetupError(
                f"{folder.url} holds no rejects file called {file_name!r}, beside the report; there are: {names}."
            )
    return sorted(found, key=lambda each: (each[0].stat().modified or 0, each[0].url), reverse=True)


def _name(place: Location) -> str:
    return place.url.rpartition("/")[2]


def _rejects_in(folder: Location) -> list[tuple[Location, RejectsHeader]]:
    found: list[tuple[Location, RejectsHeader]] = []
    unread: list[str] = []  # what cannot be read is none that could be pushed
    for name in sorted_names(folder):
        # Parts are of a push that is under way.
        if name == REPORT_NAME or name.endswith(".part"):
            continue
        place = folder.child(name)
        with noting(place, "read", unread), open_for_reading(place) as file:
            header = RejectsHeader.of(file.read(HEAD_BYTES))
            if header is not None:
                found.append((place, header))
    return found
