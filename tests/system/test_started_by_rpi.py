from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.expected import wrong_counts
from tests.plugins.api_server import USER, ApiServer
from tests.rpi_gateway import DOCUMENTED_BODY, Gateway
from tests.samples import EXPORTS
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow

pytestmark = pytest.mark.system

DAG_ID = "redpoint_to_braze"
COMMA, TAB = EXPORTS[:2]


def test_a_call_of_rpi_starts_one_run_that_pushes_the_export(
    airflow: RealAirflow, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    airflow.unpause(DAG_ID)
    airflow.set_variable("redpoint_base_path", str(tmp_path))
    airflow.set_variable("redpoint_settle_seconds", "0")
    COMMA.land(tmp_path, modified=time.time() - 60)
    # Newer, so that it is not what the call is about; an older one would go first.
    TAB.land(tmp_path, modified=time.time() - 30)
    body = DOCUMENTED_BODY | {"channelName": COMMA.channel, "offerName": COMMA.offer}

    with Gateway(airflow.url, AIRFLOW_TOKEN=airflow.token()) as gateway:
        first, second = gateway.call(body), gateway.call(body)

    assert first.json() == {"detail": "rpi-5719 is started"}
    assert second.json() == {"detail": "rpi-5719 was started before"}
    assert airflow.wait_for_run(DAG_ID, "rpi-5719") == "success"
    # The other export of the same workflow id lies in another channel.
    # The other export of the same workflow id lies in another channel.
    (report,) = airflow.reports(DAG_ID, "rpi-5719")
    assert wrong_counts(report, 5719) == []


def test_a_gateway_without_a_token_starts_nothing(airflow: RealAirflow) -> None:
    with Gateway(airflow.url, AIRFLOW_TOKEN="not-one") as gateway:
        assert gateway.call().status_code == 502
    assert "Invalid JWT token" in gateway.log


def test_a_user_who_may_only_use_airflow_starts_one_run_with_a_password() -> None:
    settings = {"AIRFLOW_USERNAME": USER}
    body = DOCUMENTED_BODY | {"channelName": COMMA.channel}
    with ApiServer({}, with_dags=True) as server:
        with Gateway(server.url, AIRFLOW_PASSWORD=server.password(USER), **settings) as gateway:
            first, second = gateway.call(body), gateway.call(body)
            # The channel of the documented sample is none of the DAG's.
            other = gateway.call(DOCUMENTED_BODY | {"channelExecutionID": "5720"})
        with Gateway(server.url, AIRFLOW_PASSWORD="not-it", **settings) as stranger:
            refused = stranger.call(body)
        runs = server.runs_of(DAG_ID)

    assert [first.json(), second.json()] == [
        {"detail": "rpi-5719 is started"},
        {"detail": "rpi-5719 was started before"},
    ]
    assert (other.status_code, refused.status_code) == (502, 502)
    assert "Invalid input for param channel" in gateway.log
    assert "Invalid credentials" in stranger.log
    # Who asked is on the run's page.
    conf = {"channel": COMMA.channel, "workflow_id": "8828", "wait_minutes": 10}
    assert runs == [("rpi-5719", conf, USER)]
