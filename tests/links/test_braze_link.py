from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.get_provider_info import get_provider_info
from airflow_provider_braze.links.braze import BrazeDashboardLink
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.users_track.transport.clusters import CLUSTERS, dashboard_of
from tests.connections import connect


class FakeTaskInstance:
    """Takes XComs."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@pytest.mark.parametrize(
    ("endpoint", "dashboard"),
    [
        ("https://rest.iad-01.braze.com", "https://dashboard-01.braze.com"),
        ("https://rest.iad-08.braze.com/", "https://dashboard-08.braze.com"),
        ("https://rest.us-10.braze.com", "https://dashboard.us-10.braze.com"),
        ("https://rest.fra-01.braze.eu", "https://dashboard-01.braze.eu"),
        ("https://REST.fra-02.braze.eu", "https://dashboard-02.braze.eu"),
        ("https://rest.au-01.braze.com", "https://dashboard.au-01.braze.com"),
        ("https://rest.id-01.braze.com", "https://dashboard.id-01.braze.com"),
        ("https://rest.jp-01.braze.com", "https://dashboard.jp-01.braze.com"),
        ("https://rest.kr-01.braze.com", "https://dashboard.kr-01.braze.com"),
        ("http://127.0.0.1:8080", None),
        ("https://rest.iad-01.braze.com.example.org", None),
        ("https://rest.iad-99.braze.com", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_dashboard_of_an_endpoint(endpoint: str, dashboard: str | None) -> None:
    assert dashboard_of(endpoint) == dashboard


def test_every_cluster_has_a_dashboard() -> None:
    assert all(dashboard_of(endpoint) for endpoint in CLUSTERS.values())


def test_a_task_that_fails_has_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host="https://rest.fra-01.braze.eu", key="k")
    operator, ti = BrazeUserTrackOperator(task_id="push", export="/nowhere/at/all.txt"), FakeTaskInstance()
    with pytest.raises(AirflowFailException):
        operator.execute({"ti": ti})  # type: ignore[arg-type,typeddict-item]
    assert ti.pushed[BrazeDashboardLink().xcom_key] == "https://dashboard-01.braze.eu"
    assert BrazeDashboardLink().get_link(operator, ti_key=None) == "https://dashboard-01.braze.eu"  # type: ignore[arg-type]


def test_an_unknown_host_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host="https://braze.example.org", key="k")
    operator, ti = BrazeUserTrackOperator(task_id="push", export="/nowhere/at/all.txt"), FakeTaskInstance()
    with pytest.raises(AirflowFailException):
        operator.execute({"ti": ti})  # type: ignore[arg-type,typeddict-item]
    assert BrazeDashboardLink().xcom_key not in ti.pushed
    assert BrazeDashboardLink().get_link(operator, ti_key=None) == ""  # type: ignore[arg-type]


def test_link_is_declared() -> None:
    (declared,) = get_provider_info()["extra-links"]
    assert declared == f"{BrazeDashboardLink.__module__}.{BrazeDashboardLink.__name__}"
