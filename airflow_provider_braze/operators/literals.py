"""What an author wrote as it will be: checked when the DAG is parsed. Templates and XComs wait for the run.

Above: the operator, as it is made. Below: the readers of each parameter, which the run asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.operators.memory_parameters import CHECKS as REMEMBERING_CHECKS
from airflow_provider_braze.operators.what_to_push import (
    LATE,
    NO_CONFIRM,
    REPLACED,
    PushParameters,
    read_dialect,
    word,
)
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_path,
    as_optional_seconds,
    as_optional_text,
    as_optional_whole_number,
    as_threshold,
    is_final,
)
from airflow_provider_braze.pushes.exports.given_exports import check, flatten, is_list
from airflow_provider_braze.pushes.rows.given_rows import read_rows
from airflow_provider_braze.pushes.sources.export_item import AUTO, check_mode
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.redpoint.discovery.search import read_parameter
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.wrong_parameter import WrongParameterError


def _mode(_: str, value: Any) -> None:
    if (text := as_optional_text("mode", value)) not in (None, AUTO):
        check_mode(str(text))


def _export(_: str, value: Any) -> None:
    if is_list(value):
        flatten(value)
    elif value is not None:
        check(value)


def _rows(name: str, value: Any) -> None:
    # Anything else is rows, or gives them when the task runs: a function, another task's result.
    if isinstance(value, str | Mapping | bytes | bytearray | int | float):
        read_rows(name, value)  # type: ignore[arg-type]


def _switch(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise BrazeSetupError(f"{name} must be True or False, not {value!r}.")


_CHECKS: Mapping[str, Any] = {
    "export": _export,
    "attributes": _rows,
    "events": _rows,
    "purchases": _rows,
    "mode": _mode,
    "channel_modes": read_parameter,
    "mapping": lambda _, value: ExportMapping.of(value),
    "dialect": lambda _, value: read_dialect(value),
    "partner": as_optional_text,
    "reports_path": as_optional_path,
    "braze_conn_id": as_optional_text,
    "dry_run": lambda name, value: as_bool(name, value, default=False),
    "max_rejected": as_threshold,
    "max_data_points": as_optional_whole_number,
    "retry_events": lambda name, value: as_bool(name, value, default=False),
    "confirm": lambda name, value: as_bool(name, value, default=False),
    "late": lambda name, value: word(name, value, LATE),
    "replaced": lambda name, value: word(name, value, REPLACED),
    "shard": Shard.read,
    **REMEMBERING_CHECKS,
    "durable": _switch,
    "max_wait_on_worker": as_optional_seconds,
}
_NEVER_RENDERED = frozenset({"channel_modes", "mapping", "dialect", "partner", "durable"})
_ROWS = ("attributes", "events", "purchases")


def check_literals(task: PushParameters) -> None:
    """Check every parameter that is what it will be when the task runs.

    :raises WrongParameterError: naming the parameter, and what to change.
    """
    try:
        has_rows = any(getattr(task, name) is not None for name in _ROWS)
        if has_rows == (task.export is not None):
            raise BrazeSetupError("Give either export, or attributes, events or purchases.")
        for name, read in _CHECKS.items():
            value = getattr(task, name)
            # However the values of a dict are rendered, it is no list of rows.
            if name in _NEVER_RENDERED or is_final(value) or (name in _ROWS and isinstance(value, Mapping)):
                read(name, value)
        if has_rows and is_final(task.confirm) and as_bool("confirm", task.confirm, default=False):
            raise BrazeSetupError(NO_CONFIRM)
    except BrazeError as error:
        raise WrongParameterError(str(error)) from error
