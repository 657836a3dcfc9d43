"""pycurl on the event loop, as the product uses it: its own client."""

from __future__ import annotations

import asyncio
from collections import Counter

from airflow_provider_braze.users_track.client import Client
from airflow_provider_braze.users_track.workspace import Workspace
from benchmarks.clients import Job
from benchmarks.profiles import TRACK


def send(job: Job) -> Counter[int]:
    """Post all the bodies. The certificate comes from the environment, as the product takes it."""
    return asyncio.run(_send(job))


async def _send(job: Job) -> Counter[int]:
    statuses: Counter[int] = Counter()
    bodies = job.bodies

    async def work() -> None:
        for body in bodies:
            answer = await client.post(TRACK, body)
            answer.headers.get("X-RateLimit-Remaining")
            statuses[answer.status] += 1

    async with Client(Workspace(endpoint=job.host, api_key=job.key, max_in_flight=job.in_flight)) as client:
        await asyncio.gather(*(work() for _ in range(job.in_flight)))
    return statuses
