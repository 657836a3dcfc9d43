"""What OpenLineage's provider asks an operator, where it is installed; else nobody calls any of this.

Above: the operator, of which it is a part. Below: the facets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.pushes.exports.given_exports import check, flatten, is_list, path_of

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


class PushLineage:
    """Tells of a push: the exports as inputs, the workspace as output, and what came of it."""

    export: Any
    _last: Any

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Name the exports that are to be pushed."""
        from airflow_provider_braze.lineage.facets import lineage_of

        return lineage_of(None, None, _paths(self.export))

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002
        """Tell of a push that went through."""
        from airflow_provider_braze.lineage.facets import lineage_of

        report = self._last.report if self._last is not None else None
        return lineage_of(report, None, _paths(self.export))

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell how far a push came that failed."""
        return self.get_openlineage_facets_on_complete(task_instance)


def _paths(export: Any) -> list[str]:
    """Give the paths of what is to be pushed; none where that cannot be read, which the push itself says."""
    if export is None:
        return []
    try:
        return [path_of(each) for each in (flatten(export) if is_list(export) else [check(export)])]
    except (BrazeError, TypeError, ValueError):
        return []
