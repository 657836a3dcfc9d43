"""Whatever stands in a public parameter: it is used, or a typed error names the parameter, and nothing was sent."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseNotifier

from airflow_provider_braze.airflow_compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.notifications.braze import BrazePushNotifier
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.cdi import BrazeCdiSyncOperator
from airflow_provider_braze.operators.users import BrazeUsersOperator
from airflow_provider_braze.sensors.cdi import BrazeCdiSyncSensor
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from tests.connections import connect
from tests.operators.test_list import TaskDeferred
from tests.sandbox_process import SandboxProcess

ODD: tuple[Any, ...] = (
    *(None, "", "  ", "None", "x", "\ud800", "1e300", "nan", b"x"),
    *(True, 0, 5, -1, 1.5, float("nan"), float("inf"), 1e300, 10**400),
    *([], [None], {}, {"a": 1}, {1: 2}, set(), {1}, (), object()),
    *(datetime(2026, 1, 1), timedelta(5)),
)
ALSO_EXPECTED = (AirflowSkipException, AirflowSensorTimeout, TaskDeferred)
INTEGRATION = "00000000-0000-0000-0000-000000000000"
ALIAS = {"alias_name": "a", "alias_label": "b"}
ROWS = [{"external_id": "U1", "x": 1}]

CALLS: dict[str, dict[str, Any]] = {
    "track_users": {"attributes": ROWS},
    "export_users": {"external_ids": ["U1"], "fields_to_export": ["external_id"]},
    "delete_users": {"external_ids": ["U1"]},
    "identify_users": {"aliases_to_identify": [{"external_id": "a", "user_alias": ALIAS}]},
    "new_user_aliases": {"user_aliases": [ALIAS]},
    "update_user_aliases": {
        "alias_updates": [{"alias_label": "b", "old_alias_name": "a", "new_alias_name": "c"}]
    },
    "merge_users": {
        "merge_updates": [
            {"identifier_to_merge": {"external_id": "a"}, "identifier_to_keep": {"external_id": "b"}}
        ]
    },
    "set_subscription_status": {
        "subscription_group_id": "g",
        "subscription_state": "subscribed",
        "emails": ["a@example.com"],
    },
    "list_campaigns": {},
    "list_canvases": {},
    "list_segments": {},
    "campaign_details": {"campaign_id": "c"},
    "canvas_details": {"canvas_id": "c"},
    "segment_details": {"segment_id": "s"},
    "list_cdi_syncs": {"integration_id": INTEGRATION},
    "start_cdi_sync": {"integration_id": INTEGRATION},
    "run": {"endpoint": "/users/track", "data": {"attributes": ROWS}, "params": None},
    "answer_to": {"endpoint": "/users/track", "data": {"attributes": ROWS}},
}
SAID_OTHERWISE = ("objects in all", "is no path", "set mode")
"""Of several parameters together, or of the value."""


def parameters(call: Callable[..., Any], more: Iterable[str] = ()) -> list[str]:
    """Name what can be given."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = [each.name for each in inspect.signature(call).parameters.values() if each.kind in kinds]
    return [*dict.fromkeys([*found, *more])]


def check_each(
    sandbox: SandboxProcess,
    make: Callable[..., Any],
    given: Mapping[str, Any],
    name: str,
    then: Callable[[Any], Any] = lambda made: made,
) -> None:
    """Give each odd value for one parameter."""
    for odd in ODD:
        before = sandbox.stats()["requests"]
        ended = outcome(lambda odd=odd: then(make(**{**given, name: odd})))
        if ended is None or isinstance(ended, ALSO_EXPECTED):
            continue
        ours = ended.__cause__ if isinstance(ended, AirflowFailException) and ended.__cause__ else ended
        assert isinstance(ours, BrazeError), f"{name}={odd!r}: {ended!r}"
        if isinstance(ours, BrazeSetupError):
            assert any(each in str(ours) for each in (name, *SAID_OTHERWISE)), f"{name}={odd!r}: {ours}"
            assert sandbox.stats()["requests"] == before, f"{name}={odd!r} was sent"


def outcome(call: Callable[[], Any]) -> BaseException | None:
    """Give what a call raises; to be deferred is no ``Exception``."""
    try:
        call()
    except (Exception, TaskDeferred) as error:
        return error
    return None


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, tmp_path: Path) -> None:
    connect(monkeypatch, sandbox)
    # Some values are the names of folders.
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def export(tmp_path: Path) -> str:
    path = tmp_path / "rpi" / "Braze Onboarding and Upsert" / "Spring" / "8828" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("external_id,first_name\nU1,Ann\n")
    os.utime(path, (1, 1))
    return str(path)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (method, name)
        for method in CALLS
        for name in parameters(getattr(BrazeHook, method), CALLS[method])[1:]
    ],
)
def test_of_a_call_of_the_hook(sandbox: SandboxProcess, method: str, name: str) -> None:
    def call(**given: Any) -> None:
        found = getattr(BrazeHook(), method)(**given)
        if inspect.isgenerator(found):
            list(found)

    check_each(sandbox, call, CALLS[method], name)


@pytest.mark.parametrize("name", parameters(BrazeHook.__init__)[1:])
def test_of_the_hook(sandbox: SandboxProcess, name: str) -> None:
    check_each(sandbox, BrazeHook, {}, name, lambda hook: hook.workspace)


MOST = {"max_rejected": 1000}
OF_AN_EXPORT = {"export", "mapping", "dialect", "channel_modes", "late", "confirm", "replaced", "column"}
OF_ROWS = {"attributes", "events", "purchases", "rows"}


@pytest.mark.parametrize("name", parameters(BrazeUserTrackOperator.__init__)[1:])
def test_of_a_push(sandbox: SandboxProcess, export: str, name: str) -> None:
    if name not in OF_ROWS:
        given = {"task_id": "push", "export": export, **MOST}
        check_each(sandbox, BrazeUserTrackOperator, given, name, lambda task: task.execute({}))
    if name not in OF_AN_EXPORT:
        given = {"task_id": "push", **({} if name in OF_ROWS else {"attributes": ROWS}), **MOST}
        check_each(sandbox, BrazeUserTrackOperator, given, name, lambda task: task.execute({}))


@pytest.mark.parametrize("name", parameters(BrazeUsersOperator.__init__)[1:])
def test_of_actions_on_users(sandbox: SandboxProcess, export: str, name: str) -> None:
    common = {"task_id": "delete", "action": "delete", "expect_at_most": 10, **MOST}
    if name not in OF_ROWS:
        given = {**common, "export": export}
        check_each(sandbox, BrazeUsersOperator, given, name, lambda task: task.execute({}))
    if name not in OF_AN_EXPORT:
        given = {**common, "rows": ["U1"]}
        check_each(sandbox, BrazeUsersOperator, given, name, lambda task: task.execute({}))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in (BrazeCdiSyncOperator, BrazeCdiSyncSensor)
        for name in parameters(kind.__init__)[1:]
    ],
)
def test_of_a_sync(sandbox: SandboxProcess, kind: Any, name: str) -> None:
    given = {"task_id": "sync", "integration_id": INTEGRATION, "timeout": 0}
    check_each(sandbox, kind, given, name, lambda task: task.execute({}))


@pytest.mark.parametrize("name", parameters(RedpointExportSensor.__init__)[1:])
def test_of_the_sensor(sandbox: SandboxProcess, export: str, name: str) -> None:
    given = {"task_id": "find", "base_path": str(Path(export).parents[3]), "timeout": 0, "only_new": False}
    check_each(sandbox, RedpointExportSensor, given, name, lambda task: task.execute({}))


@pytest.mark.parametrize(
    "name",
    [
        *parameters(RedpointExportTrigger.__init__)[1:],
        *(
            name
            for name in parameters(RedpointExportSensor.__init__)[2:]
            if name not in ("deferrable", "give_up_after")
        ),
    ],
)
def test_of_the_watcher(sandbox: SandboxProcess, name: str) -> None:
    check_each(sandbox, RedpointExportTrigger, {"base_path": "/mnt/rpi"}, name)


class Silent(BaseNotifier):
    def notify(self, context: Any) -> None: ...


@pytest.mark.parametrize("name", parameters(BrazePushNotifier.__init__)[1:])
def test_of_the_notifier(sandbox: SandboxProcess, name: str) -> None:
    check_each(
        sandbox,
        lambda **given: BrazePushNotifier(Silent(), **given),
        {},
        name,
        lambda notifier: notifier.notify({}),
    )
