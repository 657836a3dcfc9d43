"""``find ID``: what failed for one user, in rejects files as pushes write them and as people mend them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.__main__ import main
from airflow_provider_braze.pushes.search_rejects import search_rejects
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping

Push = Callable[..., dict[str, Any]]
Land = Callable[..., Path]


def test_a_failed_record_is_found_with_its_reason(
    push: Push, land: Land, capsys: pytest.CaptureFixture[str]
) -> None:
    path = land("external_id,email\nU1,ann@example.com\nU2,nonsense\nU22,nonsense\n")
    report = push(path, run="first")
    folder = Path(report["rejects_path"]).parents[2]

    found = search_rejects(str(folder), " U2 ")

    (reject,) = found.rejects
    assert (reject.line, reject.outcome, reject.column) == (3, "invalid", "email")
    assert (reject.export, reject.rejects) == (report["export"], report["rejects_path"])
    assert reject.started_at == report["started_at"]
    assert (found.files, found.problems) == (1, [])
    assert main(["find", "U2", str(folder.parent)]) == 0
    said = capsys.readouterr().out
    assert f"{path}, line 3" in said
    assert "1 records of this user in 1 rejects files" in said
    # Who did not fail, part of another's id, and what stands in another column.
    for user in ("U1", "U", "nonsense"):
        assert search_rejects(str(folder), user).rejects == []


def test_the_column_that_identified_users_is_searched(push: Push, land: Land) -> None:
    path = land("old_id,member,email\nU1,M1,nonsense\n")
    report = push(path, mapping=ExportMapping(identifier="member"), run="first")
    folder = str(Path(report["rejects_path"]).parents[2])
    assert len(search_rejects(folder, "M1").rejects) == 1
    assert search_rejects(folder, "U1").rejects == []


def test_a_mended_copy_is_searched_and_the_newest_comes_first(push: Push, land: Land) -> None:
    old = push(land("external_id,email\nU2,nonsense\n"), run="first")
    new = push(land("External ID,email\nU2,still nonsense\n", name="RPI_Export_2.txt"), run="second")
    written, report = Path(old["rejects_path"]), Path(old["report_path"])
    report.write_text(json.dumps({**old, "started_at": "2026-11-01T08:00:00+00:00"}))
    # A spreadsheet of another country.
    (written.parent / "rejects (1).csv").write_text(written.read_text().replace(",", ";"))
    found = search_rejects(str(written.parents[2]), "U2")
    assert found.rejects[0].rejects == new["rejects_path"]
    assert len(found.rejects) == found.files == 3


def test_rows_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "_braze" / "rows" / "push"
    folder.mkdir(parents=True)
    row = json.dumps({"external_id": "U7", "name": "bought"}).replace('"', '""')
    (folder / "rejects.csv").write_text(
        f'_line,_outcome,_reason,_column,array,object\n4,unknown,lost,,events,"{row}"\n'
    )
    (reject,) = search_rejects(str(tmp_path), "U7").rejects
    assert (reject.line, reject.outcome, reject.export) == (4, "unknown", "")
    assert search_rejects(str(tmp_path), "bought").rejects == []


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "_braze" / ("a" * 64) / "push"
    folder.mkdir(parents=True)
    secret = tmp_path / "secret.csv"
    secret.write_text("_line,_outcome,_reason,_column,external_id\n1,invalid,x,,U1\n")
    (folder / "rejects.csv").symlink_to(secret)
    assert main(["find", "U1", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "rejects.csv cannot be read" in told.err
    assert "0 records" in told.out
    assert main(["find", "U1", str(tmp_path / "nowhere")]) == 2
