"""A wait that ends by itself: how soon, in which state, and that the reason is left for the tab."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.airflow_compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.sensors import redpoint as module
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from tests.inbox import land
from tests.sensors.test_redpoint_sensor import StateStore, fire, sensor

try:
    from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowRescheduleException, TaskDeferred

LONG = 3600


class TaskInstance:
    """What a sensor asks of its task instance, and what it leaves there."""

    def __init__(self) -> None:
        self.left: dict[str, str] = {}
        self.began: Any = None

    def get_first_reschedule_date(self, context: Any) -> Any:
        return self.began

    def xcom_push(self, key: str, value: str) -> None:
        self.left[key] = value


Run = Callable[[Callable[..., RedpointExportSensor], dict[str, Any]], Any]


def poke(make: Callable[..., RedpointExportSensor], context: dict[str, Any]) -> Any:
    return make(poke_interval=LONG).execute(context)


def reschedule(make: Callable[..., RedpointExportSensor], context: dict[str, Any]) -> Any:
    return make(mode="reschedule", poke_interval=LONG).execute(context)


def reschedule_with_store(make: Callable[..., RedpointExportSensor], context: dict[str, Any]) -> Any:
    return reschedule(make, {**context, "task_state_store": StateStore()})


def defer(make: Callable[..., RedpointExportSensor], context: dict[str, Any]) -> Any:
    try:
        return make(deferrable=True, poke_interval=LONG).execute(context)
    except TaskDeferred as deferred:
        event = fire(deferred.trigger)
        return make(deferrable=True).resume_execution(deferred.method_name, {"event": event}, context)


every_mode = pytest.mark.parametrize("run", [poke, reschedule, reschedule_with_store, defer])


@pytest.fixture(autouse=True)
def no_scheduler_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHORTEST_DEFERRAL", 0.0)


@pytest.fixture
def ti() -> TaskInstance:
    return TaskInstance()


@contextmanager
def ends(with_: type[Exception], ti: TaskInstance, *words: str) -> Iterator[None]:
    with pytest.raises(with_):
        yield
    for word in words:
        assert word in ti.left["nothing_found"]


@every_mode
def test_two_looks_find_what_lands_between_them(tmp_path: Path, ti: TaskInstance, run: Run) -> None:
    land(tmp_path)
    (item,) = run(lambda **kwargs: sensor(tmp_path, give_up_after=0, **kwargs), {"ti": ti})
    assert item["path"].endswith("RPI_Export_1.txt")
    assert ti.left == {}


@every_mode
def test_a_name_that_is_not_there_fails_even_with_soft_fail(
    tmp_path: Path, ti: TaskInstance, run: Run
) -> None:
    land(tmp_path)
    with ends(AirflowFailException, ti, "no folder 'Summer Sale 2027'; there are: Spring Welcome"):
        run(
            lambda **kwargs: sensor(
                tmp_path, offer="Summer Sale 2027", give_up_after="0.0", soft_fail=True, **kwargs
            ),
            {"ti": ti},
        )


@every_mode
@pytest.mark.parametrize(
    ("soft_fail", "expected"), [(True, AirflowSkipException), (False, AirflowSensorTimeout)]
)
def test_what_is_pushed_is_no_fault(
    tmp_path: Path, ti: TaskInstance, run: Run, soft_fail: bool, expected: type[Exception]
) -> None:
    land(tmp_path)
    (item,) = sensor(tmp_path, settle_seconds=0).execute({})
    ReportsFolder.at(item["reports_path"]).mark_pushed("braze_default", item["fingerprint"])
    with ends(expected, ti, "the only export of it is pushed: RPI_Export_1.txt"):
        run(
            lambda **kwargs: sensor(
                tmp_path, offer="Spring Welcome", give_up_after=0, soft_fail=soft_fail, **kwargs
            ),
            {"ti": ti},
        )


@every_mode
def test_a_run_for_everything_is_skipped(tmp_path: Path, ti: TaskInstance, run: Run) -> None:
    with ends(AirflowSkipException, ti, "Nothing to push: there is no export yet"):
        run(lambda **kwargs: sensor(tmp_path, give_up_after=0, soft_fail=True, **kwargs), {"ti": ti})


def test_a_deferred_wait_gives_up_in_time(tmp_path: Path, ti: TaskInstance) -> None:
    began = time.monotonic()
    with ends(AirflowSkipException, ti, "no export yet"):
        defer(lambda **kwargs: sensor(tmp_path, give_up_after=0.5, soft_fail=True, **kwargs), {"ti": ti})
    assert time.monotonic() - began >= 0.5


def test_a_file_that_is_still_written_is_named_as_not_landed(tmp_path: Path) -> None:
    land(tmp_path)
    event = fire(RedpointExportTrigger(base_path=str(tmp_path), give_up_at=time.time()))
    assert (event["status"], event["asked_in_vain"]) == ("gave_up", False)
    assert "1 is not landed yet: RPI_Export_1.txt" in event["message"]


def test_poking_waits_for_so_long(tmp_path: Path, ti: TaskInstance) -> None:
    with ends(AirflowSkipException, ti, "no export yet"):
        sensor(tmp_path, give_up_after=0.5, soft_fail=True).execute({"ti": ti})


def test_rescheduling_waits_for_so_long(tmp_path: Path, ti: TaskInstance) -> None:
    def execute() -> None:
        sensor(tmp_path, give_up_after=60, soft_fail=True, mode="reschedule", timeout=LONG).execute(
            {"ti": ti}
        )

    with pytest.raises(AirflowRescheduleException):
        execute()
    ti.began = datetime.now(tz=UTC) - timedelta(seconds=61)
    with ends(AirflowSkipException, ti, "no export yet"):
        execute()


@every_mode
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"push_again": True, "offer": "Spring Welcome", "max_exports": 1}, "push_again takes 2 exports"),
        ({"reports_path": "/nowhere\0"}, "is no path: it holds a character that no name can have"),
    ],
)
def test_what_no_retry_can_mend_is_left_for_the_tab(
    tmp_path: Path, ti: TaskInstance, run: Run, given: dict[str, Any], words: str
) -> None:
    land(tmp_path)
    land(tmp_path, "RPI_Export_2.txt")
    with ends(AirflowFailException, ti, words):
        run(
            lambda **kwargs: sensor(tmp_path, settle_seconds=0, soft_fail=True, **given, **kwargs), {"ti": ti}
        )


def test_push_again_without_a_name_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(BrazeSetupError, match="push_again needs an offer"):
        sensor("/data", push_again=True)
    sensor("/data", push_again=True, offer="{{ params.offer }}")
    sensor("/data", push_again="{{ params.push_again }}")
    with pytest.raises(BrazeSetupError, match="give_up_after"):
        sensor("/data", give_up_after="soon")
