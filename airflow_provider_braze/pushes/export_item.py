"""The export a push is asked for: an item of the sensor's list, or a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.path import ExportPath
from airflow_provider_braze.storage.reports_folder import FOLDER_NAME

MODES = ("upsert", "append")
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ExportItem:
    """What is known of an export before it is opened.

    :param path: path or URL of the file.
    :param where: its channel, offer, workflow id and name.
    :param reports_path: reports folder that the item or its place names, or None.
    :param mode: mode that the sensor found, or None.
    """

    path: str
    where: ExportPath
    reports_path: str | None
    mode: str | None

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
        where = ExportPath.of(path)
        # Any path has segments; these say that they are RPI's.
        in_layout = where.channel in channel_modes or where.workflow_id.isdigit()
        base = path.replace("\\", "/").rstrip("/").rsplit("/", 4)[0] if in_layout else None
        return cls(path, where, f"{base}/{FOLDER_NAME}" if base else None, None)

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
        return cls(path, where, reports_path, item.get("mode"))

    def resolve_mode(self, mode: str, channel_modes: Mapping[str, str]) -> str:
        """Settle ``auto``: by the item, else by the channel.

        :raises BrazeSetupError: the mode is misspelt, or the channel is in neither place.
        """
        if mode != AUTO:
            return check_mode(mode)
        found = self.mode or channel_modes.get(self.where.channel)
        if found is None:
            raise BrazeSetupError(
                f"mode is auto, but channel_modes does not know the channel {self.where.channel!r}: add it to "
                "channel_modes, or set mode to upsert or append."
            )
        return check_mode(found)


def check_mode(mode: str) -> str:
    """Check a mode other than ``auto``."""
    if mode not in MODES:
        raise BrazeSetupError(f"mode must be auto, upsert or append, not {mode!r}.")
    return mode
