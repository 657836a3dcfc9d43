"""One request at a time with the client of a push."""

from __future__ import annotations

import time

from airflow_provider_braze.users_track.transport.client import Answer, Client, NoAnswerError


def post(client: Client, path: str, body: bytes, seconds: float = 60) -> Answer:
    """Send one POST, and wait for what comes back."""
    client.start(path, body, body)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _, result in client.finished():
            if isinstance(result, NoAnswerError):
                raise result
            return result
        client.wait(1)
    raise AssertionError(f"neither an answer nor an error after {seconds} s")
