"""What is learnt of values in qualifiers, and how texts with nothing but such are cut, is the same many at once."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.blanks import BLANKS
from airflow_provider_braze.redpoint.reading.cutting import Cutter
from airflow_provider_braze.redpoint.reading.doubt import Wrapping

WIDTH = 3

PLAIN = ["", "", "Ann", "5", '5" pipe', 'a "b', " Ann ", "\u00a0"]
WRAPPED = [
    '""',
    '"Ann"',
    '"Smith, Jr."',
    '"5"" pipe"',
    '"""VIP"", too"',
    '","',
    '"a\r\nb"',
    '" x"',
    '"\u00a0"',
]
PADDED = [' "Ann" ', ' "Smith, Jr."', '\t"x"\u200b']
CELLS = st.sampled_from([*PLAIN, *WRAPPED, *PADDED])
TEXTS = st.lists(CELLS, min_size=WIDTH, max_size=WIDTH).map(",".join)


class Slow:
    """Learns from one record after the other, by looking at each of its values."""

    def __init__(self, cutter: Cutter) -> None:
        self.cutter = cutter
        self.any = False
        self.wrapped: set[int] = set()
        self.bare: set[int] = set()

    def note(self, text: str, row: Sequence[str]) -> None:
        wrapped = self.cutter.wrapped_columns(text, row) if '"' in text else set()
        self.any = self.any or bool(wrapped)
        self.wrapped |= wrapped
        self.bare |= {at for at, cell in enumerate(row) if cell and at not in wrapped}

    def always(self, column: int) -> bool:
        return column in self.wrapped and column not in self.bare


def read_well(cutter: Cutter, text: str) -> list[str] | None:
    try:
        [row] = cutter.cut([text])
    except (csv.Error, StopIteration):
        return None
    return row if len(row) == WIDTH else None


@pytest.mark.parametrize("trim", [True, False])
@given(blocks=st.lists(st.tuples(st.lists(TEXTS, min_size=1, max_size=4), st.integers(1, 4)), max_size=6))
def test_it_is_learnt_many_at_once_as_one_by_one(blocks: list[tuple[list[str], int]], trim: bool) -> None:
    cutter = Cutter(",", '"', trim=trim)
    fast, slow = Wrapping(cutter, WIDTH), Slow(cutter)
    for given_texts, times in blocks:
        texts = [text for text in given_texts if read_well(cutter, text) is not None]
        # The same again: only then they are compared with what is known already.
        for _ in range(times if texts else 0):
            rows = cutter.cut(texts)
            fast.note(texts, rows, cut_together=True)
            for text, row in zip(texts, rows, strict=True):
                slow.note(text, row)
            assert fast.any == slow.any
            assert [*map(fast.always, range(WIDTH))] == [*map(slow.always, range(WIDTH))]


def test_one_bare_value_among_thousands_of_wrapped_ones_is_seen() -> None:
    cutter = Cutter(",", '"', trim=True)
    wrapping = Wrapping(cutter, WIDTH)

    def note(*texts: str) -> list[bool]:
        wrapping.note(texts, cutter.cut(texts), cut_together=True)
        return [*map(wrapping.always, range(WIDTH))]

    usual = ['1,"Ann","Smith, Jr."', '2,"Bob",""', '3,,"x ""y"", z"'] * 100
    assert note(*usual) == note(*usual) == note(*usual) == [False, True, True]
    assert note(*usual, '4,"Cy",bare', *usual) == [False, True, False]
    assert note(*usual, '4,Cy,"x"', *usual) == [False, False, False]


def test_a_column_that_was_empty_for_long_can_still_be_wrapped_always_or_not() -> None:
    for later, always in (('"x"', True), ("x", False)):
        cutter = Cutter(",", '"', trim=True)
        wrapping = Wrapping(cutter, WIDTH)
        for texts in [['1,"a",'] * 10] * 5 + [['1,"a",', f'1,"a",{later}']]:
            wrapping.note(texts, cutter.cut(texts), cut_together=True)
        assert wrapping.always(2) == always


@pytest.mark.parametrize("padded", [' "Ann"', '"Ann" ', '\t"Ann"', ' "Smith, Jr." ', '\u00a0"x"'])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_blanks_around_a_value_are_seen_among_texts_that_look_as_before(padded: str, at: int) -> None:
    cutter = Cutter(",", '"', trim=True)
    wrapping = Wrapping(cutter, WIDTH)
    # Never, now and then, and always wrapped: a pattern of these is made, by which blanks need not be looked for.
    usual = ['1,"Ann","Smith, Jr."', '2,Bob,"Lee"', '3,,"x"'] * 10
    for _ in range(3):
        wrapping.note(usual, cutter.cut(usual))
    assert cutter.usual is not None
    cells = ["4", "Cy", '"z"']
    cells[at] = padded
    text = ",".join(cells)
    found = cutter.cut([*usual, text, *usual])[len(usual)]
    assert found == [cell.strip(BLANKS).removeprefix('"').removesuffix('"') for cell in cells]
    assert cutter.cut([text]) == [found]


@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_texts_are_cut_together_as_csv_cuts_each(texts: list[str]) -> None:
    cutter = Cutter(",", '"', trim=False)
    try:
        rows = [row for text in texts for row in csv.reader([text], strict=True)]
    except csv.Error:
        rows = []
    try:
        found = cutter.cut(texts)
    except (csv.Error, StopIteration):
        found = []
    # csv takes a raw line end for the end of a record; a text that has one is read in another way.
    if len(rows) == len(texts):
        assert found == rows


@pytest.mark.parametrize(
    ("texts", "all_wrapped"),
    [
        (['"a","b"', '"",""'], True),
        (['"a, b","c\nd"'], True),
        (['"a"'], True),
        (['"a","b"', '"a",b'], False),
        (['"a","b"', '"a","b""c"'], False),
        (['"a","b"', '"a""b"'], False),
        (['"a", "b"'], False),
        (['"a","b"', '"a","b","c"'], False),
        (['"","""'], False),
        (['x"a","b"y'], False),
        (["a,b"], False),
    ],
)
def test_it_is_told_when_every_value_was_wrapped(texts: list[str], all_wrapped: bool) -> None:
    cutter = Cutter(",", '"', trim=True)
    with suppress(csv.Error):
        cutter.cut(texts)
    assert cutter.all_wrapped == all_wrapped


@pytest.mark.parametrize("blank", [" ", "   ", "\u00a0", " \t", "\u200b\u200b"])
@pytest.mark.parametrize("delimiter", [",", "\t", "|"])
def test_blanks_outside_of_qualifiers_are_seen_wherever_they_are(blank: str, delimiter: str) -> None:
    if delimiter in blank:
        return
    cutter = Cutter(delimiter, '"', trim=True)
    lines = [delimiter.join(cells) for cells in (["a", '"b"', "c"], ['"a"', "b", '"c"'])]
    assert not cutter.spaced("\0".join(lines))
    for line in lines:
        for at in [at for at, mark in enumerate(line) if mark == '"']:
            # Outside: before a qualifier that opens, behind one that closes.
            outside = at if line[:at].count('"') % 2 == 0 else at + 1
            text = line[:outside] + blank + line[outside:]
            assert cutter.spaced(text)
            assert cutter.spaced("\0".join([*lines, text, *lines]))
            assert cutter.cut([*lines, text])[-1] == next(csv.reader([line], delimiter=delimiter))


@pytest.mark.parametrize("text", ['a,"b "" c",d', 'a," b","c "', 'a,5" pipe,7 "x'])
def test_blanks_inside_of_values_cost_nothing(text: str) -> None:
    assert not Cutter(",", '"', trim=True).spaced(text)
