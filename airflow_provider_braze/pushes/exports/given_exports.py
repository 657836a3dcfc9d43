"""What an author gives as ``export``: one export, or a list of them. Anything else is named at once.

Above: the operators, and a list of exports. Below: the errors, and where files lie.
"""

from __future__ import annotations

import ast
import json
import os
from collections import UserString
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_braze.blanks import cut
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.parameters import refuse_quotes
from airflow_provider_braze.redpoint.discovery.path import ExportPath
from airflow_provider_braze.storage.files.location import identity

Export = str | Mapping[str, Any]
"""A path or URL, or one item of the sensor's list."""

_TEXT_OF_A_LIST = ("[{", "[[", "LazyXComSequence(", "LazySelectSequence(")
_NO_LISTS = (str, UserString, bytes, bytearray, memoryview, tuple)
"""Sequences that are not: text, and what was meant to be one thing."""

_NAMES = ("channel", "offer", "workflow_id")
"""What an item says of its export's place: a number there may be another name than was written."""

_GIVE = "give a path, one item of RedpointExportSensor's list, or a list of these"
_HAND_OVER = (
    "hand over the list itself, such as export=sensor.output; a template gives a list only in a DAG with "
    "render_template_as_native_obj=True"
)


def is_list(export: Any) -> bool:
    """Tell whether several exports are given, be they none: a list, or what Airflow hands over of mapped tasks."""
    return isinstance(export, Sequence) and not isinstance(export, _NO_LISTS)


def flatten(exports: Sequence[Any]) -> list[Export]:
    """Take the exports of a list, and of the lists in it, as a mapped sensor gives them; each file once, however its
    path is written.

    The sensor's items are put in the order in which they are to be pushed: the oldest first, by ``modified`` and path.
    Where paths are among them, the given order stays.

    :raises BrazeSetupError: something in it is no export.
    """
    found = [check(each) for each in _each(exports)]
    by_path: dict[str, Export] = {}
    if any(isinstance(each, str) or modified_of(each) is None for each in found):
        for each in found:
            by_path.setdefault(identity(path_of(each)), each)
        return list(by_path.values())
    # Of a file that was replaced between two looks, the later one counts: it is pushed as it lies there now.
    for item in sorted(found, key=_age):
        by_path.pop(same := identity(path_of(item)), None)
        by_path[same] = item
    return list(by_path.values())


def check(export: Any) -> Export:
    """Take one export: a path as text, or an item.

    :raises BrazeSetupError: it is neither.
    """
    if isinstance(export, Mapping):
        return _checked_item(export)
    export = _written(export)
    if isinstance(export, bytes | bytearray):
        raise BrazeSetupError(f"export is {type(export).__name__}, not text: {_GIVE}.")
    if isinstance(export, int | float) and not isinstance(export, bool):
        raise BrazeSetupError(
            f"export is the number {export!r}, perhaps a name that native rendering made one: {_GIVE}."
        )
    if export is not None and not isinstance(export, str):
        raise BrazeSetupError(f"export is a {type(export).__name__}: {_GIVE}.")
    text = export or ""
    if text.strip() in ("", "None"):
        raise BrazeSetupError(f"export is empty: {_GIVE}.")
    if _looks_like_a_list(text.strip()):
        raise BrazeSetupError(f"export is text that looks like a list or a dict: {_HAND_OVER}.")
    if text != cut(text):
        raise BrazeSetupError(
            f"export has a blank or a line end at its beginning or end: {text[:200]!r}. Take it away, perhaps with "
            "| trim in the template; a file that is really called so is given as {'path': ...}."
        )
    refuse_quotes("export", text, "a file that is really called so is given as {'path': ...}")
    return text


def _written(path: Any) -> Any:
    """Give a path as text, where it is an object that stands for one."""
    if isinstance(path, UserString) or type(path).__name__ == "ObjectStoragePath":
        return str(path)
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _checked_item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    if "path" not in item:
        raise BrazeSetupError(f"export is a dict without 'path': {_GIVE}.")
    path = _written(item["path"])
    if not isinstance(path, str):
        raise BrazeSetupError(f"export is a dict whose 'path' is a {type(path).__name__}, not text: {_GIVE}.")
    if path.strip() in ("", "None"):
        raise BrazeSetupError(f"export is a dict whose 'path' is empty: {_GIVE}.")
    where = ExportPath.of(path)
    for name in _NAMES:
        # The workflow 8828, say, is the same name as a number: its folder is called so.
        value = item.get(name)
        if not (value is None or isinstance(value, str) or str(value) == getattr(where, name)):
            raise BrazeSetupError(
                f"export is a dict whose {name!r} is not text, but {value!r}: a DAG with render_template_as_native_obj "
                "makes a number of a name such as '8828'. Put quotes around the value, within a template too: "
                f"\"'{{{{ params.{name} }}}}'\"."
            )
    return item if path is item["path"] else {**item, "path": path}


def path_of(export: Export) -> str:
    """Give the path or URL of an export."""
    return export if isinstance(export, str) else str(export["path"])


def _each(exports: Sequence[Any]) -> Iterator[Any]:
    for export in exports:
        if is_list(export):
            yield from _each(export)
        else:
            yield export


def _age(item: Export) -> tuple[float, str]:
    return modified_of(item) or 0.0, path_of(item)


def modified_of(item: Export) -> float | None:
    """Give when an export was last changed, in seconds since the epoch; None where it is no item that says so."""
    value = item.get("modified") if isinstance(item, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _looks_like_a_list(text: str) -> bool:
    if text.startswith(_TEXT_OF_A_LIST):
        return True
    if text[0] not in "[({" or text[-1] not in "])}":
        return False
    for read in (json.loads, ast.literal_eval):
        try:
            return isinstance(read(text), list | tuple | dict | set)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return False
