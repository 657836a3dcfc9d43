"""RPI's call as documented, and the documentation's gateway as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "examples" / "rpi_gateway.py"

DOCUMENTED_BODY = {
    "interactionID": "7d200b95-f51d-4389-a47d-4400f1114f96",
    "workflowAssociationID": "ajfa2a17-81df-4de7-ada1-85e3f5da8f62",
    "workflowAssociationInstanceID": "8828",
    "dataflowID": "24951",
    "offerName": "NA",
    "channelName": "Control 2",
    "activityName": "Control",
    "channelOfferName": "Control",
    "channelExecutionID": "5719",
    "clientID": "73d74e87-25b8-464f-92a3-423d9b7dd4ff",
}
"""The sample in Redpoint's documentation of the Post Execution tab. Its second GUID is none: nothing may check that."""


class Gateway:
    """The gateway in front of an Airflow; use it as a context manager.

    :param airflow_url: the Airflow.
    :param settings: further environment variables.
    """

    def __init__(self, airflow_url: str, **settings: str) -> None:
        self._environment = {**os.environ, "AIRFLOW_URL": airflow_url, "GATEWAY_PORT": "0", **settings}
        self.log = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip().removeprefix("Listening on ")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self.log = self._process.communicate(timeout=10)[1]

    def call(self, body: Any = DOCUMENTED_BODY, path: str = "/rpi", **options: Any) -> requests.Response:
        """Call it as RPI does: no header, no credentials."""
        with requests.Session() as session:
            session.trust_env = False
            return session.post(self.url + path, **({"json": body} | options), timeout=60)
