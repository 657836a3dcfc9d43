from __future__ import annotations

import csv

import pytest

from benchmarks import generate


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "HOME", tmp_path)
    with generate.export(30_000).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_an_export_is_what_its_description_says(rows):
    header, *records = rows
    assert ",".join(header) == generate.COLUMNS
    assert len(records) == 30_000
    assert {len(record) for record in records} == {16}
    assert all(all(record[:3]) for record in records)
    for column in range(3, 16):
        assert sum(not record[column] for record in records) / 30_000 == pytest.approx(0.08, abs=0.01)
    seen: dict[str, int] = {}
    distances = []
    for number, record in enumerate(records):
        if record[2] in seen:
            distances.append(number - seen[record[2]])
        seen[record[2]] = number
    assert len(distances) / 30_000 == pytest.approx(0.02, abs=0.003)
    assert min(distances) < 100
    assert max(distances) > 20_000


def test_an_export_is_always_the_same_and_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "HOME", tmp_path / "one")
    one = generate.export(2_000)
    written = one.stat().st_mtime_ns
    assert generate.export(2_000).stat().st_mtime_ns == written
    monkeypatch.setattr(generate, "HOME", tmp_path / "other")
    assert generate.export(2_000).read_bytes() == one.read_bytes()
