"""Push an export, or rows of one's own, to Braze's ``/users/track``.

Above: DAGs. Below: what its parameters ask for, and the pushes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeLongWaitError,
    BrazeSetupError,
    TooManyFailedRecordsError,
)
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.links.braze import BrazeDashboardLink
from airflow_provider_braze.native_rendering import NativeRendering
from airflow_provider_braze.operators.asset_events import tell_assets
from airflow_provider_braze.operators.job_parameters import job_of
from airflow_provider_braze.operators.lineage import PushLineage
from airflow_provider_braze.operators.literals import check_literals
from airflow_provider_braze.operators.progress_writer import ListReportWriter, LongWait, ProgressWriter
from airflow_provider_braze.operators.rows_function import unrendered
from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.operators.what_to_push import push_of
from airflow_provider_braze.parameters import as_optional_text, as_threshold, is_unset
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.attempt.reporting import report_line, too_many_failed, where_to_look
from airflow_provider_braze.pushes.attempt.running import Running
from airflow_provider_braze.pushes.exports.export import ExportPush
from airflow_provider_braze.pushes.exports.export_list import ListPush
from airflow_provider_braze.pushes.exports.list_report import list_report_line
from airflow_provider_braze.pushes.rows.rows import Rows, RowsPush
from airflow_provider_braze.pushes.sources.export_item import AUTO
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.report import ChannelMode, Mode
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.clusters import dashboard_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_braze.users_track.transport.workspace import Workspace

REPORT_KEY = "report"
"""XCom key of the report of a push whose task failed; of any other it is the return value."""

TASK_DOC = """
Pushes exports to Braze, one after the other, and accounts for every record.

* **While it runs:** the log says every few seconds how far it is; the tab *Braze* shows it live on Airflow 3.3.
* **Afterwards:** the tab *Braze*, here and on the run, shows every outcome. *Accepted* means that Braze queued a
  record, no more.
* **Failed records** are in the rejects file, each with its line and reason. Mend it there and push it again: it is
  an export like any other.
* **Clearing this task** pushes all again when all had gone through. When it had stopped midway, what is whole is left
  out, and the export that was under way goes on from its checkpoint on Airflow 3.3, from its start on older ones.
"""
"""Documentation of a task of this kind in Airflow's UI, unless its author writes another."""


class BrazeUserTrackOperator(NativeRendering, PushLineage, BaseOperator):
    """
    Push Redpoint exports, or rows of one's own, to Braze and account for every record.

    Returns the report: ``status``, ``mode``, ``records`` and their outcomes (``accepted``, ``rejected``, ``invalid``,
    ``unknown``, ``not_sent``, ``merged``, ``not_found``, ``planned``, ``unchanged``), ``requests``, ``retries``,
    ``seconds``, ``report_path``, ``rejects_path`` and more. Executing it always pushes, also an export that is
    marked as pushed. ``execute({})`` works in a script, without a running Airflow.

    While it runs, the log has a line every few seconds, and on Airflow 3.3+ ``context["task_state_store"]`` has the
    progress under ``braze_progress``. Assets in ``outlets`` get the report's counts as the ``extra`` of their event.
    Mapped tasks are documented with ``doc_md=TASK_DOC``, which those that are not mapped have by themselves.

    A list is pushed oldest first, or in the given order where there are paths in it. What may pass, such as an answer
    of 500, stops it, and a retry goes on there; an export that is refused for what it is, or fails in every record, is
    set aside, and the task fails in the end. The report of a list has the sums, the worst ``status``, and
    ``exports: [{path, fingerprint, status, counts, report_path, ...}]``.

    :param export: a list of exports, such as ``RedpointExportSensor``'s, which one task pushes in order, or one export:
        its path or URL, an item of the sensor's list, or the rejects file of an earlier push, as written or with cells
        mended: the report beside it supplies everything else. (templated)
    :param attributes: instead of an export: attribute objects, sent as given: a list, a function that returns or
        yields them, or a template that renders to JSON. (templated)
    :param events: likewise, event objects. They are not sent twice unless ``retry_events``; a retry of the task sends
        them again only where nothing is kept of an earlier try (see ``durable``). (templated)
    :param purchases: likewise, purchase objects. (templated)
    :param mode: ``upsert`` creates or updates profiles, ``append`` only touches those that exist; ``auto`` (default)
        takes the item's, or the channel's from ``channel_modes``, and leaves rows of one's own as given. (templated)
    :param channel_modes: channel name to mode (default: ``Braze Append`` and ``Braze Onboarding and Upsert``).
    :param mapping: an ``ExportMapping`` or the equal dict (default: the Redpoint automation's five attributes,
        Braze's standard fields by name, everything else into ``rpi_cdp_attributes``).
    :param dialect: what is known of the file's form: ``delimiter``, ``qualifier``, ``encoding``, ``line_end``,
        ``columns``, ``skip_lines``; what is not given is found out.
    :param reports_path: folder for reports, rejects and markers (default: the item's, or ``_braze`` below the base
        path; rows of one's own have no files by default). (templated)
    :param braze_conn_id: connection of type ``braze``. (templated)
    :param partner: partner name that Braze assigned (default: the connection's).
    :param dry_run: read and check everything, send nothing, report the plan. (templated)
    :param max_rejected: most failed records: an int is a count, a float below 1 a share. By default the task fails
        when more than 1 % of at least 100 records failed, or when some failed and none was accepted. (templated)
    :param max_data_points: refuse the push before the first request when it would cost more. (templated)
    :param retry_events: send events, purchases and increments again after a lost answer. (templated)
    :param shard: ``k/n`` pushes only the users of the k-th of n parts, such as ``1/2`` (default: all). (templated)
    :param confirm: in append mode, look users up through ``/users/export/ids`` first, so that those whom Braze does
        not know are ``not_found``. At 250 look-ups of 50 a minute, a million users take 80 minutes. (templated)
    :param late: what becomes of an export that is older than one which was pushed before through this connection and
        set one of the same fields: ``push`` (default) pushes it and says so, ``hold`` leaves it alone. (templated)
    :param replaced: what becomes of an item whose file is another one than the sensor has found: ``push`` (default)
        pushes what is there now, ``refuse`` does not. (templated)
    :param only_changed: send only values that differ from what Braze accepted last, as the memory in the reports folder
        knows it; a record of which nothing is left is ``unchanged``. Rows need ``reports_path``. (templated)
    :param refresh_after: with it, days after which all of a user is sent again (default 30); None: never. (templated)
    :param always_send: with it, columns or attributes that are never left out: others change them, too. (templated)
    :param memory: ``use`` (default), or ``ignore``: send all for once, and remember it anew. (templated)
    :param memory_path: folder for the memory, instead of one in the reports folder. (templated)
    :param durable: on Airflow 3.3+, keep a checkpoint in the task state store, from which a retry goes on (default).
        A push that went through keeps none, so clearing its task pushes from the start. Rows that a function yields
        are not gone on from.
    :param max_wait_on_worker: seconds (or a timedelta) of wait ordered by Braze beyond which a push leaves its worker
        and goes on after the wait; None waits on the worker, as rows that a function yields always do. (templated)
    :raises BrazeError: what a retry can mend; anything else is an ``AirflowFailException``.
    """

    template_fields: Sequence[str] = (
        "export",
        "attributes",
        "events",
        "purchases",
        "mode",
        "dry_run",
        "reports_path",
        "braze_conn_id",
        "max_rejected",
        "max_data_points",
        "retry_events",
        "confirm",
        "late",
        "replaced",
        "shard",
        "only_changed",
        "refresh_after",
        "always_send",
        "memory",
        "memory_path",
        "max_wait_on_worker",
    )
    ui_color = "#d8d0ff"
    operator_extra_links = (BrazeDashboardLink(),)
    # Subclasses inherit it: by this name the Braze tab finds the pushes of a run.
    custom_operator_name = "BrazeUserTrackOperator"

    def __init__(
        self,
        *,
        export: Any = None,
        attributes: Rows = None,
        events: Rows = None,
        purchases: Rows = None,
        mode: Mode | str = AUTO,
        channel_modes: Mapping[str, ChannelMode] | None = None,
        mapping: ExportMapping | Mapping[str, Any] | None = None,
        dialect: Dialect | Mapping[str, Any] | None = None,
        reports_path: str | None = None,
        braze_conn_id: str = BrazeHook.default_conn_name,
        partner: str | None = None,
        dry_run: bool | str = False,
        max_rejected: int | float | str | None = None,
        max_data_points: int | str | None = None,
        retry_events: bool | str = False,
        confirm: bool | str = False,
        late: Literal["push", "hold"] | str = "push",
        replaced: Literal["push", "refuse"] | str = "push",
        shard: str | None = None,
        only_changed: bool | str = False,
        refresh_after: float | timedelta | str | None = 30,
        always_send: Collection[str] | str | None = None,
        memory: Literal["use", "ignore"] | str = "use",
        memory_path: str | None = None,
        durable: bool = True,
        max_wait_on_worker: float | timedelta | str | None = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"doc_md": TASK_DOC, **kwargs})
        self.export = export
        self.attributes = unrendered(attributes)
        self.events = unrendered(events)
        self.purchases = unrendered(purchases)
        self.mode = mode
        self.channel_modes = channel_modes
        self.mapping, self.dialect = mapping, dialect
        self.reports_path = reports_path
        self.braze_conn_id = braze_conn_id
        self.partner = partner
        # BaseOperator has a method of this name, which only `airflow tasks test --dry-run` calls.
        self.dry_run = dry_run  # type: ignore[method-assign,assignment]
        self.max_rejected = max_rejected
        self.max_data_points = max_data_points
        self.retry_events = retry_events
        self.confirm = confirm
        self.late, self.replaced, self.shard = late, replaced, shard
        self.only_changed = only_changed
        self.refresh_after = refresh_after
        self.always_send = always_send
        self.memory, self.memory_path = memory, memory_path
        self.durable = durable
        self.max_wait_on_worker = max_wait_on_worker
        self._running: ExportPush | RowsPush | ListPush | Running | None = None
        self._last: ExportPush | RowsPush | ListPush | None = None
        self.dashboard_url: str | None = None
        self._pushes_rows = export is None
        check_literals(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Push and return the report."""
        return self._execute(context)

    def resume(
        self,
        context: Context,
        event: Any = None,  # noqa: ARG002
        checkpoint: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Go on after a wait that Braze had ordered; the same try of the task, wherever it runs now."""
        return self._execute(context, checkpoint)

    def on_kill(self) -> None:
        """Stop sending, and leave a true report, before Airflow kills the task."""
        if self._running is not None:
            self._running.stop()

    def _execute(self, context: Context, checkpoint: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._last = None
        try:
            report = self._push(context, checkpoint)
        except BrazeLongWaitError as wait:
            self._leave_the_worker(wait)
        except BrazeError as error:
            self._leave_report(context, error.report)
            if error.retryable:
                raise
            raise AirflowFailException(str(error)) from error
        except BaseException:
            # Above all Airflow's own, when the task takes longer than its execution_timeout.
            self._leave_report(context, self._last and self._last.report)
            raise
        tell_assets(self.outlets, context, report)
        return report

    def _leave_report(self, context: Context, report: Mapping[str, Any] | None) -> None:
        """Leave the report of a task that fails: it returns nothing, yet the next one wants to know."""
        if report is not None and (ti := context.get("ti")) is not None:
            ti.xcom_push(key=REPORT_KEY, value=report)

    def _leave_the_worker(self, wait: BrazeLongWaitError) -> NoReturn:
        until = datetime.now(UTC) + timedelta(seconds=wait.retry_after or 0)
        self.log.info(
            "%s The task goes on at %s UTC, and holds no worker until then.", wait, f"{until:%H:%M:%S}"
        )
        kept = {"checkpoint": wait.checkpoint}
        self.defer(trigger=DateTimeTrigger(moment=until), method_name="resume", kwargs=kept)

    def _push(self, context: Context, checkpoint: Mapping[str, Any] | None) -> dict[str, Any]:
        as_threshold("max_rejected", self.max_rejected)
        # A template of rows may give None, which is no rows; one of an export may not.
        has_rows = any(rows is not None for rows in (self.attributes, self.events, self.purchases))
        if (has_rows or self._pushes_rows) == (self.export is not None):
            raise BrazeSetupError("Give either export, or attributes, events or purchases.")
        self._warn_of_expand(context)
        conn_id = as_optional_text("braze_conn_id", self.braze_conn_id) or BrazeHook.default_conn_name
        workspace = self._workspace(conn_id)
        self._link_dashboard(context, workspace)
        # Airflow has the store from 3.3 on.
        store = StateStore(self.log, context.get("task_state_store"))
        # Stands for the push until there is one: to read the store may take seconds.
        self._running = running = Running()
        try:
            with running.told_apart():
                tell = ListReportWriter(self.log, context.get("ti"), REPORT_KEY)
                job = job_of(self, context, workspace, conn_id, store=store, checkpoint=checkpoint)
                progress = ProgressWriter(
                    self.log,
                    store,
                    _facts(job),
                    also=tell.catch_up,
                    long_wait=LongWait(self.log, self, context),
                )
                push = push_of(self, replace(job, progress=progress), begin=progress.begin, tell=tell)
                self._running = self._last = push
                report = push.execute()
        finally:
            self._running = None
            store.close()
        if isinstance(push, ListPush):
            self.log.info("%s", list_report_line(report))
            tell.end(report)
        else:
            self.log.info("%s", report_line(report))
            _check_threshold(report, job.max_rejected)
        return report

    def _warn_of_expand(self, context: Context) -> None:
        # The second of several says it, so that it is said once, and never of one alone.
        is_second = getattr(context.get("ti"), "map_index", -1) == 1
        if is_second and self.export is not None and is_unset(self.shard):
            self.log.warning(
                ".expand gives each export a task of its own, and nothing keeps these in order when one is retried, "
                "deferred or cleared: it is for exports whose audiences do not overlap. export takes the whole list, "
                "and pushes it oldest first."
            )

    def _link_dashboard(self, context: Context, workspace: Workspace) -> None:
        self.dashboard_url = dashboard_of(workspace.endpoint)
        if self.dashboard_url and (ti := context.get("ti")) is not None:
            # Airflow itself pushes links when a task ends, which a killed one never does.
            ti.xcom_push(key=BrazeDashboardLink().xcom_key, value=self.dashboard_url)

    def _workspace(self, conn_id: str) -> Workspace:
        workspace = BrazeHook(conn_id).workspace
        return workspace.for_partner(self.partner) if self.partner else workspace


def _facts(job: Job) -> dict[str, Any]:
    """Give what whoever looks on wants to know besides the progress."""
    return {
        "braze_conn_id": job.braze_conn_id,
        "dry_run": job.dry_run,
        "endpoint": job.workspace.endpoint,
        "try_number": job.identity.try_number,
        "shard": job.identity.shard,
    }


def _check_threshold(report: dict[str, Any], max_rejected: int | float | None) -> None:
    too_many = None if report["dry_run"] else too_many_failed(report, max_rejected)
    if too_many:
        error = TooManyFailedRecordsError(f"{too_many}. {where_to_look(report)}".rstrip())
        error.report = report
        raise error
