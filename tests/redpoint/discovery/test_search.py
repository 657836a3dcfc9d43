from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.discovery.search import ExportSearch


def test_what_a_form_leaves() -> None:
    search = ExportSearch.read(
        base_path="/data",
        channel="",
        offer="None",
        workflow_id="8828",
        settle_seconds="1.5",
        only_new="False",
        max_age="",
        max_exports="5",
        marker_suffix="",
        reports_path="None",
        braze_conn_id="",
        file_pattern="",
        channel_modes=None,
    )
    assert search == ExportSearch(
        base_path="/data",
        workflow_id="8828",
        settle_seconds=1.5,
        only_new=False,
        max_age=None,
        max_exports=5,
    )


def test_defaults_where_unset() -> None:
    search = ExportSearch.read(base_path="/data", settle_seconds="", only_new="None", max_exports="")
    assert (search.settle_seconds, search.only_new, search.max_exports) == (30, True, 100)
    assert ExportSearch.read(base_path="/data", max_age=timedelta(hours=1)).max_age == 3600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_path", ""),
        ("base_path", None),
        ("only_new", "maybe"),
        ("settle_seconds", "soon"),
        ("settle_seconds", -1),
        ("max_age", "7d"),
        ("max_exports", "0"),
        ("max_exports", "2.5"),
        ("channel_modes", "append"),
        ("channel_modes", {"Braze Append": "insert"}),
        ("channel_modes", {1: "append"}),
        ("file_pattern", "sub/*.txt"),
        ("marker_suffix", "/../done"),
        ("workflow_id", True),
        ("reports_path", 1.5),
        ("reports_path", "'/data/_braze'"),
        ("base_path", '"/data"'),
    ],
)
def test_anything_else_names_the_parameter(name: str, value: object) -> None:
    with pytest.raises(BrazeSetupError, match=name):
        ExportSearch.read(**({"base_path": "/data"} | {name: value}))


@pytest.mark.parametrize("name", ["channel", "offer", "workflow_id"])
@pytest.mark.parametrize(
    "value",
    ["..", ".", "/etc", "a/..", "..\\secret", "a/b", "a\\b", "\\\\server\\x", "8828/", "_braze", "/", "\\"],
)
def test_a_selector_names_one_folder(name: str, value: str) -> None:
    with pytest.raises(BrazeSetupError, match=f"{name} must be the name of one folder"):
        ExportSearch.read(base_path="/data", **{name: value})


def test_unknown_parameter() -> None:
    with pytest.raises(TypeError, match="chanel"):
        ExportSearch.read(base_path="/data", chanel="x")


def test_comes_back_from_json() -> None:
    search = ExportSearch.read(
        base_path="/data", offer="夏の offer", max_age="60", channel_modes={"É": "append"}
    )
    assert ExportSearch.read(**json.loads(json.dumps(search.as_kwargs()))) == search


def test_admits_known_channels_only_unless_one_is_asked_for() -> None:
    anything = ExportSearch.read(base_path="/data")
    assert anything.admits(("Braze Append",))
    assert anything.admits(("Braze Append", "Offer", "8", "file"))
    assert not anything.admits(("Email",))
    assert anything.is_other_channel("Email")
    assert not anything.is_other_channel("Braze Append")
    assert not anything.is_other_channel("_braze")
    assert not anything.is_other_channel(".snapshot")
    asked = ExportSearch.read(base_path="/data", channel="Email", workflow_id="8")
    assert asked.admits(("Email", "Offer"))
    assert not asked.admits(("Email", "Offer", "9"))
    assert not asked.admits(("Braze Append",))
    assert not asked.is_other_channel("Braze Append")


def test_accents_are_compared_however_they_are_spelled() -> None:
    search = ExportSearch.read(
        base_path="/data", offer="Soldes d\u2019été", channel_modes={"Re\u0301sumé": "append"}
    )
    assert search.admits(("Résumé", "Soldes d\u2019e\u0301te\u0301"))
    assert search.mode_of("Résumé") == "append"
    assert search.mode_of("Other") is None
