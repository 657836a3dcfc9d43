"""What the page says that only_changed costs where nothing has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.connections import connect
from tests.sandbox_process import SandboxProcess


@pytest.mark.parametrize(("country", "points"), [(False, 0), (True, 2)])
def test_who_has_not_changed_costs_nothing_but_what_is_always_sent(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, tmp_path: Path, country: bool, points: int
) -> None:
    connect(monkeypatch, sandbox)
    names = "RPContactID,ChannelExecutionID,external_id,first_name" + ",country" * country
    rows = [f"{n},5719,P{n},Ann" + ",ES" * country for n in (1, 2)]
    path = tmp_path / "Braze Onboarding and Upsert" / "Spring" / "8828" / "RPI_Export_5719.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([names, *rows]) + "\n")
    push = BrazeUserTrackOperator(
        task_id="push",
        export=str(path),
        mapping={"omit": ["RPContactID", "ChannelExecutionID"]},
        only_changed=True,
    )

    first, again = push.execute({}), push.execute({})

    assert first["data_points"] > 2
    assert (again["data_points"], again["unchanged"]) == (points, 0 if country else 2)
    assert again["requests"] == bool(points)
