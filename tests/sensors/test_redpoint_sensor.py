from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.sensor import BaseSensorOperator

from airflow_provider_braze.airflow_compat import AirflowFailException, AirflowSkipException
from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from tests.inbox import CHANNEL, ObjectStore, land

try:
    from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSensorTimeout, TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowRescheduleException, AirflowSensorTimeout, TaskDeferred


def sensor(base: Any, **parameters: Any) -> RedpointExportSensor:
    defaults = {"settle_seconds": 0.2, "poke_interval": 0.1, "timeout": 60, "deferrable": False}
    return RedpointExportSensor(
        task_id="wait", base_path=str(base) if isinstance(base, Path) else base, **(defaults | parameters)
    )


class StateStore(dict[str, Any]):
    """Airflow 3.3's task state store, as far as the sensor uses it: values pass through JSON."""

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self[key]) if key in self else default

    def set(self, key: str, value: Any) -> None:
        self[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.pop(key, None)


class TaskInstance:
    def get_first_reschedule_date(self, context: Any) -> None:
        return None


def fire(trigger: RedpointExportTrigger) -> dict[str, Any]:
    """Run a trigger as the triggerer does: rebuilt from what it serializes to."""
    _, kwargs = trigger.serialize()

    async def first() -> dict[str, Any]:
        async for event in RedpointExportTrigger(**json.loads(json.dumps(kwargs))).run():
            return event.payload
        raise AssertionError("no event")

    return asyncio.run(asyncio.wait_for(first(), 60))


def run_poke(make: Callable[..., RedpointExportSensor]) -> Any:
    return make().execute({})


def run_reschedule(make: Callable[..., RedpointExportSensor], **context: Any) -> Any:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            # A new process for each poke.
            return make(mode="reschedule").execute({"ti": TaskInstance(), **context})
        except AirflowRescheduleException:
            time.sleep(0.1)
    raise AssertionError("nothing landed")


def run_reschedule_with_store(make: Callable[..., RedpointExportSensor]) -> Any:
    return run_reschedule(make, task_state_store=StateStore())


def run_deferrable(make: Callable[..., RedpointExportSensor]) -> Any:
    try:
        return make(deferrable=True).execute({})
    except TaskDeferred as deferred:
        event = fire(deferred.trigger)
        return make(deferrable=True).resume_execution(deferred.method_name, {"event": event}, {})


MODES = [run_poke, run_reschedule, run_reschedule_with_store, run_deferrable]
every_mode = pytest.mark.parametrize("run", MODES, ids=[mode.__name__ for mode in MODES])


@every_mode
def test_every_mode_returns_the_same(tmp_path: Path, run: Callable[..., Any]) -> None:
    land(tmp_path, "RPI_Export_2.txt", age=10)
    land(tmp_path, "RPI_Export_1.txt", age=20, text="12345")
    items = run(lambda **mode: sensor(tmp_path, **mode))
    assert items == json.loads(json.dumps(items))
    assert [(item["channel_execution_id"], item["size"], item["mode"]) for item in items] == [
        ("1", 5, "append"),
        ("2", 1, "append"),
    ]
    assert set(items[0]) == {
        "path", "base_path", "reports_path", "channel", "offer", "workflow_id",
        "channel_execution_id", "mode", "size", "modified", "fingerprint",
    }  # fmt: skip


@contextmanager
def writing(path: Path, seconds: float) -> Iterator[None]:
    """Append to a file for a while, in a thread."""
    path.parent.mkdir(parents=True)

    def write() -> None:
        end = time.monotonic() + seconds
        with path.open("w") as file:
            while time.monotonic() < end:
                file.write("row\n")
                file.flush()
                time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    while not path.exists():
        time.sleep(0.01)
    try:
        yield
    finally:
        writer.join()


@every_mode
def test_a_growing_file_is_returned_only_when_it_is_whole(tmp_path: Path, run: Callable[..., Any]) -> None:
    path = tmp_path / "Braze Append/Spring/8/RPI_Export_1.txt"
    with writing(path, seconds=2):
        (item,) = run(lambda **mode: sensor(tmp_path, settle_seconds=1.2, **mode))
        size_when_returned = path.stat().st_size
    assert item["size"] == size_when_returned == path.stat().st_size > 4 * 10


@every_mode
def test_a_base_that_does_not_exist_fails_at_once(tmp_path: Path, run: Callable[..., Any]) -> None:
    started = time.monotonic()
    with pytest.raises(AirflowFailException, match=r"base_path .*/nothing does not exist"):
        run(lambda **mode: sensor(tmp_path / "nothing", soft_fail=True, **mode))
    assert time.monotonic() - started < 15


@every_mode
def test_a_workflow_that_is_pushed_is_skipped_naming_its_report(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    land(tmp_path)
    (item,) = sensor(tmp_path, settle_seconds=0).execute({})
    reports = ReportsFolder.at(item["reports_path"])
    folder = reports.run(item["fingerprint"], "manual 1")
    folder.fs.makedirs(folder.path)
    folder.fs.pipe_file(folder.child("report.json").path, b"{}")
    reports.mark_pushed("braze_default", item["fingerprint"])
    with pytest.raises(AirflowSkipException, match=r"/report\.json"):
        run(lambda **mode: sensor(tmp_path, workflow_id="8828", **mode))


@every_mode
def test_an_object_store_needs_one_poke(run: Callable[..., Any]) -> None:
    store = ObjectStore()
    store.put("Braze Append/Spring/8/RPI_Export_1.txt")
    (item,) = run(lambda **mode: sensor(store.url, settle_seconds=3600, **mode))
    assert item["path"] == f"{store.url}/Braze Append/Spring/8/RPI_Export_1.txt"


@pytest.mark.skipif(os.name != "posix", reason="Windows opens UNC paths")
def test_unc_path() -> None:
    with pytest.raises(AirflowFailException, match="mount the share"):
        sensor("\\\\server\\share").execute({})


def test_poke_raises_what_a_script_can_catch(tmp_path: Path) -> None:
    with pytest.raises(BrazeSetupError, match="does not exist"):
        sensor(tmp_path / "nothing").poke({})


def test_never_fail_is_kept(tmp_path: Path) -> None:
    with pytest.raises(AirflowSkipException):
        sensor(tmp_path / "nothing", never_fail=True).execute({})
    with pytest.raises(AirflowSkipException):
        sensor(tmp_path / "nothing", never_fail=True, deferrable=True).execute({})


@pytest.mark.parametrize(
    ("soft_fail", "expected"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
def test_timeout(tmp_path: Path, soft_fail: bool, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        sensor(tmp_path, timeout=0.3, soft_fail=soft_fail).execute({})


def test_reschedule_without_a_store_lists_twice_in_one_poke(tmp_path: Path) -> None:
    land(tmp_path)
    started = time.monotonic()
    result = sensor(tmp_path, mode="reschedule").poke({})
    assert result.is_done
    assert time.monotonic() - started >= 0.2
    assert not sensor(tmp_path / "Braze Append", mode="reschedule", settle_seconds=60).poke({})


def test_reschedule_with_markers_does_not_wait_in_the_poke(tmp_path: Path) -> None:
    land(tmp_path)
    started = time.monotonic()
    assert not sensor(tmp_path, mode="reschedule", settle_seconds=60, marker_suffix=".done").poke({})
    assert time.monotonic() - started < 30


def test_reschedule_keeps_its_memory_in_the_state_store(tmp_path: Path) -> None:
    land(tmp_path)
    land(tmp_path, folder="Email/o/1")
    store = StateStore()
    assert not sensor(tmp_path, mode="reschedule").poke({"task_state_store": store})
    (kept,) = (json.loads(value) for value in store.values())
    assert len(kept["sightings"]) == len(kept["said"]) == 1
    time.sleep(0.25)
    assert sensor(tmp_path, mode="reschedule").poke({"task_state_store": store})
    assert not store


def test_deferring_hands_on_the_sightings_and_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    task = sensor(
        tmp_path.name, deferrable=True, settle_seconds=0.5, timeout=77, poke_interval=timedelta(seconds=60)
    )
    with pytest.raises(TaskDeferred) as caught:
        task.execute({})
    deferred = caught.value
    assert deferred.timeout == timedelta(seconds=77)
    assert deferred.trigger.poke_interval == 60
    assert deferred.trigger.search.base_path == str(tmp_path)
    time.sleep(0.5)
    # Were the first look forgotten, this would take another 60 s.
    assert fire(deferred.trigger)["status"] == "landed"


def test_what_lies_there_is_returned_without_deferring(tmp_path: Path) -> None:
    land(tmp_path)
    assert sensor(tmp_path, deferrable=True, settle_seconds=0).execute({})


@pytest.mark.parametrize(("retryable", "expected"), [(False, AirflowFailException), (True, BrazeError)])
def test_failures_of_the_trigger(tmp_path: Path, retryable: bool, expected: type[Exception]) -> None:
    event = {"status": "failed", "message": "the reason", "retryable": retryable}
    for soft_fail in (False, True):
        with pytest.raises(expected, match="the reason"):
            sensor(tmp_path, soft_fail=soft_fail).resume_execution("execute_complete", {"event": event}, {})


def test_soft_fail_after_the_triggerer_gave_up(tmp_path: Path) -> None:
    with pytest.raises(AirflowSensorTimeout):
        sensor(tmp_path).resume_execution("__fail__", {"error": "Trigger timeout"}, {})
    with pytest.raises(AirflowSkipException):
        sensor(tmp_path, soft_fail=True).resume_execution("__fail__", {"error": "Trigger timeout"}, {})


def test_default_deferrable_is_airflows() -> None:
    assert RedpointExportSensor(task_id="wait", base_path="/data").deferrable is False


def test_never_more_than_airflow_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        land(tmp_path, f"RPI_Export_{number}.txt")
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    assert len(sensor(tmp_path, settle_seconds=0).execute({})) == 2


def test_warnings_come_once_a_wait(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    land(tmp_path, folder="Email/o/1")
    task = sensor(tmp_path, timeout=0.5, soft_fail=True)
    for _ in range(2):
        with pytest.raises(AirflowSkipException):
            task.execute({})
        printed = "".join(capfd.readouterr())
        assert printed.count("0 landed") > 2
        assert printed.count("channel_modes does not name them: 'Email'") == 1


FORM = {
    "channel": "{{ params.channel }}",
    "offer": "{{ params.offer }}",
    "workflow_id": "{{ params.workflow_id }}",
    "only_new": "{{ not params.again }}",
    "max_exports": "{{ params.most }}",
    "max_age": "{{ params.age }}",
    "settle_seconds": "{{ params.settle }}",
    "reports_path": "{{ params.reports }}",
    "braze_conn_id": "{{ params.conn }}",
    "marker_suffix": "{{ params.marker }}",
    "file_pattern": "{{ params.pattern }}",
}
EMPTY = dict.fromkeys(
    ("channel", "offer", "workflow_id", "most", "age", "settle", "reports", "conn", "marker", "pattern")
)


def rendered(base: Path, **params: Any) -> RedpointExportSensor:
    with DAG("form", schedule=None):
        task = sensor("{{ params.base_path }}", **FORM)
    task.render_template_fields({"params": EMPTY | {"base_path": str(base), "again": False} | params})
    return task


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_form(tmp_path: Path, empty: str | None) -> None:
    land(tmp_path)
    task = rendered(tmp_path, **dict.fromkeys(EMPTY, empty) | {"settle": "0"})
    assert task.settle_seconds == "0"
    (item,) = task.execute({})
    assert item["reports_path"] == f"{tmp_path}/_braze"
    ReportsFolder.at(item["reports_path"]).mark_pushed("braze_default", item["fingerprint"])
    assert not rendered(tmp_path, settle="0").poke({})
    assert rendered(tmp_path, settle="0", again=True).poke({})


def test_numbers_and_numeric_names_in_a_form(tmp_path: Path) -> None:
    land(tmp_path, folder="Braze Append/2026/007", age=60)
    land(tmp_path, folder="Braze Append/2026/7", age=60)
    values = {"offer": 2026, "settle": 0, "most": "1", "age": 3600}
    (item,) = rendered(tmp_path, workflow_id="007", **values).execute({})
    assert item["workflow_id"] == "007"
    (item,) = rendered(tmp_path, workflow_id=7, **values).execute({})
    assert item["workflow_id"] == "7"


@pytest.mark.parametrize("name", ["channel", "offer", "workflow_id"])
def test_native_rendering_makes_no_number_of_a_name(tmp_path: Path, name: str) -> None:
    folders = {"channel": CHANNEL, "offer": "Spring", "workflow_id": "8828"} | {name: "2024_03"}
    land(tmp_path, folder="/".join(folders.values()), age=60)

    def found(template: str) -> Any:
        with DAG("native", schedule=None, render_template_as_native_obj=True):
            task = sensor(str(tmp_path), channel_modes={folders["channel"]: "append"}, **{name: template})
        task.render_template_fields({"params": {"name": "2024_03"}})
        return task.execute({})

    with pytest.raises(AirflowFailException, match=rf"{name} must be text, not the number 202403.*quotes"):
        found("{{ params.name }}")
    assert len(found("'{{ params.name }}'")) == 1


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"offer": ".."}, "offer"),
        ({"workflow_id": "../8"}, "workflow_id"),
        ({"channel": "/etc"}, "channel"),
        ({"most": "many"}, "max_exports"),
        ({"age": "a week"}, "max_age"),
        ({"settle": "-1"}, "settle_seconds"),
        ({"base_path": ""}, "base_path"),
    ],
)
def test_a_bad_value_in_a_form_fails_plainly(tmp_path: Path, params: dict[str, Any], named: str) -> None:
    with pytest.raises(AirflowFailException, match=named):
        rendered(tmp_path, **params).execute({})


@pytest.mark.parametrize(
    ("name", "value"),
    [("offer", "a/b"), ("only_new", "perhaps"), ("max_exports", 0), ("channel_modes", {"Email": "insert"})],
)
def test_a_bad_value_in_a_dag_fails_when_it_is_parsed(name: str, value: Any) -> None:
    with pytest.raises(BrazeSetupError, match=name):
        sensor("/data", **{name: value})


def test_templates_and_outputs_of_other_tasks_are_left_for_later() -> None:
    with DAG("later", schedule=None) as dag:
        before = BaseSensorOperator(task_id="before")
        task = sensor(
            before.output, offer="{{ params.a }}/..", channel_modes={"{{ params.a }}": "{{ params.b }}"}
        )
    assert task.upstream_task_ids == {"before"}
    assert dag.task_dict["wait"] is task
