"""The rejects file: exact cells, owner only, whole or not there."""

from __future__ import annotations

import csv
import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from airflow_provider_braze.exceptions import BrazeError, RejectsError
from airflow_provider_braze.rejects.writer import (
    OWN_COLUMNS,
    RejectsFile,
    RejectsInReport,
    parts_of,
)
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.users_track.records import RecordReference
from tests.sandbox_process import ROOT

COLUMNS = ("external_id", "city")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def rejects(home: Path) -> RejectsFile:
    return RejectsFile(locate(str(home / "rejects.csv")), COLUMNS)


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def test_nothing_is_created_when_nothing_failed(rejects: RejectsFile, home: Path) -> None:
    rejects.flush()
    assert rejects.close() is None
    assert rejects.close() is None
    assert not home.exists()


def test_a_record_with_its_line_outcome_reason_and_column(rejects: RejectsFile, home: Path) -> None:
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "no city", "city")
    rejects.write(RecordReference.of(9, ("c", "d")), "rejected", 'odd, and "so"\non', "")
    assert rejects.written == 2
    assert rejects.close() == str(home / "rejects.csv")
    assert read(home / "rejects.csv") == [
        [*OWN_COLUMNS, *COLUMNS],
        ["7", "invalid", "no city", "city", "a", "b"],
        ["9", "rejected", 'odd, and "so"\non', "", "c", "d"],
    ]


def test_columns_may_be_known_only_later(home: Path) -> None:
    rejects = RejectsFile(locate(str(home / "rejects.csv")), ())
    rejects.columns = ("x",)
    rejects.write(RecordReference.of(1, ["1"]), "invalid", "r", "")
    rejects.close()
    assert read(home / "rejects.csv")[0] == [*OWN_COLUMNS, "x"]


def test_a_part_that_could_not_be_ended_is_never_taken_for_whole(rejects: RejectsFile, home: Path) -> None:
    home.parent.joinpath("run").mkdir()
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "no city", "city")
    rejects.cut()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        with pytest.raises(RejectsError, match="File too large"):
            rejects.finish_parts()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    # There is room now, but the row is gone: the part must get into no checkpoint.
    with pytest.raises(RejectsError, match="File too large"):
        rejects.finish_parts()
    with pytest.raises(RejectsError, match="File too large"):
        rejects.write(RecordReference.of(9, ["c", "d"]), "invalid", "no city", "city")
    assert rejects.close() is None
    assert not (home / "rejects.csv").exists()


@pytest.mark.parametrize("cells", [["a"], ["a", "b", "surplus", "", "more"], []])
def test_cells_keep_their_number(rejects: RejectsFile, home: Path, cells: list[str]) -> None:
    rejects.write(RecordReference.of(7, cells), "invalid", "wrong width", "")
    rejects.close()
    assert read(home / "rejects.csv")[1][4:] == cells


@pytest.mark.parametrize(
    "cell",
    [
        '=HYPERLINK("http://x")',
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "0042",
        " padded ",
        'quoted "twice"',
        "two\nlines",
        "two\r\nlines",
        "\r",
        "semi;colon,comma|pipe\ttab",
        "NUL\0in it",
        "é 漢 🙂 \u2028 \ufeff",
        "x" * 200_000,
    ],
)
def test_any_cell_comes_back_as_it_was(rejects: RejectsFile, home: Path, cell: str) -> None:
    csv.field_size_limit(1_000_000)
    rejects.write(RecordReference.of(7, [cell, "after"]), "invalid", "r", "")
    rejects.close()
    assert read(home / "rejects.csv")[1][4:] == [cell, "after"]


def test_bytes_that_are_not_of_the_encoding_come_back_as_they_were(rejects: RejectsFile, home: Path) -> None:
    raw = b"M\xfcller \xff\xc3"
    rejects.write(RecordReference.of(7, [raw.decode("utf-8", "surrogateescape"), "x"]), "invalid", "r", "")
    rejects.close()
    assert raw in (home / "rejects.csv").read_bytes()


def test_half_a_character_is_spelt_out_and_spoils_no_other_record(rejects: RejectsFile, home: Path) -> None:
    rejects.write(RecordReference.of(7, ["\ud800 é", "\udcff"]), "invalid", "half a \ud800", "")
    rejects.write(RecordReference.of(8, ["a", "b"]), "invalid", "r", "")
    assert rejects.close() is not None
    rows = read(home / "rejects.csv")
    assert rows[1] == ["7", "invalid", "half a \\ud800", "", "\\ud800 é", "\udcff"]
    assert len(rows) == 3
    assert rejects.written == 2


def test_only_its_owner_may_read_it_also_before_it_is_whole(rejects: RejectsFile, home: Path) -> None:
    home.mkdir()
    left = home / "rejects.csv.1.part"
    left.write_text("left by a push that was killed")
    left.chmod(0o666)
    before = os.umask(0)
    try:
        rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    rejects.close()
    assert stat.S_IMODE((home / "rejects.csv").stat().st_mode) == 0o600
    assert "killed" not in (home / "rejects.csv").read_text()


def test_it_has_a_temporary_name_until_it_is_whole(rejects: RejectsFile, home: Path) -> None:
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
    assert [each.name for each in home.iterdir()] == ["rejects.csv.1.part"]
    rejects.close()
    assert [each.name for each in home.iterdir()] == ["rejects.csv"]


def test_it_replaces_that_of_an_earlier_push_of_the_same_run(rejects: RejectsFile, home: Path) -> None:
    home.mkdir()
    (home / "rejects.csv").write_text("old")
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
    rejects.close()
    assert "old" not in (home / "rejects.csv").read_text()


def test_closing_twice_is_closing_once(rejects: RejectsFile, home: Path) -> None:
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
    url = rejects.close()
    content = (home / "rejects.csv").read_bytes()
    assert rejects.close() == url == str(home / "rejects.csv")
    assert (home / "rejects.csv").read_bytes() == content


def test_what_was_closed_is_not_written_over(rejects: RejectsFile, home: Path) -> None:
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
    rejects.close()
    content = (home / "rejects.csv").read_bytes()
    with pytest.raises(RejectsError):
        rejects.write(RecordReference.of(8, ["c", "d"]), "invalid", "r", "")
    assert (home / "rejects.csv").read_bytes() == content


def test_flush_brings_records_to_the_disk(rejects: RejectsFile, home: Path) -> None:
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
    rejects.flush()
    assert b"7,invalid" in (home / "rejects.csv.1.part").read_bytes()
    rejects.close()


def test_on_another_storage(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    location = Location(memory, "/reports/run/rejects.csv", "memory://reports/run/rejects.csv")
    rejects = RejectsFile(location, COLUMNS)
    rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
    rejects.flush()
    assert rejects.close() == "memory://reports/run/rejects.csv"
    assert memory.ls("/reports/run", detail=False) == ["/reports/run/rejects.csv"]
    assert memory.cat("/reports/run/rejects.csv").splitlines()[1] == b"7,invalid,r,,a,b"


class TestCannotBeWritten:
    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("a file where the folder should be")
        rejects = RejectsFile(locate(str(tmp_path / "run" / "rejects.csv")), COLUMNS)
        with pytest.raises(RejectsError, match="reports_path") as caught:
            rejects.write(RecordReference.of(7, ["ann@example.org", "b"]), "invalid", "r", "")
        assert isinstance(caught.value, BrazeError)
        assert "ann@" not in str(caught.value)
        assert rejects.written == 0
        assert rejects.close() is None

    @pytest.mark.parametrize("records", [3, 3000])
    def test_a_disk_that_is_full(self, tmp_path: Path, records: int) -> None:
        """Found while writing, or when what is collected is flushed, in a process that may only write small files."""
        code = f"""
import resource
from tests.users_track.pushing import profile_object, check_sum
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.rejects.writer import RejectsFile
resource.setrlimit(resource.RLIMIT_FSIZE, ({20_000 if records > 3 else 50}, 20_000))
rejects = RejectsFile(locate({str(tmp_path / "rejects.csv")!r}), ("external_id", "city"))
ledger = Ledger(rejects)
for n in range({records}):
    ledger.begin()
    ledger.settle(profile_object(f"u{{n}}", n, city="c" * 30), "rejected", "odd")
ledger.flush()
check_sum(ledger)
print(type(ledger.trouble).__name__, ledger.failed, rejects.written < 3000, rejects.close())
"""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["RejectsError", str(records), "True", "None"], done.stderr
        assert not (tmp_path / "rejects.csv").exists()

    def test_a_folder_that_vanished_before_the_end(self, rejects: RejectsFile, home: Path) -> None:
        rejects.write(RecordReference.of(7, ["a", "b"]), "invalid", "r", "")
        (home / "rejects.csv.1.part").unlink()
        with pytest.raises(RejectsError):
            rejects.close()
        assert rejects.close() is None


def test_rows_in_the_report_are_kept_up_to_a_number() -> None:
    sink = RejectsInReport(most=2)
    for n in range(5):
        sink.write(RecordReference.of(n, ["private"]), "invalid", "because", "")
    assert sink.rows == [{"index": n, "outcome": "invalid", "reason": "because"} for n in (0, 1)]
    assert sink.is_report


def test_a_checkpoint_names_any_number_of_parts_in_a_few_words(rejects: RejectsFile, tmp_path: Path) -> None:
    def fail(file: RejectsFile, count: int) -> None:
        for line in range(count):
            file.write(RecordReference.of(line, ["P1", "York"]), "rejected", "no", "")
            file.cut()
            file.finish_parts()

    fail(rejects, 300)
    later = RejectsFile(
        locate(str(tmp_path / "a.1.part.b" / "rejects.csv")),
        COLUMNS,
        [*map(locate, parts_of(rejects.checkpoint()))],
    )
    fail(later, 200)
    kept = later.checkpoint()
    assert len(json.dumps(kept)) < 1000
    # Airflow's store refuses what does not come back from JSON as it was.
    assert json.loads(json.dumps(kept)) == kept
    parts = parts_of(kept)
    assert parts == [part.url for part in later.parts]
    assert len(set(parts)) == 500
    assert later.close() is not None
    assert len(read(tmp_path / "a.1.part.b" / "rejects.csv")) == 501
