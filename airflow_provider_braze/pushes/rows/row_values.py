"""A row of an author's own, which may hold anything, as the JSON that Braze understands, or as text for people.

No row can end a push: whatever is odd about one, or raises when it is touched, is a reason for that row alone.

Above: whoever is given rows. Below: Braze's rules of values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_braze.users_track.batching.profile_object import DEEPEST, TOO_DEEP
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.rules.plain_values import NotPlainError, plain_scalar
from airflow_provider_braze.users_track.rules.values import to_json

_PLAIN = frozenset({str, bool, type(None), float})
_SMALL = 2**63

_MOST_CHARACTERS = limits.BYTES_PER_REQUEST
"""Of one row. Ten lists that hold each other twice are a thousand values, and a hundred such lists never end."""

_MOST_CONTAINERS = 100_000
"""Dicts and lists of one row, which count as so many characters: Braze takes 100 KB in one attribute or event."""

_MOST_WRITTEN = 64_000_000
"""Characters of one row in a rejects file."""

_NO_KEYS = frozenset({"true", "false", "null", "NaN", "Infinity", "-Infinity"})
"""What is no text and no number, as JSON, and so cannot be a key."""

_LISTS = (list, tuple, set, frozenset)


class BadRowError(Exception):
    """A row cannot be sent; the text says why, and quotes no value of it."""


def as_json(row: Any) -> dict[str, Any]:
    """Turn a row into plain dicts, lists, texts, numbers, booleans and None.

    A ``Decimal`` stays one, and is written as the number that it is. Dates, times with a date and UUIDs become text,
    numpy's scalars what they stand for, a set a list in the order of its items' JSON.

    :raises BadRowError: it is no dict, or holds what Braze has no JSON for.
    """
    if type(row) is dict and _is_flat(row):
        return row
    try:
        # Even to ask what something is may raise.
        if not isinstance(row, Mapping):
            raise BadRowError(f"a row must be a dict, not {type(row).__name__}")
        return _Conversion().mapping(row, 1)
    except BadRowError:
        raise
    except Exception as error:
        # The text of the error may hold a value, so only its type is told.
        raise BadRowError(f"not JSON: {type(error).__name__}") from None


def value_as_json(value: Any, most_characters: int) -> Any:
    """Turn any value into plain JSON, as :func:`as_json` does a row.

    :raises BadRowError: Braze has no JSON for it, or it is larger.
    """
    try:
        return _Conversion(most_characters).value(value, 1)
    except BadRowError:
        raise
    except Exception as error:
        raise BadRowError(f"not JSON: {type(error).__name__}") from None


def _is_flat(row: dict[Any, Any]) -> bool:
    """Whether nothing has to be turned into anything, as for most rows."""
    for name, value in row.items():
        if type(name) is not str:
            return False
        if type(value) not in _PLAIN and not (type(value) is int and -_SMALL < value < _SMALL):
            return False
    return True


class _Conversion:
    """Turns one row into JSON.

    ``_path`` has the ids of the dicts and lists around the present value, by which a loop is found at once.
    """

    def __init__(self, most_characters: int = _MOST_CHARACTERS) -> None:
        self._most = self._left = most_characters
        self._path: set[int] = set()

    def mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        self._enter(value, depth)
        found: dict[str, Any] = {}
        for key, item in value.items():
            name = self._key(key)
            if name in found:
                raise BadRowError("not JSON: two keys that are the same as text")
            found[name] = self.value(item, depth + 1)
        self._path.discard(id(value))
        return found

    def _key(self, key: Any) -> str:
        if type(key) is str:
            self._spend(len(key))
            return key
        if key is None or isinstance(key, bool | bytes | tuple | frozenset):
            raise BadRowError(f"not JSON: a key of type {type(key).__name__}")
        found = self._scalar(key)
        if isinstance(found, bool):
            # Numpy's; Python's own name for it is no JSON.
            raise BadRowError(f"not JSON: a key of type {type(key).__name__}")
        return str(found)

    def value(self, value: Any, depth: int) -> Any:
        # By the exact type first: nearly all are one of these, and to ask what something is at heart takes long.
        kind = type(value)
        if kind is str:
            self._spend(1 + len(value))
            return value
        if kind is dict or (kind not in _PLAIN and isinstance(value, Mapping)):
            return self.mapping(value, depth)
        if not isinstance(value, _LISTS):
            return self._scalar(value)
        self._enter(value, depth)
        found = [self.value(item, depth + 1) for item in value]
        self._path.discard(id(value))
        if isinstance(value, set | frozenset):
            # In another process it would come in another order, and a retry would not know its rows again.
            found.sort(key=to_json)
        return found

    def _enter(self, value: Any, depth: int) -> None:
        if id(value) in self._path:
            raise BadRowError("not JSON: it holds itself")
        if depth > DEEPEST:
            raise BadRowError(TOO_DEEP)
        self._path.add(id(value))
        self._spend(_MOST_CHARACTERS // _MOST_CONTAINERS)

    def _spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise BadRowError(f"larger than a request may be ({self._most} bytes)")

    def _scalar(self, value: Any) -> Any:
        try:
            found = plain_scalar(value)
        except NotPlainError as error:
            raise BadRowError(str(error)) from None
        self._spend(1 + (len(found) if isinstance(found, str) else 0))
        return found


def as_text(row: Any) -> str:
    """Write a row for a rejects file: its JSON, or as much of it as there is.

    What has no JSON is named in angle brackets, such as ``<bytes>``: pushed again as it is, the row is invalid again.
    """
    try:
        text = json.dumps(row, ensure_ascii=False) if type(row) is dict and _is_flat(row) else _Text().of(row)
    except Exception:
        return f"<{type(row).__name__}>"
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a character, which only JSON's own way to spell it can carry.
        return "".join(c if not 0xD800 <= ord(c) <= 0xDFFF else f"\\u{ord(c):04x}" for c in text)
    return text


class _Text:
    """Writes one row."""

    def __init__(self) -> None:
        self._left = _MOST_WRITTEN
        self._path: set[int] = set()

    def of(self, value: Any) -> str:
        if not isinstance(value, (Mapping, *_LISTS)):
            return self._scalar(value)
        if id(value) in self._path or len(self._path) > DEEPEST or self._left < 0:
            return "<...>"
        self._path.add(id(value))
        self._left -= _MOST_WRITTEN // _MOST_CONTAINERS
        if isinstance(value, Mapping):
            text = "{" + ", ".join(self._members(value)) + "}"
        else:
            text = "[" + ", ".join(map(self.of, _in_order(value))) + "]"
        self._path.discard(id(value))
        return text

    def _members(self, value: Mapping[Any, Any]) -> Iterator[str]:
        written = set()
        for key, item in value.items():
            name = self._scalar(key)
            if not name.startswith(('"', "<")):
                name = f"<{type(key).__name__}>" if name in _NO_KEYS else f'"{name}"'
            if name in written:
                name = f"<{type(key).__name__}>"
            written.add(name)
            yield f"{name}: {self.of(item)}"

    def _scalar(self, value: Any) -> str:
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
        if isinstance(value, float) and value != value:
            return "NaN"
        try:
            plain = plain_scalar(value)
            text = (
                json.dumps(plain, ensure_ascii=False) if isinstance(plain, str) else to_json(plain).decode()
            )
        except Exception:
            return f"<{type(value).__name__}>"
        self._left -= len(text)
        return text if self._left >= 0 else "<...>"


def _in_order(items: Iterable[Any]) -> Iterable[Any]:
    return sorted(items, key=repr) if isinstance(items, set | frozenset) else items
