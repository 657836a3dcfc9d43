"""The export a push is asked for: an item of the sensor's list, a path, or a rejects file that is pushed again.

Above: every push. Below: the path of an export, and the report beside a rejects file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeSetupError,
    ExportError,
    ExportGoneError,
    ExportRefusedError,
    describe,
)
from airflow_provider_braze.pushes.sources.rejects_parent import beside_report, lies_in_place, parent_report
from airflow_provider_braze.redpoint.discovery.path import ExportPath, fingerprint
from airflow_provider_braze.rejects.rejects_header import HEAD_BYTES, RejectsHeader
from airflow_provider_braze.report import Mode
from airflow_provider_braze.storage.files.location import Location, Stat, locate
from airflow_provider_braze.storage.files.plain import check_plain, open_for_reading
from airflow_provider_braze.storage.reports.markers import seconds
from airflow_provider_braze.storage.reports.reports_folder import FOLDER_NAME
from airflow_provider_braze.users_track.mapping.export_mapping import DEFAULTS, ExportMapping

_LAYOUT = re.compile(r"((^|[\\/]+)[^\\/]+){4}[\\/]*$")
"""The four segments at the end of an export's path, which part what lies above from them."""

MODES = ("upsert", "append")
AUTO: Mode = "auto"


_PLACE = ("channel", "offer", "workflow_id", "base_path", "reports_path", "fingerprint")
"""What the sensor's items say of an export's place. One that says none of it is no more than its path."""


@dataclass(frozen=True, slots=True)
class ExportItem:
    """What is known of an export before it is opened.

    :param path: path or URL of the file.
    :param where: its channel, offer, workflow id and name.
    :param channel_execution_id: the execution that wrote it, or None.
    :param reports_path: reports folder that the item or its place names, or None.
    :param mode: mode that the sensor found or the parent push had, or None.
    :param parent: report of the push whose rejects file this is, or None.
    :param base_path: the folder that it must lie below, or None for a file in no layout.
    :param delimiter: that of a rejects file, or None.
    :param listed: the fingerprint under which the sensor found it, or None.
    """

    path: str
    where: ExportPath
    channel_execution_id: str | None = None
    reports_path: str | None = None
    mode: str | None = None
    parent: Mapping[str, Any] | None = None
    base_path: str | None = None
    delimiter: str | None = None
    listed: str | None = None

    @classmethod
    def of(cls, export: Any, channel_modes: Mapping[str, str]) -> ExportItem:
        """Read the operator's ``export``; one that is read already stays as it is.

        :raises BrazeSetupError: it is neither a path nor an item of the sensor's list, or a rejects file without the
            report of its push.
        """
        if isinstance(export, ExportItem):
            return export
        if not isinstance(export, Mapping):
            item = cls._of_path(export, channel_modes)
        elif "path" in export and not any(export.get(name) for name in _PLACE):
            item = replace(cls._of_path(export["path"], channel_modes), mode=export.get("mode"))
        else:
            item = cls._of_item(export)
        header = item._rejects_header()
        return item if header is None else item._of_rejects(header)

    @classmethod
    def _of_path(cls, export: Any, channel_modes: Mapping[str, str]) -> ExportItem:
        path = str(export) if export is not None else ""
        if not path.strip() or path == "None":
            raise BrazeSetupError("export is empty: give a path, or one item of RedpointExportSensor's list.")
        where = ExportPath.of(path)
        # Any path has segments; a known channel or a workflow's number says that they are RPI's.
        known = where.channel in channel_modes or where.workflow_id.isdigit()
        if not known or not where.channel:
            return cls(path, ExportPath("", "", "", where.name), where.channel_execution_id)
        base = _LAYOUT.sub("", path) or ("/" if path.startswith("/") else ".")
        reports_path = f"{base.rstrip('/')}/{FOLDER_NAME}"
        return cls(path, where, where.channel_execution_id, reports_path, base_path=base)

    @classmethod
    def _of_item(cls, item: Mapping[str, Any]) -> ExportItem:
        try:
            path = str(item["path"])
        except KeyError:
            raise BrazeSetupError(
                "export is a dict without 'path': give a path, or one item of RedpointExportSensor's list."
            ) from None
        parsed = ExportPath.of(path)
        where = ExportPath(
            str(item.get("channel") or parsed.channel),
            str(item.get("offer") or parsed.offer),
            str(item.get("workflow_id") or parsed.workflow_id),
            parsed.name,
        )
        base = item.get("base_path")
        reports_path = item.get("reports_path") or (
            f"{str(base).rstrip('/')}/{FOLDER_NAME}" if base else None
        )
        return cls(
            path,
            where,
            where.channel_execution_id,
            reports_path,
            item.get("mode"),
            base_path=str(base) if base else None,
            listed=listed if isinstance(listed := item.get("fingerprint"), str) else None,
        )

    def _rejects_header(self) -> RejectsHeader | None:
        """Look whether it is a rejects file: by what is in it, since people save it under any name."""
        try:
            with open_for_reading(self.file()) as file:
                return RejectsHeader.of(file.read(HEAD_BYTES))
        except ConnectionError as error:
            # Not to be taken for an export, should its server answer again by the time it is opened.
            raise BrazeError(f"{self.path} is out of reach ({error}).") from error
        except (OSError, ExportRefusedError):
            # To be said when it is opened to be read.
            return None

    def _of_rejects(self, header: RejectsHeader) -> ExportItem:
        parent = parent_report(self.path, header)
        where = ExportPath(
            str(parent.get("channel") or ""),
            str(parent.get("offer") or ""),
            str(parent.get("workflow_id") or ""),
            self.where.name,
        )
        # <reports folder>/<fingerprint>/<push>/rejects.csv, or a copy of it elsewhere.
        own = self.path if lies_in_place(self.path) else str(parent.get("report_path") or self.path)
        return ExportItem(
            self.path,
            where,
            parent.get("channel_execution_id"),
            own.rstrip("/").rsplit("/", 3)[0],
            parent.get("mode"),
            parent,
            delimiter=header.delimiter,
        )

    def file(self) -> Location:
        """Find the file where it is to be opened: below the base path, or as a part of its reports folder.

        :raises ExportRefusedError: it is no plain file, or a link leads out of there.
        :raises OSError: it cannot be looked at, for example because it is not there.
        """
        if self.parent is not None:
            return check_plain(beside_report(self.path), None)
        return check_plain(locate(self.path), locate(self.base_path) if self.base_path else None)

    def look(self) -> FoundExport:
        """Find the file where it is to be opened, and look at it.

        :raises ExportGoneError: it is not there.
        :raises ExportError: it cannot be looked at, as for want of permission.
        :raises BrazeError: its storage is out of reach.
        """
        try:
            location = self.file()
            return FoundExport(self, location, location.stat())
        except ConnectionError as error:
            raise BrazeError(f"{self.path} is out of reach ({error}).") from error
        except FileNotFoundError:
            raise ExportGoneError(
                f"{self.path} is not there: it was moved or rolled back, or the share is gone."
            ) from None
        except OSError as error:
            raise ExportError(f"{self.path} cannot be looked at ({describe(error)}).") from error

    @property
    def named(self) -> dict[str, Any]:
        """Name it, as reports and progress do."""
        where = self.where
        return {
            "export": self.path,
            "channel": where.channel,
            "offer": where.offer,
            "workflow_id": where.workflow_id,
        }

    @property
    def is_rows(self) -> bool:
        """Whether it is the rejects file of a push of rows of an author's own."""
        return self.parent is not None and "export" not in self.parent

    def resolve_mode(self, mode: str, channel_modes: Mapping[str, str]) -> str:
        """Settle ``auto``: by the item, else by the channel.

        :raises BrazeSetupError: the mode is misspelt, or the channel is in neither place.
        """
        if mode != AUTO:
            return check_mode(mode)
        found = self.mode or channel_modes.get(self.where.channel)
        if found is None and not self.where.channel:
            raise BrazeSetupError(
                f"mode is auto, but {self.path} does not lie in [Channel]/[Offer]/[Workflow ID], so that no channel "
                "tells it: set mode to upsert or append."
            )
        if found is None:
            raise BrazeSetupError(
                f"mode is auto, but channel_modes does not know the channel {self.where.channel!r}: add it to "
                "channel_modes, or set mode to upsert or append."
            )
        return check_mode(found)

    def resolve_mapping(self, mapping: ExportMapping | None) -> ExportMapping:
        """Settle the mapping: the given one, else the parent push's, else the defaults.

        :raises BrazeSetupError: the parent push had a transform, which no report can hold.
        """
        if mapping is not None or self.parent is None:
            return mapping or DEFAULTS
        if self.parent.get("has_transform"):
            raise BrazeSetupError(
                "The push of these rejects had a mapping with a transform: give that mapping again."
            )
        return ExportMapping.of_report(self.parent.get("mapping"))


@dataclass(frozen=True, slots=True)
class FoundExport:
    """An export as it lay there when it was looked at."""

    item: ExportItem
    location: Location
    stat: Stat

    @property
    def fingerprint(self) -> str:
        """Names it in the reports folder, and is another one once it has changed."""
        return fingerprint(self.item.where, self.stat.size, self.stat.modified, self.stat.etag)

    def check_as_listed(self) -> None:
        """Refuse it where it is another one than the sensor has found.

        :raises ExportRefusedError: saying that the next run finds it.
        """
        if self.item.listed not in (None, self.fingerprint):
            raise ExportRefusedError(
                f"{self.item.path} was replaced since it was found, and is not what was agreed to "
                "(replaced='refuse'): it is not pushed. The next run finds it as it is now."
            )

    @property
    def modified(self) -> float | None:
        """When it was last changed, in seconds since the epoch; a rejects file is as old as its first parent."""
        parent = self.item.parent
        if parent is None:
            return self.stat.modified
        if (inherited := seconds(parent.get("modified"))) is not None:
            return inherited
        try:
            # Reports of older versions do not say it: it was there when its push began.
            return datetime.fromisoformat(str(parent.get("started_at"))).timestamp()
        except (ValueError, OverflowError):
            return self.stat.modified


def replaced_at(export: Any) -> float | None:
    """Say when an export was last changed, where it is another one than the sensor has found; None: it is the same.

    :param export: an item of the sensor's list; of anything else nobody can tell.
    :raises BrazeError: its storage is out of reach, or it is not there.
    :raises OSError: it cannot be looked at.
    """
    if not isinstance(export, Mapping) or not isinstance(listed := export.get("fingerprint"), str):
        return None
    found = ExportItem._of_item(export).look()
    return None if found.fingerprint == listed else found.stat.modified


def check_mode(mode: str) -> str:
    """Check a mode other than ``auto``."""
    if mode not in MODES:
        raise BrazeSetupError(f"mode must be auto, upsert or append, not {mode!r}.")
    return mode
