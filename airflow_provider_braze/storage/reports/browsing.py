"""Look through a reports folder that a person has named, as far as it can be read.

What cannot be read is a problem, told in a sentence, and the rest is looked at. A storage that does not answer ends it:
it would not for any other folder either, and each would be waited for.

Above: tidying, searching, the commands of the memory. Below: the reports folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import names_in
from airflow_provider_braze.storage.reports.reports_folder import FOLDER_NAME, ROWS_FOLDER, ReportsFolder

_PUSHED_THING = re.compile(rf"[0-9a-f]{{64}}|{ROWS_FOLDER}")


def reports_folder_of(path: str) -> ReportsFolder:
    """Open the reports folder that a person has named, or that lies below the base path they have named.

    :raises BrazeSetupError: there is no such folder.
    :raises BrazeError: its storage is out of reach.
    """
    reports = ReportsFolder.at(path)
    names = sorted_names(reports.root)
    if FOLDER_NAME in names:
        return ReportsFolder.at(reports.root.child(FOLDER_NAME).url, path)
    if not names and not reports.root.fs.isdir(reports.root.path):
        raise BrazeSetupError(f"{path} does not exist: give a reports folder, or the base path above it.")
    return reports


def pushed_things(reports: ReportsFolder) -> list[Location]:
    """List the folders below which those of pushes lie: one for each export, and one for all rows."""
    return [reports.root.child(name) for name in sorted_names(reports.root) if _PUSHED_THING.fullmatch(name)]


def sorted_names(folder: Location) -> list[str]:
    """List the names in a folder that has to be there, in their order.

    :raises BrazeSetupError: it cannot be listed.
    :raises BrazeError: its storage is out of reach.
    """
    problems: list[str] = []
    with noting(folder, "listed", problems):
        return sorted(names_in(folder))
    raise BrazeSetupError(problems[0])


def children(folder: Location, problems: list[str], *, may_be_file: bool = False) -> list[Location]:
    """Locate what lies in a folder.

    :param problems: gets a sentence where it cannot be listed.
    :param may_be_file: it is no problem that it is a file, or a link, which is not followed.
    :raises BrazeError: its storage is out of reach.
    """
    with noting(folder, "listed", problems):
        try:
            return [folder.child(name) for name in sorted(names_in(folder))]
        except NotADirectoryError:
            if not may_be_file:
                raise
    return []


@contextmanager
def noting(place: Location, done: str, problems: list[str]) -> Iterator[None]:
    """Go on where a file or folder cannot be read or the like, and note that.

    :param done: what cannot be: ``read``, ``listed``.
    :param problems: gets a sentence.
    :raises BrazeError: its storage is out of reach.
    """
    try:
        yield
    except ConnectionError as error:
        raise BrazeError(f"{place.url} is out of reach ({error}).") from error
    except (OSError, BrazeError) as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        problems.append(f"{place.url} cannot be {done} ({said}).")
