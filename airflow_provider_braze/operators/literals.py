"""What an author wrote as it will be: checked when the DAG is parsed. Templates and XComs wait for the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.operators.what_to_push import Asked, late
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_seconds,
    as_optional_text,
    as_optional_whole_number,
    as_threshold,
    is_final,
)
from airflow_provider_braze.pushes.export_item import AUTO, check_mode
from airflow_provider_braze.pushes.given_exports import check, flatten, is_list
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.search import read_parameter
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping


class WrongParameterError(BrazeSetupError, AirflowFailException):
    """A parameter is wrong, as the author wrote it: the DAG cannot be imported.

    A mapped task meets its parameters only when it runs: as Airflow's own exception, this fails it without a retry.
    """


def _mode(_: str, value: Any) -> None:
    if (text := as_optional_text("mode", value)) not in (None, AUTO):
        check_mode(str(text))


def _export(_: str, value: Any) -> None:
    if is_list(value):
        flatten(value)
    elif value is not None:
        check(value)


_CHECKS: Mapping[str, Any] = {
    "export": _export,
    "mode": _mode,
    "channel_modes": read_parameter,
    "mapping": lambda _, value: ExportMapping.of(value),
    "dialect": lambda _, value: value if isinstance(value, Dialect) else Dialect.from_dict(value or {}),
    "reports_path": as_optional_text,
    "braze_conn_id": as_optional_text,
    "dry_run": lambda name, value: as_bool(name, value, default=False),
    "max_rejected": as_threshold,
    "max_data_points": as_optional_whole_number,
    "retry_events": lambda name, value: as_bool(name, value, default=False),
    "confirm": lambda name, value: as_bool(name, value, default=False),
    "late": lambda _, value: late(value),
    "max_wait_on_worker": as_optional_seconds,
}
_NEVER_RENDERED = frozenset({"channel_modes", "mapping", "dialect"})


def check_literals(task: Asked) -> None:
    """Check every parameter that is what it will be when the task runs.

    :raises WrongParameterError: naming the parameter, and what to change.
    """
    try:
        rows = (task.attributes, task.events, task.purchases)
        if any(each is not None for each in rows) == (task.export is not None):
            raise BrazeSetupError("Give either export, or attributes, events or purchases.")
        for name, read in _CHECKS.items():
            value = getattr(task, name)
            if name in _NEVER_RENDERED or is_final(value):
                read(name, value)
    except BrazeError as error:
        raise WrongParameterError(str(error)) from error
