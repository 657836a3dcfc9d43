"""``@task.braze_track`` in real DAGs, against the sandbox over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.decorators.braze import BrazeTrackDecoratedOperator, braze_track_task
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

Row = dict[str, Any]
EVENT = {"external_id": "P1", "name": "renewed", "time": "2026-03-01T12:00:00Z"}


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


def executed(decorated: Any, *args: Any, context: Any = None, **kwargs: Any) -> dict[str, Any]:
    """Make the function's task in a DAG, as an author does, and execute it."""
    with DAG("rows", schedule=None):
        operator = decorated(*args, **kwargs).operator
    assert isinstance(operator, BrazeTrackDecoratedOperator)
    report: dict[str, Any] = operator.execute(context or {})
    return report


def test_airflow_knows_the_decorator_by_its_name(sandbox: SandboxProcess) -> None:
    @task.braze_track(mode="upsert")
    def people() -> list[Row]:
        return [{"external_id": "P1", "tier": "gold"}, {"external_id": "P2", "tier": "none"}]

    report = executed(people)

    assert (report["status"], report["mode"], report["accepted"]) == ("complete", "upsert", 2)
    assert sandbox.profiles()["P1"]["custom_attributes"] == {"tier": "gold"}


def test_without_parentheses_too(sandbox: SandboxProcess) -> None:
    @task.braze_track
    def people() -> list[Row]:
        return [{"external_id": "P1"}]

    assert executed(people)["accepted"] == 1


def test_a_function_that_yields_is_called_when_the_task_runs(sandbox: SandboxProcess) -> None:
    calls = []

    @task.braze_track(max_data_points=1000)
    def people(count: int) -> Iterator[Row]:
        calls.append(count)
        for number in range(count):
            yield {"external_id": f"P{number}", "number": number}

    with DAG("rows", schedule=None):
        operator = people(200).operator
    assert calls == []
    assert operator.execute({})["accepted"] == len(sandbox.profiles()) == 200


def test_rows_may_be_for_another_array(sandbox: SandboxProcess) -> None:
    @task.braze_track(array="events")
    def events() -> list[Row]:
        return [EVENT]

    executed(events)

    assert [each["name"] for each in sandbox.profiles()["P1"]["events_received"]] == ["renewed"]


def test_one_function_may_give_several_arrays(sandbox: SandboxProcess) -> None:
    @task.braze_track
    def both() -> dict[str, list[Row]]:
        return {"attributes": [{"external_id": "P1", "tier": "gold"}], "events": [EVENT]}

    report = executed(both)

    assert report["records"] == report["accepted"] == 2
    profile = sandbox.profiles()["P1"]
    assert profile["custom_attributes"] == {"tier": "gold"}
    assert len(profile["events_received"]) == 1


def test_the_function_gets_its_arguments_and_what_it_names_of_the_context(sandbox: SandboxProcess) -> None:
    @task.braze_track
    def people(tier: str, *, params: Any = None, prefix: str = "P") -> list[Row]:
        return [{"external_id": prefix + params["id"], "tier": tier}]

    executed(people, "gold", prefix="Q", context={"params": {"id": "7"}, "ds": "2026-03-01"})

    assert sandbox.profiles()["Q7"]["custom_attributes"] == {"tier": "gold"}


def test_arguments_are_templates_and_rows_are_not() -> None:
    @task.braze_track
    def people(name: str) -> list[Row]:
        return [{"external_id": name, "note": "{{ params.x }}"}]

    with DAG("rows", schedule=None):
        operator = people("{{ params.x }}").operator
    operator.render_template_fields({"params": {"x": "P1"}})

    assert operator.op_args == ("P1",)
    assert "attributes" not in operator.template_fields
    assert operator.execute({})["accepted"] == 1


def test_the_return_annotation_splits_no_report() -> None:
    @task.braze_track
    def both() -> dict[str, list[Row]]:
        return {"events": [EVENT]}

    with DAG("rows", schedule=None):
        assert both().operator.multiple_outputs is False


def test_the_tab_finds_its_pushes_as_the_operators() -> None:
    assert BrazeTrackDecoratedOperator.custom_operator_name == BrazeUserTrackOperator.custom_operator_name


def test_a_dry_run_sends_nothing(sandbox: SandboxProcess) -> None:
    @task.braze_track(dry_run=True)
    def people() -> list[Row]:
        return [{"external_id": "P1"}]

    assert executed(people)["status"] == "planned"
    assert sandbox.stats()["requests"] == 0


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "people returned nothing"),
        ({"external_id": "P1"}, "people returned one dict"),
        ({}, "people returned one dict"),
        (7, "attributes must be a list of rows, not int"),
    ],
)
def test_what_gives_no_rows_fails_without_a_retry(
    sandbox: SandboxProcess, returned: object, said: str
) -> None:
    @task.braze_track
    def people() -> Any:
        return returned

    with pytest.raises(AirflowFailException, match=said):
        executed(people)
    assert sandbox.stats()["requests"] == 0


def test_no_rows_are_no_trouble() -> None:
    @task.braze_track
    def people() -> list[Row]:
        return []

    assert executed(people)["records"] == 0


def test_what_the_function_raises_is_the_authors(sandbox: SandboxProcess) -> None:
    @task.braze_track
    def people() -> list[Row]:
        raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        executed(people)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"array": "attribute"}, "array must be one of attributes, events, purchases"),
        ({"export": "/mnt/rpi/x.txt"}, "leave out export"),
        ({"events": []}, "leave out events"),
        ({"mode": "insert"}, "mode must be auto, upsert or append"),
        ({"dry_run": "maybe"}, "dry_run must be"),
    ],
)
def test_a_wrong_literal_fails_when_the_dag_is_parsed(given: dict[str, Any], said: str) -> None:
    @task.braze_track(**given)
    def people() -> list[Row]:
        return []

    with DAG("wrong", schedule=None), pytest.raises(BrazeSetupError, match=said):
        people()


def test_an_async_function_is_refused_when_the_dag_is_parsed() -> None:
    async def people() -> list[Row]:
        return []

    with DAG("wrong", schedule=None), pytest.raises(BrazeSetupError, match="people is async"):
        braze_track_task(people)()


def test_a_mapped_one_pushes_for_each_argument(sandbox: SandboxProcess) -> None:
    @task.braze_track(mode="upsert")
    def people(name: str) -> list[Row]:
        return [{"external_id": name}]

    with DAG("rows", schedule=None):
        mapped = people.expand(name=["P1", "P2"]).operator
    for name in ("P1", "P2"):
        assert mapped.unmap({"op_kwargs": {"name": name}}).execute({})["accepted"] == 1
    assert set(sandbox.profiles()) == {"P1", "P2"}


def test_a_retry_goes_on_where_the_rows_are_the_same(sandbox: SandboxProcess) -> None:
    class Kept(dict[str, Any]):
        def set(self, key: str, value: Any) -> None:
            self[key] = value

        def delete(self, key: str) -> None:
            self.pop(key, None)

    @task.braze_track(array="events", max_wait_on_worker=None)
    def events() -> list[Row]:
        return [{**EVENT, "external_id": f"P{number}"} for number in range(75 * 4)]

    context = {"task_state_store": Kept()}
    sandbox.fault(status=403, after=2, count=1)
    with pytest.raises(AirflowFailException):
        executed(events, context=context)
    report = executed(events, context=context)

    assert report["records"] == 300
    assert sum(len(each["events_received"]) for each in sandbox.profiles().values()) == 300
