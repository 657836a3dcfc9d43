"""What is filled in on the page that pushes rejects again; ``tests/ui/test_push_again.py`` presses its button."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from airflow_provider_braze.plugins import app as module
from airflow_provider_braze.pushes.exports.list_report import entry
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from tests.plugins.invented import SCRIPT, report
from tests.plugins.test_app import DAG_ID, OF_ANOTHER, PAGE, RUN, Show, client, rejects_of, show, text_of

__all__ = ["client", "show"]

OWN = PushIdentity(DAG_ID, RUN, "push", 0)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BASE_PATH", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BRAZE_CONN_ID", "braze_default")


def written(tmp_path: Path, identity: PushIdentity = OWN) -> Path:
    """A rejects file below the base path, as a push leaves it."""
    reports = tmp_path / "_braze"
    path = Path(rejects_of(reports, identity))
    folder = reports / ("a" * 64)
    path.parents[1].rename(folder)
    return folder / path.parent.name / path.name


def again_of(show: Show, client: TestClient, **given: Any) -> str:
    show({"report": report(invalid=38, **given)})
    return str(client.get(f"{PAGE}/tasks/push/0/again").raise_for_status().text)


def conf_of(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'data-conf="([^"]*)"', page)
    conf: dict[str, Any] = json.loads(html.unescape(found))
    return conf


def test_the_push_is_filled_in_by_its_id(show: Show, client: TestClient, tmp_path: Path) -> None:
    path = written(tmp_path)
    page = again_of(show, client, rejects_path=str(path), braze_conn_id="braze_default")
    assert conf_of(page) == {"rejects": f"{'a' * 64}/{path.parent.name}", "connection": None}
    assert "nothing but the file that the push wrote" in text_of(page)
    assert 'name="dry_run" checked' in page
    assert "data-live" not in page.split("</style>")[1]
    assert text_of(page).count(f"{'a' * 64}/{path.parent.name}") == 1


def test_an_empty_variable_means_the_default_connection(
    show: Show, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form takes no connection but those that another Variable names: Airflow refused to start the run."""
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BRAZE_CONN_ID", "")
    page = again_of(show, client, rejects_path=str(written(tmp_path)), braze_conn_id="braze_default")
    assert conf_of(page)["connection"] is None


def test_what_went_through_another_connection_goes_through_it_again(
    show: Show, client: TestClient, tmp_path: Path
) -> None:
    page = again_of(show, client, rejects_path=str(written(tmp_path)), braze_conn_id="braze_eu")
    assert conf_of(page)["connection"] == "braze_eu"


def test_a_mended_file_can_be_chosen_by_its_name(show: Show, client: TestClient, tmp_path: Path) -> None:
    path = written(tmp_path)
    path.with_name(f"mended {SCRIPT.replace('/', '')}.csv").write_bytes(path.read_bytes())
    path.with_name("notes.txt").write_text("called Bo\n")
    page = again_of(show, client, rejects_path=str(path))
    assert "was changed last of 2 files beside the report" in text_of(page)
    options = re.findall(r"<option[^>]*>([^<]*)</option>", page)
    assert len(options) == 3
    assert "rejects.csv" in options
    assert "<script>alert" not in page


@pytest.mark.parametrize("kind", [*OF_ANOTHER, "gone"])
def test_nothing_is_told_of_what_lies_in_another_folder(
    show: Show, client: TestClient, tmp_path: Path, kind: str
) -> None:
    path = written(tmp_path, OF_ANOTHER.get(kind, OWN))
    path.with_name("secret.csv").write_bytes(path.read_bytes())
    if kind == "gone":
        path.with_name("report.json").unlink()
    page = again_of(show, client, rejects_path=str(path))
    assert "cannot be seen" in text_of(page)
    assert "secret" not in page


def test_without_the_variable_the_task_alone_looks(
    show: Show, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BASE_PATH", "")
    assert "cannot be seen" in text_of(again_of(show, client, rejects_path=str(written(tmp_path))))


def test_an_export_of_a_list_is_found_by_its_number(show: Show, client: TestClient, tmp_path: Path) -> None:
    own = [report(accepted=1), report(invalid=38, rejects_path=str(written(tmp_path)))]
    exports = [entry(str(each["export"]), "complete", each, None, set_aside=False) for each in own]
    page = show({"report": {"status": "complete", "exports": exports, "braze_conn_id": "braze_eu"}})
    (link,) = re.findall(r'href="[^"]*(/dags/[^"]*/again\?export=2)"', page)
    found = client.get(link).raise_for_status().text
    assert conf_of(found)["connection"] == "braze_eu"
    (back,) = re.findall(r'<a href="([^"]*)" id="back"', found)
    assert back.endswith("?card=push-0-2#push-0-2")


@pytest.mark.parametrize(
    "given", [{}, {"rejects_path": "/etc/passwd"}, {"rejects_path": "/x/_braze/../rejects.csv"}]
)
def test_without_rejects_there_is_nothing_to_push_again(
    show: Show, client: TestClient, given: dict[str, Any]
) -> None:
    show({"report": report(invalid=1, **given)})
    answer = client.get(f"{PAGE}/tasks/push/0/again")
    assert answer.status_code == 404
    assert module.NO_REJECTS in answer.text
