"""Mapping records many at once, for tests that compare it with mapping them one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from airflow_provider_braze.users_track.mapping.by_column import ByColumn, Mapped
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper
from airflow_provider_braze.users_track.rules.data_points import DataPoints, surplus


def by_column_of(mapper: Mapper) -> ByColumn:
    found = mapper.by_column()
    assert found is not None
    return found


def together(by_column: ByColumn, rows: list[list[str]]) -> Mapped:
    return by_column.map(rows, [sum(map(len, row)) for row in rows])


def one_by_one(mapper: Mapper, rows: list[list[str]]) -> Iterator[tuple[Any, Any] | None]:
    for row in rows:
        try:
            yield mapper.map(row)
        except BadRecordError:
            yield None


def compare(mapper: Mapper, rows: list[list[str]]) -> None:
    """Compare the objects and the data points of all records that are beyond doubt."""
    by_column = by_column_of(mapper)
    mapped = together(by_column, rows)
    kept = [row for at, row in enumerate(rows) if at not in mapped.needs_slow_path]
    wanted = list(one_by_one(mapper, kept))
    assert not mapper.omitted, "a bad value was beyond doubt"
    assert (mapped.trimmed, mapped.normalised) == (mapper.trimmed, mapper.normalised)
    identities = [(by_column.kind, each) for each in mapped.ids]
    found = list(zip(identities, map(msgspec.json.decode, mapped.bodies), strict=True))
    assert found == wanted
    counted, expected = DataPoints(), DataPoints()
    counted.add_counted(mapped.data_points)
    for identity, profile in filter(None, wanted):
        expected.add(str(identity[0]), tuple(profile), surplus(profile))
    assert counted.by_attribute() == expected.by_attribute()
