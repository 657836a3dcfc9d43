"""Names of columns and fields: how they are compared, and the nearest right one for a message.

Above: the mapping. Below: how the reader compares names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.redpoint.reading.header import normalised

_SEPARATORS = re.compile(r"[\s_-]+")
_UNSAFE_IN_KEYS = re.compile(r"[\s.$]+")
_MOST_LISTED = 20


def squash(name: str) -> str:
    """Reduce a name to what people mean by it: no case, spaces, underscores or hyphens."""
    return _SEPARATORS.sub("", name).lower()


def key_of(name: str) -> str:
    """Spell a column name as a key: lower case, runs of spaces, ``.`` and ``$`` made one ``_``."""
    return _UNSAFE_IN_KEYS.sub("_", name.strip().lower())


def close(name: str, known: Iterable[str]) -> str:
    """Write an aside for an error message: the nearest right name, or nothing when none is near."""
    by_squashed = {squash(each): each for each in known}
    found = difflib.get_close_matches(squash(name), by_squashed, n=1, cutoff=0.6)
    return f" (did you mean {by_squashed[found[0]]!r}?)" if found else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Write an aside for an error message: the nearest right name, or what there is."""
    names = list(known)
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    return close(name, names) or f" (there are: {listed})"


def find(name: str, columns: Sequence[str]) -> int:
    """Find the one column that a name means: as it is, else in any case with spaces or ``_``, else without them.

    :return: its position, or -1.
    :raises MappingError: the name fits two columns equally well.
    """
    for spell in (str, normalised, squash):
        wanted = spell(name)
        found = [index for index, column in enumerate(columns) if spell(column) == wanted]
        if len(found) > 1:
            raise MappingError(
                f"mapping: {name!r} may be the column {columns[found[0]]!r} or {columns[found[1]]!r}: "
                "write it as the header does."
            )
        if found:
            return found[0]
    return -1
