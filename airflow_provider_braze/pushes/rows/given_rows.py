"""Rows of an author's own as the parameters give them, and how a later try knows that they are the same.

Above: the operators, and the push of rows. Below: what one row may hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import msgspec

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.pushes.rows.row_identity import why_nobody
from airflow_provider_braze.pushes.rows.row_values import BadRowError, as_json, as_text
from airflow_provider_braze.users_track.batching.merge_window import ARRAYS, ProfileObject

Rows = Iterable[Mapping[str, Any]] | Callable[[], Iterable[Mapping[str, Any]]] | str | None

# Through XCom, the keys of a row may come in another order.
_to_sorted_json = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


class GivenRow(NamedTuple):
    """One row to be sent.

    :param line: its index among the rows, or what the rejects file says.
    :param array: ``attributes``, ``events`` or ``purchases``.
    :param content: what is sent, as plain JSON; of a row that cannot be sent, whatever it is.
    :param cells: it, in the rejects file.
    :param outcome: of a rejects file, what had become of it.
    :param problem: why it cannot be sent.
    :param passed_over: how many rows of other shards lie between the one before and this one.
    """

    line: int
    array: str
    content: Any
    cells: Sequence[str] = ()
    outcome: str = ""
    problem: str | None = None
    passed_over: int = 0


def is_function(rows: Any) -> bool:
    """Whether rows come of calling it: whatever has a length is data, though it could be called as well."""
    return callable(rows) and not isinstance(rows, Sized)


def are_given(rows: Any) -> bool:
    """Whether a parameter has rows, without asking whether it is true, which an array of numpy does not tell."""
    return rows is not None and (not isinstance(rows, Sized) or len(rows) > 0)


def read_rows(name: str, rows: Rows) -> Iterable[Any]:
    """Give the rows of a parameter: a list, a function that returns or yields rows, or JSON text from a template.

    Whatever has a length is data, and becomes a list: what mapped tasks of Airflow have returned is fetched once, one
    by one, however often the rows are gone through.

    :raises BrazeSetupError: it is none of these.
    """
    if is_function(rows):
        rows = cast(Callable[[], Any], rows)()
    if isinstance(rows, str):
        try:
            rows = json.loads(rows) if rows.strip() not in ("", "None") else None
        except (ValueError, RecursionError):
            raise BrazeSetupError(
                f"{name} must be a list of rows, or a template that renders to JSON."
            ) from None
    if rows is None:
        return ()
    if isinstance(rows, str):
        raise BrazeSetupError(
            f"{name} must be a list of rows, not JSON text of a JSON text: leave out one tojson or json.dumps."
        )
    if isinstance(rows, Mapping | bytes | bytearray) or not _is_iterable(rows):
        raise BrazeSetupError(f"{name} must be a list of rows, not {type(rows).__name__}.")
    if hasattr(rows, "columns"):
        # Going through a table gives the names of its columns.
        raise BrazeSetupError(
            f"{name} must be a list of rows, not a table ({type(rows).__name__}): give its rows as dicts, such as "
            "to_dict('records') of pandas makes them."
        )
    whole: Iterable[Any] = rows  # type: ignore[assignment]
    return list(whole) if isinstance(rows, Sized) and not isinstance(rows, list | tuple) else whole


def held(rows: Iterable[Any]) -> list[Any]:
    """Keep what comes one by one, each row as it is now: some give one dict again and again, filled anew."""
    found = []
    for row in rows:
        with suppress(BadRowError):
            row = dict(as_json(row))
        found.append(row)
    return found


def sendable(array: str, index: int, row: Any) -> ProfileObject:
    """Make the object of a row that is sent on its own.

    :raises BrazeSetupError: it cannot be sent.
    """
    try:
        found = ProfileObject(array, (), as_json(row), [])
        problem = why_nobody(array, found.content) or found.encode()
    except BadRowError as bad:
        problem = str(bad)
    if problem is not None:
        raise BrazeSetupError(f"{array}[{index}] cannot be sent: {problem}.")
    return found


def _is_iterable(rows: Any) -> bool:
    # A class of one's own may have a length and items by their number, and no more.
    return isinstance(rows, Iterable) or (isinstance(rows, Sized) and hasattr(rows, "__getitem__"))


@dataclass(slots=True)
class GivenRows:
    """The rows of one push.

    :param given: the parameters, by array.
    :param arrays: what they are once functions were called and texts read.
    """

    given: Mapping[str, Rows]
    arrays: dict[str, Iterable[Any]]

    @classmethod
    def read(cls, given: Mapping[str, Rows]) -> GivenRows:
        """Call the functions and read the texts.

        :raises BrazeSetupError: a parameter is nothing that gives rows.
        """
        return cls(given, {array: read_rows(array, given.get(array)) for array in ARRAYS})

    def again(self) -> GivenRows:
        """Give the same rows to be gone through once more: an iterator is held for it, a function called again."""
        for array, rows in self.arrays.items():
            if isinstance(rows, Iterator) and not is_function(self.given.get(array)):
                self.arrays[array] = held(rows)
        arrays = {
            array: read_rows(array, self.given[array]) if isinstance(rows, Iterator) else rows
            for array, rows in self.arrays.items()
        }
        return GivenRows(self.given, arrays)

    @property
    def count(self) -> int | None:
        """How many they are; None where they come one by one."""
        known = [len(rows) for rows in self.arrays.values() if isinstance(rows, list | tuple)]
        return sum(known) if len(known) == len(self.arrays) else None

    def digest(self) -> str | None:
        """Name the rows by their content; None where they come one by one, and are gone once they were read."""
        if self.count is None:
            return None
        found = hashlib.sha256()
        for array, rows in self.arrays.items():
            found.update(b"%s\n" % array.encode())
            for row in rows:
                found.update(_canonical(row))
                found.update(b"\n")
        return found.hexdigest()

    def rows(self, *, with_cells: bool) -> Iterator[GivenRow]:
        """Give the rows one by one.

        :param with_cells: there is a rejects file.
        """
        index = 0
        for array, rows in self.arrays.items():
            for given in rows:
                cells = (array, as_text(given)) if with_cells else ()
                try:
                    yield GivenRow(index, array, as_json(given), cells)
                except BadRowError as bad:
                    yield GivenRow(index, array, None, cells, problem=str(bad))
                index += 1


def _canonical(row: Any) -> bytes:
    try:
        row = as_json(row)
        body = _to_sorted_json(row)
    except Exception as error:
        # It cannot be sent, whatever it is.
        return f"{type(error).__name__}: {error}".encode() if isinstance(error, BadRowError) else b"not JSON"
    if b"null" in body:
        # What is written as null may be a number that JSON does not have.
        return (ProfileObject("attributes", (), dict(row), []).encode() or "").encode() or body
    return body
