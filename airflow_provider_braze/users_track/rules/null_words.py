"""Words that say *no value*: written by a database, a spreadsheet or a program where an identifier was missing.

As identifiers they would fold everybody who has none into one profile.

Above: the identities. Below: blanks.
"""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_braze.blanks import cut

_WORDS = frozenset(
    """
    null (null) <null> [null] {null} "null" 'null' #null #null! \\n none (none) <none> nil <nil> nan -nan #nan <nan>
    <nat> na n/a n.a. n.a #n/a #na <na> (n/a) undefined (undefined) <undefined> (unset) <unset> (missing) <missing>
    (blank) <blank> (empty) <empty> #value! #ref! #name? #div/0! #num! 1.#ind -1.#ind 1.#qnan -1.#qnan
    #error! #spill! #calc! #field! #blocked! #connect! #busy! #unknown!
    - -- --- ? ?? () <> [] {} "" ''
    """.split()  # noqa: SIM905
) | {"#n/a n/a", "\N{EN DASH}", "\N{EM DASH}"}
"""Case-folded: SQL and its clients, spreadsheets' errors, pandas and R, JavaScript and Go, people's dashes, and
brackets or quotes around nothing."""

LONGEST = max(map(len, _WORDS))

REASON = "a word for no value where the identifier belongs"


def may_be_among(cut_cells: Iterable[str]) -> bool:
    """Tell whether any of many cells, which have no blanks at their ends, says that there is no value."""
    return not _WORDS.isdisjoint(map(str.casefold, cut_cells))


def is_null_word(text: str) -> bool:
    """Tell whether a text says, in any case, that there is no value."""
    return cut(text).casefold() in _WORDS
