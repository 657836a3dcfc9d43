"""The export a push is asked for: an item of the sensor's list, a path, or a rejects file that is pushed again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.redpoint.path import ExportPath
from airflow_provider_braze.storage.location import Location, locate
from airflow_provider_braze.storage.plain import check_plain, read_small
from airflow_provider_braze.storage.reports_folder import (
    FOLDER_NAME,
    MOST_REPORT_BYTES,
    ROWS_FOLDER,
    in_reports_folder,
)
from airflow_provider_braze.users_track.mapping import ExportMapping

MODES = ("upsert", "append")
AUTO = "auto"

REPORT_NAME = "report.json"
REJECTS_NAME = "rejects.csv"


_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


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
    """

    path: str
    where: ExportPath
    channel_execution_id: str | None = None
    reports_path: str | None = None
    mode: str | None = None
    parent: Mapping[str, Any] | None = None
    base_path: str | None = None

    @classmethod
    def of(cls, export: Any, channel_modes: Mapping[str, str]) -> ExportItem:
        """Read the operator's ``export``.

        :raises BrazeSetupError: it is neither a path nor an item of the sensor's list.
        """
        if isinstance(export, Mapping):
            return cls._of_item(export)
        path = str(export) if export is not None else ""
        if not path.strip() or path == "None":
            raise BrazeSetupError("export is empty: give a path, or one item of RedpointExportSensor's list.")
        if (parent := parent_report(path)) is not None:
            return cls._of_rejects(path, parent)
        where = ExportPath.of(path)
        # Any path has segments; a known channel or a workflow's number says that they are RPI's.
        if where.channel not in channel_modes and not where.workflow_id.isdigit():
            return cls(path, ExportPath("", "", "", where.name), where.channel_execution_id)
        base = path.replace("\\", "/").rstrip("/").rsplit("/", 4)[0]
        return cls(path, where, where.channel_execution_id, f"{base}/{FOLDER_NAME}", base_path=base or "/")

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
        )

    @classmethod
    def _of_rejects(cls, path: str, parent: Mapping[str, Any]) -> ExportItem:
        where = ExportPath(
            str(parent.get("channel") or ""),
            str(parent.get("offer") or ""),
            str(parent.get("workflow_id") or ""),
            ExportPath.of(path).name,
        )
        # <reports folder>/<fingerprint>/<run>/rejects.csv
        reports_path = path.rstrip("/").rsplit("/", 3)[0]
        return cls(path, where, parent.get("channel_execution_id"), reports_path, parent.get("mode"), parent)

    def file(self) -> Location:
        """Find the file where it is to be opened: below the base path, or as a part of its reports folder.

        :raises ExportRefusedError: it is no plain file, or a link leads out of there.
        :raises OSError: it cannot be looked at, for example because it is not there.
        """
        if self.parent is not None:
            return check_plain(beside_report(self.path), None)
        return check_plain(locate(self.path), locate(self.base_path) if self.base_path else None)

    @property
    def is_rows(self) -> bool:
        """Whether it is the rejects file of a push of rows of an author's own."""
        return self.parent is not None and self.parent.get("export") is None

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
            return mapping or ExportMapping()
        if self.parent.get("has_transform"):
            raise BrazeSetupError(
                "The push of these rejects had a mapping with a transform: give that mapping again."
            )
        return ExportMapping.of_report(self.parent.get("mapping"))


def parent_report(path: str) -> dict[str, Any] | None:
    """Read the report beside a rejects file; None for any other file.

    :raises BrazeSetupError: a rejects file without its report.
    """
    folder, _, name = path.replace("\\", "/").rpartition("/")
    if name != REJECTS_NAME:
        return None
    location = beside_report(f"{folder}/{REPORT_NAME}")
    try:
        report = json.loads(read_small(location, MOST_REPORT_BYTES))
        if not isinstance(report, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError, ExportRefusedError) as error:
        raise BrazeSetupError(
            f"{path} is pushed again with what the {REPORT_NAME} beside it says, which cannot be read "
            f"({type(error).__name__}): keep the two together."
        ) from error
    return report


def beside_report(path: str) -> Location:
    """Locate a file of a push: as a part of its reports folder, or of the one folder that it was copied to."""
    names = path.replace("\\", "/").rstrip("/").split("/")
    in_place = len(names) > 3 and (names[-3] == ROWS_FOLDER or bool(_FINGERPRINT.fullmatch(names[-3])))
    return in_reports_folder(path, 3 if in_place else 1)


def check_mode(mode: str) -> str:
    """Check a mode other than ``auto``."""
    if mode not in MODES:
        raise BrazeSetupError(f"mode must be auto, upsert or append, not {mode!r}.")
    return mode
