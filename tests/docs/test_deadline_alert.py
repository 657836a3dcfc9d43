"""The example of a deadline alert: its DAG loads, and its messages arrive at a mail server."""

from __future__ import annotations

import asyncio
import json
import runpy
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string

from tests.docs.pages import DOCS
from tests.notifications.mailbox import mailbox
from tests.notifications.test_push_notifier import bad, of_a_task

EXAMPLE = str(DOCS / "examples" / "deadline_alert.py")


def test_both_messages_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    example = runpy.run_path(EXAMPLE)
    with mailbox() as mails:
        connection: dict[str, Any] = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": mails.port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        example["tell"](of_a_task(return_value=bad()))

        async def missed() -> None:
            # As Airflow's triggerer does: from the path and the arguments that were kept.
            callback = example["by_seven"].callback
            await import_string(callback.path)(**json.loads(json.dumps(callback.kwargs)))

        asyncio.run(missed())

    subjects = [mail["Subject"] for mail in mails.messages]
    assert subjects == ["Braze pushes of nightly: to be looked at", "The audiences are not in Braze by seven"]
    assert {mail["To"] for mail in mails.messages} == {"crm-team@example.com"}


def test_the_dag_has_both() -> None:
    dag = runpy.run_path(EXAMPLE)["dag"]

    assert dag.has_on_failure_callback
    assert dag.has_on_success_callback
    assert dag.deadline
