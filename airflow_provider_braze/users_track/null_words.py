"""Words that say *no value*: written by a database, a spreadsheet or a program where an identifier was missing.

As identifiers they would fold everybody who has none into one profile.
"""

from __future__ import annotations

from airflow_provider_braze.users_track.blanks import cut

_WORDS = frozenset(
    """
    null (null) <null> [null] {null} "null" 'null' #null #null! \\n none (none) <none> nil <nil> nan -nan #nan <nan>
    <nat> na n/a n.a. n.a #n/a #na <na> (n/a) undefined (undefined) <undefined> (unset) <unset> (missing) <missing>
    (blank) <blank> (empty) <empty> #value! #ref! #name? #div/0! #num! 1.#ind -1.#ind 1.#qnan -1.#qnan
    - -- --- ? ??
    """.split()  # noqa: SIM905
) | {"#n/a n/a"}
"""Case-folded: SQL and its clients, spreadsheets' errors, pandas and R, JavaScript and Go, and people's dashes."""

LONGEST = max(map(len, _WORDS))

REASON = "a word for no value where the identifier belongs"


def is_null_word(text: str) -> bool:
    """Tell whether a text says, in any case, that there is no value."""
    return cut(text).casefold() in _WORDS
