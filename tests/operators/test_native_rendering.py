"""In a DAG with ``render_template_as_native_obj``, what a template gives is what was meant, or is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.users import BrazeUsersOperator
from tests.connections import connect
from tests.operators.test_list import Share
from tests.reports import check
from tests.sandbox_process import SandboxProcess

TASKS = itertools.count()


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


def rendered(operator: type, *, native: bool = True, values: dict[str, Any], **given: Any) -> Any:
    with DAG(
        "native",
        schedule=None,
        render_template_as_native_obj=native,
        user_defined_macros={"greeting": lambda: "Hi"},
    ):
        task = operator(task_id=f"task_{next(TASKS)}", **given)
    task.render_template_fields(values)
    return task


ROW = {"external_id": "U1", "nickname": "Zo\u00eb \U0001f600", "home": "https://x.example/"}


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("template", "value"),
    [
        pytest.param(
            "{{ rows | tojson }}", [ROW], id="escaped by Jinja, as Python reads two half characters"
        ),
        pytest.param("{{ rows }}", json.dumps([ROW]).replace("/", "\\/"), id="escaped slashes"),
        pytest.param(json.dumps([ROW]), None, id="no template"),
        pytest.param("[{{ rows | tojson }}]", ROW, id="in parts"),
    ],
)
def test_json_is_read_as_json(sandbox: SandboxProcess, native: bool, template: str, value: Any) -> None:
    task = rendered(BrazeUserTrackOperator, native=native, values={"rows": value}, attributes=template)
    check(task.execute({}), status="complete", records=1, accepted=1)
    (profile,) = sandbox.all_profiles()
    assert profile["custom_attributes"] == {"nickname": ROW["nickname"], "home": ROW["home"]}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        pytest.param("{{ rows }}", [{"external_id": "U1", "nickname": "Hi"}], id="an object stays one"),
        pytest.param("[{'external_id': 'U1', 'nickname': '{{ greeting() }}'}]", None, id="Python"),
        pytest.param('[{"external_id": "U1", "nickname": "Hi", "vip": {{ rows }}}]', None, id="None in JSON"),
        pytest.param(
            "{{ rows | tojson }}", '[{"external_id": "U1", "nickname": "Hi"}]', id="JSON of a JSON text"
        ),
    ],
)
def test_objects_and_python_are_read_as_before(sandbox: SandboxProcess, template: str, value: Any) -> None:
    task = rendered(BrazeUserTrackOperator, values={"rows": value}, attributes=template)
    check(task.execute({}), status="complete", records=1, accepted=1)
    (profile,) = sandbox.all_profiles()
    assert profile["custom_attributes"]["nickname"] == "Hi"


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("value", [None, "", "None", []])
def test_a_template_that_gives_nothing_gives_no_rows(native: bool, value: Any) -> None:
    task = rendered(BrazeUserTrackOperator, native=native, values={"rows": value}, attributes="{{ rows }}")
    check(task.execute({}), status="complete", records=0)


def test_users_are_named_by_json_alone(sandbox: SandboxProcess) -> None:
    given = {"action": "delete", "expect_at_most": 9, "rows": "{{ ids }}"}
    with pytest.raises(AirflowFailException, match="rows must be a list of rows"):
        rendered(BrazeUsersOperator, values={"ids": "1_001, 1_002"}, **given).execute({})
    assert sandbox.stats()["requests"] == 0
    rendered(BrazeUsersOperator, values={"ids": '["1_001", "\\ud83d\\ude00"]'}, **given).execute({})
    (request,) = sandbox.requests()
    assert request["body"] == {"external_ids": ["1_001", "\U0001f600"]}


@pytest.mark.parametrize("name", ["channel", "offer", "workflow_id"])
@pytest.mark.parametrize("as_list", [False, True])
def test_no_name_of_an_item_is_a_number(
    tmp_path: Path, sandbox: SandboxProcess, name: str, as_list: bool
) -> None:
    """Of the offer 2024_03, everybody got the tag 202403."""
    share = Share(tmp_path)
    share.land(1)
    (item,) = share.items()

    def push(template: str) -> dict[str, Any]:
        export = {**item, name: template}
        task = rendered(
            BrazeUserTrackOperator, values={"name": "2024_03"}, export=[export] if as_list else export
        )
        report: dict[str, Any] = task.execute({})
        return report

    with pytest.raises(AirflowFailException, match=rf"'{name}' is not text, but 202403.*quotes"):
        push("{{ name }}")
    assert sandbox.stats()["requests"] == 0
    report = check(push("'{{ name }}'"), status="complete", records=2, accepted=2)
    assert (report["exports"][0] if as_list else report)[name] == "2024_03"
