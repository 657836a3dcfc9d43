"""Old reports and rejects are deleted, and nothing else."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_braze.__main__ import main
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.storage.tidying import read_age, tidy
from tests import older
from tests.dag_run import run_dag
from tests.inbox import ObjectStore
from tests.sandbox_process import ROOT

OLD, NEW = "a" * 64, "b" * 64
DAY = 86400
EXAMPLE = ROOT / "docs" / "examples" / "tidy_reports.py"

ITS_RUN = """
for ti in dag.test().get_task_instances():
    print(f"{ti.task_id}: {ti.state}, paused at first: {dag.is_paused_upon_creation}")
"""


def write(path: Path, days: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reports folder with old pushes, new ones, and one that is old in part."""
    root = tmp_path / "rpi" / "_braze"
    for name in (
        "report.json",
        "rejects.csv",
        "rejects.csv.3.part",
        "rejects.csv.part",
        "report.json.0f0f.part",
    ):
        write(root / OLD / "old" / name, 91)
    write(root / OLD / "half" / "rejects.csv", 91)
    write(root / OLD / "half" / "report.json", 1)
    write(root / "rows" / "old" / "report.json", 200)
    write(root / NEW / "new" / "report.json", 89)
    reports = ReportsFolder.at(str(root))
    reports.mark_pushed("braze_default", OLD, Marker(report="r"))
    reports.mark_refused("braze_default", NEW, "p")
    for marker in (*root.glob("pushed/*/*"), *root.glob("refused/*/*/*")):
        os.utime(marker, (0, 0))
    return root


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


MARKERS = {f"pushed/braze_default/{OLD}", f"refused/braze_default/{NEW}/p"}
KEPT = {f"{OLD}/half/rejects.csv", f"{OLD}/half/report.json", f"{NEW}/new/report.json", *MARKERS}


@pytest.mark.parametrize("place", ["the reports folder", "the base path"])
def test_deletes_what_is_old_and_keeps_the_markers(folder: Path, place: str) -> None:
    tidied = tidy(str(folder if "reports" in place else folder.parent), timedelta(days=90))
    assert (tidied.pushes, tidied.files, tidied.kept, tidied.problems) == (2, 6, [], [])
    assert left(folder) == KEPT
    assert not (folder / OLD / "old").exists()
    assert not (folder / "rows").exists()
    assert ReportsFolder.at(str(folder)).pushed("braze_default") == {OLD}


def test_only_says_what_it_would_delete(folder: Path) -> None:
    before = left(folder)
    assert tidy(str(folder), timedelta(days=90), dry_run=True).files == 6
    assert left(folder) == before


def test_keeps_what_no_push_wrote(folder: Path) -> None:
    mended = write(folder / OLD / "old" / "mended.csv", 300)
    beside = write(folder / OLD / "notes.txt", 300)
    other = write(folder / "of somebody" / "old" / "report.json", 300)
    tidied = tidy(str(folder), timedelta(days=90))
    assert sorted(tidied.kept) == sorted([str(mended), str(beside)])
    assert left(folder) == KEPT | {str(path.relative_to(folder)) for path in (mended, beside, other)}


def test_follows_no_link(folder: Path, tmp_path: Path) -> None:
    victim = write(tmp_path / "elsewhere" / "push" / "report.json", 300)
    (folder / ("c" * 64)).symlink_to(victim.parents[1])
    (folder / OLD / "linked").symlink_to(victim.parent)
    (folder / "rows" / "old" / "rejects.csv").symlink_to(victim)
    os.utime(folder / "rows" / "old" / "rejects.csv", (0, 0), follow_symlinks=False)
    tidied = tidy(str(folder), timedelta(days=90))
    assert victim.exists()
    assert len(tidied.problems) == 1
    assert "c" * 64 in tidied.problems[0]
    assert not (folder / "rows").exists()


def test_on_an_object_store() -> None:
    store = ObjectStore()
    for name in (f"_braze/{OLD}/p/report.json", f"_braze/{OLD}/p/rejects.csv", f"_braze/pushed/b/{OLD}"):
        store.put(name)
    assert tidy(store.url, timedelta(days=90)).files == 0
    assert tidy(store.url, timedelta(days=90), now=time.time() + 91 * DAY).files == 2
    assert ReportsFolder.at(f"{store.url}/_braze").pushed("b") == {OLD}


def test_what_an_older_version_wrote_is_tidied_too(tmp_path: Path) -> None:
    base = older.put(tmp_path)
    assert tidy(str(base), timedelta(days=90), now=time.time() + 91 * DAY).files == 3
    assert len(ReportsFolder.at(str(base / "_braze")).pushed("braze_default")) == 1
    assert not list(base.rglob("rejects.csv"))
    assert len(list(base.rglob("RPI_Export_*"))) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BrazeSetupError, match="does not exist"):
        tidy(str(tmp_path / "nothing"), timedelta(days=90))


@pytest.mark.parametrize("age", [timedelta(), timedelta(days=-1)])
def test_an_age_that_is_none(tmp_path: Path, age: timedelta) -> None:
    with pytest.raises(BrazeSetupError, match="above 0"):
        tidy(str(tmp_path), age)


@pytest.mark.parametrize(("text", "days"), [("90d", 90), (" 4W ", 28), ("12h", 0.5), ("1 d", 1)])
def test_ages(text: str, days: float) -> None:
    assert read_age(text) == timedelta(days=days)


class TestCommand:
    @pytest.mark.parametrize("text", ["", "0d", "90", "-1d", "d", "90y", "9999999d", "٩d"])
    def test_ages_that_are_none(self, folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        before = left(folder)
        assert main(["tidy", f"--older-than={text}", str(folder)]) == 2
        assert "such as 12h, 90d or 4w" in capsys.readouterr().err
        assert left(folder) == before

    def test_deletes_and_says_so(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["tidy", "--older-than", "90d", "--dry-run", str(folder)]) == 0
        assert "6 files of 2 pushes would be deleted" in capsys.readouterr().out
        assert main(["tidy", "--older-than", "90d", str(folder)]) == 0
        assert "6 files of 2 pushes deleted; markers stay." in capsys.readouterr().out
        assert left(folder) == KEPT

    def test_knows_the_base_path_of_the_shipped_dags(self, folder: Path) -> None:
        command = [sys.executable, "-m", "airflow_provider_braze", "tidy", "--older-than", "90d"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, "Give the reports folder" in done.stderr) == (2, True)
        environment["AIRFLOW_VAR_REDPOINT_BASE_PATH"] = str(folder.parent)
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert left(folder) == KEPT


def test_the_example_dag_does_it(folder: Path) -> None:
    dag = runpy.run_path(str(EXAMPLE))["dag"]
    assert dag.get_task("tidy_reports").python_callable(str(folder.parent)) == 6
    assert left(folder) == KEPT


def test_the_example_dag_fails_with_what_it_could_not_delete(folder: Path, tmp_path: Path) -> None:
    victim = write(tmp_path / "elsewhere" / "push" / "report.json", 300)
    (folder / ("c" * 64)).symlink_to(victim.parents[1])
    dag = runpy.run_path(str(EXAMPLE))["dag"]
    with pytest.raises(RuntimeError, match="c" * 64):
        dag.get_task("tidy_reports").python_callable(str(folder))
    assert left(folder) == KEPT
    assert victim.exists()


def test_airflow_runs_the_example_dag(folder: Path, tmp_path: Path) -> None:
    """A whole run of Airflow's own, in a process of its own; the folder is the Variable that the ready DAGs have."""
    write(folder / NEW / "at-its-end" / "report.json", 90.5)
    dags = tmp_path / "dags"
    dags.mkdir()
    copy = Path(shutil.copy(EXAMPLE, dags))
    said = run_dag(copy, ITS_RUN, tmp_path, AIRFLOW_VAR_REDPOINT_BASE_PATH=str(folder.parent))
    assert "tidy_reports: success, paused at first: True" in said
    assert left(folder) == KEPT
