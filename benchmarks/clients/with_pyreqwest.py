"""pyreqwest: Rust's reqwest behind asyncio."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

from pyreqwest.client import ClientBuilder

from benchmarks.clients import Job
from benchmarks.profiles import TRACK


def send(job: Job) -> Counter[int]:
    """Post all the bodies."""
    return asyncio.run(_send(job, Path(job.certificate).read_bytes() if job.certificate else None))


async def _send(job: Job, certificate: bytes | None) -> Counter[int]:
    statuses: Counter[int] = Counter()
    bodies = job.bodies
    url = job.host + TRACK
    builder = (
        ClientBuilder()
        .default_headers(job.headers)
        .timeout(timedelta(seconds=30))
        .http1_only()
        .no_proxy()
        .max_connections(job.in_flight)
    )
    if certificate:
        builder = builder.add_root_certificate_pem(certificate)

    async def work() -> None:
        for body in bodies:
            answer = await client.post(url).body_bytes(body).build().send()
            answer.get_header("X-RateLimit-Remaining")
            await answer.bytes()
            statuses[answer.status] += 1

    async with builder.build() as client:
        await asyncio.gather(*(work() for _ in range(job.in_flight)))
    return statuses
