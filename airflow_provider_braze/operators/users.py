"""Delete, identify, merge and subscribe users.

Above: DAGs. Below: the actions on users, from rows to report.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError, TooManyFailedRecordsError
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.links.braze import BrazeDashboardLink
from airflow_provider_braze.native_rendering import NativeRendering
from airflow_provider_braze.operators.asset_events import tell_assets
from airflow_provider_braze.operators.braze import REPORT_KEY
from airflow_provider_braze.operators.job_parameters import push_identity
from airflow_provider_braze.operators.rows_function import rows_of, unrendered
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_path,
    as_optional_text,
    as_optional_whole_number,
    as_threshold,
    check_final,
    is_final,
    is_unset,
    read_data,
)
from airflow_provider_braze.pushes.attempt.reporting import (
    counts_line,
    too_many_failed,
    where_or_why,
    where_to_look,
)
from airflow_provider_braze.pushes.exports.given_exports import Export, check, is_list
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.user_actions.actions import ACTIONS
from airflow_provider_braze.user_actions.delivery import Reply
from airflow_provider_braze.user_actions.given import IDENTIFIER, ActionRows, ExportGiven
from airflow_provider_braze.user_actions.run import UserActionRun
from airflow_provider_braze.users_track.transport.clusters import dashboard_of
from airflow_provider_braze.wrong_parameter import WrongParameterError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_braze.pushes.rows.given_rows import Rows


class BrazeUsersOperator(NativeRendering, BaseOperator):
    """
    Delete, identify or merge users, name their aliases, or set their subscription status, 50 rows a request.

    Returns the report: ``status``, ``action``, ``records`` and their outcomes as a push has them, ``requests``,
    ``retries``, ``seconds``, ``report_path``, ``rejects_path``, ``failed_rows`` and more. ``accepted`` means that Braze
    queued it. ``execute({})`` works in a script. A retry of the task sends all rows again, which changes nothing for
    those that had gone through.

    :param action: ``delete``, ``identify``, ``alias_new``, ``alias_update``, ``merge`` or ``subscription_status``.
        (templated)
    :param rows: a list, a function that returns or yields rows, or a template that renders to JSON. A text among them
        is an external id; docs/users.md says which fields a row of each action has. (templated)
    :param export: instead of rows: the path of an export or of a rejects file, or an item of the sensor's list.
        (templated)
    :param column: of the export: the column with the external ids (default ``external_id``), or a dict that says for
        each field of a row which column holds it. (templated)
    :param common_fields: fields of every row that does not have them itself, such as the subscription group.
        (templated)
    :param expect_at_most: refuse to begin when there are more rows; ``delete`` needs it, unless ``dry_run`` is on.
        (templated)
    :param dry_run: check every row, send nothing, report the plan. (templated)
    :param dialect: what is known of the export's form.
    :param reports_path: folder for report and rejects (default: no files). (templated)
    :param memory_path: folder of the memory of ``only_changed``, where the pushes name one: who is deleted, merged or
        identified is forgotten there (default: in the reports folder). (templated)
    :param braze_conn_id: connection of type ``braze``. (templated)
    :param max_rejected: most failed rows, as ``BrazeUserTrackOperator`` takes it. (templated)
    :raises BrazeError: what a retry can mend; anything else is an ``AirflowFailException``.
    """

    template_fields: Sequence[str] = (
        "action",
        "rows",
        "export",
        "column",
        "common_fields",
        "expect_at_most",
        "dry_run",
        "reports_path",
        "memory_path",
        "braze_conn_id",
        "max_rejected",
    )
    ui_color = "#d8d0ff"
    operator_extra_links = (BrazeDashboardLink(),)
    # Subclasses inherit it: by this name the Braze tab finds its tasks.
    custom_operator_name = "BrazeUsersOperator"

    def __init__(
        self,
        *,
        action: str,
        rows: Rows = None,
        export: Any = None,
        column: str | Mapping[str, str] | None = None,
        common_fields: Mapping[str, Any] | None = None,
        expect_at_most: int | str | None = None,
        dry_run: bool | str = False,
        dialect: Dialect | Mapping[str, Any] | None = None,
        reports_path: str | None = None,
        memory_path: str | None = None,
        braze_conn_id: str = BrazeHook.default_conn_name,
        max_rejected: int | float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.action = action
        self.rows = unrendered(rows)
        self.export = export
        self.column = column
        self.common_fields = common_fields
        self.expect_at_most = expect_at_most
        # BaseOperator has a method of this name, which only `airflow tasks test --dry-run` calls.
        self.dry_run = dry_run  # type: ignore[method-assign,assignment]
        self.dialect = dialect
        self.reports_path = reports_path
        self.memory_path = memory_path
        self.braze_conn_id = braze_conn_id
        self.max_rejected = max_rejected
        self._running: UserActionRun | None = None
        self.dashboard_url: str | None = None
        try:
            _check_literals(self)
        except BrazeError as error:
            raise WrongParameterError(str(error)) from error

    def execute(self, context: Context) -> dict[str, Any]:
        """Do it, and return the report."""
        run: UserActionRun | None = None
        try:
            self._running = run = self._run(context)
            report = run.execute()
            said = f"{counts_line(report)}. {where_or_why(report)}".rstrip()
            self.log.info("%s %s: %s", self.action, report["status"], said)
            _check_threshold(report, run.max_rejected)
        except BrazeError as error:
            self._leave_report(context, error.report)
            if error.retryable:
                raise
            raise AirflowFailException(str(error)) from error
        except BaseException:
            self._leave_report(context, run.report if run else None)
            raise
        finally:
            self._running = None
        tell_assets(self.outlets, context, report)
        return report

    def on_kill(self) -> None:
        """Stop sending, and leave a true report, before Airflow kills the task."""
        if self._running is not None:
            self._running.stop()

    def _run(self, context: Context) -> UserActionRun:
        action, dry_run = _action(self.action), as_bool("dry_run", self.dry_run, default=False)
        expected = as_optional_whole_number("expect_at_most", self.expect_at_most)
        _check_bound(action, expected, dry_run)
        hook = BrazeHook(self.braze_conn_id)
        self.dashboard_url = dashboard_of(hook.workspace.endpoint)
        if self.dashboard_url and (ti := context.get("ti")) is not None:
            ti.xcom_push(key=BrazeDashboardLink().xcom_key, value=self.dashboard_url)
        return UserActionRun(
            action=action,
            rows=self._rows(),
            workspace=hook.workspace,
            post=_InThreads(hook).post,
            braze_conn_id=hook.braze_conn_id,
            identity=push_identity(context, self.task_id),
            expect_at_most=expected,
            dry_run=dry_run,
            reports_path=as_optional_path("reports_path", self.reports_path),
            memory_path=as_optional_path("memory_path", self.memory_path),
            max_rejected=as_threshold("max_rejected", self.max_rejected),
            say=self.log.info,
        )

    def _rows(self) -> ActionRows | ExportGiven:
        common = _mapping("common_fields", self.common_fields)
        if self.export is None:
            return ActionRows(rows_of(self.rows), common)
        dialect = self.dialect if isinstance(self.dialect, Dialect) else Dialect.from_dict(self.dialect or {})
        return ExportGiven(_one(self.export), _columns(self.column), common, dialect)

    def _leave_report(self, context: Context, report: Mapping[str, Any] | None) -> None:
        if report is not None and (ti := context.get("ti")) is not None:
            ti.xcom_push(key=REPORT_KEY, value=report)


class _InThreads(threading.local):
    """A hook that several threads send through, each with sockets of its own; the connection is read once."""

    def __init__(self, hook: BrazeHook) -> None:
        self._own = copy.copy(hook)
        self._own.__dict__.pop("session", None)

    def post(self, endpoint: str, body: dict[str, Any]) -> Reply:
        """Send one request, once."""
        return self._own.post(endpoint, body)


def _action(value: Any) -> str:
    text = as_optional_text("action", value)
    if text is None or text not in ACTIONS:
        raise BrazeSetupError(f"action must be one of {', '.join(ACTIONS)}, not {value!r}.")
    return text


def _mapping(name: str, value: Any) -> dict[str, Any]:
    """Read a dict, or the text of one as a template leaves it."""
    if is_unset(value):
        return {}
    found = read_data(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise BrazeSetupError(f"{name} must be a dict, or a template that renders to JSON, not {value!r}.")
    return dict(found)


def _columns(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping) or str(value).lstrip().startswith("{"):
        value = _mapping("column", value)
        if not value or not all(
            isinstance(each, str) and each.strip() for pair in value.items() for each in pair
        ):
            raise BrazeSetupError(f"column must name a column for each field, not {value!r}.")
        return dict(value)
    return {IDENTIFIER: as_optional_text("column", value) or IDENTIFIER}


def _one(export: Any) -> Export:
    if is_list(export):
        raise BrazeSetupError(
            "export is a list, and BrazeUsersOperator takes one export: give one item of it, or each a task of its own "
            "with .partial(...).expand(export=...)."
        )
    return check(export)


def _check_bound(action: str, expected: int | None, dry_run: bool) -> None:
    if action == "delete" and expected is None and not dry_run:
        raise BrazeSetupError(
            "delete needs expect_at_most: deleted users cannot be brought back. Give the most rows that you expect; "
            "with more, nothing is sent."
        )


def _check_literals(task: BrazeUsersOperator) -> None:
    """Check every parameter that is what it will be when the task runs."""
    if (task.rows is None) == (task.export is None):
        raise BrazeSetupError("Give either rows, or export.")
    if task.column is not None and task.export is None:
        raise BrazeSetupError("column is of an export: rows have their fields themselves.")
    checks: Mapping[str, Callable[[str, Any], Any]] = {
        "action": lambda _, value: _action(value),
        "column": lambda _, value: _columns(value),
        "common_fields": _mapping,
        "expect_at_most": as_optional_whole_number,
        "dry_run": lambda name, value: as_bool(name, value, default=False),
        "reports_path": as_optional_path,
        "memory_path": as_optional_path,
        "braze_conn_id": as_optional_text,
        "max_rejected": as_threshold,
        "export": lambda _, value: value is None or _one(value),
    }
    check_final(task, checks)
    if not isinstance(task.dialect, Dialect):
        Dialect.from_dict(task.dialect or {})
    if is_final(task.action) and is_final(task.dry_run):
        dry_run = as_bool("dry_run", task.dry_run, default=False)
        # What is given as a template may be empty when it is rendered, which is looked at then.
        _check_bound(task.action, None if task.expect_at_most is None else 0, dry_run)


def _check_threshold(report: dict[str, Any], max_rejected: int | float | None) -> None:
    too_many = None if report["dry_run"] else too_many_failed(report, max_rejected)
    if too_many:
        error = TooManyFailedRecordsError(f"{too_many}. {where_to_look(report)}".rstrip())
        error.report = report
        raise error
