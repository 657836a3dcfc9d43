"""Stands between Redpoint Interaction and Airflow: adds the token that RPI cannot send, and makes its call a DAG run.

Run it where only RPI can reach it; it needs Python 3.11 or newer and nothing else::

    AIRFLOW_URL=https://airflow.example.com AIRFLOW_TOKEN=... python rpi_gateway.py

- ``AIRFLOW_URL``: where Airflow's API server answers.
- ``AIRFLOW_TOKEN``: of a user who may trigger the DAG. Tokens expire; with ``AIRFLOW_USERNAME`` and
  ``AIRFLOW_PASSWORD`` the gateway asks Airflow for one whenever it needs one.
- ``AIRFLOW_DAG``: the DAG to start, ``redpoint_to_braze`` unless given.
- ``GATEWAY_HOST``, ``GATEWAY_PORT``: where to listen, ``127.0.0.1`` and ``8099`` unless given.
- ``GATEWAY_PATH``: the path that RPI calls, ``/rpi`` unless given. A secret in it keeps others out.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

LONGEST_BODY = 64 * 1024
TIMEOUT = 30.0
WAIT_MINUTES = 10


def dag_run(body: Any) -> dict[str, Any]:
    """Turn RPI's body, in which every value is text, into the DAG run to start.

    :raises ValueError: it is not what RPI sends.
    """
    if not isinstance(body, dict):
        raise ValueError("a JSON object is expected")
    execution, channel, offer, workflow = (
        str(body.get(name) or "").strip()
        for name in ("channelExecutionID", "channelName", "offerName", "workflowAssociationInstanceID")
    )
    if not (execution.isascii() and execution.isdigit() and channel and workflow):
        raise ValueError(
            "channelExecutionID (a number), channelName and workflowAssociationInstanceID are expected"
        )
    # RPI's call comes before its file.
    conf: dict[str, Any] = {"channel": channel, "workflow_id": workflow, "wait_minutes": WAIT_MINUTES}
    # RPI writes NA where there is no offer.
    if offer not in ("", "NA"):
        conf["offer"] = offer
    # The same call again asks for the same run: Airflow answers 409. No logical date: several may start at once.
    return {"dag_run_id": f"rpi-{execution}", "logical_date": None, "conf": conf}


class Airflow:
    """Starts runs of one DAG.

    :param settings: the environment variables above.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.url = settings["AIRFLOW_URL"].rstrip("/")
        self.runs = f"/api/v2/dags/{settings.get('AIRFLOW_DAG', 'redpoint_to_braze')}/dagRuns"
        self.token = settings.get("AIRFLOW_TOKEN", "")
        self.login = {name: settings.get(f"AIRFLOW_{name.upper()}", "") for name in ("username", "password")}

    def start(self, run: dict[str, Any]) -> tuple[int, str]:
        """Start a run, and give Airflow's status, 0 for none, and its answer."""
        status, answer = self._post(self.runs, run)
        # 401: none, or one that has expired. 403: one from before Airflow's secret changed.
        if status in (401, 403) and self.login["username"]:
            status, answer = self._post("/auth/token", self.login)
            if status == 201:
                self.token = json.loads(answer)["access_token"]
                status, answer = self._post(self.runs, run)
        return status, answer

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = Request(self.url + path, json.dumps(body).encode(), headers, method="POST")
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError as error:
            return 0, str(error)


def gateway(airflow: Airflow, path: str) -> type[BaseHTTPRequestHandler]:
    """Make what answers RPI's calls."""

    class Gateway(BaseHTTPRequestHandler):
        timeout = TIMEOUT

        def do_POST(self) -> None:
            """Answer one call: 200 when there is a run, now or before."""
            length = self.headers.get("Content-Length", "")
            if not hmac.compare_digest(self.path.encode(), path.encode()):
                return self._say(404, "not found")
            if not length.isdigit() or int(length) > LONGEST_BODY:
                return self._say(400, "a JSON object is expected")
            try:
                run = dag_run(json.loads(self.rfile.read(int(length))))
            except ValueError as error:
                return self._say(400, f"not a call of RPI: {error}")
            status, answer = airflow.start(run)
            if status in (200, 201):
                return self._say(200, f"{run['dag_run_id']} is started")
            if status == 409:
                return self._say(200, f"{run['dag_run_id']} was started before")
            self.log_message("%s: Airflow answered %s: %s", run["dag_run_id"], status, answer[:1000])
            return self._say(502, "Airflow did not start a run; the gateway's log has its answer")

        def _say(self, status: int, detail: str) -> None:
            answer = json.dumps({"detail": detail}).encode()
            self.log_message("%s, %s", status, detail)
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    return Gateway


if __name__ == "__main__":
    server = ThreadingHTTPServer(
        (os.environ.get("GATEWAY_HOST", "127.0.0.1"), int(os.environ.get("GATEWAY_PORT", "8099"))),
        gateway(Airflow(os.environ), os.environ.get("GATEWAY_PATH", "/rpi")),
    )
    print("Listening on http://{!s}:{}".format(*server.server_address[:2]), flush=True)
    server.serve_forever()
