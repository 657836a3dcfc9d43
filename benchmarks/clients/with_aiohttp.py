"""aiohttp, without what a push does not need: cookies, redirects, a timeout for each phase."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp

from benchmarks.clients import Job
from benchmarks.profiles import TRACK


def send(job: Job) -> Counter[int]:
    """Post all the bodies. The certificate comes from the environment."""
    return asyncio.run(_send(job))


async def _send(job: Job) -> Counter[int]:
    statuses: Counter[int] = Counter()
    bodies, url = job.bodies, job.host + TRACK

    async def work() -> None:
        for body in bodies:
            async with session.post(url, data=body, allow_redirects=False) as response:
                await response.read()
                response.headers.get("X-RateLimit-Remaining")
                statuses[response.status] += 1

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=job.in_flight),
        timeout=aiohttp.ClientTimeout(total=30, connect=5),
        headers=job.headers,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        await asyncio.gather(*(work() for _ in range(job.in_flight)))
    return statuses
