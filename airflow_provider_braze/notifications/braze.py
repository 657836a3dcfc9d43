"""Tell people of pushes, through Airflow's own notifiers.

Above: callbacks of DAGs. Below: which complaints a report gives cause for.
"""

from __future__ import annotations

import copy
import hashlib
import html
import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from airflow.configuration import conf
from airflow.sdk import BaseNotifier

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.notifications.complaints import Thresholds, outcome_line
from airflow_provider_braze.operators.braze import REPORT_KEY, BrazeUserTrackOperator
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_number,
    as_optional_text,
    as_optional_whole_number,
)

_FIELDS = {
    "subject": "{{ braze.subject }}",
    "html_content": "{{ braze.html }}",
    "text": "{{ braze.text }}",
    # Of an e-mail: mailboxes show what refers to the same as one conversation.
    "custom_headers": {"References": "<{{ braze.thread }}@airflow-provider-braze>"},
}
"""What the common notifiers call their parts; one that its author has filled in stays as it is."""


WAIT_KEY = "braze_wait_told"
"""XCom key, and key of the task state store, of the minutes of a wait for Braze that was told while it lasted."""


_GOES_ON = "This goes on from the message that a push waited for Braze."

_MOST_CHARACTERS = 2000
"""Of an error: some messengers refuse a long text."""

_ENDS = ("on_success_callback", "on_failure_callback")


class Message(NamedTuple):
    """One message, as templates see it: ``{{ braze.subject }}`` and its like.

    :param thread: the same for all that is told of one run, and of no other.
    """

    subject: str
    text: str
    html: str
    link: str
    thread: str


class _Push(NamedTuple):
    """The push of one task, and its report, where it came as far as one."""

    task_id: str
    report: Mapping[str, Any]


class BrazePushNotifier(BaseNotifier):
    """
    Tell of pushes that somebody should look at, through other notifiers such as Airflow's for e-mail and Slack.

    As ``on_success_callback`` and ``on_failure_callback`` of a DAG it sends one message a run about all of its pushes,
    and none where all went well; as those of a task, one about its push. A failure is always told. That a push waits
    long for Braze is told at once, while it waits, and once a run. That is then the run's message: what comes of it is
    told only where that is bad news, and as that message going on: it says so, and mailboxes show both as one.

    Each notifier is given the message where its author has not filled in ``subject``, ``html_content`` or ``text``; any
    other field may be a template with ``{{ braze.subject }}``, ``{{ braze.text }}``, ``{{ braze.html }}``,
    ``{{ braze.link }}`` and ``{{ braze.thread }}``, which is the same for all that is told of a run. No
    personal data is in it.

    :param notifiers: through which the message goes, such as ``SmtpNotifier(to="...")``.
    :param failed_share: tell when a larger share of the records failed (default 0.005); None for never.
    :param data_points: tell when a push cost more; None (default) for never.
    :param late: tell of exports that came late (default).
    :param set_aside: tell of exports that were set aside (default).
    :param wait_minutes: tell when a push waits longer for Braze's limit (default 10); None for never.
    :param base_url: address of Airflow's UI for the link to the Braze tab (default: ``[api] base_url``).
    :raises BrazeSetupError: when the DAG is parsed: a parameter is wrong.
    """

    template_fields = ()

    def __init__(
        self,
        *notifiers: BaseNotifier,
        failed_share: float | None = 0.005,
        data_points: int | None = None,
        late: bool = True,
        set_aside: bool = True,
        wait_minutes: float | None = 10,
        base_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not notifiers or not all(isinstance(each, BaseNotifier) for each in notifiers):
            raise BrazeSetupError(
                "BrazePushNotifier sends through other notifiers: give at least one, such as SmtpNotifier(to=...)."
            )
        share = as_optional_number("failed_share", failed_share)
        if share is not None and share >= 1:
            raise BrazeSetupError(f"failed_share must be a share below 1 such as 0.05, not {failed_share!r}.")
        self.notifiers = notifiers
        self.base_url = as_optional_text("base_url", base_url)
        self.bounds = Thresholds(
            failed_share=share,
            data_points=as_optional_whole_number("data_points", data_points),
            late=as_bool("late", late),
            set_aside=as_bool("set_aside", set_aside),
            wait_minutes=as_optional_number("wait_minutes", wait_minutes),
        )

    def notify(self, context: Any) -> None:
        """Send one message, if there is something to tell.

        :raises Exception: what a notifier raised, after all others had their turn.
        """
        message = self.message(context)
        if message is not None:
            self._send(context, message)

    def tell_wait(self, context: Mapping[str, Any], seconds: float) -> bool:
        """Tell of a push that waits for Braze while it does, once a run; the operator calls it.

        :param context: of the task that pushes.
        :param seconds: for which it has waited, and is to wait.
        :return: whether it is told now, and need not be told again.
        """
        waits, ti = self.bounds.wait(seconds), context.get("ti")
        if waits is None or ti is None:
            return False
        if self._wait_is_told(context):
            return True
        minutes = _told_before(context)
        if minutes is None:
            lines = [
                f"{ti.task_id} waits {waits}, and goes on by itself.",
                "Nothing is lost, and nothing need be done.",
            ]
            self._send(context, self._message(context, "a push waits", lines))
            minutes = round(seconds / 60)
            _keep_told(context, minutes)
        ti.xcom_push(key=WAIT_KEY, value=minutes)
        return True

    def _wait_is_told(self, context: Mapping[str, Any]) -> bool:
        """Whether a message of this run told of a wait: of any push where this is a callback of the DAG."""
        ti, dag = context.get("ti"), context.get("dag")
        if ti is None:
            return False
        names = {ti.task_id}
        if _is_of_a_run(context) or any(
            each is self for name in _ENDS for each in _as_list(getattr(dag, name, None))
        ):
            names |= {task.task_id for task in _push_tasks(dag)}
        return any(_has_told(ti, name) for name in names)

    def _send(self, context: Mapping[str, Any], message: Message) -> None:
        troubles = []
        for notifier in map(_filled, self.notifiers):
            try:
                notifier({**context, "braze": message._asdict()})
            except Exception as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def message(self, context: Mapping[str, Any]) -> Message | None:
        """Say what there is to tell; None where all went well."""
        pushes = list(_pushes_of(context))
        told = self._wait_is_told(context)
        lines = []
        for push in pushes:
            complaints = list(self.bounds.complaints(push.report, wait_told=told))
            if complaints:
                lines += [
                    f"{push.task_id}: {outcome_line(push.report)}",
                    *(f"- {each}" for each in complaints),
                ]
        failure = _failure(context)
        if failure:
            lines.insert(0, failure)
            if not pushes:
                lines.append("Nothing was pushed.")
            elif len(lines) == 1:
                lines += [f"{push.task_id}: {outcome_line(push.report)}" for push in pushes]
        if not lines:
            return None
        if told:
            lines.append(_GOES_ON)
        return self._message(context, "failed" if failure else "to be looked at", lines)

    def _message(self, context: Mapping[str, Any], what: str, lines: list[str]) -> Message:
        dag_id, run_id = _run_of(context)
        link, thread = self._link(context), hashlib.sha256(f"{dag_id}\n{run_id}".encode()).hexdigest()[:32]
        subject = f"Braze pushes of {dag_id or 'a DAG'}: {what}"
        text = "\n".join([*lines, link] if link else lines)
        written = "<br>\n".join(map(html.escape, lines))
        if link:
            written += f'<br>\n<a href="{html.escape(link)}">{html.escape(link)}</a>'
        return Message(subject, text, f"<p>{written}</p>", link, f"braze-{thread}")

    def _link(self, context: Mapping[str, Any]) -> str:
        """Give the address of the Braze tab, of the run or of the task."""
        base = (self.base_url or conf.get("api", "base_url", fallback="") or "").rstrip("/")
        ti = context.get("ti")
        dag_id, run_id = _run_of(context)
        if not (base and dag_id and run_id):
            return ""
        run = f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
        if ti is None or _is_of_a_run(context):
            return f"{run}/plugin/braze"
        map_index = getattr(ti, "map_index", None)
        mapped = f"/mapped/{map_index}" if isinstance(map_index, int) and map_index >= 0 else ""
        return f"{run}/tasks/{quote(ti.task_id, safe='')}{mapped}/plugin/braze_task"


def _run_of(context: Mapping[str, Any]) -> tuple[str, str]:
    """Give DAG id and run id; what is not known is empty."""
    ti = context.get("ti")
    dag_id = getattr(ti, "dag_id", None) or getattr(context.get("dag"), "dag_id", None)
    return str(dag_id or ""), str(getattr(ti, "run_id", None) or context.get("run_id") or "")


def _told_before(context: Mapping[str, Any]) -> Any:
    """Give the minutes of a wait that an earlier try told of: each try begins without the XComs of the one before.

    A store that cannot be asked keeps nobody from being told.
    """
    if (store := context.get("task_state_store")) is not None:
        with suppress(Exception):
            return store.get(WAIT_KEY)
    return None


def _keep_told(context: Mapping[str, Any], minutes: int) -> None:
    if (store := context.get("task_state_store")) is not None:
        with suppress(Exception):
            store.set(WAIT_KEY, minutes)


def _filled(notifier: BaseNotifier) -> BaseNotifier:
    """Give a copy, because rendering changes it for good, with the message where nothing was filled in."""
    notifier = copy.copy(notifier)
    known = inspect.signature(type(notifier).__init__).parameters
    for name, template in _FIELDS.items():
        if name in known and getattr(notifier, name, "") in (None, known[name].default):
            setattr(notifier, name, template)
    return notifier


def _is_of_a_run(context: Mapping[str, Any]) -> bool:
    """Whether it is the callback of a DAG: Airflow gives these a reason, and callbacks of tasks none."""
    return "reason" in context


def _failure(context: Mapping[str, Any]) -> str | None:
    """Say that the run or the task failed, if it did."""
    if _is_of_a_run(context):
        # Airflow's words for a run that went well: "success"; any other names what went wrong.
        reason = str(context["reason"] or "")
        return None if reason in ("", "success") else f"The run failed ({reason})."
    error = context.get("exception")
    return f"The push failed: {_words_of(error)}" if error is not None else None


def _words_of(error: Any) -> str:
    """Say what went wrong. Only our own errors quote nobody: a function that gives rows may raise with a row in it."""
    ours = error
    # What no retry can mend is Airflow's error, with ours as its cause, whose words it has.
    while ours is not None and not isinstance(ours, BrazeError):
        ours = getattr(ours, "__cause__", None)
    return f"{type(error).__name__}; its log says more." if ours is None else str(ours)[:_MOST_CHARACTERS]


def _pushes_of(context: Mapping[str, Any]) -> Iterator[_Push]:
    """Find the reports: of all pushes of the run, or of the task's own."""
    ti = context.get("ti")
    if ti is None:
        return
    if not _is_of_a_run(context):
        map_index = getattr(ti, "map_index", -1)
        yield from _reports(ti, ti.task_id, map_indexes=-1 if map_index is None else map_index)
        return
    for task in _push_tasks(context.get("dag")):
        yield from _reports(ti, task.task_id)


def _push_tasks(dag: Any) -> Iterator[Any]:
    for task in getattr(dag, "tasks", ()):
        # Of a mapped task, the class of each of its instances.
        kind = getattr(task, "operator_class", type(task))
        if isinstance(kind, type) and issubclass(kind, BrazeUserTrackOperator):
            yield task


def _as_list(callbacks: Any) -> list[Any]:
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _has_told(ti: Any, task_id: str) -> bool:
    """Whether it was told that a task, or an instance of it, waits for Braze."""
    found = ti.xcom_pull(task_ids=task_id, key=WAIT_KEY)
    return any(each is not None for each in _as_list(found))


def _reports(ti: Any, task_id: str, **which: Any) -> Iterator[_Push]:
    """A task that passed returns its report; one that failed leaves it. Of a mapped one, some instances do either."""
    told: set[Any] = set()
    for key in ("return_value", REPORT_KEY):
        found = ti.xcom_pull(task_ids=task_id, key=key, **which)
        for report in found if isinstance(found, list) else [found]:
            if isinstance(report, Mapping) and report.get("token") not in told:
                yield _Push(task_id, report)
                told.add(report.get("token"))
        if told and not isinstance(found, list):
            return
