"""Wait for a sync of Braze's Cloud Data Ingestion.

Above: DAGs. Below: the hook's calls, and the trigger that waits off the worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_braze.airflow_compat import AirflowFailException, AirflowSensorTimeout
from airflow_provider_braze.cdi.syncs import PastSyncs
from airflow_provider_braze.exceptions import BrazeError, BrazeRequestError
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.hooks.cdi import check_id
from airflow_provider_braze.native_rendering import NativeRendering
from airflow_provider_braze.parameters import as_bool, as_optional_text, check_final, is_unset, read_data
from airflow_provider_braze.triggers.cdi import BrazeCdiSyncTrigger, Goal, ended, look
from airflow_provider_braze.wrong_parameter import WrongParameterError

if TYPE_CHECKING:
    from airflow.sdk import Context


class BrazeCdiSyncSensor(NativeRendering, BaseSensorOperator):
    """
    Wait until a sync of a CDI integration has ended, whoever started it.

    Returns what Braze says of it, as ``BrazeCdiSyncOperator`` does. ``partial``, ``error`` and ``config_error`` fail
    the task with the counts.

    :param integration_id: the integration's id. (templated)
    :param started_after: which sync: what ``BrazeCdiSyncOperator(wait=False)`` returns, for the one that it has
        started; or the time of an earlier sync, for the first after it. Without it, the newest there is. (templated)
    :param deferrable: wait in the triggerer (default: Airflow's ``[operators] default_deferrable``).
    :param braze_conn_id: connection of type ``braze``; its key needs ``cdi.integration_job_status``. (templated)
    """

    template_fields: Sequence[str] = ("integration_id", "started_after", "braze_conn_id")
    ui_color = "#d8d0ff"
    custom_operator_name = "BrazeCdiSyncSensor"

    def __init__(
        self,
        *,
        integration_id: str,
        started_after: Any = None,
        deferrable: bool | None = None,
        braze_conn_id: str = BrazeHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.integration_id = integration_id
        self.started_after = started_after
        self.braze_conn_id = braze_conn_id
        default = conf.getboolean("operators", "default_deferrable", fallback=False)
        try:
            self.deferrable = as_bool("deferrable", deferrable, default=default)
            check_final(self, _CHECKS)
        except BrazeError as error:
            raise WrongParameterError(str(error)) from error

    def execute(self, context: Context) -> Any:
        """Wait on the worker, or leave it."""
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        if found.is_done:
            return found.xcom_value
        before = _before(self.started_after)
        self.defer(
            trigger=BrazeCdiSyncTrigger(
                integration_id=check_id(self.integration_id),
                braze_conn_id=BrazeHook(self.braze_conn_id).braze_conn_id,
                goal=_goal(before),
                before=None if before is None else before.as_dict(),
                poll_interval=self.poke_interval,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )
        raise AssertionError("defer has raised")

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's interface
        """Look once."""
        try:
            before = _before(self.started_after)
            hook = BrazeHook(self.braze_conn_id)
            try:
                found = look(hook, check_id(self.integration_id), _goal(before), before)
            except BrazeRequestError as error:
                if not error.retryable:
                    raise
                self.log.warning("Cannot look at the syncs, waiting for better times: %s", error)
                found = None
            return PokeReturnValue(found is not None, found and self._ended(found))
        except BrazeError as error:
            if error.retryable:
                raise
            raise AirflowFailException(str(error)) from error

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Go on after the wait in the triggerer."""
        if event["status"] == "failed":
            raise AirflowFailException(event["message"])
        if event["status"] == "timeout":
            raise AirflowSensorTimeout("The sync has not ended in time.")
        try:
            return self._ended(event)
        except BrazeError as error:
            if error.retryable:
                raise
            raise AirflowFailException(str(error)) from error

    def _ended(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return ended(event, check_id(self.integration_id), self.log)


def _before(value: Any) -> PastSyncs | None:
    """Read ``started_after``; a template leaves the text of a dict."""
    if is_unset(value):
        return None
    if isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = read_data(value) or value
    if isinstance(value, Mapping) and "started_after" in value:
        value = value["started_after"]
    return PastSyncs.read(value)


_CHECKS: Mapping[str, Any] = {
    "integration_id": lambda _, value: check_id(value),
    "started_after": lambda _, value: _before(value),
    "braze_conn_id": as_optional_text,
}


def _goal(before: PastSyncs | None) -> Goal:
    return "newest" if before is None else "started"
