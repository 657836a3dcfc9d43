"""Tell people what became of a push: callbacks for ``BrazeUserTrackOperator``, which read its report.

Give them to the operator, or to all tasks of a DAG by its ``default_args``::

    BrazeUserTrackOperator(..., on_failure_callback=tell_failure, on_success_callback=tell_many_failed)

They hold counts, reasons and links, and no personal data. Put in the place of ``send`` whatever reaches you.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf

TELL_ABOVE = 0.005
"""Share of failed records above which a push that passed is told of: below its own threshold, 1 % by default."""


def send(text: str) -> None:
    """Stand in for a message to a chat, a pager or an e-mail."""
    print(text)


def tell_failure(context: Mapping[str, Any]) -> None:
    """Tell of a push that failed: ``on_failure_callback``."""
    ti = context["ti"]
    # A task that failed returns nothing, but leaves its report; none where it failed before it began.
    report = ti.xcom_pull(task_ids=ti.task_id, key="report", map_indexes=ti.map_index)
    why = context.get("exception") or "see its log"
    send(f"Push failed: {why}\n{in_words(report) if report else 'Nothing was sent.'}\n{card_of(ti)}")


def tell_many_failed(context: Mapping[str, Any]) -> None:
    """Tell of a push that passed with many failed records: ``on_success_callback``."""
    ti = context["ti"]
    report = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
    if report and report["failed"] > TELL_ABOVE * report["records"]:
        share = 100 * report["failed"] / report["records"]
        send(f"{share:.1f} % failed, and the push passed.\n{in_words(report)}\n{card_of(ti)}")


def in_words(report: Mapping[str, Any]) -> str:
    """Say what became of the records, and why some failed."""
    reasons = [f"{count:,} x {reason}" for reason, count in list(report.get("reasons", {}).items())[:3]]
    counts = f"{report['records']:,} records, {report['accepted']:,} accepted, {report['failed']:,} failed"
    return "; ".join([counts, *reasons])


def card_of(ti: Any) -> str:
    """Give the address of the task's card in the Braze tab."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    dag_id, run_id, task_id = (quote(part, safe="") for part in (ti.dag_id, ti.run_id, ti.task_id))
    mapped = f"/mapped/{ti.map_index}" if ti.map_index >= 0 else ""
    return f"{base}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}/plugin/braze_task"
