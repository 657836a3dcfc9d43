from __future__ import annotations

import json
import warnings
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from airflow.sdk import DAG
from jinja2 import Template

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.parameters import as_bool

DAGS = Path(__file__).resolve().parents[2] / "airflow_provider_braze" / "example_dags"
NAMES = [path.stem for path in sorted(DAGS.glob("*.py")) if path.stem != "__init__"]


def load(name: str) -> DAG:
    """Run a DAG file as Airflow does, with every deprecation an error and no Variable or connection to be had."""
    namespace: dict[str, Any] = {"__name__": name, "__doc__": None}
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        exec(compile((DAGS / f"{name}.py").read_text(), f"{name}.py", "exec"), namespace)
    dag = namespace["dag"]
    assert isinstance(dag, DAG)
    return dag


def rendered(template: str, **params: Any) -> str:
    """Render what a task is given from the form's fields."""
    return Template(template).render(params=params)


def is_given_the_whole_list(dag: DAG, upstream: str) -> bool:
    push = dag.get_task("push_export")
    return not push.is_mapped and push.export.operator.task_id == upstream


@pytest.fixture(scope="module")
def redpoint() -> DAG:
    return load("redpoint_to_braze")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_dag_is_paused_documented_and_renders_text(name: str) -> None:
    dag = load(name)

    assert dag.dag_id == name
    assert dag.is_paused_upon_creation is True
    assert dag.render_template_as_native_obj is False
    assert dag.catchup is False
    assert dag.doc_md
    for param in dag.params:
        assert dag.params.get_param(param).schema["title"], param


FORMS = {
    "redpoint_to_braze": "find_exports",
    "redpoint_with_approval": "find_exports",
    "push_rejects_again": "rejects_file",
    "conversation_to_braze": "record_conversation",
}


@pytest.mark.parametrize("name", FORMS)
def test_a_field_that_the_form_does_not_have_fails_the_run(name: str) -> None:
    """Airflow takes any: who sent dryrun for dry_run by REST pushed, and with ofer for offer everything."""
    dag = load(name)
    assert dag.roots == [dag.get_task(FORMS[name])], "the only task that is first"
    hook = dag.get_task(FORMS[name])._pre_execute_hook

    for given in (None, {}, dict.fromkeys(dag.params)):
        hook({"dag": dag, "dag_run": SimpleNamespace(conf=given)})
    with pytest.raises(
        AirflowFailException, match=f"'dryrun'.*no field.*There are: .*{list(dag.params)[-1]}"
    ):
        hook({"dag": dag, "dag_run": SimpleNamespace(conf={"dryrun": True, **dict.fromkeys(dag.params)})})


def test_every_form_is_looked_at() -> None:
    assert [name for name in NAMES if load(name).params] == sorted(FORMS)


def test_exports_are_pushed_one_at_a_time(redpoint: DAG) -> None:
    assert redpoint.max_active_runs == 1
    assert is_given_the_whole_list(redpoint, "find_exports")


def test_a_variable_says_how_many_workers_push_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_SHARDS", "3")
    push = load("redpoint_to_braze").get_task("push_export")
    assert push.is_mapped
    assert push.expand_input.value == {"shard": ["1/3", "2/3", "3/3"]}
    assert push.partial_kwargs["export"].operator.task_id == "find_exports"
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_SHARDS", " 1 ")
    assert is_given_the_whole_list(load("redpoint_to_braze"), "find_exports")


@pytest.mark.parametrize("wrong", ["two", "0", "-1", "1.5", "101"])
def test_a_wrong_number_of_workers_is_named(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_SHARDS", wrong)
    with pytest.raises(BrazeSetupError, match="Variable redpoint_shards must be a whole number of shards"):
        load("redpoint_to_braze")


def test_waiting_ends_before_the_next_run_begins(redpoint: DAG) -> None:
    sensor = redpoint.get_task("find_exports")

    assert redpoint.schedule == "*/15 * * * *"
    assert sensor.timeout < timedelta(minutes=15).total_seconds()
    assert sensor.soft_fail
    assert sensor.deferrable


def test_the_form_has_no_free_path(redpoint: DAG) -> None:
    assert set(redpoint.params) == {
        "channel",
        "offer",
        "workflow_id",
        "channel_execution_id",
        "max_age_days",
        "wait_minutes",
        "connection",
        "mode",
        "only_changed",
        "dry_run",
        "push_again",
        "max_rejected",
        "max_data_points",
    }


@pytest.mark.parametrize("value", [None, "Braze Append", "Braze Onboarding and Upsert"])
def test_a_channel_is_one_of_the_list(redpoint: DAG, value: str | None) -> None:
    schema = redpoint.params.get_param("channel").schema
    jsonschema.validate(value, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate("Another Channel", schema)


@pytest.mark.parametrize("value", [None, "", 0, 100, "5", 0.05, "0.05"])
def test_a_threshold_is_a_count_or_a_share(redpoint: DAG, value: object) -> None:
    schema = redpoint.params.get_param("max_rejected").schema
    jsonschema.validate(value, schema)
    for wrong in ("5%", "lots", -1, 1.5):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("field", ["channel", "offer", "workflow_id"])
@pytest.mark.parametrize("value", ["..", ".", "../x", "a/b", "a\\b", "/etc", "\\\\share\\x"])
def test_a_selector_cannot_leave_the_base_path(redpoint: DAG, field: str, value: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, redpoint.params.get_param(field).schema)


@pytest.mark.parametrize("field", ["offer", "workflow_id"])
@pytest.mark.parametrize("value", [None, "", "Spring Welcome", "Été à 50 %", "8828", "..a", "a..", "Sale!?"])
def test_a_selector_takes_any_folder_name_and_nothing(redpoint: DAG, field: str, value: str | None) -> None:
    jsonschema.validate(value, redpoint.params.get_param(field).schema)


@pytest.mark.parametrize("value", [None, "", "5719", 5719])
def test_an_execution_is_a_number(redpoint: DAG, value: object) -> None:
    schema = redpoint.params.get_param("channel_execution_id").schema
    jsonschema.validate(value, schema)
    for wrong in ("*", "RPI_Export_1.txt", "../1", -1):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("name", ["redpoint_to_braze", "redpoint_with_approval", "push_rejects_again"])
def test_a_connection_is_one_of_those_that_a_variable_names(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BRAZE_CONN_IDS", " braze_sandbox, braze_prod,,braze_prod ")
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BRAZE_CONN_ID", "braze_sandbox")
    connection = {"conn_type": "braze", "host": "https://rest.fra-01.braze.eu", "password": "not-a-real-key"}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_SANDBOX", json.dumps(connection))
    dag = load(name)

    schema = dag.params.get_param("connection").schema
    assert schema["enum"] == [None, "braze_sandbox", "braze_prod"]
    assert schema["values_display"]["None"] == (
        "braze_sandbox · https://rest.fra-01.braze.eu · EU-01 (unless chosen otherwise)"
    )
    # What is not set up is named all the same.
    assert schema["values_display"]["braze_prod"] == "braze_prod"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate("braze_default", schema)
    for task in dag.tasks:
        assert getattr(task, "braze_conn_id", "params.connection") is not None
        assert "params.connection" in getattr(task, "braze_conn_id", "params.connection")


def test_the_choice_of_connections_may_be_a_json_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BRAZE_CONN_IDS", '["braze_sandbox", "braze_prod"]')
    monkeypatch.setenv("AIRFLOW_VAR_REDPOINT_BRAZE_CONN_ID", "")

    schema = load("redpoint_to_braze").params.get_param("connection").schema

    assert schema["enum"] == [None, "braze_sandbox", "braze_prod"]
    assert schema["values_display"]["None"] == "braze_default (unless chosen otherwise)"


def test_without_that_variable_there_is_nothing_to_choose(redpoint: DAG) -> None:
    assert redpoint.params.get_param("connection").schema["enum"] == [None]


def test_a_run_ends_soon_unless_it_is_told_to_wait(redpoint: DAG) -> None:
    sensor = redpoint.get_task("find_exports")
    wait = redpoint.params.get_param("wait_minutes")

    assert wait.value == 0
    for given in (2, "2"):
        assert rendered(sensor.give_up_after, wait_minutes=given) == "120.0"
    # Else Airflow's own timeout comes first, which cannot say why.
    assert wait.schema["maximum"] * 60 < sensor.timeout


@pytest.mark.parametrize("name", ["redpoint_to_braze", "redpoint_with_approval"])
def test_an_age_may_be_text(name: str) -> None:
    dag = load(name)
    schema = dag.params.get_param("max_age_days").schema
    for right in (7, 0.5, "7", "0.5", "400"):
        jsonschema.validate(right, schema)
        assert (
            float(rendered(dag.get_task("find_exports").max_age, max_age_days=right)) == float(right) * 86400
        )


GROUPED = (
    "500.000",
    "1.000",
    "1,000",
    "1 000",
    "1'000",
    "1_000",
    "1.000.000",
    "1e3",
    "٣",
    "-1",
    "+1",
    "0x10",
    "many",
)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("redpoint_to_braze", "max_data_points"),
        ("redpoint_to_braze", "max_rejected"),
        ("redpoint_to_braze", "max_age_days"),
        ("redpoint_to_braze", "wait_minutes"),
        ("redpoint_to_braze", "channel_execution_id"),
        ("redpoint_with_approval", "ask_above_users"),
        ("redpoint_with_approval", "ask_above_data_points"),
        ("redpoint_with_approval", "max_age_days"),
        ("redpoint_with_approval", "channel_execution_id"),
    ],
)
def test_a_number_is_a_line_of_text_that_takes_no_separators(name: str, field: str) -> None:
    param = load(name).params.get_param(field)
    for wrong in GROUPED:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, param.schema)
    for right in (5, "5"):
        jsonschema.validate(right, param.schema)
    # Airflow makes the browser's own field, which takes 500.000 for 500, of the first type that is not null; only
    # with examples it does not ask for JSON where there are several.
    first = next(kind for kind in param.schema["type"] if kind != "null")
    assert (first, bool(param.schema["examples"])) == ("string", True)
    assert "$comment" in param.schema


def test_no_form_has_the_browsers_field_for_numbers() -> None:
    for dag_id in NAMES:
        dag = load(dag_id)
        for name in dag.params:
            kinds = dag.params.get_param(name).schema["type"]
            first = next(kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null")
            assert first not in ("integer", "number"), (dag_id, name)


def test_a_guard_is_at_least_one_and_may_be_empty(redpoint: DAG) -> None:
    schema = redpoint.params.get_param("max_data_points").schema
    for right in (None, "", 1, 500_000, "500000"):
        jsonschema.validate(right, schema)
    for wrong in (0, "0", "00", 1.5, "1.5", True):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_a_wait_has_a_most_as_text_too(redpoint: DAG) -> None:
    schema = redpoint.params.get_param("wait_minutes").schema
    for right in (0, 12, 1.5, "0", "12"):
        jsonschema.validate(right, schema)
    for wrong in (None, "", 13, "13", "012", "1.5"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_a_workflow_id_may_be_a_number(redpoint: DAG) -> None:
    jsonschema.validate(8828, redpoint.params.get_param("workflow_id").schema)


@pytest.mark.parametrize(
    ("chosen", "variable", "expected"),
    [(None, None, False), (None, "true", True), ("false", "true", False), ("true", None, True)],
)
def test_the_form_or_a_variable_says_whether_only_what_changed_is_sent(
    redpoint: DAG, chosen: str | None, variable: str | None, expected: bool
) -> None:
    values = {"redpoint_only_changed": variable} if variable else {}
    template = Template(redpoint.get_task("push_export").only_changed)
    text = template.render(params={"only_changed": chosen}, var={"value": values})
    assert as_bool("only_changed", text) is expected
