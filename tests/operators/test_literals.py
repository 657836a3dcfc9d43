"""What an author wrote is checked when the DAG is parsed; what is still to be rendered, when the task runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

PATH = "/mnt/rpi/Braze Append/Spring/8828/RPI_Export_1.txt"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "either export, or"),
        ({"export": PATH, "events": []}, "either export, or"),
        ({"export": PATH, "mode": "insert"}, "mode must be auto, upsert or append"),
        ({"export": PATH, "channel_modes": {"VIP": "insert"}}, "mode of 'VIP' must be upsert or append"),
        ({"export": PATH, "max_rejected": "5%"}, "max_rejected must be"),
        ({"export": PATH, "max_data_points": "1.5"}, "max_data_points must be"),
        ({"export": PATH, "dry_run": "maybe"}, "dry_run must be"),
        ({"export": PATH, "retry_events": 2}, "retry_events must be"),
        ({"export": PATH, "confirm": "x"}, "confirm must be"),
        ({"export": PATH, "late": "drop"}, "late must be push or hold"),
        ({"export": PATH, "replaced": "hold"}, "replaced must be push or refuse"),
        ({"export": PATH, "max_wait_on_worker": "long"}, "max_wait_on_worker must be"),
        ({"export": PATH, "braze_conn_id": 7}, "braze_conn_id must be text"),
        ({"export": PATH, "mapping": {"omitt": []}}, "did you mean 'omit'"),
        ({"export": PATH, "dialect": {"delimitr": ","}}, "dialect has no 'delimitr'"),
        ({"export": PATH, "mapping": "omit"}, "mapping must be an ExportMapping or a dict"),
        ({"export": PATH, "mapping": '{"omit": []}'}, "not str. Give what json.loads makes of it"),
        (
            {"export": PATH, "dialect": "{{ var.json.dialect }}"},
            "dialect must be a dict, not str. .*no template",
        ),
        ({"export": PATH, "dialect": []}, "dialect must be a dict"),
        ({"export": PATH, "max_rejected": "500.000"}, "max_rejected must be"),
        ({"export": PATH, "max_data_points": "500.000"}, "whole number without separators"),
        ({"export": PATH, "mode": 5}, "mode must be text"),
        ({"export": PATH, "durable": "false"}, "durable must be True or False"),
        ({"export": PATH, "partner": 5}, "partner must be text"),
        ({"export": PATH, "reports_path": Path("/mnt/reports")}, "reports_path must be text"),
        ({"attributes": {"external_id": "P1"}}, "attributes must be a list of rows, not dict"),
        ({"attributes": {"external_id": "{{ x }}"}}, "attributes must be a list of rows, not dict"),
        ({"attributes": "P1"}, "attributes must be a list of rows, or a template"),
        ({"events": '{"external_id": "P1"}'}, "events must be a list of rows, not dict"),
        ({"events": '"[{}]"'}, "events must be a list of rows, not JSON text of a JSON text"),
        ({"purchases": 5}, "purchases must be a list of rows, not int"),
        ({"attributes": b"[]"}, "attributes must be a list of rows, not bytes"),
        ({"attributes": [{"external_id": "P1"}], "confirm": True}, "rows of your own cannot be confirmed"),
        ({"export": (PATH,)}, "export is a tuple"),
        ({"export": [PATH, PATH + "\n"]}, "blank or a line end"),
        ({"export": f'"{PATH}"'}, "export is in quotes"),
        ({"export": [PATH, f"'{PATH}'"]}, "export is in quotes"),
        ({"export": PATH, "reports_path": "'/mnt/reports'"}, "reports_path is in quotes"),
        ({"export": PATH, "memory_path": '"/mnt/memory"'}, "memory_path is in quotes"),
        ({"export": "[{'path': '/a.txt'}]"}, "text that looks like a list"),
    ],
)
def test_a_wrong_literal_fails_when_the_dag_is_parsed(given: dict[str, Any], said: str) -> None:
    with DAG("wrong", schedule=None), pytest.raises(BrazeSetupError, match=said):
        BrazeUserTrackOperator(task_id="push", **given)


def test_what_is_rendered_waits_for_the_run() -> None:
    template = "{{ params.x }}"
    with DAG("right", schedule=None):
        exports = RedpointExportSensor(task_id="find", base_path="/mnt/rpi")

        @task
        def names() -> list[str]:
            return []

        BrazeUserTrackOperator(
            task_id="push",
            export=exports.output,
            mode=template,
            dry_run=template,
            max_rejected=template,
            max_data_points=template,
            retry_events=template,
            confirm=template,
            late=template,
            max_wait_on_worker=template,
            reports_path=template,
            braze_conn_id=template,
        )
        BrazeUserTrackOperator(task_id="several", export=[template, PATH, {"path": template}])
        BrazeUserTrackOperator(task_id="named", export=names())
        BrazeUserTrackOperator(task_id="rows", attributes=template)
        BrazeUserTrackOperator(task_id="confirmed", attributes=[{"external_id": template}], confirm=template)
        BrazeUserTrackOperator(task_id="read", attributes='[{"external_id": "P1"}]')
        BrazeUserTrackOperator(task_id="yielded", events=lambda: iter(()))


def test_a_mapped_task_meets_them_when_it_runs_and_is_not_retried() -> None:
    with DAG("mapped", schedule=None):
        mapped = BrazeUserTrackOperator.partial(task_id="push", mode="insert").expand(export=[PATH])
    with pytest.raises(AirflowFailException, match="mode must be auto, upsert or append"):
        BrazeUserTrackOperator(**{**mapped.partial_kwargs, "task_id": "push", "export": PATH})


def test_a_mapped_sensor_meets_them_when_it_runs_and_is_not_retried() -> None:
    with DAG("mapped", schedule=None):
        mapped = RedpointExportSensor.partial(task_id="find", offer="../x").expand(base_path=["/mnt/rpi"])
    with pytest.raises(AirflowFailException, match="offer must be the name of one folder"):
        RedpointExportSensor(**{**mapped.partial_kwargs, "task_id": "find", "base_path": "/mnt/rpi"})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"base_path": Path("/mnt/rpi")}, "base_path must be text"),
        ({"max_exports": "1.000"}, "whole number without separators"),
        ({"deferrable": "no"}, "deferrable must be True or False"),
        ({"push_again": True}, "push_again needs an offer"),
    ],
)
def test_a_wrong_literal_of_the_sensor_fails_when_the_dag_is_parsed(wrong: dict[str, Any], said: str) -> None:
    with DAG("wrong", schedule=None), pytest.raises(BrazeSetupError, match=said):
        RedpointExportSensor(**{"task_id": "find", "base_path": "/mnt/rpi", **wrong})
