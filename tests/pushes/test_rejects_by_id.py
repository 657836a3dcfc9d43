"""The rejects of a push by the id that its card names: nothing outside of the reports folder can be asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.pushes.rejects_by_id import ID_PATTERN, find_rejects, id_of, names_beside
from tests.dags.test_shipped_dags import load
from tests.reports import check
from tests.sandbox_process import SandboxProcess

Push = Callable[..., dict[str, Any]]
Land = Callable[..., Path]


@pytest.fixture
def first(push: Push, land: Land) -> dict[str, Any]:
    return push(land("external_id,email\nU1,ann@example.com\nU2,nonsense\n"), run="first")


def base_of(report: dict[str, Any]) -> str:
    return str(Path(report["rejects_path"]).parents[3])


def test_the_mended_file_beside_the_report_is_found_and_keeps_its_parent(
    push: Push, first: dict[str, Any], sandbox: SandboxProcess
) -> None:
    written = Path(first["rejects_path"])
    push_id = id_of(first["report_path"])
    assert push_id == id_of(first["rejects_path"])
    assert find_rejects(base_of(first), push_id)[0] == str(written)

    mended = written.with_name("rejects (1) mended.csv")
    mended.write_text(written.read_text().replace("nonsense", "bo@example.com").replace(",", ";"))
    (written.parent / "notes.txt").write_text("called Bo\n")
    os.utime(written, (0, 0))
    path, report = find_rejects(base_of(first), f" {push_id} ")

    assert path == str(mended)
    assert names_beside(base_of(first), push_id) == ([mended.name, "rejects.csv"], report)
    assert report["export"] == first["export"]
    again = push(path, run="again")
    check(again, status="complete", records=1, accepted=1)
    assert again["parent"] == first["report_path"]
    assert find_rejects(base_of(first), push_id, "rejects.csv")[0] == str(written)


@pytest.mark.parametrize("of_the_variable", ["", " braze_default ", "None"])
def test_the_shipped_dag_reads_the_connection_as_the_push_does(
    first: dict[str, Any], of_the_variable: str
) -> None:
    find: Any = load("push_rejects_again").get_task("rejects_file").python_callable
    push_id = id_of(first["report_path"])

    assert find(base_of(first), push_id, "None", of_the_variable) == first["rejects_path"]
    with pytest.raises(AirflowFailException, match="through 'braze_default', not 'another'"):
        find(base_of(first), push_id, "None", "another")


@pytest.mark.parametrize(
    "push_id",
    [
        "",
        "..",
        "../..",
        "/etc/passwd",
        "rows/..",
        "rows/.",
        "pushed/braze_default",
        "A" * 64 + "/x",
        "rows/a/b",
        "s3://b/rows/x",
    ],
)
def test_no_path_is_an_id(first: dict[str, Any], push_id: str) -> None:
    assert not re.search(ID_PATTERN, push_id)
    with pytest.raises(BrazeSetupError, match="no id of a push"):
        find_rejects(base_of(first), push_id)


def test_what_is_not_there_is_named(first: dict[str, Any]) -> None:
    push_id = id_of(first["report_path"])
    with pytest.raises(
        BrazeSetupError, match=r"holds no rejects file called 'other\.csv'.*there are: rejects\.csv"
    ):
        find_rejects(base_of(first), push_id, "other.csv")
    with pytest.raises(BrazeSetupError, match="holds no rejects file: "):
        find_rejects(base_of(first), "a" * 64 + "/nothing")
    Path(first["report_path"]).unlink()
    with pytest.raises(BrazeSetupError, match=r"report\.json"):
        find_rejects(base_of(first), push_id)


def test_a_link_out_of_the_reports_folder_is_not_followed(first: dict[str, Any], tmp_path: Path) -> None:
    written = Path(first["rejects_path"])
    outside = written.rename(tmp_path / "outside.csv")
    written.symlink_to(outside)
    with pytest.raises(BrazeSetupError, match="holds no rejects file"):
        find_rejects(base_of(first), id_of(first["report_path"]))
