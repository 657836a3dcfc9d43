"""Delete reports and rejects that are old: they hold personal data, and no push needs them for ever.

Markers stay, so that nothing is pushed again. Above: the command ``tidy`` and maintenance DAGs. Below: the reports
folder.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from datetime import timedelta

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import names_in, remove, remove_folder
from airflow_provider_braze.storage.reports.browsing import children, noting, pushed_things, reports_folder_of

_WRITTEN = re.compile(r"report\.json|rejects\.csv|(report\.json|rejects\.csv)\..*part|rejects\.csv\.part")
_AGE = re.compile(r"([0-9]{1,6})\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


@dataclass(slots=True)
class Tidied:
    """What was deleted, or would be.

    :param pushes: folders of pushes that are gone, or whose files of ours are.
    :param files: files.
    :param kept: URLs of files in these folders that no push wrote, such as mended copies: they stay.
    :param problems: what could not be deleted, in a sentence each.
    """

    pushes: int = 0
    files: int = 0
    kept: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_age(text: str) -> timedelta:
    """Read an age such as ``90d``, ``12h`` or ``4w``.

    :raises BrazeSetupError: it is none.
    """
    found = _AGE.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise BrazeSetupError(
            f"older-than must be a number of hours, days or weeks, such as 12h, 90d or 4w, not {text!r}."
        )
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def tidy(path: str, older_than: timedelta, *, dry_run: bool = False, now: float | None = None) -> Tidied:
    """Delete the report, the rejects and their parts of each push in which nothing was written for a while.

    Nothing is followed through links, and nothing else is deleted: no marker, and no file that a push does not write.

    :param path: a reports folder, or the base path that one lies below.
    :param older_than: the age of the newest file of a push.
    :param dry_run: only say what would be deleted.
    :param now: seconds since the epoch (default: the clock's).
    :raises BrazeSetupError: there is no such folder, or the age is not above 0.
    :raises BrazeError: its storage is out of reach.
    """
    if older_than <= timedelta():
        raise BrazeSetupError(f"older_than must be above 0, not {older_than}.")
    reports = reports_folder_of(path)
    before = (time.time() if now is None else now) - older_than.total_seconds()
    tidied = Tidied()
    for folder in pushed_things(reports):
        for push in children(folder, tidied.problems):
            _tidy_push(push, before, tidied, dry_run=dry_run)
        if not dry_run:
            _remove_if_empty(folder)
    return tidied


def _tidy_push(push: Location, before: float, tidied: Tidied, *, dry_run: bool) -> None:
    with noting(push, "tidied", tidied.problems):
        try:
            names = sorted(names_in(push))
        except NotADirectoryError:
            # A file beside the folders of pushes, or a link, which is not followed.
            tidied.kept.append(push.url)
            return
        written = [push.child(name) for name in names if _WRITTEN.fullmatch(name)]
        # A storage that does not tell when a file was written keeps it: better too long than too short.
        ages = [modified if (modified := file.stat().modified) is not None else before for file in written]
        if not written or max(ages) >= before:
            return
        if not dry_run:
            for file in written:
                remove(file)
        tidied.pushes += 1
        tidied.files += len(written)
        tidied.kept += [push.child(name).url for name in names if not _WRITTEN.fullmatch(name)]
        if not dry_run:
            _remove_if_empty(push)


def _remove_if_empty(folder: Location) -> None:
    # One that is left over is only untidy, and an object store has none.
    with contextlib.suppress(Exception):
        if not names_in(folder):
            remove_folder(folder)
