"""Baseline: Airflow's ``HttpHook`` in a loop, one request after the other.

One hook object is used for all, so that its connections are kept. It finds its connection in the environment.

    python -m benchmarks.baseline_http_hook EXPORT --host http://127.0.0.1:40123
"""

from __future__ import annotations

import csv
import json
import logging
import os
from itertools import islice

from airflow.providers.http.hooks.http import HttpHook

from benchmarks.baseline import Tally, main
from benchmarks.profiles import OBJECTS_PER_REQUEST, TRACK, profile

CONNECTION = "benchmark_http"


def send(path: str, host: str, key: str, tally: Tally) -> None:
    """Push an export, a request at a time."""
    # A line of log for each request would be measured too.
    logging.disable(logging.INFO)
    os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = json.dumps({"conn_type": "http", "host": host})
    hook = HttpHook(method="POST", http_conn_id=CONNECTION)
    headers = {"Authorization": f"Bearer {key}"}
    with open(path, encoding="utf-8-sig", newline="") as file:
        objects = map(profile, csv.DictReader(file))
        while batch := list(islice(objects, OBJECTS_PER_REQUEST)):
            answer = hook.run(TRACK, headers=headers, json={"attributes": batch})
            answer.json()
            tally.add(len(batch), answer.status_code)


if __name__ == "__main__":
    main(send)
