"""Rows that mapped upstream tasks have returned: a retry knows them again, so that no event is sent twice."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.pushes.rows.given_rows import GivenRows
from airflow_provider_braze.storage.reports.reports_folder import PushIdentity
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import rows_push
from tests.sandbox_process import SandboxProcess

lazy_sequence = pytest.importorskip("airflow.sdk.execution_time.lazy_sequence")
xcom_arg = pytest.importorskip("airflow.sdk.definitions.xcom_arg")

ROWS = [{"external_id": f"U{n}", "name": f"event {n}", "time": "2026-03-01T12:00:00Z"} for n in range(12)]


class Fetched(lazy_sequence.LazyXComSequence):  # type: ignore[misc]
    """Airflow's own class, without the supervisor that it asks for each item."""

    def __init__(self) -> None:
        super().__init__(xcom_arg=None, ti=None)
        self.asked = 0

    def __len__(self) -> int:
        return len(ROWS)

    def __getitem__(self, at: Any) -> Any:
        self.asked += 1
        return ROWS[at]


def same(row: Any) -> Any:
    return row


class Called(list[Any]):
    """What is data, though it could be called as well."""

    def __call__(self) -> Any:
        raise AssertionError("it is no function")


SEQUENCES = {
    "could be called": lambda: Called(ROWS),
    "mapped": Fetched,
    ".map": lambda: xcom_arg._MapResult(Fetched(), [same]),
    ".zip": lambda: xcom_arg._MapResult(
        xcom_arg._ZipResult([Fetched(), Fetched()], fillvalue=None), [lambda pair: pair[0]]
    ),
    ".concat": lambda: xcom_arg._ConcatResult([Fetched(), []]),
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_they_are_data(kind: str) -> None:
    found = GivenRows.read({"events": SEQUENCES[kind]()})
    assert found.digest() == GivenRows.read({"events": ROWS}).digest()
    assert [row.content for row in found.rows(with_cells=False)] == ROWS


def test_each_is_fetched_once() -> None:
    fetched = Fetched()
    found = GivenRows.read({"events": fetched})
    for _ in range(3):
        found.digest()
        list(found.rows(with_cells=True))
    assert fetched.asked <= len(ROWS) + 1


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_retry_sends_nothing_twice(sandbox: SandboxProcess, kind: str) -> None:
    kept: list[Any] = []

    def push(**given: Any) -> dict[str, Any]:
        return rows_push(
            workspace=Workspace(endpoint=sandbox.url, api_key=sandbox.key),
            braze_conn_id="braze_default",
            identity=PushIdentity(run_id="run-1"),
            events=SEQUENCES[kind](),
            save=kept.append,
            **given,
        ).execute()

    push()
    # As if the worker had been killed after its first checkpoint, which said that all may go.
    report = push(checkpoint=kept[0])
    assert (report["accepted"], report["unknown"]) == (0, len(ROWS))
    assert sandbox.stats()["requests"] == 1
