from __future__ import annotations

import pytest

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track.rules import names


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("Zip Code", "zip_code"),
        ("zip.code", "zip_code"),
        ("zip . $code", "zip_code"),
        ("  Zip\tCode ", "zip_code"),
        ("zip_code", "zip_code"),
        ("zip__code", "zip__code"),
        ("$", "_"),
        ("ÉDUCATION", "éducation"),
    ],
)
def test_keys_are_lower_case_without_what_braze_forbids(column, key):
    assert names.key_of(column) == key


@pytest.mark.parametrize(
    ("name", "columns", "index"),
    [
        ("zip", ["ZIP", "zip"], 1),
        ("Zip Code", ["id", "zip_code"], 1),
        ("ZIPCODE", ["id", "Zip Code"], 1),
        ("zip-code", ["zip_code"], 0),
        ("a b", ["ab", "a b"], 1),
        ("ab", ["ab", "a b"], 0),
        ("A_B", ["ab", "a b"], 1),
        ("nope", ["ab"], -1),
    ],
)
def test_a_name_means_the_column_most_like_it(name, columns, index):
    assert names.find(name, columns) == index


@pytest.mark.parametrize("columns", [["a b", "a_b"], ["ab", "a_b"], ["x", "x"]])
def test_a_name_that_fits_two_columns_is_an_error(columns):
    with pytest.raises(MappingError) as caught:
        names.find("A-B" if columns[0] != "x" else "x", columns)
    assert str(caught.value).endswith(
        f"may be the column {columns[0]!r} or {columns[1]!r}: write it as the header does."
    )


def test_the_nearest_name_is_told_whatever_its_case():
    assert names.nearest("FRIST NAME", ["last_name", "First_Name"]) == " (did you mean 'First_Name'?)"
    assert names.close("external_id", ["Kunde", "x"]) == ""
    assert names.nearest("q", ["a", "b"]) == " (there are: a, b)"


def test_not_more_than_twenty_names_are_listed():
    columns = [f"column{n}" for n in range(21)]
    assert names.nearest("q", columns[:20]).endswith(", column19)")
    assert names.nearest("q", columns).endswith(", column19, ...)")
