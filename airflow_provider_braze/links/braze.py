"""From a push to the Braze dashboard of its cluster.

Above: the operators. Below: only Airflow's links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class BrazeDashboardLink(BaseOperatorLink):
    """
    Link to the dashboard of the connection's cluster; there is none where Braze documents no dashboard for the host.

    ``BrazeUserTrackOperator`` pushes it as soon as it knows the connection, so that a task that fails or is killed
    has it, too.
    """

    name = "Braze dashboard"

    @property
    def xcom_key(self) -> str:
        """Key of the XCom that the API server reads."""
        return "_link_BrazeDashboardLink"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return what the operator found out while it ran; Airflow asks in the worker, when the task ends."""
        return getattr(operator, "dashboard_url", None) or ""
