"""What may lie below the base path beside good exports, as the sensor sees it, and what a form may ask for."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.airflow_compat import AirflowFailException, AirflowSkipException
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from tests.connections import connect
from tests.inbox import CHANNEL, land
from tests.reports import check
from tests.sandbox_process import SandboxProcess

FOLDER = f"{CHANNEL}/Spring Welcome/8828"


def find(base: Path, **given: Any) -> list[dict[str, Any]]:
    """Poke once; nothing may take long."""
    sensor = RedpointExportSensor(
        task_id="find",
        base_path=str(base),
        settle_seconds=0,
        poke_interval=0.05,
        timeout=0.1,
        soft_fail=True,
        **given,
    )
    began = time.monotonic()
    try:
        found: list[dict[str, Any]] = sensor.execute({})  # type: ignore[typeddict-item]
    except AirflowSkipException:
        found = []
    assert time.monotonic() - began < 30
    return found


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base path with one good export, and one beside it that nobody may reach."""
    for name in ("rpi", "private"):
        land(tmp_path / name, text="external_id\nU1\n")
    return tmp_path / "rpi"


@pytest.mark.parametrize("text", ['{"%s": "upsert"}', "{'%s': 'upsert'}", "", " None "])
def test_modes_of_channels_as_a_template_leaves_them(base: Path, text: str) -> None:
    (item,) = find(base, channel_modes=text.replace("%s", CHANNEL))
    assert item["mode"] == ("upsert" if "%s" in text else "append")


@pytest.mark.parametrize("text", ["[1]", "append", '"append"', "{1: 'append'}", '{"VIP": null}'])
def test_text_that_is_no_modes_of_channels(base: Path, text: str) -> None:
    with pytest.raises(BrazeSetupError, match="channel_modes"):
        find(base, channel_modes=text)


def test_what_is_no_export_is_left_out(base: Path) -> None:
    folder = base / FOLDER
    os.mkfifo(folder / "RPI_Export_2.txt")
    (folder / "RPI_Export_3.txt").mkdir()
    (folder / "RPI_Export_4.txt").symlink_to("/dev/zero")
    (folder / "RPI_Export_5.txt").symlink_to(base.parent / "private" / FOLDER / "RPI_Export_1.txt")
    (folder / "RPI_Export_6.txt").symlink_to(base / "nowhere")
    (base / CHANNEL / "Offer").symlink_to(base.parent / "private" / CHANNEL / "Spring Welcome")
    (base / CHANNEL / "Loop").symlink_to(base)
    items = find(base)
    assert [Path(item["path"]).name for item in items] == ["RPI_Export_1.txt"]


def test_the_warning_names_each(base: Path) -> None:
    os.mkfifo(base / FOLDER / "RPI_Export_2.txt")
    (base / FOLDER / "RPI_Export_5.txt").symlink_to(base.parent / "private" / FOLDER / "RPI_Export_1.txt")
    (warning,) = poll(ExportSearch.read(base_path=str(base), settle_seconds=0), PollState()).warnings
    assert "RPI_Export_2.txt' is a pipe, a device or a socket" in warning
    assert "RPI_Export_5.txt' is a link that leads out of base_path" in warning


HOSTILE = [
    "..", ".", "../private", "..\\private", "/etc", "\\etc", "\\\\server\\share", "C:\\Windows", "/", "\\", "./",
    "a/../..", "%2e%2e", "%2e%2e%2fprivate", "..%2fprivate", "%2Fetc%2Fpasswd", "..%00", "file:///etc", "s3://bucket/x",
    "memory://x", "simplecache::file:///etc", "\0", "..\0", "Braze Append\0/../..", "~", "~root", "$HOME", "*", "[!x]*",
    "?" * 12, "\u2024\u2024", "\uff0e\uff0e", "\u2215etc", "..;", " .. ", "\n..", "\ud800", "x" * 5000, "_braze",
    "{{ var.value.x }}",
]  # fmt: skip
"""What somebody may type into a field of a form, or send as ``conf``."""


@pytest.mark.parametrize("field", ["channel", "offer", "workflow_id"])
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:30])
def test_a_form_value_finds_nothing_outside_of_the_base_path(base: Path, field: str, value: str) -> None:
    rest = {"channel": CHANNEL, "offer": "Spring Welcome", "workflow_id": "8828"}
    try:
        items = find(base, **{**rest, field: value})
    except (BrazeSetupError, AirflowFailException) as error:
        assert field in str(error)  # noqa: PT017 - it may find nothing instead
        return
    assert items == []


@pytest.mark.parametrize(
    "name", ["RPI_Export_1 'a'.txt", 'RPI_Export_1 "b".txt', "RPI_Export_1\nINFO - no.txt"]
)
def test_any_name_goes_from_the_sensor_through_the_operator(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, tmp_path: Path, name: str
) -> None:
    connect(monkeypatch, sandbox)
    land(tmp_path, name, text="external_id,first_name\nU1,Ann\n")
    sandbox.put_profiles({"external_id": "U1"})
    (item,) = find(tmp_path)
    operator = BrazeUserTrackOperator(task_id="push", export=item)
    check(operator.execute({}), status="complete", records=1, accepted=1)  # type: ignore[typeddict-item]
    assert find(tmp_path) == []
