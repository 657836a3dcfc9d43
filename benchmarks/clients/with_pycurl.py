"""pycurl's multi interface, as the product uses it: its own client."""

from __future__ import annotations

from collections import Counter

from airflow_provider_braze.users_track.transport.client import Answer, Client
from airflow_provider_braze.users_track.transport.workspace import Workspace
from benchmarks.clients import Job
from benchmarks.profiles import TRACK


def send(job: Job) -> Counter[int]:
    """Post all the bodies. The certificate comes from the environment, as the product takes it."""
    statuses: Counter[int] = Counter()
    bodies, under_way = job.bodies, 0
    with Client(Workspace(endpoint=job.host, api_key=job.key, max_in_flight=job.in_flight)) as client:
        while True:
            while under_way < job.in_flight and (body := next(bodies, None)) is not None:
                client.start(TRACK, body, None)
                under_way += 1
            if not under_way:
                return statuses
            answered = 0
            for _, answer in client.finished():
                if not isinstance(answer, Answer):
                    raise answer
                answer.headers.get("X-RateLimit-Remaining")
                statuses[answer.status] += 1
                answered += 1
            under_way -= answered
            if not answered:
                client.wait(1.0)
