"""The notifier that the recipe gives to the question before a large push, with a mail server that is really there."""

from __future__ import annotations

import email
import email.policy
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator

from tests.dags.test_shipped_dags import load
from tests.docs.pages import DOCS

EXAMPLE = re.search(
    r'^```python title="notifier"\n(.*?)^```$',
    (DOCS / "recipes.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


class MailServer(socketserver.ThreadingTCPServer):
    """Takes e-mails on a port of 127.0.0.1."""

    daemon_threads = True

    def __init__(self) -> None:
        self.mails: list[str] = []
        super().__init__(("127.0.0.1", 0), _Session)


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            if command == "DATA":
                self._say("354 go on")
                self.server.mails.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
            self._say("221 bye" if command == "QUIT" else "250 ok")
            if command == "QUIT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield server
        server.shutdown()


def test_the_question_reaches_somebody(mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"disable_ssl": True, "disable_tls": True}
    host, port = mail.server_address[:2]
    connection = {"conn_type": "smtp", "host": host, "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    assert EXAMPLE is not None
    example: dict[str, Any] = {}
    exec(EXAMPLE[1], example)
    dag = load("redpoint_with_approval")
    shipped = dag.get_task("ask")
    # As Airflow has rendered them when the notifier is called.
    ask = ApprovalOperator(
        task_id="ask",
        subject="Push 3 users?",
        body="<b>2 exports</b>\nNo answer",
        notifiers=example["notifiers"],
    )
    (notifier,) = ask.notifiers

    notifier({"task": ask, "dag": dag, "run_id": "manual__1+00:00"})

    (text,) = mail.mails
    sent = email.message_from_string(text, policy=email.policy.default)
    (part,) = sent.iter_parts()
    assert (sent["Subject"], sent["To"]) == ("Push 3 users?", "crm@example.com")
    said = part.get_content()
    assert "<pre>&lt;b&gt;2 exports&lt;/b&gt;\nNo answer</pre>" in said
    where = "dags/redpoint_with_approval/runs/manual__1%2B00%3A00/tasks/ask/required_actions"
    assert f'<a href="https://airflow.example.com/{where}">' in said
    assert type(shipped) is ApprovalOperator
