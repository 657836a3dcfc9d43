"""``BrazePushNotifier`` through Airflow's own notifiers, to a real mail server and over real HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.http.notifications.http import HttpNotifier
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import DAG, BaseNotifier

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeSetupError, TooManyFailedRecordsError
from airflow_provider_braze.notifications.braze import WAIT_KEY, BrazePushNotifier
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.rows.given_rows import read_rows
from tests.connections import connect
from tests.notifications.mailbox import Mailbox, mailbox
from tests.plugins.invented import report
from tests.sandbox_process import SandboxProcess

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred  # type: ignore[attr-defined,no-redef]

RUN = "manual__2026-11-26T10:00:00+00:00"
BASE = "https://airflow.example.com"
TAB = f"{BASE}/dags/nightly/runs/manual__2026-11-26T10%3A00%3A00%2B00%3A00"


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mailbox() as server:
        connection = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": server.port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield server


def smtp() -> SmtpNotifier:
    return SmtpNotifier(to="team@example.com", from_email="airflow@example.com")


class TaskInstance(SimpleNamespace):
    """What a callback asks of its task instance."""

    def xcom_pull(self, *, task_ids: str, key: str = "return_value", map_indexes: Any = None) -> Any:
        found = self.left.get(task_ids, {}).get(key)
        return found if map_indexes in (None, -1) or not isinstance(found, list) else found[map_indexes]

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.left.setdefault(self.task_id, {})[key] = value


def of_a_task(error: Exception | None = None, **left: Any) -> dict[str, Any]:
    ti = TaskInstance(dag_id="nightly", run_id=RUN, task_id="push", map_index=-1, left={"push": left})
    return {"ti": ti, "run_id": RUN} | ({"exception": error} if error else {})


def of_a_run(reason: str = "success", **left: Any) -> dict[str, Any]:
    with DAG("nightly", schedule=None) as dag:
        for name in left:
            if name.startswith("mapped"):
                BrazeUserTrackOperator.partial(task_id=name).expand(export=["/x"])
            else:
                BrazeUserTrackOperator(task_id=name, export="/x.csv")
    ti = TaskInstance(dag_id="nightly", run_id=RUN, task_id="last", map_index=-1, left=left)
    return {"ti": ti, "dag": dag, "run_id": RUN, "reason": reason}


def bad(**given: Any) -> dict[str, Any]:
    return report(accepted=90, invalid=10, reasons={"email: no address": 10}, **given)


def body(message: Any) -> str:
    return str(message.get_body(("html",)).get_content())


def test_one_mail_a_run_about_all_its_pushes(mails: Mailbox) -> None:
    notifier = BrazePushNotifier(smtp(), base_url=BASE)

    notifier(
        of_a_run(
            good={"return_value": report(accepted=5)},
            some={"return_value": bad()},
            mapped={
                "return_value": [report(accepted=1, token="a"), bad(token="b")],
                "report": [bad(token="c")],
            },
        )
    )

    (mail,) = mails.messages
    assert mail["Subject"] == "Braze pushes of nightly: to be looked at"
    assert mail["To"] == "team@example.com"
    assert mail["References"]
    said = body(mail)
    assert said.count("10 of 100 records failed (10.0%); 10 x email: no address") == 3
    assert "good" not in said
    assert f'<a href="{TAB}/plugin/braze">' in said


def test_a_run_in_which_all_went_well_says_nothing(mails: Mailbox) -> None:
    BrazePushNotifier(smtp())(of_a_run(push={"return_value": report(accepted=1000, invalid=5)}))
    BrazePushNotifier(smtp())(of_a_run())
    BrazePushNotifier(smtp())(of_a_task(return_value=report(accepted=10)))

    assert mails.messages == []


def test_a_run_that_failed_is_told_with_what_was_pushed(mails: Mailbox) -> None:
    notifier = BrazePushNotifier(smtp(), base_url=BASE)

    notifier(of_a_run("task_failure", push={"report": report(accepted=3, status="partial")}))
    notifier(of_a_run("task_failure", push={}))

    first, second = mails.messages
    assert first["Subject"] == "Braze pushes of nightly: failed"
    assert "push: partial: 3 records, 3 accepted, 0 failed" in body(first)
    assert "The run failed (task_failure)." in body(second)
    assert "Nothing was pushed." in body(second)


def test_a_task_that_failed_is_told_with_its_card(mails: Mailbox) -> None:
    error = AirflowFailException("as its cause")
    error.__cause__ = TooManyFailedRecordsError("10 of 100 <failed>")
    BrazePushNotifier(smtp(), base_url=f"{BASE}/")(of_a_task(error, report=bad()))

    (mail,) = mails.messages
    assert "The push failed: 10 of 100 &lt;failed&gt;" in body(mail)
    assert f"{TAB}/tasks/push/plugin/braze_task" in body(mail)


LISTED = {
    "exports": [
        {"path": "/rpi/a.csv", "late": {"newer": "/rpi/z.csv", "fields": ["email"]}, "set_aside": False},
        *({"path": f"/rpi/{n}.csv", "late": None, "set_aside": True} for n in range(7)),
    ]
}


@pytest.mark.parametrize(
    ("given", "pushed", "said"),
    [
        ({}, bad(), "10 of 100 records failed"),
        ({"failed_share": 0.1}, bad(), None),
        ({"failed_share": None}, bad(), None),
        ({"failed_share": 0}, report(accepted=999_999, rejected=1), "1 of 1,000,000 records failed"),
        ({}, bad(dry_run=True), None),
        ({}, report(accepted=1, data_points=10**9), None),
        ({"data_points": 4321}, report(accepted=1), None),
        ({"data_points": 4320}, report(accepted=1), "4,321 data points, more than 4,320"),
        ({}, report(accepted=1, waited_seconds=601.0), "it waited 10 minutes for Braze"),
        ({}, report(accepted=1, waited_seconds=599.0), None),
        ({"wait_minutes": 1}, report(accepted=1, waited_seconds=599.0), "it waited 10 minutes"),
        ({"wait_minutes": None}, report(accepted=1, waited_seconds=9e9), None),
        ({}, report(accepted=1, late={"newer": "/b", "fields": []}), "late: /exports/Braze Append"),
        ({"late": False}, report(accepted=1, late={"newer": "/b", "fields": []}), None),
        ({}, report(accepted=1, **LISTED), "late: /rpi/a.csv"),
        ({}, report(accepted=1, **LISTED), "and 2 more set aside"),
        ({"late": False, "set_aside": False}, report(accepted=1, **LISTED), None),
    ],
)
def test_what_is_told_of(given: dict[str, Any], pushed: dict[str, Any], said: str | None) -> None:
    message = BrazePushNotifier(smtp(), **given).message(of_a_task(return_value=pushed))

    assert (message and said is not None and said in message.text) or message is said


def long_push(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, **given: Any) -> Any:
    """A task whose push Braze lets wait; its DAG tells of long waits, and its context is given."""
    connect(monkeypatch, sandbox)
    tell = BrazePushNotifier(smtp(), base_url=BASE, wait_minutes=given.pop("wait_minutes"))
    with DAG("nightly", schedule=None, on_success_callback=tell, on_failure_callback=[tell]) as dag:
        rows = [{"external_id": f"U{number}"} for number in range(3)]
        task = BrazeUserTrackOperator(task_id="push", attributes=rows, mode="upsert", **given)
        BrazeUserTrackOperator(task_id="other", attributes=rows)
    ti = TaskInstance(dag_id="nightly", run_id=RUN, task_id="push", map_index=-1, try_number=1, left={})
    return task, tell, {"ti": ti, "dag": dag, "run_id": RUN}


def test_a_wait_without_a_worker_is_told_when_it_begins_and_not_again(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, mails: Mailbox
) -> None:
    task, tell, context = long_push(monkeypatch, sandbox, wait_minutes=10)
    sandbox.fault(status=429, retry_after=1200)

    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)

    (mail,) = mails.messages
    assert mail["Subject"] == "Braze pushes of nightly: a push waits"
    assert re.search(r"push waits 2[0-2] minutes for Braze&#x27;s limit, and goes on by itself.", body(mail))
    assert f"{TAB}/tasks/push/plugin/braze_task" in body(mail)
    # Another push of the run, and the same one after its wait.
    context["ti"].task_id = "other"
    assert tell.tell_wait(context, 3600)
    context["ti"].task_id = "push"
    sandbox.fault(status=429, retry_after=1200)
    with pytest.raises(TaskDeferred):
        task.resume(context, checkpoint=deferred.value.kwargs["checkpoint"])
    done = report(accepted=3, waited_seconds=1200)
    context["ti"].left["push"]["return_value"] = done
    tell({**context, "reason": "success"})
    assert len(mails.messages) == 1


def told_run(*, reason: str = "success", ids: str = RUN, **left: Any) -> dict[str, Any]:
    """The end of a run, in which ``waited`` told that it waits for Braze."""
    context = of_a_run(reason, waited={WAIT_KEY: 20, **left}, other={"return_value": report(accepted=1)})
    context["ti"].run_id = context["run_id"] = ids
    return context


@pytest.mark.parametrize(
    ("reason", "left", "what", "said"),
    [
        ("task_failure", {"report": bad(status="partial")}, "failed", "The run failed (task_failure)."),
        ("task_failure", {}, "failed", "The run failed (task_failure)."),
        ("success", {"return_value": bad()}, "to be looked at", "10 of 100 records failed"),
    ],
)
def test_bad_news_after_a_wait_that_was_told_go_on_from_that_message(
    mails: Mailbox, reason: str, left: dict[str, Any], what: str, said: str
) -> None:
    tell = BrazePushNotifier(smtp(), base_url=BASE)
    waiting = of_a_task()
    assert tell.tell_wait(waiting, 1200)

    tell(told_run(reason=reason, **left))

    first, second = mails.messages
    assert (first["Subject"], second["Subject"]) == (
        "Braze pushes of nightly: a push waits",
        f"Braze pushes of nightly: {what}",
    )
    assert said in body(second)
    assert "This goes on from the message that a push waited for Braze." in body(second)
    assert "it waited" not in body(second)
    assert f"{TAB}/plugin/braze" in body(second)
    # What mailboxes put together.
    assert first["References"] == second["References"]
    assert re.fullmatch(r"<braze-[0-9a-f]{32}@airflow-provider-braze>", first["References"])


def test_bad_news_of_a_task_go_on_from_its_wait_too(mails: Mailbox) -> None:
    tell = BrazePushNotifier(smtp(), base_url=BASE)
    context = of_a_task()
    assert tell.tell_wait(context, 1200)
    tell({**context, "exception": ValueError("refused")})
    assert [mail["Subject"] for mail in mails.messages] == [
        "Braze pushes of nightly: a push waits",
        "Braze pushes of nightly: failed",
    ]
    assert "This goes on from the message" in body(mails.messages[1])


def test_a_run_that_ends_well_after_a_told_wait_says_nothing_more_however_many_pushes_waited() -> None:
    waited = report(accepted=1, waited_seconds=3600)
    context = told_run(return_value=waited)
    context["ti"].left["other"]["return_value"] = waited
    assert BrazePushNotifier(Chat()).message(context) is None
    # Nobody was told while they waited.
    del context["ti"].left["waited"][WAIT_KEY]
    message = BrazePushNotifier(Chat()).message(context)
    assert message is not None
    assert message.text.count("it waited 60 minutes") == 2
    assert "goes on" not in message.text


def test_messages_of_one_run_are_known_by_their_thread() -> None:
    tell = BrazePushNotifier(Chat())
    threads = [
        message.thread
        for context in (
            told_run(reason="task_failure"),
            of_a_run("task_failure"),
            of_a_task(ValueError()),
            told_run(reason="task_failure", ids="manual__later"),
        )
        if (message := tell.message(context))
    ]
    assert threads[0] == threads[1] == threads[2] != threads[3]
    assert len(threads) == 4


def test_headers_of_ones_own_stay(mails: Mailbox) -> None:
    mine = SmtpNotifier(
        to="team@example.com",
        from_email="airflow@example.com",
        custom_headers={"X-Incident": "{{ braze.thread }}"},
    )
    BrazePushNotifier(mine)(of_a_task(return_value=bad()))
    (mail,) = mails.messages
    assert mail["X-Incident"].startswith("braze-")
    assert mail["References"] is None


class Store(dict[str, Any]):
    """As Airflow's task state store, which outlives a try."""

    set = dict.__setitem__


class GoneStore:
    def get(self, key: str) -> Any:
        raise ConnectionError(key)

    set = get


def test_a_retry_does_not_tell_again_what_was_told() -> None:
    chat, store = Chat(), Store()
    tell = BrazePushNotifier(chat)
    for _ in range(2):
        # A try begins without the XComs of the one before.
        context = {**of_a_task(), "task_state_store": store}
        assert tell.tell_wait(context, 1200)
        assert len(chat.said) == 1
        message = tell.message({**context, "exception": ValueError()})
        assert message is not None
        assert "This goes on from the message" in message.text


def test_a_store_that_is_gone_keeps_nobody_from_being_told() -> None:
    chat = Chat()
    context = {**of_a_task(), "task_state_store": GoneStore()}
    assert BrazePushNotifier(chat).tell_wait(context, 1200)
    assert "push waits 20 minutes" in chat.said[0]
    assert context["ti"].left["push"][WAIT_KEY] == 20


def test_a_wait_on_the_worker_is_told_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, mails: Mailbox
) -> None:
    monkeypatch.setattr("airflow_provider_braze.pushes.attempt.progress.EVERY", 0.0)
    task, tell, context = long_push(monkeypatch, sandbox, wait_minutes=0.02, max_wait_on_worker=None)
    sandbox.fault(status=429, retry_after=8)
    sent_before: list[int] = []
    told = tell.tell_wait

    def seen(context: Any, seconds: float) -> bool:
        sent_before.append(sandbox.stats()["requests"])
        return told(context, seconds)

    monkeypatch.setattr(tell, "tell_wait", seen)
    done = task.execute(context)

    assert done["accepted"] == 3
    assert len(mails.messages) == 1
    assert sent_before[0] == 1


@pytest.mark.parametrize(("minutes", "seconds"), [(10, 500), (None, 90_000)])
def test_a_short_wait_and_one_that_nobody_asks_for_are_not_told(
    monkeypatch: pytest.MonkeyPatch,
    sandbox: SandboxProcess,
    mails: Mailbox,
    minutes: float | None,
    seconds: float,
) -> None:
    task, _, context = long_push(monkeypatch, sandbox, wait_minutes=minutes)
    sandbox.fault(status=429, retry_after=seconds)
    with pytest.raises(TaskDeferred):
        task.execute(context)
    assert mails.messages == []


def test_a_mail_server_that_is_gone_does_not_harm_the_push(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    task, tell, context = long_push(monkeypatch, sandbox, wait_minutes=1)
    monkeypatch.setattr(tell, "notifiers", (Broken(),))
    sandbox.fault(status=429, retry_after=600)
    with pytest.raises(TaskDeferred):
        task.execute(context)


def test_what_the_author_has_filled_in_stays(mails: Mailbox) -> None:
    mine = SmtpNotifier(
        to="team@example.com",
        from_email="airflow@example.com",
        subject="Look: {{ braze.subject }}",
        html_content="<a href='{{ braze.link }}'>{{ run_id }}</a>",
    )
    notifier = BrazePushNotifier(mine, base_url=BASE)

    for _ in range(2):
        notifier(of_a_task(return_value=bad()))

    assert [mail["Subject"] for mail in mails.messages] == [
        "Look: Braze pushes of nightly: to be looked at"
    ] * 2
    assert RUN in body(mails.messages[0])
    # Rendering changes a notifier for good: the given one is still to be rendered.
    assert mine.subject == "Look: {{ braze.subject }}"


def test_over_http_too(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "host": sandbox.url}))
    chat = HttpNotifier(
        http_conn_id="chat",
        endpoint="/hook",
        json={"text": "{{ braze.text }}"},
        extra_options={"check_response": False},
    )

    BrazePushNotifier(chat)(of_a_task(return_value=bad()))

    (sent,) = sandbox.requests()
    assert sent["path"] == "/hook"
    assert "10 of 100 records failed" in sent["body"]["text"]


class Chat(BaseNotifier):
    """As Airflow's for Slack: a text with a default, and a template."""

    template_fields = ("text", "channel")
    said: list[str]

    def __init__(self, *, text: str = "This is the default message", channel: str = "#general") -> None:
        super().__init__()
        self.text, self.channel, self.said = text, channel, []

    def notify(self, context: Any) -> None:
        self.said.append(self.text)


class Broken(Chat):
    def notify(self, context: Any) -> None:
        raise ConnectionError("no chat")


def test_a_default_text_is_no_text() -> None:
    chat = Chat()
    BrazePushNotifier(chat)(of_a_task(return_value=bad()))
    assert "records failed" in chat.said[0]


def test_one_that_cannot_be_reached_does_not_keep_the_others_from_it(mails: Mailbox) -> None:
    with pytest.raises(ConnectionError):
        BrazePushNotifier(Broken(), smtp())(of_a_task(return_value=bad()))
    assert len(mails.messages) == 1


def test_an_error_that_is_not_ours_is_named_and_not_quoted() -> None:
    """The function that gives the rows fails, and says for whom."""

    def rows() -> list[dict[str, Any]]:
        raise KeyError("ann@example.com")

    with pytest.raises(KeyError) as raised:
        read_rows("attributes", rows)
    for error in (raised.value, AirflowFailException("Ann")):
        message = BrazePushNotifier(Chat()).message(of_a_task(error))
        assert message is not None
        assert f"The push failed: {type(error).__name__}; its log says more." in message.text
        assert "ann" not in (message.text + message.html).casefold()


def test_of_a_long_error_the_beginning_is_told() -> None:
    """Some messengers refuse a long text, and nobody would be told."""
    message = BrazePushNotifier(Chat()).message(of_a_task(BrazeSetupError("x" * 10_000)))
    assert message is not None
    assert message.text.count("x" * 2000) == 1
    assert "x" * 2001 not in message.text


def test_nothing_personal_is_told() -> None:
    pushed = bad(failed_rows=[{"index": 1, "reason": "ann@example.com"}], sample_payloads=[{"x": "Ann"}])
    message = BrazePushNotifier(Chat()).message(of_a_task(return_value=pushed))
    assert message is not None
    assert "ann" not in (message.text + message.html).casefold()


@pytest.mark.parametrize(
    ("notifiers", "given", "said"),
    [
        ([], {}, "give at least one"),
        (["team@example.com"], {}, "give at least one"),
        ([Chat()], {"failed_share": "5%"}, "failed_share must be"),
        ([Chat()], {"failed_share": 5}, "failed_share must be a share"),
        ([Chat()], {"data_points": "many"}, "data_points must be"),
        ([Chat()], {"late": "maybe"}, "late must be"),
        ([Chat()], {"wait_minutes": -1}, "wait_minutes must be"),
        ([Chat()], {"base_url": 7}, "base_url must be text"),
    ],
)
def test_a_wrong_literal_fails_when_the_dag_is_parsed(
    notifiers: list[Any], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(BrazeSetupError, match=said):
        BrazePushNotifier(*notifiers, **given)


def test_airflow_takes_it_where_callbacks_go() -> None:
    notifier = BrazePushNotifier(Chat())
    with DAG("nightly", schedule=None, on_failure_callback=notifier, on_success_callback=notifier) as dag:
        push = BrazeUserTrackOperator(task_id="push", export="/x.csv", on_failure_callback=notifier)
    assert dag.has_on_failure_callback
    assert list(push.on_failure_callback) == [notifier]
