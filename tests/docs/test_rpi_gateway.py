"""The gateway of docs/started-by-rpi.md in front of an HTTP server that answers as Airflow does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.rpi_gateway import DOCUMENTED_BODY, Gateway


class AnsweringAirflow:
    """Keeps what it was asked; knows one user, and tokens that it gave."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, Any]] = []
        self.answers: list[int] = []
        self.tokens = {"a-token"}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, self.headers["Authorization"], body))
                status, answer = server.answer(self.path, str(self.headers["Authorization"]), body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, path: str, authorization: str, body: Any) -> tuple[int, dict[str, Any]]:
        if path == "/auth/token":
            good = body == {"username": "rpi", "password": "secret"}
            self.tokens |= {"new-token"} if good else set()
            return (201, {"access_token": "new-token"}) if good else (401, {"detail": "no"})
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return (
                (403, {"detail": "Token Expired"}) if authorization != "Bearer " else (401, {"detail": "No"})
            )
        return (self.answers.pop(0) if self.answers else 200), {"dag_run_id": body["dag_run_id"]}


@pytest.fixture
def airflow() -> Iterator[AnsweringAirflow]:
    answering = AnsweringAirflow()
    thread = threading.Thread(target=answering.http.serve_forever)
    thread.start()
    yield answering
    answering.http.shutdown()
    answering.http.server_close()
    thread.join()


def test_the_documented_call_asks_for_one_run(airflow: AnsweringAirflow) -> None:
    with Gateway(airflow.url, AIRFLOW_TOKEN="a-token") as gateway:
        airflow.answers = [200, 409]
        first, second = gateway.call(), gateway.call()

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == {"detail": "rpi-5719 is started"}
    assert second.json() == {"detail": "rpi-5719 was started before"}
    run = {
        "dag_run_id": "rpi-5719",
        "logical_date": None,
        "conf": {"channel": "Control 2", "workflow_id": "8828", "wait_minutes": 10},
    }
    assert airflow.asked == [("/api/v2/dags/redpoint_to_braze/dagRuns", "Bearer a-token", run)] * 2
    assert "a-token" not in gateway.log


def test_an_offer_is_passed_on_and_the_dag_can_be_chosen(airflow: AnsweringAirflow) -> None:
    with Gateway(airflow.url, AIRFLOW_TOKEN="a-token", AIRFLOW_DAG="other") as gateway:
        gateway.call(DOCUMENTED_BODY | {"offerName": "Spring Welcome"})

    ((path, _, run),) = airflow.asked
    assert path == "/api/v2/dags/other/dagRuns"
    assert run["conf"]["offer"] == "Spring Welcome"


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ([], {}),
        ("text", {}),
        ({}, {}),
        (DOCUMENTED_BODY | {"channelExecutionID": "../5719"}, {}),
        (DOCUMENTED_BODY | {"channelExecutionID": ""}, {}),
        (DOCUMENTED_BODY | {"channelName": ""}, {}),
        (DOCUMENTED_BODY | {"workflowAssociationInstanceID": None}, {}),
        (None, {"json": None, "data": b"{"}),
        (None, {"json": None, "data": b""}),
        (None, {"json": None, "data": b"\xff"}),
        (None, {"json": None, "data": b" " * 70_000}),
    ],
)
def test_what_rpi_does_not_send_starts_nothing(
    airflow: AnsweringAirflow, body: Any, options: dict[str, Any]
) -> None:
    with Gateway(airflow.url, AIRFLOW_TOKEN="a-token") as gateway:
        assert gateway.call(body, **options).status_code == 400
    assert airflow.asked == []


def test_only_the_path_that_was_agreed_is_answered_and_it_is_in_no_log(airflow: AnsweringAirflow) -> None:
    with Gateway(airflow.url, AIRFLOW_TOKEN="a-token", GATEWAY_PATH="/rpi/53cr3t") as gateway:
        assert gateway.call().status_code == 404
        assert gateway.call(path="/rpi/53cr3t").status_code == 200
    assert len(airflow.asked) == 1
    assert "53cr3t" not in gateway.log


def test_a_token_that_has_expired_is_replaced(airflow: AnsweringAirflow) -> None:
    with Gateway(airflow.url, AIRFLOW_USERNAME="rpi", AIRFLOW_PASSWORD="secret") as gateway:
        assert gateway.call().status_code == 200
        airflow.tokens.clear()
        assert gateway.call().status_code == 200
        assert gateway.call().status_code == 200
    assert [path for path, _, _ in airflow.asked].count("/auth/token") == 2
    assert "secret" not in gateway.log


@pytest.mark.parametrize("status", [400, 404, 422, 503])
def test_an_airflow_that_starts_nothing_is_no_success(airflow: AnsweringAirflow, status: int) -> None:
    with Gateway(airflow.url, AIRFLOW_TOKEN="a-token") as gateway:
        airflow.answers = [status]
        answer = gateway.call()
        assert answer.status_code == 502
    assert f"Airflow answered {status}" in gateway.log
    assert "a-token" not in answer.text + gateway.log


def test_a_wrong_token_and_an_airflow_that_is_away_are_no_success(airflow: AnsweringAirflow) -> None:
    with Gateway(airflow.url, AIRFLOW_TOKEN="another") as gateway:
        assert gateway.call().status_code == 502
    with Gateway("http://127.0.0.1:9", AIRFLOW_TOKEN="a-token") as gateway:
        assert gateway.call().status_code == 502
