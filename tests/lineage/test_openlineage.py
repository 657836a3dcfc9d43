"""What a push tells OpenLineage's provider; real events of a real run are in ``tests/system``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow.providers.openlineage")

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests import samples
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

FACET = "braze_push"


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


def told(task: BrazeUserTrackOperator) -> Any:
    try:
        task.execute({})
    except AirflowFailException:
        return task.get_openlineage_facets_on_failure(None)
    return task.get_openlineage_facets_on_complete(None)


def test_an_export_is_the_input_and_the_workspace_the_output(sandbox: SandboxProcess, tmp_path: Path) -> None:
    export = str(samples.EXPORTS[0].land(tmp_path))
    task = BrazeUserTrackOperator(task_id="push", export=export, max_rejected=10_000)

    found = told(task)

    report = task._last.report
    (read,), (written,) = found.inputs, found.outputs
    assert (read.namespace, read.name) == ("file", export)
    assert read.inputFacets["inputStatistics"].rowCount == report["records"]
    assert (written.namespace, written.name) == (f"braze://127.0.0.1:{sandbox.port}", "users.track")
    assert written.outputFacets["outputStatistics"].rowCount == report["accepted"] + report["merged"]
    facet = found.run_facets[FACET]
    assert (facet.records, facet.failed, facet.status) == (report["records"], report["failed"], "complete")
    assert facet.outcomes["accepted"] == report["accepted"]
    assert facet.dataPoints == report["data_points"]
    assert facet.rejectsPath == report["rejects_path"]


def test_a_list_has_an_input_for_each_export(tmp_path: Path) -> None:
    paths = [str(each.land(tmp_path)) for each in samples.EXPORTS[:2]]

    found = told(BrazeUserTrackOperator(task_id="push", export=paths, max_rejected=10_000))

    assert [each.name for each in found.inputs] == paths
    assert found.run_facets[FACET].records == sum(
        each.inputFacets["inputStatistics"].rowCount for each in found.inputs
    )


def test_an_export_that_was_never_read_has_no_count(tmp_path: Path) -> None:
    """One without records has 0; of one that was refused, or had not its turn, nothing is known."""
    empty, damaged, gone = (
        tmp_path / "Braze Append" / "Spring" / "8828" / f"RPI_Export_{n}.txt" for n in (1, 2, 3)
    )
    empty.parent.mkdir(parents=True)
    empty.write_text("external_id,first_name\n")
    damaged.write_bytes(b"PK\x03\x04 no archive")

    found = told(BrazeUserTrackOperator(task_id="push", export=[str(empty), str(damaged), str(gone)]))

    assert [
        each.inputFacets.get("inputStatistics") and each.inputFacets["inputStatistics"].rowCount
        for each in found.inputs
    ] == [0, None, None]
    assert [each.name for each in found.inputs] == [str(empty), str(damaged), str(gone)]


def test_rows_of_ones_own_have_no_input() -> None:
    found = told(
        BrazeUserTrackOperator(task_id="push", attributes=[{"external_id": "P1"}, {}], max_rejected=1)
    )

    assert found.inputs == []
    assert len(found.outputs) == 1
    assert found.run_facets[FACET].outcomes["invalid"] == 1


def test_a_dry_run_writes_nowhere() -> None:
    found = told(BrazeUserTrackOperator(task_id="push", attributes=[{"external_id": "P1"}], dry_run=True))

    assert found.outputs == []
    assert (found.run_facets[FACET].dryRun, found.run_facets[FACET].outcomes["planned"]) == (True, 1)


def test_a_push_that_failed_tells_how_far_it_came(sandbox: SandboxProcess) -> None:
    sandbox.fault(status=403, after=1)
    rows = [{"external_id": f"P{number}"} for number in range(150)]

    found = told(BrazeUserTrackOperator(task_id="push", attributes=rows, max_wait_on_worker=None))

    facet = found.run_facets[FACET]
    assert facet.status == "partial"
    assert "403" in facet.error
    assert sum(facet.outcomes.values()) == facet.records


def test_one_that_failed_before_it_began_names_what_it_was_to_push() -> None:
    task = BrazeUserTrackOperator(task_id="push", export="s3://aws@bucket/rpi/x.txt")

    for found in (task.get_openlineage_facets_on_start(), task.get_openlineage_facets_on_failure(None)):
        assert [(each.namespace, each.name) for each in found.inputs] == [("s3://bucket", "rpi/x.txt")]
        assert (found.outputs, found.run_facets) == ([], {})
