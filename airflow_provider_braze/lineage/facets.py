"""What a push tells OpenLineage: the exports it read, the workspace it wrote to, and what came of it.

Nothing is asked of anybody: all of it is in the report. Imported only when OpenLineage's provider asks.

Above: the operator, where OpenLineage asks it. Below: the names, and the words for outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attr
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.generated.base import RunFacet
from openlineage.client.generated.input_statistics_input_dataset import InputStatisticsInputDatasetFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet

from airflow_provider_braze import __version__
from airflow_provider_braze.lineage.naming import export_name, workspace_name
from airflow_provider_braze.pushes.attempt.reporting import COMPLETE, PLANNED
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES

PUSH_FACET = "braze_push"
_MOST_EXPORTS = 1000
"""Exports of a list that are named as inputs."""

_READ_TO_THE_END = (COMPLETE, PLANNED)


@attr.define
class BrazePushRunFacet(RunFacet):
    """What came of a push, or of all pushes of a list; no personal data."""

    status: str | None = None
    mode: str | None = None
    dryRun: bool = False
    records: int = 0
    outcomes: dict[str, int] = attr.Factory(dict)
    failed: int = 0
    dataPoints: int = 0
    requests: int = 0
    reportPath: str | None = None
    rejectsPath: str | None = None
    rejectsPaths: list[str] = attr.Factory(list)
    shard: str | None = None
    error: str | None = None
    providerVersion: str = __version__


def lineage_of(
    report: Mapping[str, Any] | None, endpoint: str | None, asked: list[str]
) -> OperatorLineage[Any, Any]:
    """Give the lineage of a push.

    :param report: its report; None where it failed before there was one.
    :param endpoint: REST endpoint of the workspace, where it is known.
    :param asked: exports that the task was asked to push, where no report names them.
    """
    report = report or {}
    exports = list(report.get("exports") or ([report] if report.get("export") else []))
    inputs = [_input(each) for each in exports[:_MOST_EXPORTS]] or [
        _named(InputDataset, path) for path in asked[:_MOST_EXPORTS]
    ]
    endpoint = endpoint or report.get("endpoint")
    outputs = [_output(endpoint, report)] if endpoint and not report.get("dry_run") else []
    facets = {PUSH_FACET: _facet(report, exports)} if report else {}
    return OperatorLineage(inputs=inputs, outputs=outputs, run_facets=facets)


def _named(kind: Any, path: str, **more: Any) -> Any:
    namespace, name = export_name(path)
    return kind(namespace=namespace, name=name, **more)


def _input(entry: Mapping[str, Any]) -> Any:
    """Name an export, with what was read of it; of a list, its counts are in the entry's own."""
    path = str(entry.get("path") or entry["export"])
    records = (entry.get("counts") or entry).get("records")
    if not records and entry.get("status") not in _READ_TO_THE_END:
        # It was not its turn, or it was refused or held before its first record: of no rows nothing is known.
        return _named(InputDataset, path)
    statistics = InputStatisticsInputDatasetFacet(rowCount=records, size=entry.get("size"))
    return _named(InputDataset, path, inputFacets={"inputStatistics": statistics})


def _output(endpoint: str, report: Mapping[str, Any]) -> Any:
    namespace, name = workspace_name(endpoint)
    statistics = OutputStatisticsOutputDatasetFacet(
        rowCount=(report.get("accepted") or 0) + (report.get("merged") or 0), size=report.get("bytes")
    )
    return OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": statistics})


def _facet(report: Mapping[str, Any], exports: list[Mapping[str, Any]]) -> BrazePushRunFacet:
    rejects = [str(each["rejects_path"]) for each in exports or [report] if each.get("rejects_path")]
    return BrazePushRunFacet(
        status=report.get("status"),
        mode=report.get("mode"),
        dryRun=bool(report.get("dry_run")),
        records=report.get("records") or 0,
        outcomes={name: report.get(name) or 0 for name in OUTCOMES},
        failed=report.get("failed") or 0,
        dataPoints=report.get("data_points") or 0,
        requests=report.get("requests") or 0,
        reportPath=report.get("report_path"),
        rejectsPath=report.get("rejects_path"),
        rejectsPaths=rejects[:_MOST_EXPORTS],
        shard=report.get("shard"),
        error=report.get("error"),
    )
