"""Values as templates and forms leave them: text that means a switch, a number, or nothing at all.

Airflow renders ``{{ params.dry_run }}`` to ``'True'`` and an empty field to ``''`` or ``'None'``. Each function takes
the parameter's name and its value, typed or as text, and raises ``BrazeSetupError`` naming the parameter.

Above: whoever is given parameters. Below: only the errors.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import PurePath
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError

_UNSET = frozenset({"", "None"})
_GROUPED = re.compile(r"[0-9]{1,3}(\.[0-9]{3})+")
_IN_QUOTES = frozenset({'""', "''", "``", "\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u00ab\u00bb"})
"""The first and the last character of what stands in quotes."""

_FOR_EVER = 9e9
"""Seconds, 285 years: Python waits for no more than 2**63 nanoseconds, and fails where it is to."""

_SWITCH = {"true": True, "false": False}


def is_unset(value: Any) -> bool:
    """Tell whether a value stands for "not given": None, an empty text, or the text ``None``."""
    return value is None or (isinstance(value, str) and value.strip() in _UNSET)


def is_final(value: Any) -> bool:
    """Tell whether a value is what it will be at run time: no template, no output of another task."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(is_final(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_final, value))
    return value is None or isinstance(value, int | float | timedelta | bytes | PurePath)


def check_final(task: Any, checks: Mapping[str, Callable[[str, Any], Any]]) -> None:
    """Read each parameter of a task that is what it will be when the task runs; the others wait for it.

    :param checks: by the parameter's name, what reads it.
    """
    for name, read in checks.items():
        if is_final(value := getattr(task, name)):
            read(name, value)


def as_bool(name: str, value: Any, *, default: bool | None = None) -> bool:
    """Read a switch: a bool, or ``true`` / ``false`` in any case; unset is the default, where there is one."""
    if isinstance(value, bool):
        return value
    if default is not None and is_unset(value):
        return default
    switch = _SWITCH.get(value.strip().lower()) if isinstance(value, str) else None
    if switch is None:
        raise BrazeSetupError(f"{name} must be true or false, not {value!r}.")
    return switch


def as_optional_text(name: str, value: Any) -> str | None:
    """Read a text without the spaces around it, or None where it is unset.

    A number is refused: nobody can tell whether 202403 was ``2024_03`` where it was made.
    """
    if is_unset(value):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BrazeSetupError(
            f"{name} must be text, not the number {value!r}: a DAG with render_template_as_native_obj makes a number "
            f"of a name such as '8828'. Put quotes around the value, within a template too: "
            f"{name}=\"'{{{{ params.{name} }}}}'\"."
        )
    if not isinstance(value, str):
        raise BrazeSetupError(f"{name} must be text, not {value!r}.")
    refuse_half_characters(name, value)
    return value.strip()


def refuse_half_characters(name: str, text: str) -> None:
    """Refuse what JSON's own way to spell a character may leave of one: nothing can be written with it.

    :raises BrazeSetupError: the text has some.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BrazeSetupError(f"{name} holds half a character: {text!r}.") from None


def refuse_quotes(name: str, path: str, otherwise: str) -> None:
    """Refuse a path or URL in quotes, which somebody has pasted or a template has left.

    :param otherwise: what to do where the quotes belong to the name.
    :raises BrazeSetupError: it begins and ends with quotes.
    """
    if len(path) > 1 and (path[0] + path[-1]) in _IN_QUOTES:
        raise BrazeSetupError(f"{name} is in quotes: {path[:200]}. Leave them out; {otherwise}.")


def read_data(text: str) -> Any:
    """Read a list or a dict as a template writes it, as JSON or as Python does; None where it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def as_optional_path(name: str, value: Any) -> str | None:
    """Read a path or URL, or None where it is unset; one in quotes is refused."""
    return None if is_unset(value) else as_path(name, value)


def as_path(name: str, value: Any) -> str:
    """Read a path or URL that must be given; one in quotes is refused."""
    path = as_text(name, value)
    refuse_quotes(name, path, "a folder that is really called so has to be renamed")
    return path


def as_text(name: str, value: Any) -> str:
    """Read a text that must be given."""
    text = as_optional_text(name, value)
    if text is None:
        raise BrazeSetupError(f"{name} must be given.")
    return text


def as_optional_number(name: str, value: Any, *, minimum: float = 0) -> float | None:
    """Read a finite number of at least ``minimum``, or None where it is unset."""
    if is_unset(value):
        return None
    try:
        # A number in Python's own notation only: float() would take '1_000' and True as well.
        number = float("" if isinstance(value, bool) or "_" in str(value) else value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= minimum):
        raise BrazeSetupError(f"{name} must be a number of at least {minimum:g}, not {value!r}.")
    return number


def as_number(name: str, value: Any, *, default: float | None = None, minimum: float = 0) -> float:
    """Read a finite number of at least ``minimum``; unset is the default, where there is one."""
    number = as_optional_number(name, value, minimum=minimum)
    if number is None:
        number = default
    if number is None:
        raise BrazeSetupError(f"{name} must be given.")
    return number


def as_whole_number(name: str, value: Any, *, default: int | None = None, minimum: int = 0) -> int:
    """Read a whole number of at least ``minimum``; unset is the default, where there is one."""
    number = as_number(name, value, default=default, minimum=minimum)
    if is_grouped(value):
        raise BrazeSetupError(f"{name} must be a whole number without separators, not {value!r}.")
    if int(number) != number:
        raise BrazeSetupError(f"{name} must be a whole number, not {value!r}.")
    return int(number)


def is_grouped(value: Any) -> bool:
    """Tell whether a text looks like a number with points between its thousands: it would be read as one of a few."""
    return isinstance(value, str) and _GROUPED.fullmatch(value.strip()) is not None


def as_optional_whole_number(name: str, value: Any, *, minimum: int = 0) -> int | None:
    """Read a whole number of at least ``minimum``, or None where it is unset."""
    return None if is_unset(value) else as_whole_number(name, value, minimum=minimum)


def as_threshold(name: str, value: Any) -> int | float | None:
    """Read a number of records: a whole number is a count, a number below 1 a share; None where it is unset."""
    number = None if is_unset(value) else _threshold(value)
    if number is None and not is_unset(value):
        raise BrazeSetupError(f"{name} must be a count, or a share below 1 such as 0.05, not {value!r}.")
    return number


def _threshold(value: Any) -> int | float | None:
    try:
        number = as_number("", value)
    except BrazeSetupError:
        return None
    if number >= 1 and is_grouped(value):
        return None
    if number == int(number) and not (isinstance(value, str) and number < 1 and "." in value):
        return int(number)
    return number if number < 1 else None


def as_optional_seconds(name: str, value: Any) -> float | None:
    """Read a duration: a timedelta or a number of seconds, at least 0; None where it is unset."""
    seconds = as_optional_number(name, value.total_seconds() if isinstance(value, timedelta) else value)
    return None if seconds is None else min(seconds, _FOR_EVER)


def as_seconds(name: str, value: Any, *, default: float | None = None) -> float:
    """Read a duration as ``as_optional_seconds`` does; unset is the default, where there is one."""
    return as_number(name, as_optional_seconds(name, value), default=default)
