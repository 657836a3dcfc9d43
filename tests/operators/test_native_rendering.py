"""In a DAG with ``render_template_as_native_obj``, what a template gives is what was meant, or is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.native_rendering import read
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.cdi import BrazeCdiSyncOperator
from airflow_provider_braze.operators.memory_parameters import wish_of
from airflow_provider_braze.operators.users import BrazeUsersOperator
from airflow_provider_braze.sensors.cdi import BrazeCdiSyncSensor
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


@pytest.mark.parametrize("value", [None, ""])
def test_a_template_that_gives_no_export_is_refused(value: Any) -> None:
    task = rendered(BrazeUserTrackOperator, values={"path": value}, export="{{ path }}")
    with pytest.raises(AirflowFailException, match=r"Give either export|export is empty"):
        task.execute({})


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

    def push(template: str, called: str) -> dict[str, Any]:
        export = {**item, name: template}
        task = rendered(
            BrazeUserTrackOperator, values={"name": called}, export=[export] if as_list else export
        )
        report: dict[str, Any] = task.execute({})
        return report

    with pytest.raises(AirflowFailException, match=rf"'{name}' is not text, but 7.*quotes"):
        push("{{ name }}", "7")
    assert sandbox.stats()["requests"] == 0
    for template in ("{{ name }}", "'{{ name }}'"):
        report = check(push(template, "2024_03"), status="complete", records=2, accepted=2)
        assert (report["exports"][0] if as_list else report)[name] == "2024_03"


EMOJI = "Zo\u00eb \U0001f600/\u00e9"


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "identifier", ["1_001", "12e4", "0x1F", "1.50", "007", "1001", "-0", "(7)", "#1", "5,"]
)
def test_no_id_becomes_another_user(sandbox: SandboxProcess, native: bool, identifier: str) -> None:
    """Of 1_001, the user 1001 got the row; 12e4 was invalid."""
    rows = [{"external_id": "{{ who }}", "plan": "{{ who }}"}]
    task = rendered(BrazeUserTrackOperator, native=native, values={"who": identifier}, attributes=rows)
    check(task.execute({}), status="complete", records=1, accepted=1)
    (profile,) = sandbox.all_profiles()
    assert profile["external_id"] == identifier


@pytest.mark.parametrize("value", [True, None, 5, 0.5, [1, "a"], {"a": 1}])
def test_a_value_of_a_row_keeps_its_type(sandbox: SandboxProcess, value: Any) -> None:
    rows = [{"external_id": "U1", "as_object": "{{ value }}", "as_text": "{{ value }} "}]
    task = rendered(BrazeUserTrackOperator, values={"value": value}, attributes=rows)
    assert task.attributes[0]["as_object"] == value


@pytest.mark.parametrize("kind", [BrazeCdiSyncOperator, BrazeCdiSyncSensor])
def test_the_id_of_an_integration_stays_a_text(kind: type) -> None:
    """Airflow makes the number 120000.0 of it, which is refused."""
    task = rendered(kind, values={"id": "12e4"}, integration_id="{{ id }}", braze_conn_id="{{ id }}")
    assert (task.integration_id, task.braze_conn_id) == ("12e4", "12e4")


@pytest.mark.parametrize("native", [False, True])
def test_json_of_any_parameter_is_read_as_json(sandbox: SandboxProcess, native: bool) -> None:
    """Escaped as Jinja and others write it, a name was one that nothing is called."""
    names = rendered(
        BrazeUserTrackOperator,
        native=native,
        values={"names": [EMOJI]},
        attributes=[],
        always_send="{{ names | tojson }}",
    )
    assert wish_of(names).always_send == {EMOJI}

    common = json.dumps({"alias_label": EMOJI, "alias_name": "1_001"})
    assert aliases_sent(sandbox, common, native=native) == [
        {"external_id": "U1", "alias_label": EMOJI, "alias_name": "1_001"}
    ]


@pytest.mark.parametrize("native", [False, True])
def test_a_dict_of_a_template_is_read_without_tojson_too(sandbox: SandboxProcess, native: bool) -> None:
    common = {"alias_label": EMOJI, "alias_name": "it's"}
    assert aliases_sent(sandbox, common, native=native) == [
        {"external_id": "U1", "alias_label": EMOJI, "alias_name": "it's"}
    ]


def aliases_sent(sandbox: SandboxProcess, common: Any, *, native: bool) -> Any:
    """Give a user an alias that a template gives, and say what was sent."""
    users = rendered(
        BrazeUsersOperator,
        native=native,
        values={"common": common},
        action="alias_new",
        rows=["U1"],
        common_fields="{{ common }}",
    )
    users.execute({})
    (request,) = sandbox.requests()
    return request["body"]["user_aliases"]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", ["max_data_points", "max_rejected"])
def test_a_number_with_separators_is_refused_and_not_a_smaller_one(native: bool, name: str) -> None:
    task = rendered(
        BrazeUserTrackOperator,
        native=native,
        values={"most": "500.000"},
        attributes=[{"external_id": "U1", "a": 1}],
        **{name: "{{ most }}"},
    )
    with pytest.raises(AirflowFailException, match=f"{name} must be .*'500.000'"):
        task.execute({})


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("operator", "name", "given", "text"),
    [
        (BrazeUserTrackOperator, "attributes", {}, '[{"external_id": "U1", "note": "{{ key }}"}]'),
        (BrazeUserTrackOperator, "export", {}, "/mnt/{{ key }}/x.txt"),
        (BrazeUserTrackOperator, "export", {}, "1_001"),
        (BrazeUsersOperator, "rows", {"action": "delete", "expect_at_most": 1}, '["{{ key }}"]'),
    ],
)
def test_what_a_mapped_task_is_given_is_no_template(
    native: bool, operator: Any, name: str, given: dict[str, Any], text: str
) -> None:
    """What stood in a customer's data was rendered, with all that templates may read: connections, Variables."""
    with DAG("mapped", schedule=None, render_template_as_native_obj=native) as dag:
        rows = EmptyOperator(task_id="rows")
        mapped = operator.partial(task_id="push", **given).expand(**{name: rows.output})
    ti = SimpleNamespace(
        map_index=0,
        task=mapped,
        task_id="push",
        dag_id="mapped",
        run_id="run",
        _upstream_map_indexes={},
        xcom_pull=lambda **_: [text],
    )
    run = SimpleNamespace(run_id="run", conf={})
    context = {"ti": ti, "task": mapped, "dag": dag, "dag_run": run, "params": {}, "key": "secret"}
    mapped.render_template_fields(context)
    assert getattr(context["task"], name) == text


@pytest.mark.parametrize("native", [False, True])
def test_what_is_not_defined_is_no_value(native: bool) -> None:
    with pytest.raises(UndefinedError, match="nobody"):
        rendered(
            BrazeUserTrackOperator,
            native=native,
            values={},
            attributes=[{"external_id": "U1", "plan": "{{ nobody }}"}],
        )


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789_.eExX+-()[]{}'\",: TrueNonab#\\/\u00e9\U0001f600", max_size=12))
def test_a_text_is_read_as_nothing_that_is_written_otherwise(text: str) -> None:
    found = read(text)
    if isinstance(found, str):
        assert text.strip()[1:-1] == found or text == found or json.loads(text) == found
    elif isinstance(found, list | dict):
        assert text.strip()[0] in "[{"
    elif not isinstance(found, set):
        assert repr(found) == text.strip()


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_json_of_a_list_is_that_list(value: Any) -> None:
    assert read(json.dumps([value])) == [value]
