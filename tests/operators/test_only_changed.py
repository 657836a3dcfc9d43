"""The operator with the memory of what Braze was told: its parameters, in templates too, lists, and assets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.memory_parameters import days, names, wish_of
from airflow_provider_braze.pushes.exports.list_report import list_report_line
from tests.operators.test_list import Push, Share, connection, push, share
from tests.sandbox_process import SandboxProcess

__all__ = ["connection", "push", "share"]


def test_a_list_of_exports_leaves_out_what_was_told(
    share: Share, push: Push, sandbox: SandboxProcess
) -> None:
    first, second = share.land(1), share.land(2)
    report = push([first, second], only_changed=True)
    assert report["status"] == "complete"
    requests = sandbox.stats()["requests"]
    again = push([second], only_changed=True)
    assert (again["records"], again["unchanged"], again["accepted"]) == (2, 2, 0)
    assert again["values_saved"] == again["exports"][0]["values_saved"] > 0
    assert again["data_points_saved_by_attribute"]
    assert "2 unchanged" in list_report_line(again)
    assert sandbox.stats()["requests"] == requests
    ignored = push([second], only_changed="True", memory="ignore", refresh_after="", always_send="")
    assert (ignored["unchanged"], ignored["accepted"]) == (0, 2)


def test_always_send_takes_the_names_of_columns(share: Share, push: Push) -> None:
    path = share.land(1)
    options: dict[str, Any] = {"only_changed": True, "mapping": {"rename": {"nickname": "pet_name"}}}
    push(path, **options)
    report = push(path, **options, always_send=["Nickname"])
    assert report["data_points_by_attribute"] == {"rpi_cdp_attributes": 2}, "the key pet_name of both users"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"only_changed": "maybe"}, "only_changed must be true or false"),
        ({"refresh_after": "monthly"}, "refresh_after must be a number"),
        ({"refresh_after": -1}, "refresh_after must be a number of at least 0"),
        ({"always_send": 5}, "always_send must be a list of columns"),
        ({"always_send": {"a": 1}}, "always_send must be a list of columns"),
        ({"always_send": ["a", ""]}, "always_send must be a list of columns"),
        ({"memory": "off"}, "memory must be use or ignore"),
        ({"memory_path": 5}, "memory_path must be text"),
    ],
)
def test_bad_input_is_named_when_the_dag_is_parsed(given: dict[str, Any], said: str) -> None:
    with DAG("d", schedule=None), pytest.raises(BrazeSetupError, match=said):
        BrazeUserTrackOperator(task_id="push", export="/mnt/x.txt", **given)


def test_as_templates_and_forms_give_them() -> None:
    assert days("d", timedelta(hours=36)) == 1.5
    assert days("d", "None") is None
    assert names("n", '["a", "b c"]') == names("n", "a, b c") == names("n", ("b c", "a")) == {"a", "b c"}
    with DAG("d", schedule=None):
        wish = wish_of(BrazeUserTrackOperator(task_id="push", export="/mnt/x.txt"))
    assert (wish.only_changed, wish.ignore, wish.refresh_after, wish.always_send) == (
        False,
        False,
        30,
        frozenset(),
    )


def test_rows_without_a_folder_fail_at_once(connection: Any) -> None:
    task = BrazeUserTrackOperator(
        task_id="push", attributes=[{"external_id": "U1", "x": 1}], only_changed=True
    )
    with pytest.raises(Exception, match="reports_path or memory_path"):
        task.execute({})
