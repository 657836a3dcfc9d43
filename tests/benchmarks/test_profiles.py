"""A race is fair only when all carry the same load: the baselines send what the product sends."""

from __future__ import annotations

import csv
from itertools import islice

import msgspec

from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.mapper import Mapper
from benchmarks import baseline_floor, baseline_waves, generate, profiles


def test_all_send_the_same_profile_objects(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "HOME", tmp_path)
    path = generate.export(1_500)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    mapper = Mapper(header, ExportMapping(), mode="upsert", offer=generate.OFFER)
    expected = [mapper.map(row)[1] for row in rows]

    assert [profiles.profile(dict(zip(header, row, strict=True))) for row in rows] == expected
    sent = [msgspec.json.decode(body)["attributes"] for _, body in baseline_floor.bodies(str(path))]
    assert [each for batch in sent for each in batch] == expected

    typed = [each for batch in islice(baseline_waves.batches(str(path)), 20) for each in batch]
    assert [each.keys() for each in typed] == [each.keys() for each in expected]
    assert [each["external_id"] for each in typed] == [each["external_id"] for each in expected]


def test_the_waves_guess_types():
    cells = {"7": 7, "-1.5": -1.5, "true": True, "NULL": None, "[1, 2]": [1, 2], "[x]": "[x]", "Ana": "Ana"}
    assert {cell: baseline_waves.typed(cell) for cell in cells} == cells
