"""From the operator's parameters to the push: of an export, of a list of them, or of rows of an author's own.

Above: the operator. Below: the pushes of exports and of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from airflow_provider_braze.airflow_compat import AirflowSkipException
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.rows_function import rows_of
from airflow_provider_braze.parameters import as_bool, as_optional_text
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.exports.export import ExportPush
from airflow_provider_braze.pushes.exports.export_list import ListPush
from airflow_provider_braze.pushes.exports.given_exports import check, flatten, is_list
from airflow_provider_braze.pushes.rows.rows import RowsPush
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.search import read_parameter
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping

LATE = ("push", "hold")
REPLACED = ("push", "refuse")
NO_CONFIRM = "confirm looks up the users of an export; rows of your own cannot be confirmed."


class PushParameters(Protocol):
    """The operator's parameters that are used here, rendered."""

    attributes: Any
    channel_modes: Any
    confirm: Any
    dialect: Any
    events: Any
    export: Any
    late: Any
    mapping: Any
    purchases: Any
    replaced: Any


def push_of(
    task: PushParameters,
    job: Job,
    *,
    begin: Callable[[int], None],
    tell: Callable[[dict[str, Any]], None],
) -> RowsPush | ExportPush | ListPush:
    """Make the push that a task's parameters ask for.

    :param job: what is asked of any push.
    :param begin: told the number of an export of a list before its turn.
    :param tell: told the report of a list at the beginning, and after each turn.
    :raises BrazeSetupError: a parameter cannot be used.
    :raises AirflowSkipException: the list of exports is empty.
    """
    channel_modes = read_parameter("channel_modes", task.channel_modes)
    exports = flatten(task.export) if is_list(task.export) else None
    one = exports is None and task.export is not None
    item = ExportItem.of(check(task.export), channel_modes) if one else None
    confirm = as_bool("confirm", task.confirm, default=False)
    dialect = read_dialect(task.dialect)
    if task.export is None or (item is not None and item.is_rows):
        if confirm:
            raise BrazeSetupError(NO_CONFIRM)
        return RowsPush(
            job=job,
            rejects=item,
            dialect=dialect,
            attributes=rows_of(task.attributes),
            events=rows_of(task.events),
            purchases=rows_of(task.purchases),
        )
    make = partial(
        ExportPush,
        channel_modes=channel_modes,
        mapping=None if task.mapping is None else ExportMapping.of(task.mapping),
        dialect=dialect,
        confirm=confirm,
        hold_late=word("late", task.late, LATE) == "hold",
        refuse_replaced=word("replaced", task.replaced, REPLACED) == "refuse",
    )
    if exports is None:
        return make(job=job, export=item)
    if not exports:
        raise AirflowSkipException("The list of exports is empty: there is nothing to push.")
    return ListPush(exports, make, job, begin=begin, tell=tell)


def read_dialect(value: Any) -> Dialect:
    """Read what is known of a file's form.

    :raises BrazeSetupError: it is neither a dialect nor a dict of its fields.
    """
    return value if isinstance(value, Dialect) else Dialect.from_dict({} if value is None else value)


def word(name: str, value: Any, known: Sequence[str]) -> str:
    """Read one of some words, of which the first is the default.

    :raises BrazeSetupError: it is none of them.
    """
    text = as_optional_text(name, value) or known[0]
    if text not in known:
        raise BrazeSetupError(f"{name} must be {' or '.join(known)}, not {text!r}.")
    return text
