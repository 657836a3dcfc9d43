"""What to look for below the base path: the sensor's and the trigger's parameters, read and checked."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_path,
    as_optional_seconds,
    as_optional_text,
    as_path,
    as_seconds,
    as_whole_number,
    is_unset,
    read_data,
)
from airflow_provider_braze.redpoint.discovery.landing import DEFAULT_FILE_PATTERN
from airflow_provider_braze.redpoint.discovery.path import DEFAULT_CHANNEL_MODES, ExportPath, segments
from airflow_provider_braze.storage.reports.reports_folder import FOLDER_NAME

DEFAULT_SETTLE_SECONDS = 30.0
DEFAULT_MAX_AGE = 7 * 24 * 3600.0
DEFAULT_MAX_EXPORTS = 100
DEFAULT_CONN_ID = "braze_default"


def comparable(name: str) -> str:
    """Give a name as it is compared: storages differ in how they spell an accent, and forms in outer spaces."""
    return unicodedata.normalize("NFC", name).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSearch:
    """The parameters of ``RedpointExportSensor``, which documents them. Build it with ``read``."""

    base_path: str
    channel: str | None = None
    offer: str | None = None
    workflow_id: str | None = None
    channel_execution_id: str | None = None
    channel_modes: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_CHANNEL_MODES))
    file_pattern: str = DEFAULT_FILE_PATTERN
    settle_seconds: float = DEFAULT_SETTLE_SECONDS
    marker_suffix: str | None = None
    reports_path: str | None = None
    braze_conn_id: str = DEFAULT_CONN_ID
    only_new: bool = True
    max_age: float | None = DEFAULT_MAX_AGE
    max_exports: int = DEFAULT_MAX_EXPORTS
    with_older: bool = False
    push_again: bool = False

    @classmethod
    def read(cls, **values: Any) -> ExportSearch:
        """Read the parameters as a DAG, a form or a trigger's stored arguments give them.

        :raises BrazeSetupError: a value cannot be used; the message names the parameter.
        """
        search = cls(**{name: read_parameter(name, value) for name, value in values.items()})
        if not search.push_again:
            return search
        check_push_again(search.offer, search.workflow_id, search.channel_execution_id)
        return replace(search, only_new=False)

    def as_kwargs(self) -> dict[str, Any]:
        """Give the parameters as JSON values that ``read`` takes back."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"channel_modes": dict(self.channel_modes)}

    def admits(self, parts: tuple[str, ...]) -> bool:
        """Tell whether exports are looked for below these segments of a path."""
        names = [comparable(part) for part in parts]
        if names[0] == FOLDER_NAME or (self.channel is None and names[0] not in self._modes()):
            return False
        wanted = (self.channel, self.offer, self.workflow_id)
        return all(
            want is None or comparable(want) == name for want, name in zip(wanted, names, strict=False)
        )

    def selects(self, path: ExportPath) -> bool:
        """Tell whether an export is one of those that are looked for."""
        execution = self.channel_execution_id
        return self.admits((path.channel, path.offer, path.workflow_id)) and (
            execution is None or path.channel_execution_id == execution
        )

    @property
    def names_something(self) -> bool:
        """Whether certain exports are looked for, and not all."""
        return (self.channel, self.offer, self.workflow_id, self.channel_execution_id) != (None,) * 4

    @property
    def widened(self) -> ExportSearch:
        """Look for every channel's exports: with those that are selected go the older ones."""
        return replace(self, channel=None, offer=None, workflow_id=None, channel_execution_id=None)

    @property
    def brings_older(self) -> bool:
        """Whether exports that are not selected are looked at, too."""
        return self.with_older and self.only_new and self.names_something

    def is_other_channel(self, name: str) -> bool:
        """Tell whether a folder is left out only because ``channel_modes`` does not name it."""
        # Hidden folders belong to the storage: snapshots, recycle bins.
        hidden = name == FOLDER_NAME or name.startswith(".")
        return self.channel is None and not hidden and comparable(name) not in self._modes()

    def mode_of(self, channel: str) -> str | None:
        """Give a channel's mode, or None for one that ``channel_modes`` does not name."""
        return self._modes().get(comparable(channel))

    def _modes(self) -> dict[str, str]:
        return {comparable(channel): mode for channel, mode in self.channel_modes.items()}


def check_push_again(offer: Any, workflow_id: Any, channel_execution_id: Any) -> None:
    """Refuse to push everything again: the oldest of it would set people back.

    :raises BrazeSetupError: none of these is given.
    """
    if is_unset(offer) and is_unset(workflow_id) and is_unset(channel_execution_id):
        raise BrazeSetupError(
            "push_again needs an offer, a workflow_id or a channel_execution_id: without one it would take the oldest "
            "exports of all, and set people back to what they were. Look with a dry run at what would be taken."
        )


def read_parameter(name: str, value: Any) -> Any:
    """Read one parameter; text that means unset gives its default.

    :raises BrazeSetupError: the value cannot be used; the message names the parameter.
    """
    if name not in _READERS:
        raise TypeError(f"unexpected parameter {name!r}")
    return _READERS[name](name, value)


def _selector(name: str, value: Any) -> str | None:
    """Read the name of one folder: what could lead out of the base path is refused."""
    text = as_optional_text(name, value)
    if text is not None and (text in (".", "..", FOLDER_NAME) or "\0" in text or segments(text) != [text]):
        raise BrazeSetupError(
            f"{name} must be the name of one folder below base_path, without / and \\ and not .. or {FOLDER_NAME}, "
            f"not {value!r}."
        )
    return text


def _execution_id(name: str, value: Any) -> str | None:
    text = as_optional_text(name, value)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise BrazeSetupError(f"{name} must be the number in RPI_Export_<number>.txt, not {value!r}.")
    return text


def _file_name_part(name: str, value: Any) -> str | None:
    text = as_optional_text(name, value)
    if text is not None and segments(text) != [text]:
        raise BrazeSetupError(f"{name} is about a file's name and takes no / or \\, not {value!r}.")
    return text


def _channel_modes(name: str, value: Any) -> dict[str, str]:
    if is_unset(value):
        return dict(DEFAULT_CHANNEL_MODES)
    given = value
    if isinstance(value, str):
        value = read_data(value)
    if not isinstance(value, Mapping) or not all(isinstance(channel, str) for channel in value):
        raise BrazeSetupError(f"{name} must be a dict of channel to mode, not {given!r}.")
    for channel, mode in value.items():
        if mode not in ("upsert", "append"):
            raise BrazeSetupError(f"{name}: the mode of {channel!r} must be upsert or append, not {mode!r}.")
    return dict(value)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "base_path": as_path,
    "channel": _selector,
    "offer": _selector,
    "workflow_id": _selector,
    "channel_execution_id": _execution_id,
    "channel_modes": _channel_modes,
    "file_pattern": lambda name, value: _file_name_part(name, value) or DEFAULT_FILE_PATTERN,
    "settle_seconds": lambda name, value: as_seconds(name, value, default=DEFAULT_SETTLE_SECONDS),
    "marker_suffix": _file_name_part,
    "reports_path": as_optional_path,
    "braze_conn_id": lambda name, value: as_optional_text(name, value) or DEFAULT_CONN_ID,
    "only_new": lambda name, value: as_bool(name, value, default=True),
    "max_age": as_optional_seconds,
    "give_up_after": as_optional_seconds,
    "push_again": lambda name, value: as_bool(name, value, default=False),
    "with_older": lambda name, value: as_bool(name, value, default=False),
    "max_exports": lambda name, value: as_whole_number(name, value, default=DEFAULT_MAX_EXPORTS, minimum=1),
}
