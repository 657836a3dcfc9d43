"""What a task's parameters ask of the memory of what Braze was told.

Above: the operator. Below: the memory, which says what each part means.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Protocol

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_number,
    as_optional_path,
    as_optional_text,
    is_unset,
    read_data,
    refuse_half_characters,
)

USE, IGNORE = "use", "ignore"

_DAY = 86_400.0
_MOST_DAYS = timedelta.max.days + 1


class MemoryParameters(Protocol):
    """The operator's parameters that are used here, rendered."""

    only_changed: Any
    refresh_after: Any
    always_send: Any
    memory: Any
    memory_path: Any


def wish_of(task: MemoryParameters) -> Wish:
    """Read what is asked of the memory.

    :raises BrazeSetupError: a parameter cannot be used.
    """
    return Wish(
        only_changed=as_bool("only_changed", task.only_changed, default=False),
        ignore=use("memory", task.memory) == IGNORE,
        refresh_after=days("refresh_after", task.refresh_after),
        always_send=names("always_send", task.always_send),
        path=as_optional_path("memory_path", task.memory_path),
    )


def use(name: str, value: Any) -> str:
    """Read whether the memory is used or ignored.

    :raises BrazeSetupError: it is neither of the two words.
    """
    text = as_optional_text(name, value) or USE
    if text not in (USE, IGNORE):
        raise BrazeSetupError(f"{name} must be {USE} or {IGNORE}, not {text!r}.")
    return text


def days(name: str, value: Any) -> float | None:
    """Read a number of days, or a timedelta; None where it is unset.

    :raises BrazeSetupError: it is none, or more than a timedelta can have.
    """
    found = as_optional_number(name, value.total_seconds() / _DAY if isinstance(value, timedelta) else value)
    if found is not None and found > _MOST_DAYS:
        raise BrazeSetupError(f"{name} must be at most {_MOST_DAYS} days, not {value!r}; None is never.")
    return found


def names(name: str, value: Any) -> frozenset[str]:
    """Read names of columns: a list, the text of one, or a text with commas between them.

    :raises BrazeSetupError: it is none.
    """
    if is_unset(value):
        return frozenset()
    found = _of_text(value) if isinstance(value, str) else value
    if isinstance(found, Mapping | str) or not isinstance(found, Collection):
        raise BrazeSetupError(f"{name} must be a list of columns, not {value!r}.")
    for each in found:
        if not isinstance(each, str) or not each.strip():
            raise BrazeSetupError(f"{name} must be a list of columns; {each!r} is no name of one.")
        refuse_half_characters(name, each)
    return frozenset(each.strip() for each in found)


def _of_text(text: str) -> Any:
    if text.strip()[:1] in ("[", "(", "{"):
        return read_data(text)
    return [each for each in text.split(",") if each.strip()]


CHECKS: Mapping[str, Any] = {
    "only_changed": lambda name, value: as_bool(name, value, default=False),
    "refresh_after": days,
    "always_send": names,
    "memory": use,
    "memory_path": as_optional_path,
}
"""What checks each parameter where its author wrote it."""
