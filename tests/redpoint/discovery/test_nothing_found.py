"""Why a look found nothing: what the person who filled in the form is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.discovery.nothing_found import NothingFound
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.inbox import land
from tests.redpoint.discovery.test_poll import look_once, names

SPRING, SUMMER = "Braze Append/Spring Welcome/8828", "Braze Append/Summer Sale 2026/8829"


def nothing(base: Path, **parameters: Any) -> NothingFound:
    found = look_once(base, **parameters)
    assert not found.items
    assert found.nothing is not None
    return found.nothing


def push(base: Path, *wanted: str) -> None:
    reports = ReportsFolder.at(f"{base}/_braze")
    for item in look_once(base, max_age=None).items:
        if not wanted or item["path"].endswith(wanted):
            reports.mark_pushed("braze_default", item["fingerprint"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"offer": "Summer Sale 2027"},
            "no folder 'Summer Sale 2027'; there are: Summer Sale 2026, Spring Welcome",
        ),
        ({"channel": "Braze Apend"}, "no folder 'Braze Apend'; there are: Braze Append, Email"),
        (
            {"offer": "Summer Sale 2026", "workflow_id": "8828"},
            "no folder '8828'; there are: 8829",
        ),
        ({"channel": "Email", "offer": "Spring Welcome"}, "no folder 'Spring Welcome'; there are: Other"),
        ({"channel_execution_id": "7"}, "no export of execution 7"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(tmp_path: Path, asked: dict[str, str], said: str) -> None:
    land(tmp_path, "RPI_Export_1.txt", folder=SPRING)
    land(tmp_path, "RPI_Export_2.txt", folder=SUMMER)
    land(tmp_path, "RPI_Export_3.txt", folder="Email/Other/1")
    found = nothing(tmp_path, **asked)
    assert said in found.reason
    assert found.asked_in_vain
    # The reports folder and hidden ones are nothing to ask for.
    push(tmp_path)
    (tmp_path / ".snapshot").mkdir()
    again = nothing(tmp_path, **asked)
    assert said in again.reason
    assert again.asked_in_vain


def test_an_offer_is_there_however_its_accents_are_written(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt", folder="Braze Append/Éte\u0301/8828", age=100)
    assert "no folder" not in nothing(tmp_path, offer="E\u0301té", max_age=10).reason


def test_all_are_pushed(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        land(tmp_path, f"RPI_Export_{number}.txt", folder=SPRING, age=number)
    land(tmp_path, "RPI_Export_4.txt", folder=SUMMER)
    push(tmp_path)
    found = nothing(tmp_path, offer="Spring Welcome")
    assert (
        "all 3 exports of it are pushed: RPI_Export_1.txt, RPI_Export_2.txt, RPI_Export_3.txt" in found.reason
    )
    assert not found.asked_in_vain
    assert "the only export of it is pushed: RPI_Export_4.txt" in nothing(tmp_path, workflow_id="8829").reason
    assert nothing(tmp_path).reason.startswith("Nothing to push: all 4 exports are pushed: ")


def test_each_state_is_told_with_its_files(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt", folder=SPRING)
    push(tmp_path)
    land(tmp_path, "RPI_Export_2.txt", folder=SPRING, age=8 * 24 * 3600)
    found = nothing(tmp_path, offer="Spring Welcome")
    assert "1 of 2 exports of it are pushed: RPI_Export_1.txt" in found.reason
    assert "1 is older than 7 days: RPI_Export_2.txt" in found.reason
    assert not found.asked_in_vain

    land(tmp_path, "RPI_Export_3.txt", folder=SPRING)
    assert "1 is not landed yet: RPI_Export_3.txt" in nothing(tmp_path, settle_seconds=30).reason


def test_what_is_too_old_is_asked_for_in_vain(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_2.txt", folder=SPRING, age=3 * 3600)
    found = nothing(tmp_path, offer="Spring Welcome", max_age=2 * 3600)
    assert "1 is older than 2 hours: RPI_Export_2.txt" in found.reason
    assert found.asked_in_vain
    # Nobody asked for it.
    assert not nothing(tmp_path, max_age=3600).asked_in_vain


def test_what_is_on_its_way_is_not_asked_for_in_vain(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_2.txt", folder=SPRING)
    assert not nothing(tmp_path, offer="Spring Welcome", settle_seconds=30).asked_in_vain


def test_files_with_other_names(tmp_path: Path) -> None:
    land(tmp_path, "customers.csv", folder=SPRING)
    assert "none of 1 files is called RPI_Export_*.txt" in nothing(tmp_path, offer="Spring Welcome").reason


def test_a_name_in_a_sentence_stays_on_its_line(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt", folder="Braze Append/Spring\nERROR/1")
    assert "\n" not in nothing(tmp_path, offer="Summer").reason


def test_one_execution_of_a_workflow_that_recurs(tmp_path: Path) -> None:
    for number in (5719, 5720, 57190):
        land(tmp_path, f"RPI_Export_{number}.txt", folder=SPRING)
    found = look_once(tmp_path, channel_execution_id="5719")
    assert names(found) == ["RPI_Export_5719.txt"]
    push(tmp_path, "_5719.txt")
    assert look_once(tmp_path, channel_execution_id="5719").in_vain is not None
    assert look_once(tmp_path, workflow_id="8828").in_vain is None
    with_older = look_once(tmp_path, channel_execution_id="57190", with_older=True)
    assert set(names(with_older)) == {"RPI_Export_5720.txt", "RPI_Export_57190.txt"}


@pytest.mark.parametrize("value", ["57*", "../5719", "5719.txt", "٣"])
def test_an_execution_is_a_number(value: str) -> None:
    with pytest.raises(BrazeSetupError, match="channel_execution_id"):
        ExportSearch.read(base_path="/data", channel_execution_id=value)


def test_push_again_takes_what_is_named(tmp_path: Path) -> None:
    for number in (1, 2):
        land(tmp_path, f"RPI_Export_{number}.txt", folder=SPRING, age=10 - number)
    land(tmp_path, "RPI_Export_3.txt", folder=SUMMER)
    push(tmp_path)
    again = look_once(tmp_path, push_again="true", offer="Spring Welcome")
    assert names(again) == ["RPI_Export_1.txt", "RPI_Export_2.txt"]
    assert any("RPI_Export_1.txt, RPI_Export_2.txt" in note for note in again.notes)
    assert names(look_once(tmp_path, push_again=True, channel_execution_id="3")) == ["RPI_Export_3.txt"]


@pytest.mark.parametrize("others", [{}, {"channel": "Braze Append"}, {"offer": "None", "workflow_id": ""}])
def test_push_again_needs_a_name(tmp_path: Path, others: dict[str, str]) -> None:
    with pytest.raises(BrazeSetupError, match="push_again needs an offer"):
        look_once(tmp_path, push_again=True, **others)


def test_push_again_takes_all_or_nothing(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        land(tmp_path, f"RPI_Export_{number}.txt", folder=SPRING)
    with pytest.raises(BrazeSetupError, match="3 exports, more than max_exports"):
        look_once(tmp_path, push_again=True, workflow_id="8828", max_exports=2)
    assert len(look_once(tmp_path, push_again=True, workflow_id="8828", max_exports=3).items) == 3
